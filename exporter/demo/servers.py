"""Listening on loopback: a session for each client that comes, and an end to all of them when the demo is over."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Final, Generic, TypeVar

from exporter.demo.authority import Issued
from exporter.demo.imap_server import ImapSession
from exporter.demo.pop3_server import Pop3Session
from exporter.demo.server_session import ServerSession
from exporter.demo.site import Site
from exporter.demo.smtp_server import SmtpSession
from exporter.demo.wire import ClientGoneError, Wire
from exporter.model import Protocol

W = TypeVar("W", bound=Wire)

LOOPBACK: Final = "127.0.0.1"
"""The one loopback address that every system has."""

MAX_CLIENTS: Final = 64
"""Clients of one server at a time; further ones are dropped. The daemon needs one, a mail client a few."""

MAX_SESSION: Final = 2 * 3600.0
"""Seconds until a client is dropped, whatever it is doing. A probe takes a moment; who waits for mail, an hour."""

SESSIONS: Final[Mapping[Protocol, Callable[[Wire, Site], ServerSession]]] = {
    Protocol.SMTP: SmtpSession,
    Protocol.IMAP: ImapSession,
    Protocol.POP3: Pop3Session,
}


def server_context(path: Path, *issued: Issued) -> ssl.SSLContext:
    """What a server needs to show these certificates. OpenSSL reads them from a file, which is left."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # A probe never resumes a session, and a ticket that nobody reads makes the system end its connection with a reset.
    context.num_tickets = 0
    for each in issued:
        path.write_bytes(each.chain_file)
        context.load_cert_chain(path)
    return context


def mail_server(
    protocol: Protocol, site: Callable[[], Site], host: str = LOOPBACK, port: int = 0
) -> AbstractAsyncContextManager[int]:
    """A mail server, from entry to exit; gives its port.

    Args:
        protocol: What it speaks.
        site: What it is like for a client that comes now.
        host: The address.
        port: 0 for one that is free.
    """

    async def serve(wire: Wire) -> None:
        await SESSIONS[protocol](wire, site()).run()

    return listening(serve, lambda accepted: Wire(accepted, delay=site().behaviour.delay), host, port)


@asynccontextmanager
async def listening(
    serve: Callable[[W], Awaitable[None]],
    wire: Callable[[Callable[[], None]], W],
    host: str = LOOPBACK,
    port: int = 0,
) -> AsyncIterator[int]:
    """Listen, by default on a free port of loopback, from entry to exit, and serve each client in a task of its own.

    A client that goes away is nothing to talk about, and `ClientGoneError` is dropped here. Any other exception is a
    bug of the server, and ends that one session; asyncio reports it.

    Args:
        serve: What to do with a client. When it returns, the connection is closed in an orderly way.
        wire: `Wire`, or something that makes one with a delay or of another kind.
        host: The address.
        port: 0 for one that is free.
    """
    sessions = _Sessions(serve)

    def connection() -> W:
        client = wire(lambda: sessions.accept(client))
        return client

    server = await asyncio.get_running_loop().create_server(connection, host, port)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await sessions.end()
        await server.wait_closed()


@contextmanager
def closed_port() -> Iterator[int]:
    """A port that refuses connections, and that nobody else can get in the meantime: bound, and not listened on."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as reserved:
        reserved.bind((LOOPBACK, 0))
        yield reserved.getsockname()[1]


class _Sessions(Generic[W]):
    """The sessions of one server."""

    def __init__(self, serve: Callable[[W], Awaitable[None]]) -> None:
        self._serve = serve
        self._clients: dict[asyncio.Task[None], W] = {}
        self._over = False

    def accept(self, client: W) -> None:
        if self._over or len(self._clients) >= MAX_CLIENTS:
            client.transport.abort()
            return
        session = asyncio.create_task(self._run(client))
        self._clients[session] = client
        session.add_done_callback(self._clients.pop)

    async def end(self) -> None:
        """End all of them, and accept no more."""
        self._over = True
        remaining = dict(self._clients)
        for session in remaining:
            session.cancel()
        await asyncio.gather(*remaining, return_exceptions=True)
        for client in remaining.values():
            # A session that was cancelled before its first step has not closed anything.
            await client.abort()

    async def _run(self, client: W) -> None:
        try:
            with suppress(ClientGoneError, TimeoutError):
                async with asyncio.timeout(MAX_SESSION):
                    await self._serve(client)
                    await client.hang_up()
        finally:
            await client.abort()
