"""Flows and the demo's mail servers in one process: what takes a Postfix and a Dovecot seconds takes moments here.

The servers are as good as the demo's, and bent by a `Behaviour` or by a wire that does something to what is said.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

import pytest

from exporter.config.values.secret_sources import InlineSecret
from exporter.demo.post import Folder, PostOffice, Route
from exporter.demo.servers import LOOPBACK, SESSIONS, listening
from exporter.demo.site import Behaviour, Quota, Site
from exporter.demo.wire import Wire
from exporter.flows import flow_runner, ledger
from exporter.flows.flow_runner import FlowRunner
from exporter.flows.reading import imap_reading, pace, reader
from exporter.metrics.flow_state import FlowState, FlowStates
from exporter.model import (
    Credentials,
    DnsSettings,
    Encryption,
    Endpoint,
    Expected,
    Flow,
    Flows,
    LoginBackoff,
    Protocol,
    Receiving,
    Removal,
    Secret,
    Sending,
    Settled,
)
from exporter.net.dns.resolve import Resolver
from exporter.net.tls import TlsContexts
from exporter.visiting.connect import World
from exporter.visiting.logins import Logins
from exporter.visiting.visit import Visitor

DOMAIN: Final = "bench.example"
NAME: Final = f"mail.{DOMAIN}"
PASSWORD: Final = Secret(b"a password")
KEY: Final = Secret(b"the flow key of the bench")
PATIENCE: Final = 60.0
"""Seconds for what takes a moment."""

GRACE: Final = 0.1
"""Seconds in which a second copy may turn up."""


class BentWire(Wire):
    """A wire that shows a test all that is said, and lets it have its way with the answers.

    Attributes:
        heard: What the client has said, line by line.
        bend: Is given the client's last line and the answer, and gives another answer; `None` for none ever again.
    """

    def __init__(self, accepted: Callable[[], None], bend: Bend) -> None:
        super().__init__(accepted)
        self.heard: list[bytes] = []
        self.bend = bend

    async def read_line(self, limit: int) -> bytes:
        """Write down what is heard."""
        line = await super().read_line(limit)
        self.heard.append(line)
        return line

    async def send(self, data: bytes) -> None:
        """Say what the test makes of it."""
        bent = self.bend(self.heard[-1] if self.heard else b"", data)
        if bent is None:
            await self.until_gone()
            return
        await super().send(bent)


Bend = Callable[[bytes, bytes], "bytes | None"]


def straight(_line: bytes, answer: bytes) -> bytes:
    """As it is."""
    return answer


class Told(FlowStates):
    """Keeps what flows tell, and wakes whoever waits for it."""

    def __init__(self) -> None:
        super().__init__(time.time)
        self.changed = asyncio.Event()
        self.all: list[Settled] = []
        self.gone: list[tuple[str, str]] = []

    def settled(self, settled: Settled) -> None:
        """As the base class."""
        super().settled(settled)
        self.all.append(settled)
        self.changed.set()

    def removed(self, flow: str, mx: str, kind: Removal) -> None:
        """As the base class."""
        super().removed(flow, mx, kind)
        self.gone.append((flow, kind))
        self.changed.set()

    def in_flight(self, flow: str, mx: str, count: int) -> None:
        """As the base class."""
        super().in_flight(flow, mx, count)
        self.changed.set()

    def newest(self, flow: str, arrived_at: float | None) -> None:
        """As the base class."""
        super().newest(flow, arrived_at)
        self.changed.set()

    def held_up(self, flow: str, mx: str, why: str) -> None:
        """As the base class."""
        super().held_up(flow, mx, why)
        self.changed.set()

    def state(self, name: str, mx: str = "") -> FlowState:
        """What is known of a flow."""
        return next(state for state in self.of(name) if state.mx == mx)


async def until(what: Callable[[], Any], why: str = "it happens") -> Any:
    """Wait for something that the servers or the flows do by themselves."""
    try:
        async with asyncio.timeout(PATIENCE):
            while not (found := what()):  # noqa: ASYNC110 - a test looks at what no event tells of
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"waited {PATIENCE:g} s until {why}") from None
    return found


@dataclass
class Bench:
    """The servers, and where they are.

    Attributes:
        post: All mail.
        ports: By protocol.
        bends: What becomes of answers, by protocol; may be replaced at any time.
        wires: All connections so far.
        timeout: Of endpoints, in seconds.
    """

    post: PostOffice
    ports: dict[Protocol, int] = field(default_factory=dict)
    bends: dict[Protocol, Bend] = field(default_factory=dict)
    wires: dict[Protocol, list[BentWire]] = field(default_factory=dict)
    timeout: float = 5.0
    _running: list[FlowRunner] = field(default_factory=list)

    def endpoint(self, protocol: Protocol, user: str = "me") -> Endpoint:
        """One that flows send or read by."""
        return Endpoint(
            f"{protocol}-{user}",
            protocol,
            LOOPBACK,
            self.ports[protocol],
            Encryption.NONE,
            timeout=self.timeout,
            credentials=Credentials(user, f"{user}@{DOMAIN}", InlineSecret(PASSWORD)),
            allow_insecure_auth=True,
            helo="probe.bench.example",
        )

    def flow(
        self, name: str = "here", *, by: Protocol = Protocol.IMAP, bounces: bool = False, user: str = "me", **more: Any
    ) -> Flow:
        """One from a user to that user; its recipient has its name."""
        mailboxes = ("INBOX",) if by is Protocol.POP3 else ("INBOX", "\\Junk")
        me = self.endpoint(Protocol.SMTP, user)
        reads = self.endpoint(by, user)
        sending = Sending(f"{user}@{DOMAIN}", f"{name}@{DOMAIN}", me, bounces=reads if bounces else None)
        chosen: dict[str, Any] = {"expected": Expected(within=60.0), "interval": 86_400.0, **more}
        return Flow(name, Receiving(reads, mailboxes, NAME), sending, **chosen)

    def folder(self, name: str = "INBOX", user: str = "me") -> Folder:
        """A mailbox."""
        return self.post.mailboxes(f"{user}@{DOMAIN}")[name]

    def begin(
        self,
        *flows: Flow,
        told: Told | None = None,
        run: str = "",
        hosts: Mapping[str, Sequence[str] | OSError] | None = None,
    ) -> tuple[FlowRunner, Told]:
        """Another process, so to speak, that runs these flows."""
        told = told or Told()
        visitor = Visitor(World(Resolver(DnsSettings()), TlsContexts()), Logins(time.monotonic, LoginBackoff()))

        async def exchangers(domain: str) -> Sequence[str]:
            found = (hosts or {})[domain]
            if isinstance(found, OSError):
                raise found
            return found

        begun = FlowRunner(visitor, told, exchangers, run)
        self._running.append(begun)
        self.configure(begun, told, *flows)
        return begun, told

    def configure(self, begun: FlowRunner, told: Told, *flows: Flow) -> None:
        """A reload."""
        told.configure(flows)
        begun.configure(Flows(flows, InlineSecret(KEY)))

    async def end(self) -> None:
        """Stop all processes."""
        for each in self._running:
            await each.stop(0.0)

    def commands(self, protocol: Protocol) -> list[bytes]:
        """All that was said to the servers of a protocol."""
        return [line for wire in self.wires[protocol] for line in wire.heard]


@asynccontextmanager
async def flow_bench(
    monkeypatch: pytest.MonkeyPatch,
    routes: Mapping[str, Route] | None = None,
    behaviours: Mapping[Protocol, Behaviour] | None = None,
    users: Sequence[str] = ("me", "you"),
) -> AsyncIterator[Bench]:
    """Runs it until the block ends. Mail for `here` and `there` comes to `me`."""
    for module in (ledger, imap_reading, reader):
        monkeypatch.setattr(module, "GRACE", GRACE)
    monkeypatch.setattr(imap_reading, "UNTIL_SENT", 0.1)
    monkeypatch.setattr(imap_reading, "BETWEEN_FULL_LOOKS", 0.1)
    monkeypatch.setattr(pace, "LEAST_PAUSE_ELSEWHERE", 0.1)
    monkeypatch.setattr(reader, "LEAST_PAUSE_POP3", 0.1)
    monkeypatch.setattr(reader, "RETRY", 0.1)
    # Messages are sent when a test says so.
    monkeypatch.setattr(flow_runner, "FIRST_WITHIN", 86_400.0)
    names = [f"{user}@{DOMAIN}" for user in users]
    usual = {"here": Route(names[0]), "there": Route(names[0]), "lost": Route(None)}
    post = PostOffice(NAME, DOMAIN, names, {**usual, **(routes or {})})
    bench = Bench(post)
    async with AsyncExitStack() as stack:
        for protocol in Protocol:
            site = Site(
                NAME,
                Encryption.NONE,
                ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER),
                dict.fromkeys(names, PASSWORD),
                post,
                Quota("all", 1, 10),
                (behaviours or {}).get(protocol, Behaviour()),
            )
            bench.bends[protocol], bench.wires[protocol] = straight, []
            bench.ports[protocol] = await stack.enter_async_context(
                listening(partial(_serve, protocol, site), partial(_wire, bench, protocol))
            )
        try:
            yield bench
        finally:
            await bench.end()


async def _serve(protocol: Protocol, site: Site, wire: BentWire) -> None:
    await SESSIONS[protocol](wire, site).run()


def _wire(bench: Bench, protocol: Protocol, accepted: Callable[[], None]) -> BentWire:
    wire = BentWire(accepted, lambda line, answer: bench.bends[protocol](line, answer))  # noqa: PLW0108 - a test may replace them
    bench.wires[protocol].append(wire)
    return wire


def changed(flow: Flow, **more: Any) -> Flow:
    """A flow as somebody has edited it."""
    return replace(flow, **more)
