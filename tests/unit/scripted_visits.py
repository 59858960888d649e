"""Visits that are played against a script instead of a server: an endpoint, a name, a network and TLS for them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import cast

from OpenSSL import SSL

from exporter.model import (
    CertificateProblem,
    Encryption,
    Endpoint,
    FailureReason,
    IpFamily,
    Login,
    Phase,
    ProbeResult,
    Protocol,
    Resolution,
    Secret,
    TlsFacts,
    TlsPolicy,
    Withheld,
)
from exporter.net.dns.resolve import AddressResolver, ResolveError
from exporter.net.stream import Stream, StreamError
from exporter.net.tls import TlsContexts
from exporter.visiting.connect import World
from tests import virtual_time
from tests.replay import Replay
from tests.visits import visitor

SECRET = b"correct horse"
LOGIN = Login("monitor", Secret(SECRET))

POP3_GREETING = b"+OK ready\r\n"
POP3_CAPA = b"+OK\r\nUSER\r\nSTLS\r\n.\r\n"
POP3_LOGGED_IN = (b"+OK\r\n", b"+OK logged in\r\n")
POP3_STAT = b"+OK 3 1234\r\n"
POP3_BYE = b"+OK bye\r\n"


def tls_facts(*problems: CertificateProblem) -> TlsFacts:
    return TlsFacts(
        version="TLSv1.3",
        cipher="TLS_AES_256_GCM_SHA384",
        group="X25519",
        chain=(),
        problems=problems,
        detail=", ".join(problems),
        ocsp_stapled=False,
    )


def pop3(encryption: Encryption = Encryption.TLS, **changes: object) -> Endpoint:
    fields: dict[str, object] = {"timeout": 10.0, **changes}
    return Endpoint("pop3", Protocol.POP3, "mail.example.com", 995, encryption, **fields)  # type: ignore[arg-type]  # names and types are the caller's


@dataclass
class Names(AddressResolver):
    """Answers every name with the same addresses."""

    addresses_found: tuple[str, ...] = ("192.0.2.10",)
    error: ResolveError | None = None
    unanswered: str = ""
    asked: list[tuple[str, IpFamily]] = field(default_factory=list)

    async def resolve(self, host: str, family: IpFamily) -> Resolution:
        self.asked.append((host, family))
        if self.error is not None:
            raise self.error
        return Resolution(self.addresses_found, self.unanswered)


class Contexts(TlsContexts):
    """Has no contexts: a replay shakes no hands."""

    def fresh(self, policy: TlsPolicy) -> SSL.Context:
        return cast("SSL.Context", policy)

    async def current(self, policy: TlsPolicy) -> SSL.Context:
        return self.fresh(policy)


@dataclass
class Network:
    """Connects to scripts: one for each address, or an error to raise, or nothing to hang."""

    servers: dict[str, Replay | StreamError | None]
    tried: list[str] = field(default_factory=list)

    async def connect(self, address: str, port: int, source_address: str | None) -> Stream:
        assert 995 == port
        assert source_address is None
        self.tried.append(address)
        server = self.servers[address]
        if server is None:
            await asyncio.sleep(3600)
            raise AssertionError("nobody waits this long")
        if isinstance(server, StreamError):
            raise server
        return server


def probe(
    endpoint: Endpoint,
    script: Iterable[bytes] | Replay,
    *,
    login: Login | Withheld | None = None,
    facts: TlsFacts | None = None,
    names: Names | None = None,
) -> tuple[ProbeResult, Replay]:
    server = script if isinstance(script, Replay) else Replay(script, facts or tls_facts())
    return run(endpoint, Network({"192.0.2.10": server}), names or Names(), login), server


def run(endpoint: Endpoint, network: Network, names: Names, login: Login | Withheld | None = None) -> ProbeResult:
    async def scenario() -> ProbeResult:
        clock = asyncio.get_running_loop().time
        world = World(names, Contexts(), wall_clock=lambda: 1.7e9, clock=clock, connect=network.connect)
        return await visitor(world, login).probe(endpoint)

    return virtual_time.run(scenario())


def failed(result: ProbeResult) -> tuple[FailureReason, Phase]:
    assert result.failure is not None
    return result.failure.reason, result.failure.phase


class Stalling(Replay):
    """Says no more after the script, and keeps the connection open."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        super().__init__(pieces, tls_facts())

    async def read_line(self, limit: int) -> bytes:
        try:
            return await super().read_line(limit)
        except StreamError:
            await asyncio.sleep(3600)
            raise
