"""asyncio's TLS with pyOpenSSL inside, for servers that present what Python's own `ssl` refuses to: weak keys, staples.

It is made from any context of pyOpenSSL, and is used wherever a test's server takes an `ssl.SSLContext`.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Final, Self, TypeVar, cast

from OpenSSL import SSL

FLIGHT: Final = 65_536
"""Octets moved at once."""

T = TypeVar("T")


class PresentingContext(ssl.SSLContext):
    """A server's context that lets pyOpenSSL do the work."""

    _context: SSL.Context

    def __new__(cls, context: SSL.Context) -> Self:
        """Wrap a context that has all the server needs."""
        self = super().__new__(cls, ssl.PROTOCOL_TLS_SERVER)
        self._context = context
        return self

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """See `ssl.SSLContext`; asyncio calls it for each connection."""
        assert server_side
        assert server_hostname is None
        assert session is None
        return cast("ssl.SSLObject", _Session(self._context, incoming, outgoing))


class _Session:
    """As much of `ssl.SSLObject` as asyncio makes use of."""

    def __init__(self, context: SSL.Context, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO) -> None:
        self._connection = SSL.Connection(context, None)
        self._connection.set_accept_state()
        self._incoming = incoming
        self._outgoing = outgoing

    def do_handshake(self) -> None:
        try:
            self._attempt(self._connection.do_handshake)
        except (ssl.SSLWantReadError, ssl.SSLEOFError):
            raise
        except ssl.SSLError:
            # asyncio would hang up and keep the alert to itself. This way it is sent, and the client hangs up over it.
            raise ssl.SSLWantReadError from None

    def read(self, size: int) -> bytes:
        try:
            return self._attempt(lambda: self._connection.recv(size))
        except SSL.ZeroReturnError:
            return b""  # the client has said goodbye

    def write(self, data: bytes) -> int:
        return self._attempt(lambda: self._connection.send(data))

    def unwrap(self) -> None:
        if not self._attempt(self._connection.shutdown):
            # Our end has said goodbye; asyncio asks again once more has come.
            raise ssl.SSLWantReadError

    def getpeercert(self) -> None:
        """Nothing: what a client shows is asked of pyOpenSSL."""

    def cipher(self) -> str | None:
        return self._connection.get_cipher_name()

    def compression(self) -> None:
        """None: OpenSSL has given it up."""

    def _attempt(self, do: Callable[[], T]) -> T:
        """Let pyOpenSSL do something with all that has come, and send off what it has to say."""
        if self._incoming.pending:
            self._connection.bio_write(self._incoming.read())
        try:
            return do()
        except SSL.WantReadError:
            if self._incoming.eof:
                raise ssl.SSLEOFError("the client is gone") from None
            raise ssl.SSLWantReadError from None
        except SSL.ZeroReturnError:
            raise
        except SSL.Error as error:
            raise ssl.SSLError(str(error)) from None
        finally:
            while said := self._said():
                self._outgoing.write(said)

    def _said(self) -> bytes:
        try:
            return self._connection.bio_read(FLIGHT)
        except SSL.WantReadError:
            return b""
