"""One question to nameservers that answer well, late or in a roundabout way."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Sequence

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from exporter.net.dns import dns_exchange, dns_wire
from exporter.net.dns.dns_query import MAX_NEGATIVE_TTL, MAX_TTL, Absent, RecordSet
from exporter.net.dns.dns_wire import Answer
from exporter.net.dns.nameserver import Nameserver as Address
from tests.servers import dns as servers
from tests.servers.dns import Behaviour, Query, nameserver
from tests.unit.questions import GOOD, MAIL, asked, detail, nobody, texts


async def test_records_come_in_the_order_of_the_answer_with_their_ttl() -> None:
    lines = (f"{MAIL}. 300 IN A 192.0.2.7", f"{MAIL}. 300 IN A 192.0.2.3")
    async with nameserver(servers.records(*lines)) as server:
        outcome = await asked(server)
        assert ["192.0.2.7", "192.0.2.3"] == texts(outcome)
        assert isinstance(outcome, RecordSet)
        assert 300.0 == outcome.ttl
        assert Address(*server.address) == outcome.server
        assert server.asked == [(MAIL, "A")]


@pytest.mark.parametrize(
    ("rdtype", "record"),
    [("MX", "10 mx1.example.test."), ("SRV", "0 1 993 imap.example.test."), ("TXT", '"v=spf1 -all"')],
)
async def test_any_kind_of_record_can_be_asked_for(rdtype: str, record: str) -> None:
    async with nameserver(servers.records(f"{MAIL}. 300 IN {rdtype} {record}")) as server:
        assert [record] == texts(await asked(server, rdtype=rdtype))


async def test_a_server_that_knows_no_edns_is_asked_without() -> None:
    async with nameserver(servers.without_edns(GOOD)) as server:
        assert ["192.0.2.1"] == texts(await asked(server))
        assert [True, False] == [query.edns for query in server.queries]


async def test_an_answer_that_was_cut_short_is_fetched_by_tcp() -> None:
    lines = [f"{MAIL}. 300 IN A 192.0.2.{number}" for number in range(100)]
    async with nameserver(servers.cut_short_by_udp(servers.byte_by_byte(servers.records(*lines)))) as server:
        assert 100 == len(texts(await asked(server)))
        assert ["udp", "tcp"] == [query.transport for query in server.queries]


async def test_a_nameserver_may_have_an_ipv6_address() -> None:
    async with nameserver(servers.cut_short_by_udp(GOOD), "::1") as server:
        assert ["192.0.2.1"] == texts(await asked(server))


@pytest.mark.parametrize(("addresses", "at_once"), [(20, True), (100, False)])
async def test_a_long_answer_is_read_beside_the_loop(
    addresses: int, at_once: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    readers: list[int] = []
    read = dns_wire.read_answer

    def watched(wire: bytes, query: dns.message.QueryMessage) -> Answer:
        readers.append(threading.get_ident())
        return read(wire, query)

    monkeypatch.setattr(dns_exchange, "read_answer", watched)
    lines = [f"{MAIL}. 300 IN A 192.0.2.{number}" for number in range(addresses)]
    async with nameserver(servers.records(*lines)) as server:
        assert len(texts(await asked(server))) == addresses
    assert [at_once] == [reader == threading.get_ident() for reader in readers]


async def test_the_records_of_a_truncated_answer_are_not_used() -> None:
    def half(query: Query) -> Sequence[bytes]:
        if query.transport == "tcp":
            return GOOD(query)
        message = servers.response(query)
        message.flags |= dns.flags.TC
        message.answer.append(dns.rrset.from_text(f"{MAIL}.", 300, "IN", "A", "203.0.113.66"))
        return [message.to_wire()[:-2]]

    async with nameserver(half) as server:
        assert ["192.0.2.1"] == texts(await asked(server))


async def test_a_forged_answer_with_another_id_is_not_heard() -> None:
    def forged(query: Query) -> Sequence[bytes]:
        message = servers.response(query)
        message.id ^= 1
        message.answer.append(dns.rrset.from_text(f"{MAIL}.", 300, "IN", "A", "203.0.113.66"))
        return [message.to_wire(), *GOOD(query)]

    async with nameserver(forged) as server:
        assert ["192.0.2.1"] == texts(await asked(server))


async def test_an_answer_from_another_port_is_not_heard() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind(("127.0.0.1", 0))

        def overtaken(query: Query) -> Sequence[bytes]:
            message = servers.response(query)
            message.answer.append(dns.rrset.from_text(f"{MAIL}.", 300, "IN", "A", "203.0.113.66"))
            stranger.sendto(message.to_wire(), ("127.0.0.1", query.source_port))
            return GOOD(query)

        async with nameserver(overtaken) as server:
            assert ["192.0.2.1"] == texts(await asked(server))


async def test_each_question_has_a_port_and_an_id_of_its_own() -> None:
    async with nameserver(GOOD) as server:
        for _ in range(8):
            await asked(server)
        # That two of eight are equal by chance happens once in two thousand runs, that half of them are never does.
        assert len({query.source_port for query in server.queries}) > 4
        assert len({query.message.id for query in server.queries}) > 4


async def test_a_server_that_refuses_is_passed_over() -> None:
    async with nameserver(servers.rcode(dns.rcode.REFUSED)) as lame, nameserver(GOOD) as good:
        assert ["192.0.2.1"] == texts(await asked(lame, good))
        assert 1 == len(lame.queries)


async def test_a_silent_server_is_passed_over_within_the_time() -> None:
    async with nameserver(servers.silent) as silent, nameserver(GOOD) as good:
        assert ["192.0.2.1"] == texts(await asked(silent, good, within=0.6))


async def test_a_server_that_nobody_runs_costs_no_time() -> None:
    async with nameserver(GOOD) as good:
        start = asyncio.get_running_loop().time()
        assert ["192.0.2.1"] == texts(await asked(nobody(), good, within=60.0))
        assert asyncio.get_running_loop().time() - start < 10.0


async def test_a_lost_datagram_is_sent_again() -> None:
    async with nameserver(servers.losing_the_first(1, GOOD)) as server:
        assert ["192.0.2.1"] == texts(await asked(server, within=0.4))
        assert 2 == len(server.queries)


async def test_a_chain_of_aliases_lasts_as_long_as_its_shortest_ttl() -> None:
    lines = (
        f"{MAIL}. 300 IN CNAME a.example.test.",
        "a.example.test. 20 IN CNAME b.example.test.",
        "b.example.test. 600 IN A 192.0.2.1",
    )
    async with nameserver(servers.records(*lines)) as server:
        outcome = await asked(server)
        assert isinstance(outcome, RecordSet)
        assert 20.0 == outcome.ttl


def bare(behaviour: Behaviour) -> Behaviour:
    """Tells of aliases only what stands in this zone: no target, no SOA record."""

    def behave(query: Query) -> Sequence[bytes]:
        (wire,) = behaviour(query)
        message = dns.message.from_wire(wire)
        message.answer = message.answer[:1]
        message.authority = []
        return servers.sent(query, message)

    return behave


async def test_an_alias_that_an_answer_leaves_open_is_asked_for() -> None:
    lines = (f"{MAIL}. 300 IN CNAME mx.example.net.", "mx.example.net. 60 IN A 192.0.2.1")
    async with nameserver(bare(servers.records(*lines))) as server:
        outcome = await asked(server)
        assert ["192.0.2.1"] == texts(outcome)
        assert isinstance(outcome, RecordSet)
        assert 60.0 == outcome.ttl
        assert server.asked == [(MAIL, "A"), ("mx.example.net", "A")]


def endless(query: Query) -> Sequence[bytes]:
    """Every name is an alias of a longer one."""
    message = servers.response(query)
    message.answer.append(dns.rrset.from_text(f"{query.name}.", 300, "IN", "CNAME", f"a.{query.name}."))
    return servers.sent(query, message)


async def test_aliases_without_end_are_given_up() -> None:
    async with nameserver(endless) as server:
        assert detail(await asked(server)) == f"{MAIL} is an alias of an alias without end"


async def test_aliases_in_a_circle_are_no_answer() -> None:
    def circle(query: Query) -> Sequence[bytes]:
        message = servers.response(query)
        for one, other in ((MAIL, "b.test"), ("b.test", MAIL)):
            message.answer.append(dns.rrset.from_text(f"{one}.", 300, "IN", "CNAME", f"{other}."))
        return servers.sent(query, message)

    async with nameserver(circle) as server:
        assert detail(await asked(server)) == f"{server} answered with aliases that lead in a circle"


async def test_a_name_that_does_not_exist_is_absent() -> None:
    async with nameserver(servers.records(minimum=7)) as server:
        assert Absent(MAIL, exists=False, ttl=7.0, server=Address(*server.address)) == await asked(server)


async def test_a_name_without_such_records_exists_all_the_same() -> None:
    async with nameserver(GOOD) as server:
        expected = Absent(MAIL, exists=True, ttl=MAX_NEGATIVE_TTL, server=Address(*server.address))
        assert expected == await asked(server, rdtype="AAAA")


async def test_the_target_of_an_alias_is_what_does_not_exist() -> None:
    async with nameserver(servers.records(f"{MAIL}. 300 IN CNAME gone.example.test.")) as server:
        outcome = await asked(server)
        assert isinstance(outcome, Absent)
        assert "gone.example.test" == outcome.name
        assert not outcome.exists


async def test_an_absence_without_soa_is_not_kept() -> None:
    def brief(query: Query) -> Sequence[bytes]:
        return servers.sent(query, servers.response(query, dns.rcode.NXDOMAIN))

    async with nameserver(brief) as server:
        assert Absent(MAIL, exists=False, ttl=0.0, server=Address(*server.address)) == await asked(server)


async def test_an_answer_is_not_kept_for_days() -> None:
    async with nameserver(servers.records(f"{MAIL}. 604800 IN A 192.0.2.1")) as server:
        outcome = await asked(server)
        assert isinstance(outcome, RecordSet)
        assert outcome.ttl == MAX_TTL
