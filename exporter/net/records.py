"""TLS without a socket: octets from the wire go in by the piece, octets for the wire come out.

OpenSSL reads for as long as there is something to read that is not for us: session tickets, key updates, requests to
renegotiate. Given a socket, it would not return while a server sends more of these. Given a piece, it returns when that
is used up. So the one who feeds decides how much is done at once, and knows how much has come.
"""

from __future__ import annotations

import asyncio
from typing import Final

from OpenSSL import SSL

from exporter.net.key_exchange import KeyExchange

RECORD: Final = 16384
"""Octets that a record holds at most (RFC 8446 5.1), and so all that one call returns."""

DEAR_PRIME: Final = 2048
"""Bits of a Diffie-Hellman group up to which the handshake takes a few milliseconds."""


class Records:
    """One session, from its handshake on.

    Args:
        connection: From `tls.begin`.

    Attributes:
        connection: The same, to ask what the handshake showed.
        is_in_thread: Whether a thread is at it, even after the one who waited for it gave up; then nobody else may be.
    """

    __slots__ = ("_exchange", "connection", "is_in_thread")

    def __init__(self, connection: SSL.Connection) -> None:
        self.connection = connection
        self.is_in_thread = False
        self._exchange: KeyExchange | None = KeyExchange()

    @property
    def prime_bits(self) -> int:
        """The size of the Diffie-Hellman group that the server has chosen; 0 if it chose none, or not yet."""
        return 0 if self._exchange is None else self._exchange.prime_bits

    @property
    def is_dear(self) -> bool:
        """Whether the next step of the handshake takes so long that a thread should do it."""
        return self.prime_bits > DEAR_PRIME

    def feed(self, octets: bytes) -> None:
        """Take what came off the wire; nothing is done with it yet. To be used up before there is more."""
        if self._exchange is not None:
            self._exchange.feed(octets)
        self.connection.bio_write(octets)

    def advance(self) -> bool:
        """Take the handshake as far as it gets with what came; whether it is over.

        Raises:
            SSL.Error: It failed.
        """
        try:
            self.connection.do_handshake()
        except SSL.WantReadError:
            return False
        self._exchange = None
        return True

    async def advance_in_thread(self) -> bool:
        """As `advance`, without keeping the event loop."""
        self.is_in_thread = True
        is_over = await asyncio.to_thread(self.advance)
        self.is_in_thread = False
        return is_over

    def read(self) -> bytes:
        """The next of what was said; empty if there is none yet.

        Raises:
            SSL.Error: The session is over, or broken.
        """
        try:
            return self.connection.recv(RECORD)
        except SSL.WantReadError:
            return b""

    def write(self, data: bytes) -> None:
        """Say something; `take_output` has it.

        Raises:
            SSL.Error: The session is broken.
        """
        left = memoryview(data)
        while left:
            left = left[self.connection.send(left) :]

    def end(self) -> None:
        """Say that nothing more is said (RFC 8446 6.1); `take_output` has it. Nothing is read for it.

        Raises:
            SSL.Error: The session is broken.
        """
        self.connection.shutdown()

    def take_output(self) -> bytes:
        """What is to be sent."""
        output = b""
        try:
            while True:
                output += self.connection.bio_read(RECORD)
        except SSL.WantReadError:
            return output
