"""The server's end of a connection: lines in, bytes out, in plain and then perhaps under TLS.

In plain, nothing is read from the network before somebody asks for it, so that nothing a client sends behind STARTTLS
is mistaken for what it says under TLS. Under TLS a little is read ahead, because asyncio's TLS reports the end of a
connection only to those who read. No protocol lives here.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Final, cast

HANDSHAKE_TIMEOUT: Final = 10.0
"""Seconds for a client to finish its handshake."""

READ_AHEAD: Final = 65_536
"""Octets that may wait to be read, under TLS, before no more are taken; one more block comes on top."""

FAREWELL_TIMEOUT: Final = 1.0
"""Seconds for a client to take the last words and to answer the end of TLS."""


class ClientGoneError(ConnectionError):
    """The client has closed the connection, or broken it off, or does not want our certificate. No error of ours."""


class LineTooLongError(Exception):
    """The client sends a line that nobody would want to read to its end."""


class Wire(asyncio.Protocol):
    """One connection, seen from the server. For one task at a time.

    Attributes:
        encrypted: Whether it is TLS by now.
    """

    def __init__(self, accepted: Callable[[], None], delay: float = 0.0) -> None:
        """Wait for the connection.

        Args:
            accepted: Called once the connection is there.
            delay: Seconds to wait before each thing sent and before the handshake.
        """
        self.encrypted = False
        self._accepted = accepted
        self._delay = delay
        self._buffer = bytearray()
        self._ended = False
        self._woken = False
        self._arrived = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._lost = asyncio.Event()

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        # asyncio starts to read after this call, and 3.11.2, which is Debian 12's, does so even if paused in it.
        asyncio.get_running_loop().call_soon(self._begin)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._arrived.set()
        if len(self._buffer) > READ_AHEAD:
            self.transport.pause_reading()

    def eof_received(self) -> None:
        """See `asyncio.Protocol`. Who has said all is not answered any more: the transport closes itself."""
        self._ended = True
        self._arrived.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's interface; gone is gone
        self._ended = True
        self._lost.set()
        self._arrived.set()
        self._writable.set()

    def _begin(self) -> None:
        self.transport.pause_reading()
        self._accepted()

    # What sessions call.

    async def read_line(self, limit: int) -> bytes:
        """The next line, without its ending.

        Args:
            limit: How many octets it may have, the line feed not counted.

        Raises:
            ClientGoneError: There will be none.
            LineTooLongError: It is longer than the limit.
        """
        while (end := self._buffer.find(b"\n")) < 0:
            if len(self._buffer) > limit:
                raise LineTooLongError
            await self._receive()
        if end > limit:
            raise LineTooLongError
        return self._take(end + 1)[:-1].removesuffix(b"\r")

    async def read_line_or_wake(self, limit: int) -> bytes | None:
        """The next line, as `read_line` gives it; `None` if `wake` is called before it is there.

        Raises:
            ClientGoneError: There will be no line.
            LineTooLongError: It is longer than the limit.
        """
        while not self._woken and b"\n" not in self._buffer:
            if len(self._buffer) > limit:
                raise LineTooLongError
            await self._receive()
        if self._woken:
            self._woken = False
            return None
        return await self.read_line(limit)

    def wake(self) -> None:
        """Let `read_line_or_wake` return, now or when it is called next."""
        self._woken = True
        self._arrived.set()

    async def read_exactly(self, size: int) -> bytes:
        """The next `size` octets.

        Raises:
            ClientGoneError: They will not come.
        """
        while len(self._buffer) < size:
            await self._receive()
        return self._take(size)

    async def read_some(self) -> bytes:
        """Whatever comes next, at least one octet.

        Raises:
            ClientGoneError: Nothing will.
        """
        while not self._buffer:
            await self._receive()
        return self._take(len(self._buffer))

    async def send(self, data: bytes) -> None:
        """Send all of it, after the delay.

        Raises:
            ClientGoneError: There is nobody to send it to.
        """
        await asyncio.sleep(self._delay)
        if not self._ended:
            self.transport.write(data)
            await self._writable.wait()
        if self._ended:
            raise ClientGoneError("the client is gone")

    async def start_tls(self, context: ssl.SSLContext) -> None:
        """Become TLS, after the delay. What was received in plain and not read is forgotten.

        Raises:
            ClientGoneError: The handshake came to nothing, which in a demo of bad certificates is the rule.
        """
        # RFC 3207 section 4.2: nothing obtained from the client before the handshake may be used after it.
        self._buffer.clear()
        await asyncio.sleep(self._delay)
        if self._ended:
            raise ClientGoneError("the client is gone")
        try:
            transport = await asyncio.get_running_loop().start_tls(
                self.transport,
                self,
                context,
                server_side=True,
                ssl_handshake_timeout=HANDSHAKE_TIMEOUT,
                ssl_shutdown_timeout=FAREWELL_TIMEOUT,
            )
        except BaseException as error:
            # asyncio closes the connection but does not call connection_lost for a handshake that has failed.
            self.connection_lost(None)
            if isinstance(error, OSError):
                raise ClientGoneError(f"no handshake: {error}") from error
            raise
        if transport is None:  # asyncio: the client closed its end in the very moment
            self.connection_lost(None)
            raise ClientGoneError("the client left the handshake")
        self.transport = transport
        self.encrypted = True

    async def until_gone(self) -> None:
        """Listen and never answer, until the client has had enough."""
        with suppress(ClientGoneError):
            while True:
                await self.read_some()

    async def hang_up(self) -> None:
        """Close the connection in an orderly way: what was sent arrives, and TLS ends with its own goodbye."""
        self.transport.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL_TIMEOUT):
                await self._lost.wait()
        await self.abort()

    async def abort(self) -> None:
        """Drop the connection. To call it twice, or after `hang_up`, does no harm."""
        if not self._lost.is_set():
            self.transport.abort()
        await self._lost.wait()

    async def _receive(self) -> None:
        if self._ended:
            raise ClientGoneError("the client is gone")
        self._arrived.clear()
        self.transport.resume_reading()
        try:
            await self._arrived.wait()
        finally:
            if not self.encrypted:
                self.transport.pause_reading()

    def _take(self, size: int) -> bytes:
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken
