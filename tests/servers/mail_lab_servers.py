"""Mail and web servers of the lab, each at an address of its own: they say hello, and show certificates."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.authority import Party, key_pem, pem


@dataclass
class MailServer:
    """Says hello, and upgrades to TLS if it has certificates.

    Attributes:
        chains: Of each kind of key: the server's own certificate, and those above it.
        greeting: Its first line.
        speaks: One of `smtp`, `imap` and `pop3`.
        implicit: Whether TLS comes first.
    """

    address: str
    chains: Sequence[Sequence[Party]] = ()
    greeting: bytes = b"220 mx.lab ESMTP"
    helo: bytes = b"mx.lab"
    port: int = 25
    speaks: str = "smtp"
    implicit: bool = False

    def reply(self, line: bytes, *, encrypted: bool) -> tuple[bytes, bytes]:
        """What it says to a line, and what follows of it: `tls`, `end` or nothing."""
        offers = bool(self.chains) and not encrypted
        match self.speaks, line.upper().split():
            case "smtp", [b"EHLO", *_]:
                return b"250-" + self.helo + b"\r\n" + (b"250-STARTTLS\r\n" if offers else b"") + b"250 8BITMIME", b""
            case "smtp", [b"STARTTLS"] if offers:
                return b"220 go ahead", b"tls"
            case "imap", [_, b"CAPABILITY"]:
                more = b" STARTTLS" if offers else b""
                return b"* CAPABILITY IMAP4rev1" + more + b"\r\n" + line.split()[0] + b" OK done", b""
            case "imap", [_, b"STARTTLS"] if offers:
                return line.split()[0] + b" OK go ahead", b"tls"
            case "imap", [_, b"LOGOUT"]:
                return b"* BYE bye\r\n" + line.split()[0] + b" OK done", b"end"
            case "pop3", [b"CAPA"]:
                return b"+OK\r\n" + (b"STLS\r\n" if offers else b"") + b"USER\r\n.", b""
            case "pop3", [b"STLS"] if offers:
                return b"+OK go ahead", b"tls"
            case "smtp" | "pop3", [b"QUIT"]:
                return b"221 bye" if self.speaks == "smtp" else b"+OK bye", b"end"
        return {"smtp": b"502 no", "imap": b"* BAD no", "pop3": b"-ERR no"}[self.speaks], b""


@dataclass
class WebServer:
    """Serves documents by HTTPS: of each path its media type, and its body or where else it is."""

    address: str
    chain: Sequence[Party]
    documents: Mapping[str, tuple[int, str, bytes]]


def _context(directory: Path, chains: Sequence[Sequence[Party]]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    for chain in chains:
        file = directory / "chain.pem"
        file.write_bytes(key_pem(chain[0]) + pem(*(party.certificate for party in chain)))
        context.load_cert_chain(file)
    return context


async def serve_mail(directory: Path, server: MailServer) -> asyncio.Server:
    """Listens until the loop ends."""
    context = _context(directory, server.chains) if server.chains else None

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(server.greeting + b"\r\n")
            encrypted = server.implicit
            while line := await reader.readline():
                said, then = server.reply(line, encrypted=encrypted)
                writer.write(said + b"\r\n")
                if then == b"tls" and context is not None:
                    await writer.start_tls(context)
                    encrypted = True
                await writer.drain()
                if then == b"end":
                    break
        except (OSError, ssl.SSLError):
            pass  # who looks at certificates hangs up as it likes
        finally:
            writer.close()

    ssl_context = context if server.implicit else None
    return await asyncio.start_server(converse, server.address, server.port, ssl=ssl_context)


async def serve_web(directory: Path, server: WebServer) -> asyncio.Server:
    """Likewise."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await reader.readuntil(b"\r\n\r\n")
            path = request.split()[1].decode().partition("?")[0]
            status, kind, body = server.documents.get(path, (404, "text/plain", b""))
            more = f"Location: {kind}\r\n" if status in (301, 302) else f"Content-Type: {kind}\r\n"
            head = f"HTTP/1.1 {status} x\r\n{more}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            writer.write(head.encode() + body)
            await writer.drain()
        except (OSError, ssl.SSLError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    return await asyncio.start_server(answer, server.address, 443, ssl=_context(directory, [server.chain]))
