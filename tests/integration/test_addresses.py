"""`addresses: all` in the whole daemon: several servers behind one name, each with its own certificate, come and go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import dns.rcode
import pytest
from cryptography.hazmat.primitives import hashes

from exporter.config.load import parse
from exporter.daemon import Daemon
from exporter.metrics.exposition import Format, expose
from exporter.sharding import ALONE
from tests.servers.authority import DAY, Authority, Identity
from tests.servers.dns import Behaviour, Nameserver, by_type, nameserver, rcode, records
from tests.servers.exporter import Metrics
from tests.servers.programs import free_ports, unavailable
from tests.servers.scripted import server_context

HOST = "mail.example.test"
PATIENCE = 60.0
"""Seconds for the daemon to notice a change: its interval is one."""

GOOD, EXPIRED, OTHER, REFUSING, IPV6 = "127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4", "::1"

CONFIGURATION = """\
dns: {{nameservers: ["{nameserver}"], timeout: 500ms}}
limits: {{connections_per_host: 2}}
endpoints:
  - name: pool
    url: pop3s://{host}:{port}
    addresses: all
    interval: 1s
    tls: {{ca_file: {authority}}}
"""


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A POP3 server that offers next to nothing."""
    try:
        writer.write(b"+OK ready\r\n")
        while line := await reader.readline():
            writer.write(b"+OK\r\nUSER\r\n.\r\n" if line == b"CAPA\r\n" else b"+OK\r\n")
    except OSError:
        pass  # the probe has seen the certificate and wants no more
    finally:
        writer.close()


@asynccontextmanager
async def pop3_servers(identities: Mapping[str, Identity]) -> AsyncIterator[int]:
    """Serve a certificate at each address until the block ends, all on one port."""
    (port,) = free_ports(1)
    async with AsyncExitStack() as stack:
        for address, identity in identities.items():
            try:
                server = await asyncio.start_server(
                    serve, address, port, ssl=server_context(identity), ssl_shutdown_timeout=1
                )
            except OSError as error:
                unavailable(f"no server can be run at {address}: {error}")
            await stack.enter_async_context(server)
        yield port


def leading_to(*addresses: str) -> Behaviour:
    """The name has these addresses, and nobody may remember them."""
    kinds = {address: "AAAA" if ":" in address else "A" for address in addresses}
    return records(*(f"{HOST}. 0 IN {kinds[address]} {address}" for address in addresses), minimum=0)


@dataclass(frozen=True, slots=True)
class Pool:
    """The daemon, and what it is deceived with."""

    daemon: Daemon
    names: Nameserver
    identities: Mapping[str, Identity]

    def metrics(self) -> Metrics:
        return Metrics.parse(b"".join(expose(self.daemon.store.snapshot(), Format.TEXT)).decode())

    async def until(self, condition: Callable[[Metrics], bool]) -> Metrics:
        """Wait until a scrape shows it."""
        async with asyncio.timeout(PATIENCE):
            while not condition(metrics := self.metrics()):  # noqa: ASYNC110 - the daemon tells nobody when it has probed
                await asyncio.sleep(0.02)
        return metrics


def outcomes(metrics: Metrics) -> dict[str, tuple[float, str]]:
    """Success, and reason of the failure, by the label `address`; an empty one is none."""
    reasons = {
        labels.get("address", ""): labels["reason"]
        for labels in metrics.find("mail_probe_failure_info", endpoint="pool")
    }
    probed = metrics.find("mail_probe_success", endpoint="pool")
    return {
        address: (metrics.value("mail_probe_success", **labels), reasons.get(address, ""))
        for labels in probed
        for address in [labels.get("address", "")]
    }


@pytest.fixture
async def pool(authority: Authority, tmp_path: Path) -> AsyncIterator[Pool]:
    now = authority.issue("now", names=[HOST]).certificate.not_valid_before_utc + DAY
    identities = {
        GOOD: authority.issue("pool-good", names=[HOST]),
        EXPIRED: authority.issue("pool-expired", names=[HOST], not_before=now - 9 * DAY, not_after=now - DAY),
        OTHER: authority.issue("pool-other", names=["other.example.test"]),
        IPV6: authority.issue("pool-ipv6", names=[HOST], not_after=now + 7 * DAY),
    }
    async with pop3_servers(identities) as port, nameserver(leading_to(GOOD, EXPIRED)) as names:
        text = CONFIGURATION.format(nameserver=names, host=HOST, port=port, authority=authority.file)
        daemon = Daemon(parse(text, str(tmp_path / "config.yaml")), ALONE)
        daemon.start()
        try:
            yield Pool(daemon, names, identities)
        finally:
            await daemon.stop()


FIRST_SEEN = {GOOD: (1, ""), EXPIRED: (0, "tls_certificate_expired")}


async def test_each_address_is_a_series_with_the_certificate_that_it_serves(pool: Pool) -> None:
    pool.names.behaviour = leading_to(GOOD, EXPIRED, OTHER, REFUSING, IPV6)

    expected = {**FIRST_SEEN, OTHER: (0, "tls_name_mismatch"), REFUSING: (0, "connect_refused"), IPV6: (1, "")}
    metrics = await pool.until(lambda metrics: expected == outcomes(metrics))

    for address, identity in pool.identities.items():
        (facts,) = metrics.find("mail_tls_certificate_info", address=address)
        not_after = metrics.value("mail_tls_certificate_not_after_timestamp_seconds", address=address)
        assert identity.certificate.fingerprint(hashes.SHA256()).hex() == facts["fingerprint_sha256"]
        assert identity.certificate.not_valid_after_utc.timestamp() == not_after
    assert 6 == metrics.value("mail_probe_ip_protocol", address=IPV6)
    assert 1 == metrics.value("mail_exporter_endpoints", protocol="pop3")
    assert metrics.find("mail_probe_last_phase_duration_seconds", address=GOOD, phase="dns")


async def test_an_address_that_leaves_dns_leaves_the_metrics_and_one_that_joins_joins(pool: Pool) -> None:
    await pool.until(lambda metrics: outcomes(metrics) == FIRST_SEEN)
    before = pool.metrics().value("mail_probes_total", address=GOOD)

    pool.names.behaviour = leading_to(GOOD, IPV6)
    metrics = await pool.until(lambda metrics: outcomes(metrics) == {GOOD: (1, ""), IPV6: (1, "")})

    assert [] == [labels for _, labels in metrics.series if ("address", EXPIRED) in labels]
    assert before <= metrics.value("mail_probes_total", address=GOOD)


NOWHERE = records("other.example.test. 0 IN A 127.0.0.1", minimum=0)


async def test_a_name_that_leads_nowhere_fails_in_a_series_of_its_own_until_it_comes_back(pool: Pool) -> None:
    await pool.until(lambda metrics: outcomes(metrics) == FIRST_SEEN)

    pool.names.behaviour = NOWHERE
    metrics = await pool.until(lambda metrics: outcomes(metrics) == {"": (0, "dns_not_found")})
    assert 1 == metrics.value("mail_probe_failure_info", endpoint="pool", phase="dns")

    pool.names.behaviour = leading_to(GOOD)
    await pool.until(lambda metrics: outcomes(metrics) == {GOOD: (1, "")})


async def test_a_name_that_cannot_be_looked_up_fails_all_addresses_that_are_known(pool: Pool) -> None:
    await pool.until(lambda metrics: outcomes(metrics) == FIRST_SEEN)

    pool.names.behaviour = rcode(dns.rcode.SERVFAIL)
    await pool.until(lambda metrics: outcomes(metrics) == {GOOD: (0, "dns_failed"), EXPIRED: (0, "dns_failed")})

    pool.names.behaviour = leading_to(GOOD, EXPIRED)
    await pool.until(lambda metrics: outcomes(metrics) == FIRST_SEEN)


async def test_where_only_one_kind_of_address_is_known_the_other_stays_and_fails(pool: Pool) -> None:
    whole = leading_to(GOOD, IPV6)
    pool.names.behaviour = whole
    await pool.until(lambda metrics: outcomes(metrics) == {GOOD: (1, ""), IPV6: (1, "")})

    pool.names.behaviour = by_type(A=whole, AAAA=rcode(dns.rcode.SERVFAIL))
    await pool.until(lambda metrics: outcomes(metrics) == {GOOD: (1, ""), IPV6: (0, "dns_failed")})


async def test_a_name_that_never_led_anywhere_is_a_failure_too(pool: Pool) -> None:
    pool.names.behaviour = NOWHERE

    await pool.until(lambda metrics: outcomes(metrics) == {"": (0, "dns_not_found")})
