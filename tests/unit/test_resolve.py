"""Hosts to addresses: without DNS, by DNS, from what is kept, and the words for what cannot be found."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

import dns.message
import dns.rcode
import dns.rrset
import pytest
from blockbuster import blockbuster_ctx

from exporter.model import DnsSettings, IpFamily, Resolution
from exporter.net.dns import dns_answers, dns_query
from exporter.net.dns.dns_wire import Answer
from exporter.net.dns.nameserver import Nameserver as Address
from exporter.net.dns.resolve import MAX_ADDRESSES, Resolver
from tests.servers import dns as servers
from tests.servers.dns import Query, nameserver
from tests.unit.resolving import ANY, BOTH, IPV4, MAIL, Bench, failed, not_found

IPV6 = IpFamily.IPV6


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.mark.parametrize(
    ("host", "family", "address"),
    [
        ("192.0.2.1", ANY, "192.0.2.1"),
        ("192.0.2.1", IPV4, "192.0.2.1"),
        ("2001:DB8:0::1", ANY, "2001:db8::1"),
        ("2001:db8::1", IPV6, "2001:db8::1"),
        ("::ffff:192.0.2.1", IPV4, "192.0.2.1"),
    ],
)
async def test_an_ip_address_is_itself(bench: Bench, host: str, family: IpFamily, address: str) -> None:
    async with nameserver(BOTH) as server:
        assert (address,) == (await bench.resolver(server).resolve(host, family)).addresses
        assert [] == server.asked


@pytest.mark.parametrize(("host", "family"), [("192.0.2.1", IPV6), ("2001:db8::1", IPV4), ("::ffff:192.0.2.1", IPV6)])
async def test_an_ip_address_of_the_other_family_is_not_found(bench: Bench, host: str, family: IpFamily) -> None:
    detail = await not_found(bench.resolver(), host, family)
    assert detail == f"{host} is not an {family} address, and no other is wanted"


async def test_an_address_with_a_zone_is_refused(bench: Bench) -> None:
    detail = await not_found(bench.resolver(), "fe80::1%eth0")
    assert "fe80::1%eth0: an address with a zone cannot be probed; leave out the % and the rest" == detail


@pytest.mark.parametrize(
    "host",
    [
        "",
        ".",
        "..",
        "a..b",
        ".mail",
        "mail example",
        "mail\r\nQUIT",
        "mail\0",
        "mail/../etc",
        "m\N{LATIN SMALL LETTER A WITH DIAERESIS}il.example",
        "\\109ail.example",
        "*.example",
        "user@example",
        "[192.0.2.1]",
        "192.0.2.1:25",
        "256.0.0.1",
        "127.1",
        "0x7f.1",
        "2130706433",
        "x" * 64,
        ".".join(["x" * 63] * 4),
        "x" * 100_000,
    ],
)
async def test_what_no_host_can_be_called_is_not_asked_for(bench: Bench, host: str) -> None:
    async with nameserver(BOTH) as server:
        detail = await not_found(bench.resolver(server), host)
        assert "is neither an IP address nor a name that a host can have" in detail
        assert len(detail) < 200
        assert [] == server.asked


async def test_the_hosts_file_comes_before_dns(bench: Bench) -> None:
    bench.hosts.write_text(f"192.0.2.9 {MAIL}\n2001:db8::9 {MAIL}\n192.0.2.10 {MAIL}\n")
    async with nameserver(BOTH) as server:
        resolver = bench.resolver(server)
        assert ("2001:db8::9", "192.0.2.9", "192.0.2.10") == (
            await resolver.resolve("Mail.Example.Test.", ANY)
        ).addresses
        assert ("192.0.2.9", "192.0.2.10") == (await resolver.resolve(MAIL, IPV4)).addresses
        assert [] == server.asked


async def test_a_family_that_the_hosts_file_lacks_is_asked_for(bench: Bench) -> None:
    bench.hosts.write_text(f"192.0.2.9 {MAIL}\n")
    async with nameserver(BOTH) as server:
        assert ("2001:db8::1",) == (await bench.resolver(server).resolve(MAIL, IPV6)).addresses


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST.", "imap.localhost"])
@pytest.mark.parametrize(
    ("family", "addresses"), [(ANY, ("::1", "127.0.0.1")), (IPV4, ("127.0.0.1",)), (IPV6, ("::1",))]
)
async def test_localhost_is_never_asked_for(
    bench: Bench, host: str, family: IpFamily, addresses: tuple[str, ...]
) -> None:
    async with nameserver(BOTH) as server:
        assert addresses == (await bench.resolver(server).resolve(host, family)).addresses
        assert [] == server.asked


async def test_localhost_is_ipv4_where_ipv6_is_switched_off(bench: Bench) -> None:
    resolver = bench.resolver(source_for=lambda address: None if ":" in address else address)
    assert ("127.0.0.1",) == (await resolver.resolve("localhost", ANY)).addresses


@pytest.mark.parametrize(
    ("family", "types", "addresses"),
    [
        (ANY, {"A", "AAAA"}, ("2001:db8::1", "192.0.2.1")),
        (IPV4, {"A"}, ("192.0.2.1",)),
        (IPV6, {"AAAA"}, ("2001:db8::1",)),
    ],
)
async def test_only_the_wanted_family_is_asked_for(
    bench: Bench, family: IpFamily, types: set[str], addresses: tuple[str, ...]
) -> None:
    async with nameserver(BOTH) as server:
        assert addresses == (await bench.resolver(server).resolve(MAIL, family)).addresses
        assert {(MAIL, rdtype) for rdtype in types} == set(server.asked)


async def test_both_families_are_asked_for_at_the_same_time(bench: Bench) -> None:
    async with nameserver(BOTH) as server:
        server.gate.clear()
        lookup = asyncio.create_task(bench.resolver(server).resolve(MAIL, ANY))
        await server.was_asked(2)
        server.gate.set()
        assert ("2001:db8::1", "192.0.2.1") == (await lookup).addresses


async def test_nothing_blocks_the_loop(bench: Bench) -> None:
    bench.resolv_conf.write_text("search example.test\n")
    async with nameserver(servers.cut_short_by_udp(BOTH)) as server:
        resolver = Resolver(
            DnsSettings((server.address,)), hosts=bench.hosts, resolv_conf=bench.resolv_conf
        )  # with the real routes
        with blockbuster_ctx("exporter"):
            addresses = (await resolver.resolve(MAIL, ANY)).addresses
    assert {"192.0.2.1", "2001:db8::1"} >= set(addresses)


@pytest.mark.parametrize("lost", ["A", "AAAA"])
async def test_one_family_is_enough_if_the_other_fails(bench: Bench, lost: str) -> None:
    behaviours = {"A": BOTH, "AAAA": BOTH, lost: servers.rcode(dns.rcode.SERVFAIL)}
    async with nameserver(servers.by_type(**behaviours)) as server:
        expected = ("192.0.2.1",) if lost == "AAAA" else ("2001:db8::1",)
        assert expected == (await bench.resolver(server).resolve(MAIL, ANY)).addresses


@pytest.mark.parametrize("lost", ["A", "AAAA"])
async def test_it_says_whether_the_addresses_are_all_there_are(bench: Bench, lost: str) -> None:
    behaviours = {"A": BOTH, "AAAA": BOTH}
    async with nameserver(servers.by_type(**behaviours)) as server:
        resolver = bench.resolver(server)
        whole = await resolver.resolve(MAIL, ANY)
        server.behaviour = servers.by_type(**{**behaviours, lost: servers.rcode(dns.rcode.SERVFAIL)})
        half = await bench.resolver(server).resolve(MAIL, ANY)

    assert ("", 2) == (whole.unanswered, len(whole.addresses))
    assert "SERVFAIL" in half.unanswered
    assert 1 == len(half.addresses)


async def test_a_family_that_has_no_addresses_leaves_nothing_open(bench: Bench) -> None:
    async with nameserver(servers.records(f"{MAIL}. 300 IN A 192.0.2.1")) as server:
        assert Resolution(("192.0.2.1",)) == await bench.resolver(server).resolve(MAIL, ANY)


async def test_it_says_how_long_the_nameserver_took_and_not_how_long_we_did(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge, now = dns_query.judge, time.perf_counter

    def dawdle(response: Answer, server: Address) -> object:
        monkeypatch.setattr(time, "perf_counter", lambda: now() + 3600.0)
        return judge(response, server)

    async with nameserver(BOTH) as server:
        resolver = bench.resolver(server)
        monkeypatch.setattr(dns_query, "judge", dawdle)
        asked = await resolver.resolve(MAIL, IPV4)
        known = await resolver.resolve(MAIL, IPV4)

    assert asked.waited is not None
    assert 0.0 < asked.waited < 3600.0
    assert known.waited is None


@pytest.mark.parametrize("host", ["192.0.2.1", "localhost"])
async def test_where_nobody_is_asked_nothing_is_said_of_how_long_it_took(bench: Bench, host: str) -> None:
    assert (await bench.resolver().resolve(host, IPV4)).waited is None


async def test_how_long_it_took_is_not_said_where_an_answer_is_missing(bench: Bench) -> None:
    behaviour = servers.by_type(A=BOTH, AAAA=servers.rcode(dns.rcode.SERVFAIL))
    async with nameserver(behaviour) as server:
        assert (await bench.resolver(server).resolve(MAIL, ANY)).waited is None


async def test_a_family_that_stays_silent_leaves_it_open(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dns_answers, "GRACE", 0.05)
    async with nameserver(servers.by_type(A=BOTH, AAAA=servers.silent)) as server:
        resolution = await bench.resolver(server).resolve(MAIL, ANY)

    assert ("192.0.2.1",) == resolution.addresses
    assert "no answer" in resolution.unanswered


async def test_a_family_that_stays_silent_is_not_waited_for_to_the_end(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dns_answers, "GRACE", 0.05)
    async with nameserver(servers.by_type(A=BOTH, AAAA=servers.silent)) as server:
        async with asyncio.timeout(2):
            assert ("192.0.2.1",) == (await bench.resolver(server, timeout=60).resolve(MAIL, ANY)).addresses


async def test_a_family_without_records_leaves_the_whole_time_to_the_other(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dns_answers, "GRACE", 0.0)
    only_a = servers.records(f"{MAIL}. 300 IN A 192.0.2.1")
    async with nameserver(servers.by_type(A=servers.losing_the_first(1, only_a), AAAA=only_a)) as server:
        assert ("192.0.2.1",) == (await bench.resolver(server, timeout=0.4).resolve(MAIL, ANY)).addresses


async def test_a_mapped_address_in_a_record_is_ipv4(bench: Bench) -> None:
    mapped = servers.records(f"{MAIL}. 300 IN AAAA ::ffff:192.0.2.1", f"{MAIL}. 300 IN A 192.0.2.1")
    async with nameserver(mapped) as server:
        resolver = bench.resolver(server)
        assert ("192.0.2.1",) == (await resolver.resolve(MAIL, ANY)).addresses
        assert await not_found(resolver, MAIL, IPV6) == f"{MAIL} has no AAAA record, says {server}"


async def test_addresses_are_tried_as_the_routes_suggest(bench: Bench) -> None:
    async with nameserver(BOTH) as server:
        resolver = bench.resolver(server, source_for=lambda address: None if ":" in address else "10.0.0.2")
        assert ("192.0.2.1",) == (await resolver.resolve(MAIL, ANY)).addresses
        assert ("2001:db8::1",) == (await resolver.resolve(MAIL, IPV6)).addresses


async def test_a_name_has_no_more_addresses_than_can_be_tried(bench: Bench) -> None:
    lines = [f"{MAIL}. 300 IN A 192.0.2.{number}" for number in range(200)]
    async with nameserver(servers.records(*lines)) as server:
        expected = tuple(f"192.0.2.{number}" for number in range(MAX_ADDRESSES))
        assert expected == (await bench.resolver(server).resolve(MAIL, IPV4)).addresses


async def test_a_name_that_does_not_exist_is_not_found(bench: Bench) -> None:
    async with nameserver(servers.records()) as server:
        assert await not_found(bench.resolver(server), MAIL) == f"{MAIL} does not exist, says {server} (NXDOMAIN)"


@pytest.mark.parametrize(("family", "record"), [(ANY, "A or AAAA record"), (IPV4, "A record"), (IPV6, "AAAA record")])
async def test_a_name_without_addresses_is_not_found(bench: Bench, family: IpFamily, record: str) -> None:
    async with nameserver(servers.records(f"{MAIL}. 300 IN TXT hello")) as server:
        assert f"{MAIL} has no {record}, says {server}" == await not_found(bench.resolver(server), MAIL, family)


async def test_an_alias_that_leads_nowhere_is_told(bench: Bench) -> None:
    async with nameserver(servers.records(f"{MAIL}. 300 IN CNAME gone.example.test.")) as server:
        detail = await not_found(bench.resolver(server), MAIL)
    assert detail == f"{MAIL} is an alias of gone.example.test, which does not exist, says {server} (NXDOMAIN)"


async def test_that_a_name_does_not_exist_needs_to_be_said_once(bench: Bench) -> None:
    half = servers.by_type(A=servers.records(), AAAA=servers.rcode(dns.rcode.SERVFAIL))
    async with nameserver(half) as server:
        assert "NXDOMAIN" in await not_found(bench.resolver(server), MAIL)


async def test_that_one_family_is_missing_says_nothing_of_the_other(bench: Bench) -> None:
    only_text = servers.records(f"{MAIL}. 300 IN TXT hello")
    async with nameserver(servers.by_type(AAAA=only_text, A=servers.rcode(dns.rcode.SERVFAIL))) as server:
        assert await failed(bench.resolver(server), MAIL) == f"{MAIL}: {server} answered SERVFAIL"


async def test_a_lookup_ends_in_time(bench: Bench) -> None:
    async with nameserver(servers.silent) as server:
        start = asyncio.get_running_loop().time()
        detail = await failed(bench.resolver(server, timeout=0.3), MAIL)
        assert asyncio.get_running_loop().time() - start < 10.0
        assert detail == f"{MAIL}: {server} did not answer within 0.3 s"


async def test_a_file_that_cannot_be_read_is_mentioned_where_names_cannot_be_resolved(bench: Bench) -> None:
    bench.hosts.mkdir()
    async with nameserver(servers.rcode(dns.rcode.REFUSED)) as server:
        detail = await failed(bench.resolver(server), MAIL)
    assert detail == f"{MAIL}: {server} answered REFUSED; {bench.hosts} cannot be read: Is a directory"


async def test_a_bug_of_ours_is_not_swallowed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(dns_answers, "ask", broken)
    async with nameserver(BOTH) as server:
        with pytest.raises(ZeroDivisionError):
            await bench.resolver(server).resolve(MAIL, IPV4)


async def test_a_poisoned_extra_record_is_not_believed(bench: Bench) -> None:
    def poisoned(query: Query) -> Sequence[bytes]:
        message = servers.response(query)
        message.answer.append(dns.rrset.from_text(f"{MAIL}.", 300, "IN", "A", "192.0.2.1"))
        message.answer.append(dns.rrset.from_text("bank.test.", 300, "IN", "A", "203.0.113.66"))
        message.additional.append(dns.rrset.from_text("bank.test.", 300, "IN", "A", "203.0.113.66"))
        return servers.sent(query, message)

    async with nameserver(poisoned) as server:
        resolver = bench.resolver(server)
        assert ("192.0.2.1",) == (await resolver.resolve(MAIL, IPV4)).addresses
        server.behaviour = servers.records()
        await not_found(resolver, "bank.test", IPV4)
