"""Mail servers for a soak, good ones and bad ones, each of which counts whom it was visited by."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import trustme

Session = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

PASSWORD = "correct horse battery"


@dataclass(slots=True)
class Visited:
    """A server of one kind.

    Attributes:
        name: What it does, and the name of its endpoint.
        url: Where, without the port.
        session: What it says.
        tls: Whether from the start.
        port: Where it listens, once it does.
        visits: Connections that it accepted.
    """

    name: str
    url: str
    session: Session
    tls: bool = False
    login: bool = False
    port: int = 0
    visits: int = 0


async def lines(reader: asyncio.StreamReader) -> AsyncIterator[list[str]]:
    while line := await reader.readline():
        yield line.decode("latin-1").split()


async def smtp(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Greets, offers a login, takes or refuses it, and says goodbye."""
    writer.write(b"220 mail.example.com ESMTP\r\n")
    async for words in lines(reader):
        match [word.upper() for word in words]:
            case ["EHLO", *_]:
                writer.write(b"250-mail.example.com\r\n250-SIZE 10485760\r\n250 AUTH PLAIN\r\n")
            case ["AUTH", *_]:
                writer.write(b"235 2.7.0 Authentication successful\r\n")
            case ["QUIT"]:
                writer.write(b"221 Bye\r\n")
                return
            case _:
                writer.write(b"502 5.5.2 Command not recognized\r\n")


async def pop3(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A mailbox with three messages."""
    writer.write(b"+OK ready\r\n")
    async for words in lines(reader):
        match [word.upper() for word in words]:
            case ["CAPA"]:
                writer.write(b"+OK\r\nUSER\r\nRESP-CODES\r\n.\r\n")
            case ["STAT"]:
                writer.write(b"+OK 3 1024\r\n")
            case ["QUIT"]:
                writer.write(b"+OK bye\r\n")
                return
            case _:
                writer.write(b"+OK\r\n")


async def imap(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Takes every login."""
    writer.write(b"* OK [CAPABILITY IMAP4rev1] ready\r\n")
    async for words in lines(reader):
        tag, command = words[0].encode(), words[1].upper()
        if command == "CAPABILITY":
            writer.write(b"* CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR\r\n")
        if command == "LOGOUT":
            writer.write(b"* BYE\r\n" + tag + b" OK\r\n")
            return
        writer.write(tag + b" OK done\r\n")


async def rejects(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """POP3 that takes no password."""
    writer.write(b"+OK ready\r\n")
    async for words in lines(reader):
        match [word.upper() for word in words]:
            case ["CAPA"]:
                writer.write(b"+OK\r\nUSER\r\n.\r\n")
            case ["PASS", *_]:
                writer.write(b"-ERR [AUTH] invalid credentials\r\n")
            case ["QUIT"]:
                writer.write(b"+OK bye\r\n")
                return
            case _:
                writer.write(b"+OK\r\n")


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
        Visited("smtp", "smtp://", smtp),
        Visited("smtps", "smtps://", smtp, tls=True, login=True),
        Visited("pop3s", "pop3s://", pop3, tls=True, login=True),
        Visited("imaps", "imaps://", imap, tls=True, login=True),
        Visited("rejects", "pop3s://", rejects, tls=True, login=True),
        Visited("garbage", "imap://", garbage),
        Visited("hangs-up", "smtp://", hangs_up),
        Visited("cuts-handshakes", "imaps://", cuts_handshakes),
        Visited("silent", "pop3://", silent),
        Visited("comes-and-goes", "smtp://", smtp),
        Visited("on-demand", "smtp://", smtp),
        Visited("followed", "imap://", imap),
    ]


@asynccontextmanager
async def serving(servers: Sequence[Visited], directory: Path) -> AsyncIterator[None]:
    """Has the servers listen on loopback; the authority of their certificates is in the directory."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(directory / "ca.pem")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    async with AsyncExitStack() as stack:
        for server in servers:
            listening = await asyncio.start_server(_counted(server), "127.0.0.1", 0, backlog=256)
            if server.tls:
                listening.close()
                listening = await asyncio.start_server(_counted(server), "127.0.0.1", 0, ssl=context, backlog=256)
            server.port = listening.sockets[0].getsockname()[1]
            stack.callback(listening.close)
        yield


def _counted(server: Visited) -> Session:
    async def visited(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.visits += 1
        with suppress(OSError, asyncio.IncompleteReadError, ValueError, IndexError):
            await server.session(reader, writer)
        writer.close()

    return visited
