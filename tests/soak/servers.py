"""Mail servers for a soak, good ones and bad ones, each of which counts whom it was visited by."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import trustme

from exporter.demo.post import PostOffice
from exporter.demo.servers import LOOPBACK, SESSIONS, listening
from exporter.demo.site import Quota, Site
from exporter.demo.wire import Wire
from exporter.model import Encryption, Protocol, Secret

Session = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

USER = "soak"
PASSWORD = "correct horse battery"
NAME = "mail.soak.test"


@dataclass(slots=True)
class Visited:
    """A server of one kind.

    Attributes:
        name: What it does, and the name of its endpoint.
        url: Where, without the port.
        session: What it says, if it is a bad one; a good one speaks its protocol as the demo's servers do.
        tls: Whether from the start.
        login: Whether its endpoint logs in.
        rejects: Whether it takes no password.
        port: Where it listens, once it does.
        visits: Connections that it accepted.
    """

    name: str
    url: str
    session: Session | Protocol
    tls: bool = False
    login: bool = False
    rejects: bool = False
    port: int = 0
    visits: int = 0


async def garbage(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Says nothing that anybody could understand, and much of it."""
    writer.write(bytes(range(256)) * 200 + b"\r\n")


async def hangs_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Resets at once."""
    transport = writer.transport
    transport.abort()


async def cuts_handshakes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers a ClientHello with the beginning of an answer, and closes."""
    with suppress(asyncio.IncompleteReadError):
        await reader.readexactly(5)
        writer.write(b"\x16\x03\x03\x00\x7a\x02\x00\x00")


async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    """Says nothing, until the other side has had enough."""
    await reader.read()


def kinds() -> list[Visited]:
    """One of each."""
    return [
        Visited("smtp", "smtp://", Protocol.SMTP),
        Visited("smtps", "smtps://", Protocol.SMTP, tls=True, login=True),
        Visited("pop3s", "pop3s://", Protocol.POP3, tls=True, login=True),
        Visited("imaps", "imaps://", Protocol.IMAP, tls=True, login=True),
        Visited("rejects", "pop3s://", Protocol.POP3, tls=True, login=True, rejects=True),
        Visited("garbage", "imap://", garbage),
        Visited("hangs-up", "smtp://", hangs_up),
        Visited("cuts-handshakes", "imaps://", cuts_handshakes),
        Visited("silent", "pop3://", silent),
        Visited("comes-and-goes", "smtp://", Protocol.SMTP),
        Visited("on-demand", "smtp://", Protocol.SMTP),
        Visited("followed", "imap://", Protocol.IMAP),
    ]


@asynccontextmanager
async def serving(servers: Sequence[Visited], post: PostOffice, directory: Path) -> AsyncIterator[None]:
    """Has the servers listen on loopback; the authority of their certificates is in the directory."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(directory / "ca.pem")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    async with AsyncExitStack() as stack:
        for server in servers:
            if isinstance(server.session, Protocol):
                good = listening(partial(_obey, server, server.session, _site(server, post, context)), Wire)
                server.port = await stack.enter_async_context(good)
            else:
                bad = await asyncio.start_server(partial(_misbehave, server, server.session), LOOPBACK, 0, backlog=256)
                server.port = bad.sockets[0].getsockname()[1]
                stack.callback(bad.close)
        yield


def _site(server: Visited, post: PostOffice, context: ssl.SSLContext) -> Site:
    accounts = {} if server.rejects else {USER: Secret(PASSWORD.encode())}
    encryption = Encryption.TLS if server.tls else Encryption.NONE
    return Site(NAME, encryption, context, accounts, post, Quota("soak", 1, 10))


async def _obey(server: Visited, protocol: Protocol, site: Site, wire: Wire) -> None:
    server.visits += 1
    await SESSIONS[protocol](wire, site).run()


async def _misbehave(
    server: Visited, session: Session, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    server.visits += 1
    with suppress(OSError, asyncio.IncompleteReadError, ValueError, IndexError):
        await session(reader, writer)
    writer.close()
