from __future__ import annotations

from pathlib import Path

import dns.message
import dns.rcode
import dns.rrset
import pytest

from exporter.model import DnsSettings
from exporter.net.dns.resolve import Resolver
from tests.servers import dns as servers
from tests.servers.dns import nameserver
from tests.unit.resolving import BOTH, IPV4, MAIL, Bench, failed, not_found


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


async def test_a_name_without_a_dot_is_looked_for_below_the_search_domains(bench: Bench) -> None:
    async with nameserver(BOTH) as server:
        resolver = bench.resolver(server, search=["other.test", "Example.Test."])
        assert ("192.0.2.1",) == (await resolver.resolve("mail", IPV4)).addresses
        assert server.asked == [("mail.other.test", "A"), (MAIL, "A")]


async def test_a_name_below_no_search_domain_is_asked_for_as_it_is(bench: Bench) -> None:
    async with nameserver(servers.records()) as server:
        detail = await not_found(bench.resolver(server, search=["a.test", "b.test"]), "mail", IPV4)
        assert [("mail.a.test", "A"), ("mail.b.test", "A"), ("mail", "A")] == server.asked
        assert detail == f"mail (also looked for below 2 search domains) does not exist, says {server} (NXDOMAIN)"


@pytest.mark.parametrize("host", [MAIL, "mail."])
async def test_a_name_with_a_dot_is_asked_for_as_it_is_only(bench: Bench, host: str) -> None:
    async with nameserver(servers.records()) as server:
        await not_found(bench.resolver(server, search=["other.test"]), host, IPV4)
        assert [(host.removesuffix("."), "A")] == server.asked


async def test_a_failure_ends_the_search(bench: Bench) -> None:
    ill = servers.by_name({"mail.a.test": servers.rcode(dns.rcode.SERVFAIL)})
    async with nameserver(ill) as server:
        detail = await failed(bench.resolver(server, search=["a.test", "b.test"]), "mail", IPV4)
        assert detail == f"mail.a.test: {server} answered SERVFAIL"


async def test_a_search_domain_that_makes_no_name_is_passed_over(bench: Bench) -> None:
    async with nameserver(BOTH) as server:
        resolver = bench.resolver(server, search=["not a domain", "x" * 64, "." * 3, "example.test"])
        assert ("192.0.2.1",) == (await resolver.resolve("mail", IPV4)).addresses
        assert server.asked == [(MAIL, "A")]


def candidates(resolver: Resolver, host: str) -> list[str]:
    names = resolver._files._read()
    return list(resolver._candidates(host.removesuffix("."), host, names))


def test_ndots_of_the_system_decides_which_names_are_searched(bench: Bench) -> None:
    bench.resolv_conf.write_text("search prod.svc.test svc.test\noptions ndots:3\n")
    resolver = bench.resolver()
    assert ["mail.prod.prod.svc.test", "mail.prod.svc.test", "mail.prod"] == candidates(resolver, "mail.prod")
    assert ["mail.a.b.test"] == candidates(resolver, "mail.a.b.test")
    assert ["mail"] == candidates(resolver, "mail.")


def test_configured_search_domains_replace_those_of_the_system(bench: Bench) -> None:
    bench.resolv_conf.write_text("search system.test\noptions ndots:3\n")
    resolver = bench.resolver(search=["configured.test"])
    assert ["mail.configured.test", "mail"] == candidates(resolver, "mail")
    assert ["mail.a"] == candidates(resolver, "mail.a")


def test_configured_nameservers_know_nothing_of_the_systems_search_domains(bench: Bench) -> None:
    bench.resolv_conf.write_text("search system.test\n")
    resolver = Resolver(
        DnsSettings((("192.0.2.53", 53),)), clock=lambda: 0.0, hosts=bench.hosts, resolv_conf=bench.resolv_conf
    )
    assert ["mail"] == candidates(resolver, "mail")


def test_an_empty_list_means_that_no_name_is_searched(bench: Bench) -> None:
    bench.resolv_conf.write_text("search system.test\noptions ndots:3\n")
    assert ["mail"] == candidates(bench.resolver(search=[]), "mail")
    assert ["mail.system.test", "mail"] == candidates(bench.resolver(), "mail")


async def test_a_name_with_a_final_dot_is_asked_for_as_it_stands_whatever_ndots_says(bench: Bench) -> None:
    async with nameserver(
        servers.records("ok.example.test. 300 IN A 192.0.2.1", "*.example. 300 IN A 192.0.2.66")
    ) as server:
        bench.resolv_conf.write_text("search example.test\noptions ndots:9\n")
        resolver = Resolver(
            DnsSettings((server.address,), search=("example.test",)), hosts=bench.hosts, resolv_conf=bench.resolv_conf
        )
        await not_found(resolver, "ok.", IPV4)
        assert [("ok", "A")] == server.asked
