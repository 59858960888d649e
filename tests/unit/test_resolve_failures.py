"""One question to nameservers that answer badly or not at all, and what is told of each."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from exporter.net.dns import dns_exchange
from tests.servers import dns as servers
from tests.servers.dns import Behaviour, Query, nameserver
from tests.unit.questions import GOOD, MAIL, asked, detail, lame, nobody, texts


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
