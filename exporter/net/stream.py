"""One connection to a mail server: a non-blocking socket that becomes TLS, read by lines and by counts.

The stream moves octets and translates what the system and OpenSSL report into `StreamError`. It has no timeouts of its
own: the probe has one deadline for everything and cancels whatever waits when it passes. It knows nothing of mail.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import time
from collections.abc import Mapping
from typing import Final, Self

from OpenSSL import SSL

from exporter.model import FailureReason, TlsFacts
from exporter.net import tls
from exporter.net.alerts import NOT_TLS
from exporter.net.buffer import OverflowingError, ReceiveBuffer
from exporter.net.readiness import Readiness, Wait, Watch
from exporter.net.turns import Turns, ask_for_stamps, connected, receive
from exporter.protocol.dialogue import ChannelBinding, quoted

RECEIVE_SIZE: Final = 16384
"""Octets asked for at once: a whole TLS record's (RFC 8446 5.1), so that none stay behind inside OpenSSL unnoticed."""

RECORDS: Final = frozenset({20, 21, 22, 23})
"""The first octets of TLS records: their types (RFC 8446 5.1)."""

WROTE: Final = b" write "
"""Part of OpenSSL's name for the state of a handshake in which the last word is ours."""

CONNECT_ERRORS: Final[Mapping[int, FailureReason]] = {
    errno.ECONNREFUSED: FailureReason.CONNECT_REFUSED,
    errno.ENETUNREACH: FailureReason.CONNECT_UNREACHABLE,
    errno.EHOSTUNREACH: FailureReason.CONNECT_UNREACHABLE,
    errno.ENETDOWN: FailureReason.CONNECT_UNREACHABLE,
    errno.EHOSTDOWN: FailureReason.CONNECT_UNREACHABLE,
    errno.ETIMEDOUT: FailureReason.TIMEOUT,
}

LOSSES: Final[Mapping[int, FailureReason]] = {
    errno.ECONNRESET: FailureReason.CONNECTION_RESET,
    errno.EPIPE: FailureReason.CONNECTION_RESET,
    errno.ECONNABORTED: FailureReason.CONNECTION_RESET,
    errno.ETIMEDOUT: FailureReason.TIMEOUT,
    errno.EHOSTUNREACH: FailureReason.CONNECT_UNREACHABLE,
    errno.ENETUNREACH: FailureReason.CONNECT_UNREACHABLE,
}


class StreamError(OSError):
    """The connection cannot be made, or failed. The one family of exceptions that a stream raises.

    Attributes:
        reason: Which of the closed set.
        detail: For people.
    """

    def __init__(self, reason: FailureReason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class Stream:
    """An open connection. Made by `connect`; to be closed by `close`.

    One thing is attempted at a time. What cannot be done at once is attempted again when the socket is ready, in the
    turn of the event loop that reports it.

    Attributes:
        unfinished: What a handshake has shown that failed or was given up; `None` if it showed nothing.
        turns: Whose turn it is.
    """

    def __init__(self, sock: socket.socket, watch: Watch | None = None) -> None:
        self.turns = Turns()
        self._socket = sock
        self._readiness = Readiness(sock.fileno(), watch)
        self._buffer = ReceiveBuffer()
        self._tls: SSL.Connection | None = None
        self.unfinished: TlsFacts | None = None

    @classmethod
    async def connect(
        cls, address: str, port: int, source_address: str | None = None, watch: Watch | None = None
    ) -> Self:
        """Connect to an IP address.

        Args:
            address: Without brackets.
            port: Where to.
            source_address: This machine's, to connect from; `None` lets the system choose.
            watch: Who reports the socket ready; the event loop by default.

        Raises:
            StreamError: It is refused, unreachable, or the source address is not this machine's.
        """
        sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
        stream = cls(sock, watch)
        try:
            sock.setblocking(False)
            # Commands are small and each waits for its reply: Nagle's delay would be measured as the server's.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if source_address is not None:
                sock.bind((source_address, 0))
            ask_for_stamps(sock)
            begun = time.perf_counter()
            error = sock.connect_ex((address, port))
            if error == errno.EINPROGRESS:
                await stream._readiness.of(Wait.WRITE)
                error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if error:
                raise OSError(error, os.strerror(error))  # noqa: TRY301 - joins the errors of bind and socket below
        except OSError as failed:
            stream.close()
            reason = CONNECT_ERRORS.get(failed.errno or 0, FailureReason.CONNECT_FAILED)
            raise StreamError(reason, failed.strerror or str(failed)) from None
        except BaseException:
            stream.close()
            raise
        stream.turns.noticed(connected(sock, time.perf_counter() - begun))
        return stream

    @property
    def local_address(self) -> str:
        """This side's IP address."""
        return str(self._socket.getsockname()[0])

    async def send(self, data: bytes) -> None:
        """Send all of it.

        Raises:
            StreamError: The connection is gone.
        """
        sink = self._tls or self._socket
        left = memoryview(data)
        self.turns.answered()
        while left:
            wait = Wait.WRITE
            try:
                left = left[sink.send(left) :]
                continue
            except SSL.WantReadError:
                wait = Wait.READ
            except (SSL.WantWriteError, BlockingIOError):
                pass
            except (SSL.Error, OSError) as error:
                raise _translated(error) from None
            self.turns.waiting()
            await self._readiness.of(wait)

    async def read_line(self, limit: int) -> bytes:
        """The next line, without its ending.

        Raises:
            StreamError: The connection ended before it was complete, or it is longer than `limit` octets.
        """
        try:
            while (line := self._buffer.take_line(limit)) is None:
                await self._receive()
        except OverflowingError as overflow:
            raise _translated(overflow) from None
        return line

    async def read_exactly(self, size: int) -> bytes:
        """The next `size` octets.

        Raises:
            StreamError: The connection ended before they all came.
        """
        try:
            while (octets := self._buffer.take_exactly(size)) is None:
                await self._receive()
        except OverflowingError as overflow:
            raise _translated(overflow) from None
        return octets

    async def heard_within(self, seconds: float) -> bool:
        """Whether there is something to read before so many seconds have passed.

        Raises:
            StreamError: The connection ended.
        """
        if self._buffer:
            return True
        try:
            async with asyncio.timeout(seconds):
                await self._receive()
        except TimeoutError:
            return False
        except OverflowingError as overflow:
            raise _translated(overflow) from None
        return True

    def unread(self) -> bytes:
        """What came together with what was read, and was not read. It stays."""
        return self._buffer.peek()

    def take_unread(self) -> bytes:
        """What came and was not read, as far as it can be had without waiting."""
        unread = self._buffer.take_all()
        if not unread:
            # Nothing there, as it should be before a handshake; or a dead connection, which the handshake will report.
            with contextlib.suppress(OSError):
                unread = self._socket.recv(RECEIVE_SIZE, socket.MSG_PEEK)
        return unread

    async def start_tls(self, context: SSL.Context, server_name: str, now: float) -> TlsFacts:
        """Become TLS, whatever the certificate is like, and tell what the handshake showed.

        Args:
            context: From `tls.TlsContexts`.
            server_name: The name the certificate has to be for, and that SNI names.
            now: Unix time to judge the certificate at.

        Raises:
            StreamError: The handshake failed.
        """
        connection = tls.begin(context, self._socket, server_name)
        try:
            await self._shake_hands(connection)
        except (StreamError, asyncio.CancelledError):
            if connection.get_peer_certificate() is not None:
                self.unfinished = tls.facts(connection, server_name, now)
            raise
        self._tls = connection
        return tls.facts(connection, server_name, now)

    async def _shake_hands(self, connection: SSL.Connection) -> None:
        answered = False
        while True:
            try:
                answered = answered or self._is_answered_with_tls()
                connection.do_handshake()
            except SSL.WantReadError:
                wait = Wait.READ
                if WROTE in connection.get_state_string():
                    self.turns.answered()
            except SSL.WantWriteError:
                wait = Wait.WRITE
            except StreamError:
                raise
            except (SSL.Error, OSError) as error:
                failed = _translated(error)
                if failed.detail.startswith(NOT_TLS) and (rest := self.take_unread()):
                    # It came while we said hello, and OpenSSL has taken what it took for a record's header of five
                    # octets.
                    failed.detail = _in_plain(b"..." + rest)
                raise failed from None
            else:
                self.turns.answered()
                return
            self.turns.waiting()
            await self._readiness.of(wait)
            if answered:
                self._look()

    def _is_answered_with_tls(self) -> bool:
        """Whether the first octets have come and look like TLS. OpenSSL would see that too, but quotes none of them.

        Raises:
            StreamError: They are something else.
        """
        first = self._look()
        if first is None:
            return False
        if first and first[0] not in RECORDS:
            raise StreamError(FailureReason.TLS_HANDSHAKE_FAILED, _in_plain(self.take_unread()))
        return True

    def _look(self) -> bytes | None:
        """What has come and was not yet read by OpenSSL; `None` if nothing has. Notes how long it has lain there."""
        try:
            octets, lateness = receive(self._socket, RECEIVE_SIZE, socket.MSG_PEEK)
        except BlockingIOError:
            return None
        self.turns.noticed(lateness)
        return octets

    def channel_binding(self, kind: ChannelBinding) -> bytes | None:
        """What ties a login to this TLS session; `None` where there is no TLS, or none that has this binding."""
        return None if self._tls is None else tls.channel_binding(self._tls, kind)

    def presented_chain(self) -> tuple[bytes, ...]:
        """The certificates that the server showed, DER, its own first; none without TLS."""
        return () if self._tls is None else tls.presented(self._tls)

    def close(self) -> None:
        """Close at once. A TLS session says so first (RFC 8446 6.1), as far as it can without waiting."""
        self._readiness.close()
        if self._tls is not None:
            # The other side may be gone or not listening; then there is nobody to tell, and nothing to do about it.
            with contextlib.suppress(SSL.Error):
                self._tls.shutdown()
        self._socket.close()

    async def _receive(self) -> None:
        """Wait for what comes next, and keep it."""
        wait = Wait.READ
        data: bytes | None = None
        while data is None:
            self.turns.waiting()
            await self._readiness.of(wait)
            try:
                data = self._read()
            except (SSL.WantReadError, BlockingIOError):
                wait = Wait.READ
            except SSL.WantWriteError:
                wait = Wait.WRITE
            except SSL.ZeroReturnError:
                data = b""
            except (SSL.Error, OSError) as error:
                raise _translated(error) from None
        if not data:
            left = self._buffer.take_all()
            where = f" after {quoted(left)}, in the middle of a line" if left else ""
            raise StreamError(FailureReason.CONNECTION_CLOSED, f"the server closed the connection{where}")
        self._buffer.feed(data)

    def _read(self) -> bytes:
        """What has come, at once. Notes how long it has lain there."""
        if self._tls is not None:
            self._look()
            return self._tls.recv(RECEIVE_SIZE)
        octets, lateness = receive(self._socket, RECEIVE_SIZE)
        self.turns.noticed(lateness)
        return octets


def _in_plain(words: bytes) -> str:
    return f"{NOT_TLS}, but in plain: {quoted(words)}"


def _translated(error: Exception) -> StreamError:
    """What OpenSSL, the system and the buffer report, in the words of the closed set."""
    match error:
        case StreamError():
            return error
        case OverflowingError():
            return StreamError(FailureReason.RESPONSE_TOO_LARGE, f"the server sent {error}")
        case SSL.SysCallError(args=(int(number), *_)) | OSError(errno=int(number)):
            if number in LOSSES:
                return StreamError(LOSSES[number], os.strerror(number))
            return StreamError(FailureReason.CONNECTION_CLOSED, "the server closed the connection")
        case _:
            return StreamError(FailureReason.TLS_HANDSHAKE_FAILED, tls.handshake_failure(error))
