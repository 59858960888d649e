"""A scripted replacement for the stream: the server's octets are given, and nothing is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Final

from OpenSSL import SSL

from exporter.model import FailureReason, TlsFacts
from exporter.net.buffer import OverflowingError, ReceiveBuffer
from exporter.net.peer_clock import PeerClock
from exporter.net.stream import Stream, StreamError
from exporter.protocol.dialogue import ChannelBinding

LOCAL_ADDRESS: Final = "192.0.2.1"


class Replay(Stream):
    """Plays the server's side of a conversation; has the methods of `Stream` that a probe uses.

    Attributes:
        sent: What the client sent, secrets included.
        closed: Whether the client closed the connection.
        unfinished: As a stream's: no handshake here shows anything and fails.
        peer_clock: As a stream's: the time is always the server's.
    """

    def __init__(
        self,
        pieces: Iterable[bytes],
        tls_facts: TlsFacts | None = None,
        channel_bindings: Mapping[ChannelBinding, bytes] = MappingProxyType({}),
    ) -> None:
        """Prepare a conversation.

        Args:
            pieces: The server's octets, in the pieces in which they arrive; the connection ends after the last.
            tls_facts: What a handshake shows; `None` lets it fail.
            channel_bindings: Those of the connection.
        """
        self.sent: list[bytes] = []
        self.closed = False
        self.unfinished: TlsFacts | None = None
        self.in_content = False
        self.peer_clock = PeerClock()
        self.local_address = LOCAL_ADDRESS
        self._pieces = iter(pieces)
        self._tls_facts = tls_facts
        self._channel_bindings = channel_bindings
        self._buffer = ReceiveBuffer()

    async def send(self, data: bytes) -> None:
        """Record what the client says."""
        self.sent.append(data)

    async def read_line(self, limit: int) -> bytes:
        """The next line of the script."""
        return self._read(lambda: self._buffer.take_line(limit))

    async def read_piece(self, limit: int) -> bytes:
        """The next piece of mail in the script."""
        return self._read(lambda: self._buffer.take_piece(limit))

    async def read_exactly(self, size: int, *, of_content: bool = False) -> bytes:  # noqa: ARG002 - the interface
        """The next octets of the script."""
        return self._read(lambda: self._buffer.take_exactly(size))

    def allow(self, octets: int) -> None:
        """Does nothing: a script has a fixed length."""

    async def heard_within(self, seconds: float) -> bool:
        """Whether the script has more data; if not, wait for the time."""
        try:
            if not self._buffer:
                self._feed()
        except StreamError:
            await asyncio.sleep(seconds)
            return False
        return True

    def unread(self) -> bytes:
        """What came with the last piece and was not read. It stays."""
        return self._buffer.peek()

    def take_unread(self) -> bytes:
        """What came with the last piece and was not read."""
        return self._buffer.take_all()

    async def start_tls(
        self,
        context: SSL.Context,  # noqa: ARG002 - the interface; a replay has no TLS of its own
        server_name: str,  # noqa: ARG002 - likewise
        now: float,  # noqa: ARG002 - likewise
    ) -> TlsFacts:
        """Show the facts that the script was given."""
        if self._tls_facts is None:
            raise StreamError(FailureReason.TLS_HANDSHAKE_FAILED, "the script has no handshake")
        return self._tls_facts

    def channel_binding(self, kind: ChannelBinding) -> bytes | None:
        """What the script was given."""
        return self._channel_bindings.get(kind)

    def presented_chain(self) -> tuple[bytes, ...]:
        """None: the script has no certificates."""
        return ()

    def close(self) -> None:
        self.closed = True

    def _read(self, take: Callable[[], bytes | None]) -> bytes:
        try:
            while (taken := take()) is None:
                self._feed()
        except OverflowingError as overflow:
            raise StreamError(FailureReason.RESPONSE_TOO_LARGE, f"the server sent {overflow}") from None
        return taken

    def _feed(self) -> None:
        piece = next(self._pieces, None)
        if piece is None:
            raise StreamError(FailureReason.CONNECTION_CLOSED, "the server closed the connection")
        self._buffer.feed(piece)
