"""TLS without a socket: received octets go in piece by piece, octets to send come out.

OpenSSL reads on while it receives records without application data: session tickets, key updates, requests to
renegotiate. With a socket, it would not return while a server sends more of these. With a piece of data, it returns at
the end of the piece. So the caller decides how much is processed at once, and knows how much was received.
"""

from __future__ import annotations

from typing import Final

from OpenSSL import SSL

from exporter.model import FailureReason
from exporter.net.stream_errors import CLOSED, StreamError
from exporter.net.tls.alerts import NOT_TLS
from exporter.net.tls.key_exchange import KeyExchange
from exporter.protocol.dialogue import quoted
from exporter.threads import computed

RECORD: Final = 16384
"""The largest record, in octets (RFC 8446 5.1), and so the most that one call returns."""

LARGEST_PRIME: Final = 8192
"""Bits of the largest Diffie-Hellman group to compute in (RFC 7919 has none that is larger): 0.4 s, in a thread."""

MAX_HANDSHAKE: Final = 1 << 18
"""The most octets a server may send in one handshake. OpenSSL accepts certificates of up to 100 KiB."""

RECORD_TYPES: Final = range(20, 27)
"""The first octets of records of all kinds that TLS has (IANA's registry of content types), so also of heartbeats,
which have no place in a handshake. No text begins with one of them."""

QUICK_PRIME: Final = 2048
"""Up to this many bits of a Diffie-Hellman group, the handshake takes a few milliseconds."""


class TlsRecords:
    """One session, from its handshake on.

    Args:
        connection: From `tls.begin`.

    Attributes:
        connection: The same, to ask what the handshake showed.
        is_in_thread: Whether a thread uses the session, even if nobody waits any more. Nothing else may use it then.
    """

    __slots__ = ("_came", "_exchange", "connection", "is_in_thread")

    def __init__(self, connection: SSL.Connection) -> None:
        self.connection = connection
        self.is_in_thread = False
        self._came = 0
        self._exchange: KeyExchange | None = KeyExchange()

    @property
    def prime_bits(self) -> int:
        """The size of the Diffie-Hellman group that the server has chosen; 0 if it chose none, or not yet."""
        return 0 if self._exchange is None else self._exchange.prime_bits

    @property
    def is_expensive(self) -> bool:
        """Whether the next step of the handshake takes so long that a thread should do it."""
        return self.prime_bits > QUICK_PRIME

    def feed(self, octets: bytes) -> None:
        """Give OpenSSL received octets. Read everything from them before feeding more."""
        self.connection.bio_write(octets)

    def feed_handshake(self, octets: bytes) -> None:
        """Give OpenSSL octets received during the handshake.

        Raises:
            StreamError: The connection ended, or the data is not TLS, too long, or asks for too large a group.
        """
        if not octets:
            raise StreamError(FailureReason.CONNECTION_CLOSED, CLOSED)
        if not self._came and octets[0] not in RECORD_TYPES:
            # OpenSSL would notice that too, but its error does not quote the data.
            raise StreamError(FailureReason.TLS_HANDSHAKE_FAILED, f"{NOT_TLS}, but in plain: {quoted(octets)}")
        self._came += len(octets)
        if self._came > MAX_HANDSHAKE:
            too_much = f"the server sent more than {MAX_HANDSHAKE} octets in one handshake"
            raise StreamError(FailureReason.RESPONSE_TOO_LARGE, too_much)
        if self._exchange is not None:
            self._exchange.feed(octets)
        if self.prime_bits > LARGEST_PRIME:
            size = f"the server's Diffie-Hellman group has {self.prime_bits} bits, more than {LARGEST_PRIME}"
            raise StreamError(FailureReason.TLS_HANDSHAKE_FAILED, size)
        self.feed(octets)

    def advance(self) -> bool:
        """Continue the handshake with the octets received so far. Returns whether it is complete.

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
        """As `advance`, without blocking the event loop."""
        self.is_in_thread = True
        is_over = await computed(self.advance, "handshake")
        self.is_in_thread = False
        return is_over

    def read(self) -> bytes:
        """The next decrypted octets; empty if there are none yet.

        Raises:
            SSL.Error: The session is over, or broken.
        """
        try:
            return self.connection.recv(RECORD)
        except SSL.WantReadError:
            return b""

    def write(self, data: bytes) -> None:
        """Encrypt data to send; `take_output` returns it.

        Raises:
            SSL.Error: The session is broken.
        """
        sent = 0
        while sent < len(data):
            sent += self.connection.send(data[sent:])

    def end(self) -> None:
        """End the session (close_notify, RFC 8446 6.1) without waiting for an answer; `take_output` returns the octets.

        Raises:
            SSL.Error: The session is broken.
        """
        self.connection.shutdown()

    def take_output(self) -> bytes:
        """The octets to send; empty if there are none."""
        output = b""
        try:
            while len(piece := self.connection.bio_read(RECORD)) == RECORD:
                output += piece
        except SSL.WantReadError:
            return output
        return output + piece
