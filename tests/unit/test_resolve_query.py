"""One question to nameservers that answer well, badly, late or not at all."""

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

from exporter.net import dns_exchange, dns_wire
from exporter.net.dns_query import MAX_NEGATIVE_TTL, MAX_TTL, Absent, Failed, Outcome, Records, ask
from exporter.net.dns_wire import Answer
from exporter.net.nameserver import Nameserver as Address
from tests.servers import dns as servers
from tests.servers.dns import Behaviour, Nameserver, Query, nameserver

MAIL = "mail.example.test"
GOOD = servers.records(f"{MAIL}. 300 IN A 192.0.2.1")


async def asked(*of: Nameserver, name: str = MAIL, rdtype: str = "A", within: float = 5.0) -> Outcome:
    deadline = asyncio.get_running_loop().time() + within
    addresses = [Address(*server.address) for server in of]
    return await ask(dns.name.from_text(name), dns.rdatatype.from_text(rdtype), addresses, deadline)


def texts(outcome: Outcome) -> list[str]:
    assert isinstance(outcome, Records), outcome
    return [rdata.to_text() for rdata in outcome.rdatas]


def detail(outcome: Outcome) -> str:
    assert isinstance(outcome, Failed), outcome
    return outcome.detail


def nobody() -> Nameserver:
    """A port on loopback that nobody listens on."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return Nameserver(GOOD, address=sock.getsockname())


async def test_records_come_in_the_order_of_the_answer_with_their_ttl() -> None:
    lines = (f"{MAIL}. 300 IN A 192.0.2.7", f"{MAIL}. 300 IN A 192.0.2.3")
    async with nameserver(servers.records(*lines)) as server:
        outcome = await asked(server)
        assert ["192.0.2.7", "192.0.2.3"] == texts(outcome)
        assert isinstance(outcome, Records)
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
        assert isinstance(outcome, Records)
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
        assert isinstance(outcome, Records)
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
        assert isinstance(outcome, Records)
        assert outcome.ttl == MAX_TTL


def lame(query: Query) -> Sequence[bytes]:
    """Refers to the root instead of answering, as authoritative servers did for names that are not theirs."""
    message = servers.response(query, aa=False)
    message.authority.append(dns.rrset.from_text(".", 518400, "IN", "NS", "a.root-servers.net."))
    return servers.sent(query, message)


def contradictory(query: Query) -> Sequence[bytes]:
    message = servers.response(query, dns.rcode.NXDOMAIN)
    message.answer.append(dns.rrset.from_text(f"{MAIL}.", 300, "IN", "A", "192.0.2.1"))
    return servers.sent(query, message)


def huge(query: Query) -> Sequence[bytes]:
    message = servers.response(query)
    if query.transport == "udp":
        message.flags |= dns.flags.TC
    else:
        some = [f"10.0.{number >> 8}.{number & 255}" for number in range(1100)]
        message.answer.append(dns.rrset.from_text(f"{MAIL}.", 300, "IN", "A", *some))
    return servers.sent(query, message)


def truncated_by_tcp_too(query: Query) -> Sequence[bytes]:
    message = servers.response(query)
    message.flags |= dns.flags.TC
    return servers.sent(query, message)


def hanging_up(query: Query) -> Sequence[bytes]:
    return truncated_by_tcp_too(query) if query.transport == "udp" else [b"\x00\x63half"]


def flooding(query: Query) -> Sequence[bytes]:
    return [query.message.to_wire()[:2]] * dns_exchange.MAX_STRAYS


SIGNATURE_EXPIRED = dns.edns.EDEOption(dns.edns.EDECode.SIGNATURE_EXPIRED, "checked\nby \N{SNOWMAN}")


@pytest.mark.parametrize(
    ("behaviour", "complaint"),
    [
        (servers.rcode(dns.rcode.SERVFAIL), "answered SERVFAIL"),
        (servers.rcode(dns.rcode.REFUSED), "answered REFUSED"),
        (lame, "answered with a referral: it does not resolve names for its clients"),
        (contradictory, "gave an answer that contradicts itself (AnswerForNXDOMAIN)"),
        (huge, "sent an answer of 17646 octets, more than the 16384 we take"),
        (truncated_by_tcp_too, "sent an answer that is cut short even by TCP"),
        (hanging_up, "closed the TCP connection before the answer was complete"),
        (
            flooding,
            "sent 16 datagrams that answer nothing, the last of which sent what is not a DNS message (ShortHeader)",
        ),
    ],
)
async def test_an_answer_of_no_use_is_told_at_once(behaviour: Behaviour, complaint: str) -> None:
    async with nameserver(behaviour) as server:
        start = asyncio.get_running_loop().time()
        assert f"{server} {complaint}" == detail(await asked(server, within=60.0))
        assert asyncio.get_running_loop().time() - start < 10.0


async def test_the_only_server_is_asked_once_more_if_it_failed() -> None:
    behaviours = iter([servers.rcode(dns.rcode.SERVFAIL), GOOD])

    def failing_once(query: Query) -> Sequence[bytes]:
        return next(behaviours)(query)

    async with nameserver(failing_once) as server:
        assert ["192.0.2.1"] == texts(await asked(server))


@pytest.mark.parametrize(
    ("behaviour", "times"),
    [
        (servers.rcode(dns.rcode.SERVFAIL), 2),
        (servers.rcode(dns.rcode.SERVFAIL, because=SIGNATURE_EXPIRED), 1),
        (servers.rcode(dns.rcode.REFUSED), 1),
    ],
    ids=["SERVFAIL", "bogus", "REFUSED"],
)
async def test_a_server_is_not_asked_without_end(behaviour: Behaviour, times: int) -> None:
    async with nameserver(behaviour) as server:
        detail(await asked(server))
        assert times == len(server.queries)


async def test_the_reason_a_server_gives_for_an_error_is_told_in_one_line_of_ascii() -> None:
    async with nameserver(servers.rcode(dns.rcode.SERVFAIL, because=SIGNATURE_EXPIRED)) as server:
        told = detail(await asked(server))
    assert told.startswith(f"{server} answered SERVFAIL (EDE 7 (Signature Expired): checked")
    assert told.isascii()
    assert told.isprintable()


async def test_silence_is_told_with_the_time_it_lasted() -> None:
    async with nameserver(servers.silent) as server:
        assert f"{server} did not answer within 0.2 s" == detail(await asked(server, within=0.2))


async def test_garbage_instead_of_an_answer_is_told() -> None:
    async with nameserver(servers.garbage) as server:
        told = detail(await asked(server, within=0.2))
    assert told.startswith(f"{server} sent what is not a DNS message (")


async def test_an_answer_to_another_question_is_told() -> None:
    def other(query: Query) -> Sequence[bytes]:
        message = servers.response(query)
        message.question = [dns.rrset.from_text("other.test.", 0, "IN", "A")]
        return servers.sent(query, message)

    async with nameserver(other) as server:
        assert f"{server} sent an answer to another question" == detail(await asked(server, within=0.2))


async def test_what_each_server_did_is_told() -> None:
    async with nameserver(servers.rcode(dns.rcode.SERVFAIL)) as ill, nameserver(servers.silent) as silent:
        absent = nobody()
        told = detail(await asked(ill, silent, absent, within=0.3))
    assert told == (
        f"{ill} answered SERVFAIL; {silent} did not answer within 0.3 s; {absent} cannot be asked: Connection refused"
    )


async def test_without_time_left_nobody_is_asked() -> None:
    async with nameserver(GOOD) as server:
        assert "no time was left to ask" == detail(await asked(server, within=0.0))
        assert [] == server.asked
