"""The interface with two pages, and clients that speak to it by octets."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import trustme
from aiohttp import web
from cryptography import x509

from exporter.web.policy.policy_file import PolicyFile
from exporter.web.serving.addresses import ListenAddress
from exporter.web.serving.server import WebInterface, serve

HERE = "127.0.0.1"
REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


@dataclass
class Client:
    """A connection, by its octets."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @property
    def tls(self) -> ssl.SSLObject:
        found = self.writer.get_extra_info("ssl_object")
        assert isinstance(found, ssl.SSLObject)
        return found

    @property
    def serial_number(self) -> int:
        """Of the certificate that the server showed."""
        shown = self.tls.getpeercert(binary_form=True)
        assert shown is not None
        return x509.load_der_x509_certificate(shown).serial_number

    async def says(self, octets: bytes = REQUEST) -> None:
        self.writer.write(octets)
        await self.writer.drain()

    async def hears(self) -> bytes:
        """The head and the body of an answer, whose length has to be told."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        (length,) = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        return head + await self.reader.readexactly(int(length))

    async def hears_the_end(self) -> bytes:
        """What comes until the other side closes."""
        try:
            return await self.reader.read()
        except ConnectionResetError:
            return b""


@dataclass
class Answers:
    """A server that answers `/` at once, and `/slow` when it is let."""

    begun: asyncio.Event = field(default_factory=asyncio.Event)
    released: asyncio.Event = field(default_factory=asyncio.Event)

    def application(self) -> web.Application:
        application = web.Application()
        application.router.add_get("/", self.at_once)
        application.router.add_get("/slow", self.slowly)
        application.router.add_get("/a/bug", self.wrongly)
        return application

    async def at_once(self, _: web.Request) -> web.Response:
        return web.Response(text="here")

    async def wrongly(self, _: web.Request) -> web.Response:
        raise RuntimeError("secret")

    async def slowly(self, _: web.Request) -> web.Response:
        self.begun.set()
        await self.released.wait()
        return web.Response(text="at last")


@dataclass
class Tls:
    """A web configuration with TLS, in files."""

    directory: Path
    authority: trustme.CA
    file: PolicyFile

    @classmethod
    def make(cls, directory: Path) -> Tls:
        authority = trustme.CA()
        authority.cert_pem.write_to_path(directory / "ca.pem")
        authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(directory / "server.pem")
        (directory / "web.yml").write_text("tls_server_config: {cert_file: server.pem, key_file: server.pem}\n")
        return cls(directory, authority, PolicyFile(directory / "web.yml"))

    def client(self, *names: str) -> ssl.SSLContext:
        """Trusts the authority, and shows a certificate for these names if there are any."""
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        if names:
            self.authority.issue_cert(*names).configure_cert(context)
        return context

    def renew(self) -> int:
        """Puts a new certificate there, and returns its serial number."""
        issued = self.authority.issue_cert("localhost")
        issued.private_key_and_cert_chain_pem.write_to_path(self.directory / "new.pem")
        (self.directory / "new.pem").replace(self.directory / "server.pem")
        return x509.load_pem_x509_certificate(issued.cert_chain_pems[0].bytes()).serial_number

    def require(self, names: str | None) -> None:
        """Asks clients for certificates from now on, for one of these names."""
        sans = "" if names is None else f", client_allowed_sans: {names}"
        self.write(f"client_ca_file: ca.pem, client_auth_type: RequireAndVerifyClientCert{sans}")

    def write(self, settings: str) -> None:
        """Adds settings to the certificate, from now on."""
        keys = "cert_file: server.pem, key_file: server.pem"
        (self.directory / "web.yml").write_text(f"tls_server_config: {{{keys}, {settings}}}\n")
        assert self.file.refresh()


@dataclass
class Served:
    """The server, and clients of it."""

    answers: Answers
    server: WebInterface
    stack: AsyncExitStack

    async def connect(self, tls: ssl.SSLContext | None = None) -> Client:
        port = int(self.server.urls[0].rstrip("/").rpartition(":")[2])
        name = None if tls is None else "localhost"
        reader, writer = await asyncio.open_connection(HERE, port, ssl=tls, server_hostname=name)
        self.stack.push_async_callback(_close, writer)
        return Client(reader, writer)


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    try:
        await writer.wait_closed()
    except (ConnectionError, ssl.SSLError):
        return


@asynccontextmanager
async def serving(web_config: PolicyFile | None = None) -> AsyncIterator[Served]:
    answers = Answers()
    server = await serve(answers.application(), [ListenAddress(HERE, 0)], web_config=web_config)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(server.stop)
        yield Served(answers, server, stack)
        answers.released.set()
