from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import pytest

from exporter.config.configuration import Configuration, Domain
from exporter.config.load import parse
from exporter.daemon import Daemon, Prepared
from exporter.domains.discovery.discoverer import Discoverer, Discovery, Wanted
from exporter.domains.domain_runner import DomainRunner
from exporter.domains.judge import Judge
from exporter.flows.flow_runner import FlowRunner
from exporter.metrics.domain_state import DomainStates, FollowedState
from exporter.metrics.flow_state import FlowStates
from exporter.model import DnsSettings, DomainReport, Endpoint, Flow
from exporter.net.dns.resolve import Resolver
from exporter.net.tls import TlsContexts
from exporter.schedule.job import JUDGEMENTS, LOOKS, Connections, Job, uncounted
from exporter.schedule.scheduler import Scheduler
from exporter.schedule.timetable import Scheduled
from exporter.sharding import Shard
from exporter.visiting.connect import World
from exporter.visiting.logins import Logins
from exporter.visiting.visit import Visitor
from tests.authority import pem
from tests.certificates import world

BOTH = """
defaults: {interval: 1h}
credentials: {monitor: {username: u, password: secret}}
endpoints:
  - {name: a, url: 'imaps://a.example.com', credentials: monitor}
  - {name: b, url: 'imaps://b.example.com', credentials: monitor}
"""


def configuration(text: str = BOTH) -> Configuration:
    return parse(text, "mail-exporter.yaml")


async def reloaded(daemon: Daemon, text: str) -> Prepared:
    prepared = daemon.prepare(configuration(text))
    daemon.configure(prepared)
    return prepared


async def test_endpoints_that_a_reload_leaves_as_they_are_stay_the_same_objects() -> None:
    daemon = Daemon(configuration(), Shard())
    first = await reloaded(daemon, BOTH)
    second = await reloaded(daemon, BOTH.replace("b.example.com", "c.example.com"))
    third = await reloaded(daemon, BOTH.replace("secret", "another").replace("b.example.com", "c.example.com"))
    await daemon.stop()

    assert first.endpoints["a"] is second.endpoints["a"]
    assert first.endpoints["b"] != second.endpoints["b"]
    assert second.endpoints.keys() == third.endpoints.keys()
    assert all(before is not third.endpoints[name] for name, before in second.endpoints.items())


async def test_what_is_prepared_is_this_shard_s() -> None:
    shares = [Daemon(configuration(), Shard(number, 2)).prepare(configuration()) for number in range(2)]

    assert {"a", "b"} == shares[0].endpoints.keys() | shares[1].endpoints.keys()
    assert not shares[0].endpoints.keys() & shares[1].endpoints.keys()
    assert all(name == each.name for share in shares for name, each in share.endpoints.items())


@pytest.fixture
def bereft(tmp_path: Path) -> Configuration:
    """A configuration whose file of authorities went away after it had been loaded."""
    file = tmp_path / "authorities.pem"
    file.write_bytes(pem(world().root.certificate))
    loaded = configuration(f"endpoints: [{{name: c, url: 'imaps://c.example.com', tls: {{ca_file: {file}}}}}]")
    file.unlink()
    return loaded


async def test_authorities_that_cannot_be_read_keep_no_configuration_from_being_put_in_force(
    bereft: Configuration,
) -> None:
    assert {"c"} == Daemon(configuration(), Shard()).prepare(bereft).endpoints.keys()


FLOWS = """
credentials: {monitor: {username: u@example.com, password: secret}}
endpoints:
  - {name: out, url: 'smtp://out.example.com', credentials: monitor}
  - {name: in, url: 'imaps://in.example.com', credentials: monitor}
flow_key: correct horse battery staple
flows:
  - {name: through, send: {endpoint: out, to: probe@example.com}, receive: {endpoint: in}, interval: 2m}
  - {name: by-mx, send: {mx: example.com, from: u@example.com, to: probe@example.com}, receive: {endpoint: in}}
  - {name: awaited, receive: {endpoint: in}, expect: {every: 26h}}
"""


async def mail_exchangers_of_none(_: str) -> tuple[str, ...]:
    return ()


async def test_flows_that_send_have_their_turns_at_the_host_that_takes_their_messages() -> None:
    runner = FlowRunner(Visitor(cast("World", None), cast("Logins", None)), FlowStates(), mail_exchangers_of_none)
    runner.configure(configuration(FLOWS).flows)
    turns = {job.key: (job.interval, job.hosts, job.first_within) for job in runner.jobs()}
    await runner.stop(within=1.0)

    assert {
        ("\0flow", "through"): (120.0, ("out.example.com",), 10.0),
        ("\0flow", "by-mx"): (300.0, (), 10.0),
    } == turns


async def test_a_message_counts_at_the_mx_host_that_it_is_handed_to(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []

    async def mail_exchangers(_: str) -> tuple[str, ...]:
        return "mx1.example.com", "mx2.example.com"

    async def send(_: Flow, endpoint: Endpoint, *__: object) -> None:
        told.append(f"to {endpoint.host}")

    @asynccontextmanager
    async def connection(host: str) -> AsyncIterator[None]:
        told.append(f"waits for {host}")
        yield
        told.append(f"leaves {host}")

    monkeypatch.setattr("exporter.flows.flow_runner.send", send)
    runner = FlowRunner(Visitor(cast("World", None), cast("Logins", None)), FlowStates(), mail_exchangers)
    flows = {flow.name: flow for flow in configuration(FLOWS).flows.flows}
    await runner.run(flows["by-mx"], connection)
    for host in ("mx1.example.com", "mx2.example.com"):
        assert [f"waits for {host}", f"to {host}", f"leaves {host}"] == [each for each in told if host in each]
    told.clear()
    # The schedule has counted the host of an endpoint before.
    await runner.run(flows["through"], connection)
    assert ["to out.example.com"] == told


DOMAINS = """
endpoints: [{domain: example.com}, {domain: example.net, refresh: 10m}]
domains: [{name: example.com, checks: [mx]}]
"""


async def test_a_domain_that_is_configured_in_another_way_is_due_at_once_and_the_others_keep_their_turns() -> None:
    world = World(Resolver(DnsSettings()), TlsContexts())
    runner = DomainRunner(Visitor(world, cast("Logins", None)), DomainStates(), lambda _, __: None, {})

    def jobs(text: str) -> dict[tuple[str, str], Job]:
        read = configuration(text)
        runner.configure(read.followings, read.domains, resolver)
        return {(job.hosts[0], job.key[1].split()[0]): job for job in runner.jobs()}

    resolver = Resolver(DnsSettings())
    first = jobs(DOMAINS)
    second = jobs(DOMAINS.replace("10m", "20m").replace("[mx]", "[mx, spf]"))
    assert {(LOOKS, "example.com"), (LOOKS, "example.net"), (JUDGEMENTS, "example.com")} == first.keys()
    assert {(LOOKS, "example.com")} == {key for key in first if first[key].key == second[key].key}
    assert {0.0} == {job.first_within for job in second.values()}
    assert 1200.0 == second[LOOKS, "example.net"].interval
    assert {} == jobs(BOTH)


class Kept(DomainStates):
    """What the runner tells of, in its order."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[str] = []

    def judged(self, report: DomainReport) -> None:
        self.told.append(report.domain)

    def followed(self, followed: FollowedState) -> None:
        self.told.append(followed.domain)


async def test_what_comes_of_a_domain_that_was_changed_or_removed_meanwhile_is_discarded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    let_go = asyncio.Event()

    async def discover(_: Discoverer, wanted: Wanted) -> Discovery:
        await let_go.wait()
        return Discovery(wanted.domain, ())

    async def judge(_: Judge, settings: Domain, __: Connections) -> DomainReport:
        await let_go.wait()
        return DomainReport(settings.name, 0.0, 0.0, {})

    monkeypatch.setattr(Discoverer, "discover", discover)
    monkeypatch.setattr(Judge, "judge", judge)
    kept = Kept()
    resolver = Resolver(DnsSettings())
    visitor = Visitor(World(resolver, TlsContexts()), cast("Logins", None))
    runner = DomainRunner(visitor, kept, lambda domain, _: kept.told.append(domain), {})

    async def outcome(*configured: str) -> list[str]:
        """What is told by jobs that began under the first configuration and ended under the last."""
        kept.told.clear()
        let_go.clear()
        tasks: list[asyncio.Future[None]] = []
        for text in configured:
            read = configuration(text)
            runner.configure(read.followings, read.domains, resolver)
            tasks = tasks or [asyncio.ensure_future(job.run(uncounted)) for job in runner.jobs()]
            await asyncio.sleep(0)
        let_go.set()
        await asyncio.gather(*tasks)
        return sorted(set(kept.told))

    text = "endpoints: [{domain: followed.test, discover: [srv]}]\ndomains: [{name: judged.test, checks: [mx]}]"
    assert ["followed.test", "judged.test"] == await outcome(text, text)
    assert ["followed.test"] == await outcome(text, text.replace("[mx]", "[mx, spf]"))
    assert ["judged.test"] == await outcome(text, text.replace("[srv]", "[mx, srv]"))
    assert [] == await outcome(text, BOTH)


async def test_a_reload_takes_what_is_over_off_the_schedule(monkeypatch: pytest.MonkeyPatch) -> None:
    scheduled: set[tuple[str, str]] = set()

    def exchange(_: object, gone: Iterable[Scheduled], come: Iterable[Scheduled]) -> None:
        scheduled.difference_update(item.key for item in gone)
        scheduled.update(item.key for item in come)

    monkeypatch.setattr(Scheduler, "exchange", exchange)
    daemon = Daemon(configuration(), Shard())
    seen = []
    for text in (BOTH, FLOWS, "domains: [{name: example.com, checks: [mx]}]", BOTH):
        await reloaded(daemon, text)
        seen.append(set(scheduled))
    await daemon.stop()

    written = {("a", ""), ("b", "")}
    assert [
        written,
        {("in", ""), ("out", ""), ("\0flow", "through"), ("\0flow", "by-mx")},
        {(JUDGEMENTS, "example.com 0")},
        written,
    ] == seen
