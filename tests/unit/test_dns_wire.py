"""Octets to answers: a record that cannot be read costs itself, a message that cannot be taken apart costs all."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import dns.flags
import dns.message
import dns.name
import dns.rdatatype
import pytest

from exporter.net.dns.dns_query import Failed, QueryOutcome, RecordSet, ask
from exporter.net.dns.dns_wire import BadAnswer, read_answer
from exporter.net.dns.nameserver import Nameserver as Address
from tests.servers import dns as servers
from tests.servers.dns import Nameserver, Query, nameserver

NAME = "_25._tcp.mail.example.test"
TLSA = dns.rdatatype.TLSA
GOOD = bytes.fromhex("030101") + b"\1" * 32
SHORT = bytes.fromhex("03")
"""A TLSA record without selector and matching type, which dnspython raises for."""


def record(data: bytes, rdtype: int = TLSA, name: bytes = b"\xc0\x0c") -> bytes:
    """A record of the name that was asked for."""
    return name + rdtype.to_bytes(2) + bytes.fromhex("0001 0000012c") + len(data).to_bytes(2) + data


def answer(query: bytes, *records: bytes, additional: bytes = b"", count: int | None = None) -> bytes:
    """The octets of an answer to a question without EDNS."""
    number = len(records) if count is None else count
    header = query[:2] + b"\x81\x80\0\1" + number.to_bytes(2) + b"\0\0" + (1 if additional else 0).to_bytes(2)
    return header + query[12:] + b"".join(records) + additional


def query(rdtype: dns.rdatatype.RdataType = TLSA) -> dns.message.QueryMessage:
    return dns.message.make_query(NAME, rdtype)


def texts(found: dns.message.QueryMessage) -> list[str]:
    rrset = found.resolve_chaining().answer
    return [rdata.to_text() for rdata in rrset or ()]


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_malformed_record_costs_itself_wherever_it_stands(place: int) -> None:
    question = query()
    others = [record(GOOD), record(GOOD[:-1] + b"\2")]
    others.insert(place, record(SHORT))
    found = read_answer(answer(question.to_wire(), *others), question)
    assert 1 == found.unreadable
    assert {"3 1 1 " + "01" * 32, "3 1 1 " + "01" * 31 + "02"} == set(texts(found.message))


@pytest.mark.parametrize(
    ("rdtype", "good", "bad"),
    [
        (dns.rdatatype.A, b"\xc0\0\2\1", b"\xc0\0\2"),
        (dns.rdatatype.AAAA, b"\x20\1\r\xb8" + b"\0" * 12, b"\x20\1"),
        (dns.rdatatype.MX, b"\0\x0a\xc0\x0c", b"\0\x0a\x3fabc"),
        (dns.rdatatype.SRV, b"\0\0\0\0\3\xe1\xc0\x0c", b"\0\0\0"),
        (dns.rdatatype.TXT, b"\3abc", b"\7abc"),
        (TLSA, GOOD, SHORT),
    ],
)
def test_that_goes_for_every_kind_of_record(rdtype: dns.rdatatype.RdataType, good: bytes, bad: bytes) -> None:
    question = query(rdtype)
    found = read_answer(answer(question.to_wire(), record(bad, rdtype), record(good, rdtype)), question)
    assert (1, 1) == (found.unreadable, len(texts(found.message)))


def test_what_is_wrong_beside_the_answer_is_no_matter() -> None:
    question = query()
    wrong = record(b"\1", dns.rdatatype.A, b"\0")
    found = read_answer(answer(question.to_wire(), record(GOOD), additional=wrong), question)
    assert (0, 1) == (found.unreadable, len(texts(found.message)))


@pytest.mark.parametrize(
    "octets",
    [
        pytest.param(answer(query().to_wire(), record(SHORT), count=2), id="a record is missing"),
        pytest.param(answer(query().to_wire(), record(SHORT))[:-1], id="cut short"),
        pytest.param(answer(query().to_wire(), record(SHORT)) + b"\0", id="more than it says"),
        pytest.param(answer(query().to_wire(), record(SHORT, name=b"\x3f")), id="a name that does not end"),
    ],
)
def test_a_message_that_cannot_be_taken_apart_is_none(octets: bytes) -> None:
    question = query()
    with pytest.raises(BadAnswer, match="sent what is not a DNS message"):
        read_answer(question.to_wire()[:2] + octets[2:], question)


def malformed(*records: bytes) -> servers.Behaviour:
    def behave(asked: Query) -> Sequence[bytes]:
        wire = dns.message.make_query(asked.name, TLSA, id=asked.message.id).to_wire()
        return [answer(wire, *records)]

    return behave


async def asked(server: Nameserver) -> QueryOutcome:
    deadline = asyncio.get_running_loop().time() + 5
    return await ask(dns.name.from_text(NAME), TLSA, [Address(*server.address)], deadline)


async def test_what_could_be_read_is_told_with_how_much_could_not() -> None:
    async with nameserver(malformed(record(SHORT), record(GOOD), record(b""))) as server:
        found = await asked(server)
    assert isinstance(found, RecordSet)
    assert (1, 2) == (len(found.rdatas), found.unreadable)


async def test_records_of_which_none_can_be_read_are_a_failure_and_not_an_absence() -> None:
    async with nameserver(malformed(record(SHORT), record(b""))) as server:
        found = await asked(server)
        assert Failed(f"{server} answered with records that cannot be read") == found


@pytest.mark.parametrize("authentic", [True, False])
async def test_it_is_told_whether_the_server_has_validated_the_answer(authentic: bool) -> None:
    def behave(asked: Query) -> Sequence[bytes]:
        message = servers.response(asked)
        assert asked.message.flags & dns.flags.AD  # RFC 6840 section 5.7: that we want to know
        message.answer.append(dns.rrset.from_text(f"{NAME}.", 300, "IN", "TLSA", "3 1 1 " + "01" * 32))
        if authentic:
            message.flags |= dns.flags.AD
        return servers.sent(asked, message)

    async with nameserver(behave) as server:
        found = await asked(server)
    assert isinstance(found, RecordSet)
    assert authentic is found.authentic
