"""Mail and web servers of the lab, each at its own address. They greet clients and show certificates."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

from exporter.demo.post import PostOffice
from exporter.demo.servers import mail_server
from exporter.demo.site import Behaviour, Greeting, Quota, Site
from exporter.model import Encryption, Protocol
from tests.authority import Party, key_pem, pem


@dataclass
class MailServer:
    """A mail server of the demo, which offers TLS if it has certificates.

    Attributes:
        chains: One chain for each kind of key: the server's certificate, then its issuers.
        name: The server's name in its greeting.
        implicit: Whether connections begin with TLS.
    """

    address: str
    chains: Sequence[Sequence[Party]] = ()
    greeting: Greeting = Greeting.WELCOME
    name: str = "mx.lab"
    port: int = 25
    protocol: Protocol = Protocol.SMTP
    implicit: bool = False


@dataclass
class WebServer:
    """Serves documents by HTTPS. Each path has a media type, and a body or the URL of a redirect."""

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


def serve_mail(directory: Path, server: MailServer) -> AbstractAsyncContextManager[int]:
    """Listens until the block ends."""
    upgrades = Encryption.STARTTLS if server.chains else Encryption.NONE
    site = Site(
        name=server.name,
        encryption=Encryption.TLS if server.implicit else upgrades,
        tls=_context(directory, server.chains),
        accounts={},
        post=PostOffice(server.name, "lab", ()),
        quota=Quota("", 0, 0),
        behaviour=Behaviour(greeting=server.greeting),
    )
    return mail_server(server.protocol, lambda: site, server.address, server.port)


async def serve_web(directory: Path, server: WebServer) -> asyncio.Server:
    """Listens until the loop ends."""

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
