"""HTTP clients that leave no connection behind. When a session ends, its sockets are closed.

aiohttp forgets a connection that it does not keep for another request. Over TLS this connection then waits up to 30 s
for the server's goodbye. In the daemon it holds a descriptor for so long, and a command's event loop ends before. The
same happens if a request is cancelled at the end of its handshake.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import aiohttp

TURNS: Final = 20
"""Turns of the event loop in which the transports may close. They take up to four."""


@asynccontextmanager
async def http_session(connections: dict[str, Any], **settings: Any) -> AsyncIterator[aiohttp.ClientSession]:
    """A session that closes its connections, without waiting for the servers.

    Args:
        connections: As `aiohttp.TCPConnector` takes them.
        settings: As `aiohttp.ClientSession` takes them.
    """
    sockets: list[socket.socket] = []

    def opened(address: aiohttp.AddrInfoType) -> socket.socket:
        sockets.append(socket.socket(*address[:3]))
        return sockets[-1]

    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(socket_factory=opened, **connections), **settings)
    try:
        yield session
    finally:
        for each in sockets:
            # The transport that owns the socket notices this like a server that closes, whatever state it is in. So it
            # closes in the loop's next turns even if we are cancelled here.
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        await session.close()
        for _ in range(TURNS):
            if all(each.fileno() < 0 for each in sockets):
                break
            await asyncio.sleep(0)
