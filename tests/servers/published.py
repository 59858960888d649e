"""Web servers and a nameserver on loopback that publish what a test likes, and discovery that asks them."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from exporter.config.values.allowed import AllowedTargets, parse_allowed
from exporter.domains.discovery.discoverer import Discoverer, Discovery, Wanted
from exporter.domains.lookups import Lookups
from exporter.domains.target_rule import DomainTargetRule
from exporter.model import DnsSettings, Source
from exporter.net.dns.resolve import Resolver
from exporter.net.http.fetch import FetchedDocument, Fetcher, FetchError, Lost, Objection
from tests.authority import Party, issue, key_pem, pem
from tests.servers import dns as servers
from tests.servers.dns import Nameserver, nameserver

ROOT = issue("Root", authority=True)
LOOPBACK = DomainTargetRule(AllowedTargets((parse_allowed("127.0.0.0/8"),)))
PATIENCE = 30.0
"""Seconds for answers that come: a busy machine is not a wrong answer."""

HANG = -1
"""The status of an answer that never comes."""

DRIP = -2
"""The same, of one that comes octet by octet."""


@dataclass
class Web:
    """What is served: by host and path a status, a media type or place, and a body.

    Attributes:
        asked: Hosts and ways, in order.
    """

    pages: dict[tuple[str, str], tuple[int, str, bytes]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    port: int = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        try:
            request = (await reader.readuntil(b"\r\n\r\n")).decode()
            host = request.partition("Host: ")[2].partition("\r\n")[0].partition(":")[0]
            way = request.split()[1]
            self.asked.append(f"{host}{way}")
            status, kind, body = self.pages.get((host, way.partition("?")[0]), (404, "text/plain", b""))
            if status == HANG:
                await reader.read()
            drips = status == DRIP
            more = f"Location: {kind}" if status in (301, 302) else f"Content-Type: {kind}"
            writer.write(f"HTTP/1.1 {200 if drips else status} x\r\n{more}\r\nConnection: close\r\n\r\n".encode())
            for octet in body if drips else ():
                writer.write(bytes([octet]))
                await asyncio.sleep(0.2)
            writer.write(b"" if drips else body)
            await writer.drain()
        except (OSError, ssl.SSLError, asyncio.IncompleteReadError):
            pass  # who has had enough hangs up
        finally:
            writer.close()


class Rerouted(Fetcher):
    """Finds port 443 where the test has one."""

    def __init__(self, names: Resolver, ca_file: Path, port: int) -> None:
        super().__init__(names, ca_file=ca_file)
        self._port = port

    async def get(
        self, url: str, objection: Objection, *, limit: int, within: float, redirects: int = 3
    ) -> FetchedDocument:
        """As the base class."""
        parts = urlsplit(url)
        placed = url.replace(parts.netloc, f"{parts.netloc}:{self._port}", 1) if parts.port is None else url
        return await super().get(placed, objection, limit=limit, within=within, redirects=redirects)


@dataclass(frozen=True)
class Bench:
    web: Web
    names: Nameserver
    resolver: Resolver
    fetcher: Rerouted

    async def discover(self, domain: str, *sources: Source, **more: object) -> Discovery:
        wanted = Wanted(domain, sources or tuple(Source), **{"rule": LOOPBACK, "patience": PATIENCE, **more})  # type: ignore[arg-type] # of `Wanted`
        return await Discoverer(Lookups(self.resolver), self.fetcher).discover(wanted)

    async def get(self, url: str, rule: DomainTargetRule = LOOPBACK, **more: object) -> FetchedDocument:
        return await self.fetcher.get(url, rule.objection, **{"limit": 10_000, "within": PATIENCE, **more})  # type: ignore[arg-type] # of `Fetcher.get`

    async def lost(self, url: str, rule: DomainTargetRule = LOOPBACK, **more: object) -> Lost:
        with pytest.raises(FetchError) as caught:
            await self.get(url, rule, **more)
        assert caught.value.detail.isprintable()
        return caught.value.lost


def context(directory: Path, party: Party) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    (directory / "server.pem").write_bytes(key_pem(party) + pem(party.certificate))
    made.load_cert_chain(directory / "server.pem")
    return made


@asynccontextmanager
async def bench(directory: Path, records: list[str], hosts: list[str], web: Web) -> AsyncIterator[Bench]:
    """Web servers for these hosts, and a nameserver with these records besides."""
    (directory / "ca.pem").write_bytes(pem(ROOT.certificate))
    party = issue("web", ROOT, alternatives=hosts)
    lines = [*records, *(f"{host}. 60 IN A 127.0.0.1" for host in hosts)]
    tls = context(directory, party)
    async with (
        await asyncio.start_server(web.answer, "127.0.0.1", 0, ssl=tls) as server,
        nameserver(servers.records(*lines, zone="test.")) as names,
    ):
        web.port = server.sockets[0].getsockname()[1]
        resolver = Resolver(DnsSettings((names.address,), PATIENCE))
        yield Bench(web, names, resolver, Rerouted(resolver, directory / "ca.pem", web.port))
