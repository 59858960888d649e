"""One connection to a mail server: a non-blocking socket that becomes TLS, read by lines and by counts.

The stream moves octets and translates what the system and OpenSSL report into `StreamError`. It has no timeouts of its
own: the probe has one deadline for everything and cancels whatever waits when it passes. It does not know mail.

No server can block the event loop: data is read in pieces, with TLS too, and other tasks run between two pieces.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable
from typing import Final, Self

from OpenSSL import SSL

from exporter.model import FailureReason, TlsFacts
from exporter.net import tls
from exporter.net.buffer import OverflowingError, ReceiveBuffer
from exporter.net.establishing import establish
from exporter.net.peer_clock import PeerClock
from exporter.net.readiness import Readiness, Wait, Watch
from exporter.net.stamps import Arrivals, acknowledge_at_once
from exporter.net.stream_errors import CLOSED, StreamError, broken_off, not_connected, translated
from exporter.net.tls_records import TlsRecords
from exporter.protocol.dialogue import ChannelBinding, quoted

__all__ = ["Stream", "StreamError"]

PIECE: Final = 8192
"""Octets that are received, and given to OpenSSL, at once: the whole first flight of most servers. If they complete a
record full of session tickets, deriving the keys takes 5 ms."""

TLS_RECORDS: Final = (b"\x15\x03", b"\x16\x03")
"""How an alert or a handshake record begins (RFC 8446 5.1): content type and major version."""


class Stream:
    """An open connection. Made by `connect`; to be closed by `close`.

    An operation that would block is tried again when the socket is ready, in the same turn of the loop.

    Attributes:
        unfinished: What a failed or cancelled handshake has shown; `None` if it showed nothing.
        peer_clock: Measures the server's time.
        local_address: This side's IP address.
        in_content: Whether a message is being read, which is private: nothing of it is quoted.
    """

    def __init__(self, sock: socket.socket, watch: Watch | None = None) -> None:
        self.peer_clock = PeerClock()
        self.unfinished: TlsFacts | None = None
        self.local_address = ""
        self.in_content = False
        self._socket = sock
        self.arrivals = Arrivals(sock)
        self._readiness = Readiness(sock.fileno(), watch)
        self._buffer = ReceiveBuffer()
        self._tls: TlsRecords | None = None
        self._comes_in_pieces = False
        """Whether the server may send more without an answer from us, after a mere acknowledgement."""
        self._end: StreamError | None = None
        """Why no more data will come. It is never raised itself, because its traceback would keep this stream alive."""

    @classmethod
    async def connect(
        cls, address: str, port: int, source_address: str | None = None, watch: Watch | None = None
    ) -> Self:
        """Connect to an IP address.

        Args:
            address: Without brackets.
            port: Where to.
            source_address: This machine's, to connect from; `None` lets the system choose.
            watch: Reports that the socket is ready; the event loop by default.

        Raises:
            StreamError: The connection is refused, reset, unreachable, or not allowed by this machine.
        """
        try:
            sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
        except OSError as failed:
            raise not_connected(failed) from None
        stream = None
        try:
            stream = cls(sock, watch)
            await establish(sock, stream._readiness, stream.peer_clock, (address, port), source_address)
            stream.local_address = str(sock.getsockname()[0])
        except BaseException as failed:
            (stream or sock).close()
            if isinstance(failed, OSError):
                raise not_connected(failed) from None
            raise
        return stream

    async def send(self, data: bytes) -> None:
        """Send all of it.

        If the connection is gone, data that the server sent before is read first and counts as its answer. A server
        may send a message and close the connection without waiting for our next command.

        Raises:
            StreamError: The connection is gone, and the server had said nothing.
        """
        if self._end is not None:
            if self._buffer:
                return
            raise self._ended(self._end)
        self._comes_in_pieces = False
        try:
            if self._tls is not None:
                self._tls.write(data)
                data = self._tls.take_output()
            await self._write(data)
        except (SSL.Error, OSError) as error:
            lost = translated(error)
            await self._read_last_words()
            if self._end is None:
                self._end = lost
            if not self._buffer:
                raise self._ended(self._end) from None

    def read_line(self, limit: int) -> Awaitable[bytes]:
        """The next line, without its ending.

        Raises:
            StreamError: The connection ended before it was complete, or it is longer than `limit` octets.
        """
        return self._taken(self._buffer.take_line, limit)

    def read_piece(self, limit: int) -> Awaitable[bytes]:
        """The next line with its ending, or the first `limit` octets of a longer one.

        Raises:
            StreamError: The connection ended before it was complete.
        """
        return self._taken(self._buffer.take_piece, limit, of_content=True)

    def read_exactly(self, size: int, *, of_content: bool = False) -> Awaitable[bytes]:
        """The next `size` octets.

        Raises:
            StreamError: The connection ended before they all came.
        """
        return self._taken(self._buffer.take_exactly, size, of_content=of_content)

    async def _taken(self, take: Callable[[int], bytes | None], octets: int, *, of_content: bool = False) -> bytes:
        self.in_content = of_content
        try:
            while (taken := take(octets)) is None:
                await self._receive()
        except OverflowingError as overflow:
            raise translated(overflow) from None
        self.in_content = False
        return taken

    def allow(self, octets: int) -> None:
        """Allow this many further octets in the conversation. The caller asks for them and limits them."""
        self._buffer.allow(octets)

    async def heard_within(self, seconds: float) -> bool:
        """Whether there is something to read before so many seconds have passed.

        Raises:
            StreamError: The connection ended.
        """
        try:
            async with asyncio.timeout(seconds):
                while not self._buffer:
                    await self._receive()
        except TimeoutError:
            return False
        return True

    def unread(self) -> bytes:
        """Received data that was not read yet. It stays in the buffer."""
        return self._buffer.peek()

    def take_unread(self) -> bytes:
        """Remove and return received data that was not read, without waiting for more."""
        unread = self._buffer.take_all()
        if not unread and self._tls is None:
            # Nothing there, as it should be before a handshake; or a dead connection, which the handshake will report.
            with contextlib.suppress(OSError):
                unread = self._socket.recv(PIECE, socket.MSG_PEEK)
        return unread

    async def start_tls(self, context: SSL.Context, server_name: str, now: float) -> TlsFacts:
        """Start TLS, even with an invalid certificate, and return what the handshake showed.

        Args:
            context: From `tls.TlsContexts`.
            server_name: The name the certificate has to be for, and that SNI names.
            now: Unix time to judge the certificate at.

        Raises:
            StreamError: The handshake failed.
        """
        connection = tls.begin(context, server_name)
        records = TlsRecords(connection)
        self._comes_in_pieces = True
        try:
            await self._shake_hands(records)
        except (StreamError, asyncio.CancelledError):
            if not records.is_in_thread and connection.get_peer_certificate() is not None:
                self.unfinished = tls.unfinished_facts(connection, server_name, now)
            raise
        self._tls = records
        facts = tls.facts(connection, server_name, now)
        self._keep(b"")
        return facts

    async def _shake_hands(self, records: TlsRecords) -> None:
        while not await self._advance(records):
            records.feed_handshake(await self._arrival())

    async def _advance(self, records: TlsRecords) -> bool:
        """Continue the handshake and send our side of it. Returns whether it is complete."""
        try:
            is_over = await records.advance_in_thread() if records.is_expensive else records.advance()
            if output := records.take_output():
                await self._write(output)
        except SSL.Error as error:
            # An alert, if there is anybody left to hear it.
            with contextlib.suppress(OSError):
                self._socket.send(records.take_output())
            raise translated(error) from None
        except OSError as error:
            raise await self._refusal(records, error) from None
        return is_over

    async def _refusal(self, records: TlsRecords, error: OSError) -> StreamError:
        """Why our side of a handshake could not be sent: the server's alert, or else the system's error."""
        try:
            while octets := await self._arrival(wait=False):
                records.feed_handshake(octets)
                records.advance()
        except SSL.Error as told:
            return translated(told)
        except StreamError:
            pass
        return translated(error)

    def channel_binding(self, kind: ChannelBinding) -> bytes | None:
        """The channel binding of this TLS session; `None` without TLS, or if the session has no such binding."""
        return None if self._tls is None else tls.channel_binding(self._tls.connection, kind)

    def presented_chain(self) -> tuple[bytes, ...]:
        """The certificates that the server showed, DER, its own first; none without TLS."""
        return () if self._tls is None else tls.presented(self._tls.connection)

    def close(self) -> None:
        """Close at once. With TLS, send close_notify first (RFC 8446 6.1) if that is possible without waiting."""
        self._readiness.close()
        if self._tls is not None:
            # The other side may be gone or not reading; then nothing can be done.
            with contextlib.suppress(SSL.Error):
                self._tls.end()
            with contextlib.suppress(OSError):
                self._socket.send(self._tls.take_output())
        self._socket.close()

    async def _write(self, data: bytes) -> None:
        """Send octets as they are.

        Raises:
            OSError: The connection is gone.
        """
        self.peer_clock.answering()
        sent = 0
        while sent < len(data):
            try:
                sent += self._socket.send(data[sent:])
            except BlockingIOError:
                self.peer_clock.waiting()
                await self._readiness.of(Wait.WRITE)
                self.peer_clock.answering()

    async def _receive(self) -> None:
        """Wait for the next piece, and keep what is in it.

        Raises:
            StreamError: The connection is over, or the server said too much.
        """
        if self._end is not None:
            raise self._ended(self._end)
        octets = await self._arrival()
        if octets:
            self._keep(octets)
        else:
            self._end = StreamError(FailureReason.CONNECTION_CLOSED, CLOSED)

    def _ended(self, end: StreamError) -> StreamError:
        return broken_off(end, self._buffer.take_all(), in_content=self.in_content)

    async def _arrival(self, *, wait: bool = True) -> bytes:
        """The next received data; empty if the server closed the connection, or nothing is there without waiting.

        Raises:
            StreamError: The connection is gone, or the server said too much.
        """
        self.peer_clock.waiting()
        while True:
            try:
                if wait:
                    if self._comes_in_pieces:
                        acknowledge_at_once(self._socket)
                    await self._readiness.of(Wait.READ)
                else:
                    await asyncio.sleep(0)
                octets, came_at = self.arrivals.receive(PIECE)
                self.peer_clock.noticed(came_at)
                self._comes_in_pieces = True
                self._buffer.count(len(octets))
            except BlockingIOError:
                if not wait:
                    return b""
            except (OSError, OverflowingError) as error:
                raise translated(error) from None
            else:
                return octets

    def _keep(self, octets: bytes) -> None:
        """Decrypt and keep received data. If the session breaks, remember why."""
        if self._tls is None:
            if octets.startswith(TLS_RECORDS) and self._buffer.total == len(octets):
                # No line ends in it, so nobody would notice before the timeout.
                self._end = StreamError(FailureReason.PROTOCOL_ERROR, f"not a greeting: {quoted(octets)}")
            else:
                self._buffer.append(octets)
            return
        try:
            if octets:
                self._tls.feed(octets)
            while said := self._tls.read():
                self._buffer.append(said)
        except SSL.ZeroReturnError:
            self._end = StreamError(FailureReason.CONNECTION_CLOSED, CLOSED)
        except SSL.Error as error:
            self._end = translated(error)

    async def _read_last_words(self) -> None:
        """Read what was still received on a closed connection."""
        with contextlib.suppress(StreamError):
            while self._end is None and (octets := await self._arrival(wait=False)):
                self._keep(octets)
