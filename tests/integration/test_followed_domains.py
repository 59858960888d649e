"""Followed domains in the whole daemon: zones change while it runs, and endpoints appear, stay and go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import dns.rcode
import pytest

from exporter.config.load import parse
from exporter.daemon import Daemon
from exporter.metrics.exposition import Format, expose
from exporter.sharding import ALONE
from tests.servers.dns import Behaviour, Nameserver, nameserver, rcode, records
from tests.servers.exporter import Metrics

DOMAIN = "example.test"
PATIENCE = 60.0
"""Seconds for the daemon to notice a change: it looks every second."""

CONFIGURATION = """\
dns: {{nameservers: ["{nameserver}"], timeout: 500ms}}
credentials: {{monitor: {{username: m, password: hunter2hunter2}}}}
endpoints:
  - domain: example.test
    discover: [srv]
    refresh: 1s
    interval: 1s
    encryption: none
    {more}
  - url: imap://127.0.0.1:{written}
    encryption: none
    interval: 1s
"""


@dataclass
class Mailbox:
    """An IMAP server that offers next to nothing, and counts."""

    port: int
    connections: int = 0
    logins: int = 0


@asynccontextmanager
async def imap_server() -> AsyncIterator[Mailbox]:
    """Serve until the block ends."""
    seen = Mailbox(0)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.connections += 1
        try:
            writer.write(b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR] ready\r\n")
            while line := await reader.readline():
                tag, verb = line.split()[:2]
                seen.logins += verb == b"AUTHENTICATE"
                writer.write(tag + b" OK done\r\n")
        except (OSError, ValueError):
            pass  # anyone who looked has seen enough
        finally:
            writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        seen.port = server.sockets[0].getsockname()[1]
        yield seen


def zone(*servers: Mailbox, host: str = "imap.example.test", address: str = "127.0.0.1") -> Behaviour:
    """SRV records for these servers, that nobody may remember."""
    lines = [f"_imap._tcp.{DOMAIN}. 0 IN SRV 0 {n + 1} {each.port} {host}." for n, each in enumerate(servers)]
    return records(*lines, f"{host}. 0 IN A {address}", f"{DOMAIN}. 0 IN TXT here", zone="test.", minimum=0)


@dataclass(frozen=True, slots=True)
class Followed:
    """The daemon, and the nameserver that it asks."""

    daemon: Daemon
    names: Nameserver
    written: Mailbox

    def metrics(self) -> Metrics:
        return Metrics.parse(b"".join(expose(self.daemon.store.snapshot(), Format.TEXT)).decode())

    async def until(self, condition: Callable[[Metrics], bool]) -> Metrics:
        async with asyncio.timeout(PATIENCE):
            while not condition(metrics := self.metrics()):  # noqa: ASYNC110 - the daemon tells nobody
                await asyncio.sleep(0.02)
        return metrics


@asynccontextmanager
async def following(behaviour: Behaviour, more: str = "allowed_targets: [127.0.0.0/8]") -> AsyncIterator[Followed]:
    """The daemon at work."""
    async with AsyncExitStack() as stack:
        names = await stack.enter_async_context(nameserver(behaviour))
        written = await stack.enter_async_context(imap_server())
        text = CONFIGURATION.format(nameserver=names, more=more, written=written.port)
        daemon = Daemon(parse(text, "f"), ALONE)
        daemon.start()
        stack.callback(daemon.close)
        stack.push_async_callback(daemon.stop)
        yield Followed(daemon, names, written)


def probed(metrics: Metrics) -> set[str]:
    """The endpoints of which something is known."""
    return {labels["endpoint"] for labels in metrics.find("mail_probe_success")}


def url(server: Mailbox) -> str:
    return f"imap://imap.example.test:{server.port}"


async def test_endpoints_appear_stay_and_go_as_the_zone_says_and_no_counter_begins_anew() -> None:
    async with imap_server() as one, imap_server() as other, following(zone(one)) as here:
        own = f"imap://127.0.0.1:{here.written.port}"
        await here.until(lambda metrics: {own, url(one)} == probed(metrics))
        here.names.behaviour = zone(one, other)
        metrics = await here.until(lambda metrics: {own, url(one), url(other)} == probed(metrics))
        (facts,) = metrics.find("mail_endpoint_info", endpoint=url(one))
        assert "0" == facts["priority"]
        before = metrics.value("mail_probes_total", endpoint=url(one), protocol="imap")
        written = metrics.value("mail_probes_total", endpoint=own, protocol="imap")
        assert 2.0 == metrics.value("mail_discovery_endpoints", domain=DOMAIN)

        here.names.behaviour = zone(other)
        await here.until(lambda metrics: {own, url(other)} == probed(metrics))
        here.names.behaviour = zone(one, other)
        metrics = await here.until(lambda metrics: {own, url(one), url(other)} == probed(metrics))
        assert metrics.value("mail_probes_total", endpoint=own, protocol="imap") >= written
        assert before >= 1


async def test_counters_go_on_where_an_endpoint_stays_published() -> None:
    async with imap_server() as one, imap_server() as other, following(zone(one)) as here:
        labels = {"endpoint": url(one), "protocol": "imap"}
        await here.until(
            lambda m: bool(m.find("mail_probes_total", **labels)) and m.value("mail_probes_total", **labels) >= 2
        )
        here.names.behaviour = zone(one, other)
        metrics = await here.until(lambda m: url(other) in probed(m))
        assert metrics.value("mail_probes_total", **labels) >= 2


async def test_a_look_that_fails_keeps_what_is_known_and_says_so() -> None:
    async with imap_server() as one, following(zone(one)) as here:
        await here.until(lambda metrics: url(one) in probed(metrics))
        succeeded = here.metrics().value("mail_discovery_last_success_timestamp_seconds", domain=DOMAIN)
        here.names.behaviour = rcode(dns.rcode.SERVFAIL)
        metrics = await here.until(lambda metrics: metrics.value("mail_discovery_success", domain=DOMAIN) == 0)
        assert url(one) in {labels["endpoint"] for labels in metrics.find("mail_endpoint_info")}
        assert 1.0 == metrics.value("mail_discovery_endpoints", domain=DOMAIN)
        assert metrics.value("mail_discovery_last_success_timestamp_seconds", domain=DOMAIN) >= succeeded
        here.names.behaviour = zone(one)
        await here.until(lambda metrics: metrics.value("mail_discovery_success", domain=DOMAIN) == 1)


async def test_an_address_that_is_not_public_is_not_connected_to() -> None:
    async with imap_server() as trap, following(zone(trap), more="") as here:
        metrics = await here.until(lambda metrics: url(trap) in probed(metrics))
        failed = metrics.find("mail_probe_failure_info", endpoint=url(trap))
        assert [("dns_failed", "dns")] == [(labels["reason"], labels["phase"]) for labels in failed]
        assert 0 == trap.connections
        (state,) = here.daemon.store.states(url(trap))
        assert state.latest is not None
        assert state.latest.failure is not None
        assert "allowed_targets" in state.latest.failure.detail


@pytest.mark.parametrize(
    ("host", "more", "logs_in"),
    [
        ("imap.example.test", "", True),
        ("imap.hoster.invalid", "", False),
        ("imap.hoster.invalid", "login_hosts: [imap.hoster.invalid]", True),
        ("imap.hoster.invalid", 'login_hosts: ["*.other.invalid"]', False),
    ],
)
async def test_a_login_is_shown_to_nobody_whom_the_domain_only_names(host: str, more: str, logs_in: bool) -> None:
    keys = f"allowed_targets: [127.0.0.0/8]\n    credentials: monitor\n    allow_insecure_auth: true\n    {more}"
    async with imap_server() as server, following(zone(server, host=host), more=keys) as here:
        name = f"imap://{host}:{server.port}"
        await here.until(lambda metrics: metrics.get("mail_probe_success", endpoint=name) == 1)
        assert logs_in is (server.logins > 0)
        (state,) = here.daemon.store.states(name)
        assert logs_in is ("without a login" not in state.endpoint.remark)
