"""A client that sends octets and says what comes back, for tests of servers. It trusts everybody."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

PATIENCE: Final = 5.0
"""Seconds to wait for a server in this process."""


def trusting() -> ssl.SSLContext:
    """TLS that takes every certificate: what the tests look at is what comes after it."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class RawClient:
    """One connection. Every wait is bounded by `PATIENCE` and then a `TimeoutError`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._lost = False

    async def send(self, data: bytes) -> None:
        """Send these octets."""
        self._writer.write(data)
        async with asyncio.timeout(PATIENCE):
            await self._writer.drain()

    async def ask(self, line: bytes) -> bytes:
        """Send a line and give the line that answers it, without its ending."""
        await self.send(line + b"\r\n")
        return await self.line()

    async def ask_all(self, line: bytes, last: bytes) -> list[bytes]:
        """Send a line and give all lines of the answer, up to the one that begins with `last`."""
        await self.send(line + b"\r\n")
        lines = [await self.line()]
        while not lines[-1].startswith(last):
            lines.append(await self.line())
        return lines

    async def line(self) -> bytes:
        """The next line, without its ending, which has to be CRLF."""
        async with asyncio.timeout(PATIENCE):
            line = await self._reader.readuntil(b"\r\n")
        return line.removesuffix(b"\r\n")

    async def exactly(self, size: int) -> bytes:
        """The next `size` octets."""
        async with asyncio.timeout(PATIENCE):
            return await self._reader.readexactly(size)

    async def some(self) -> bytes:
        """Whatever comes next; empty if the server has closed the connection."""
        async with asyncio.timeout(PATIENCE):
            return await self._reader.read(65536)

    async def rest(self) -> bytes:
        """Everything up to the end of the connection."""
        async with asyncio.timeout(PATIENCE):
            return await self._reader.read()

    async def is_silent(self, seconds: float = 0.05) -> bool:
        """Whether the server keeps the connection open and sends nothing for a while."""
        try:
            async with asyncio.timeout(seconds):
                await self._reader.read(1)
        except TimeoutError:
            return True
        return False

    async def start_tls(self, context: ssl.SSLContext | None = None) -> None:
        """Become TLS.

        Raises:
            OSError: The server does not.
        """
        try:
            async with asyncio.timeout(PATIENCE):
                await self._writer.start_tls(context or trusting(), server_hostname="127.0.0.1")
        except BaseException:
            # asyncio never reports the end of a connection whose handshake came to nothing.
            self._lost = True
            self.vanish()
            raise

    async def leave(self) -> None:
        """Close the connection, and do not mind how the server takes it."""
        self._writer.close()
        if self._lost:
            return
        with suppress(OSError):
            async with asyncio.timeout(PATIENCE):
                await self._writer.wait_closed()

    def vanish(self) -> None:
        """Break the connection off."""
        self._writer.transport.abort()


@asynccontextmanager
async def connected(port: int, *, tls: bool = False) -> AsyncIterator[RawClient]:
    """A connection to a server on loopback, closed at the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting() if tls else None)
    client = RawClient(reader, writer)
    try:
        yield client
    finally:
        await client.leave()
