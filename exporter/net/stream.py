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
from collections.abc import Callable, Mapping
from enum import Enum, auto
from typing import Final, Self

from OpenSSL import SSL

from exporter.model import FailureReason, TlsFacts
from exporter.net import tls
from exporter.net.alerts import NOT_TLS
from exporter.net.buffer import OverflowingError, ReceiveBuffer
from exporter.protocol.dialogue import ChannelBinding, quoted

RECEIVE_SIZE: Final = 16384
"""Octets asked for at once: a whole TLS record's (RFC 8446 5.1), so that none stay behind inside OpenSSL unnoticed."""

RECORDS: Final = frozenset({20, 21, 22, 23})
"""The first octets of TLS records: their types (RFC 8446 5.1)."""

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


class Wait(Enum):
    """What the socket must be ready for before an attempt is worth repeating."""

    READ = auto()
    WRITE = auto()


class StreamError(OSError):
    """The connection cannot be made, or failed. The one family of exceptions that a stream raises.

    Attributes:
        reason: Which of the closed set.
        detail: For people.
        facts: What an unfinished handshake showed nevertheless; `None` in all other cases.
    """

    def __init__(self, reason: FailureReason, detail: str, facts: TlsFacts | None = None) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.facts = facts


class Stream:
    """An open connection. Made by `connect`; to be closed by `close`.

    One thing is attempted at a time. What cannot be done at once is attempted again by the event loop when the socket
    is ready, in the callback itself, so that the octets are read in the same turn of the loop that reported them. The
    reader stays registered between two reads: a conversation is mostly waiting for the next reply.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        # A number, because the selector would write the socket's repr into a KeyError each time it looks it up.
        self._fd = sock.fileno()
        self._loop = asyncio.get_running_loop()
        self._buffer = ReceiveBuffer()
        self._tls: SSL.Connection | None = None
        self._attempt: Callable[[], Wait | None] | None = None
        self._done: asyncio.Future[None] | None = None
        self._watched: Wait | None = None

    @classmethod
    async def connect(cls, address: str, port: int, source_address: str | None = None) -> Self:
        """Connect to an IP address.

        Raises:
            StreamError: It is refused, unreachable, or the source address is not this machine's.
        """
        sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
        stream = cls(sock)
        try:
            sock.setblocking(False)
            # Commands are small and each waits for its reply: Nagle's delay would be measured as the server's.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if source_address is not None:
                sock.bind((source_address, 0))
            error = sock.connect_ex((address, port))
            if error == errno.EINPROGRESS:
                await stream._until(lambda: None, first=Wait.WRITE)
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

        def attempt() -> Wait | None:
            nonlocal left
            while left:
                left = left[sink.send(left) :]
            return None

        await self._until(attempt, blocked=Wait.WRITE)

    async def read_line(self, limit: int) -> bytes:
        """The next line, without its ending.

        Raises:
            StreamError: The connection ended before it was complete, or it is longer than `limit` octets.
        """
        return await self._read(lambda: self._buffer.take_line(limit))

    async def read_exactly(self, size: int) -> bytes:
        """The next `size` octets.

        Raises:
            StreamError: The connection ended before they all came.
        """
        return await self._read(lambda: self._buffer.take_exactly(size))

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
        answered = False

        def attempt() -> Wait | None:
            nonlocal answered
            answered = answered or self._is_answered_with_tls()
            connection.do_handshake()
            return None

        try:
            await self._until(attempt)
        except StreamError as failed:
            if failed.detail.startswith(NOT_TLS) and (rest := self.take_unread()):
                # It came while we said hello, and OpenSSL has taken what it took for a record's header of five octets.
                failed.detail = _in_plain(b"..." + rest)
            shown = connection.get_peer_certificate() is not None
            failed.facts = tls.facts(connection, server_name, now) if shown else None
            raise
        self._tls = connection
        return tls.facts(connection, server_name, now)

    def _is_answered_with_tls(self) -> bool:
        """Whether the first octets have come and look like TLS. OpenSSL would see that too, but quotes none of them.

        Raises:
            StreamError: They are something else.
        """
        try:
            came = self._socket.recv(RECEIVE_SIZE, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        if came and came[0] not in RECORDS:
            raise StreamError(FailureReason.TLS_HANDSHAKE_FAILED, _in_plain(came))
        return True

    def channel_binding(self, kind: ChannelBinding) -> bytes | None:
        """What ties a login to this TLS session; `None` where there is no TLS, or none that has this binding."""
        return None if self._tls is None else tls.channel_binding(self._tls, kind)

    def close(self) -> None:
        """Close at once. A TLS session says so first (RFC 8446 6.1), as far as it can without waiting."""
        self._watch(None)
        if self._tls is not None:
            # The other side may be gone or not listening; then there is nobody to tell, and nothing to do about it.
            with contextlib.suppress(SSL.Error):
                self._tls.shutdown()
        self._socket.close()

    async def _read(self, take: Callable[[], bytes | None]) -> bytes:
        try:
            taken = take()
        except OverflowingError as overflow:
            raise _translated(overflow) from None
        if taken is not None:
            return taken

        found: list[bytes] = []

        def attempt() -> Wait | None:
            while (complete := take()) is None:
                self._buffer.feed(self._receive())
            found.append(complete)
            return None

        await self._until(attempt, first=Wait.READ)
        return found[0]

    def _receive(self) -> bytes:
        try:
            data = (self._tls or self._socket).recv(RECEIVE_SIZE)
        except SSL.ZeroReturnError:
            data = b""
        if not data:
            left = self._buffer.take_all()
            where = f" after {quoted(left)}, in the middle of a line" if left else ""
            raise StreamError(FailureReason.CONNECTION_CLOSED, f"the server closed the connection{where}")
        return data

    async def _until(
        self, attempt: Callable[[], Wait | None], *, first: Wait | None = None, blocked: Wait = Wait.READ
    ) -> None:
        """Attempt until it is done; with `first`, wait for the socket before the first attempt."""

        def translated() -> Wait | None:
            try:
                return attempt()
            except SSL.WantReadError:
                return Wait.READ
            except SSL.WantWriteError:
                return Wait.WRITE
            except BlockingIOError:
                return blocked
            except (SSL.Error, OSError, OverflowingError) as error:
                raise _translated(error) from None

        wait = first or translated()
        if wait is None:
            return
        self._attempt = translated
        self._done = self._loop.create_future()
        try:
            self._watch(wait)
            await self._done
        finally:
            self._attempt = self._done = None

    def _on_ready(self) -> None:
        if self._attempt is None or self._done is None or self._done.done():
            # Octets that nobody waits for yet: they stay where they are and are reported again when somebody does.
            self._watch(None)
            return
        try:
            wait = self._attempt()
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to the one who waits
            self._done.set_exception(error)
            return
        if wait is None:
            self._done.set_result(None)
            if self._watched is Wait.WRITE:
                self._watch(None)
        else:
            self._watch(wait)

    def _watch(self, wait: Wait | None) -> None:
        if wait is self._watched:
            return
        if self._watched is Wait.READ:
            self._loop.remove_reader(self._fd)
        elif self._watched is Wait.WRITE:
            self._loop.remove_writer(self._fd)
        self._watched = wait
        if wait is Wait.READ:
            self._loop.add_reader(self._fd, self._on_ready)
        elif wait is Wait.WRITE:
            self._loop.add_writer(self._fd, self._on_ready)


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
