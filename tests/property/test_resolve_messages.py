"""Whatever a nameserver, a file or a configuration says, there is a value or the one error that is promised."""

from __future__ import annotations

import asyncio
import ipaddress
from pathlib import Path

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from exporter.model import DnsSettings, FailureReason, IpFamily
from exporter.net.dns import dns_answers
from exporter.net.dns.address_order import in_order
from exporter.net.dns.dns_query import MAX_NEGATIVE_TTL, MAX_TTL, Absent, Failed, QueryOutcome, RecordSet, _Alias, judge
from exporter.net.dns.dns_wire import BadAnswer, read_answer
from exporter.net.dns.nameserver import Nameserver
from exporter.net.dns.resolve import ResolveError, Resolver
from exporter.net.dns.system_names import MAX_NAMESERVERS, MAX_NDOTS, parse_hosts, parse_resolv_conf

NAME = "mail.example.test."
SERVER = Nameserver("192.0.2.53")
QUERY = dns.message.make_query(NAME, "A", use_edns=0, id=0x1234)
assert isinstance(QUERY, dns.message.QueryMessage)


def sample() -> bytes:
    """An answer with something of everything that an answer may hold."""
    message = dns.message.make_response(QUERY, recursion_available=True)
    for text in (
        f"{NAME} 300 IN CNAME mx.example.test.",
        "mx.example.test. 60 IN A 192.0.2.1",
        "mx.example.test. 60 IN RRSIG A 8 2 60 20300101000000 20200101000000 1 example.test. AAAA",
    ):
        name, ttl, rdclass, rdtype, rdata = text.split(None, 4)
        message.answer.append(dns.rrset.from_text(name, int(ttl), rdclass, rdtype, rdata))
    soa = "ns.example.test. hostmaster.example.test. 1 2 3 4 5"
    message.authority.append(dns.rrset.from_text("example.test.", 300, "IN", "SOA", soa))
    message.additional.append(dns.rrset.from_text("ns.example.test.", 300, "IN", "AAAA", "2001:db8::1"))
    message.use_edns(0, options=[dns.edns.EDEOption(dns.edns.EDECode.STALE_ANSWER, "old")])
    return message.to_wire(want_shuffle=False)


SAMPLE = sample()


def mutated() -> st.SearchStrategy[bytes]:
    """The sample with some octets overwritten, and cut or with octets trailing."""
    changes = st.lists(st.tuples(st.integers(0, len(SAMPLE) - 1), st.integers(0, 255)), max_size=6)

    def mutate(changes: list[tuple[int, int]], length: int, tail: bytes) -> bytes:
        wire = bytearray(SAMPLE)
        for at, octet in changes:
            wire[at] = octet
        return bytes(wire[:length]) + tail

    return st.builds(mutate, changes, st.just(len(SAMPLE)) | st.integers(0, len(SAMPLE)), st.just(b"") | st.binary())


def read(wire: bytes) -> RecordSet | Absent | _Alias | BadAnswer:
    """What is made of an answer to `QUERY`."""
    assert isinstance(QUERY, dns.message.QueryMessage)
    try:
        return judge(read_answer(wire, QUERY), SERVER)
    except BadAnswer as error:
        return error


def check_answer(wire: bytes) -> None:
    """The promise of reading and judging: a value that makes sense, or `BadAnswer` in one line of ASCII."""
    match read(wire):
        case BadAnswer() as error:
            assert is_one_line_of_ascii(str(error))
        case RecordSet(rdatas, ttl, _):
            assert rdatas
            assert all(rdata.rdtype == dns.rdatatype.A for rdata in rdatas)
            assert 0 <= ttl <= MAX_TTL
        case Absent(name, _, ttl, _):
            assert is_one_line_of_ascii(name)
            assert 0 <= ttl <= MAX_NEGATIVE_TTL
        case _Alias(target, ttl):
            assert target.is_absolute()
            assert ttl >= 0


def is_one_line_of_ascii(text: str) -> bool:
    return text.isascii() and text.isprintable()


def test_the_sample_is_an_answer() -> None:
    verdict = read(SAMPLE)
    assert isinstance(verdict, RecordSet)
    assert ["192.0.2.1"] == [rdata.to_text() for rdata in verdict.rdatas]


@given(wire=mutated())
def test_a_damaged_answer_is_a_value_or_a_bad_answer(wire: bytes) -> None:
    check_answer(wire)


@given(wire=st.binary(max_size=600))
@example(wire=b"")
@example(wire=SAMPLE[:2] + b"\x81\x80" + b"\xff" * 8)
@example(wire=SAMPLE[:2] + b"\x81\x80\x00\x01\x00\x00\x00\x00\x00\x00" + b"\xc0\x0c\x00\x01\x00\x01")
def test_noise_is_a_value_or_a_bad_answer(wire: bytes) -> None:
    check_answer(wire)
    check_answer(SAMPLE[:2] + wire)
    check_answer(SAMPLE[:12] + wire)


def test_an_answer_that_ends_early_is_bad() -> None:
    assert [] == [length for length in range(len(SAMPLE)) if not isinstance(read(SAMPLE[:length]), BadAnswer)]


lines = st.lists(
    st.one_of(
        st.text(),
        st.builds(
            lambda words, space: space.join(words),
            st.lists(
                st.sampled_from(
                    ["nameserver", "search", "options", "ndots:3", "ndots:", "192.0.2.1", "::1%2", "a.b.", "#"]
                )
                | st.text(max_size=8)
            ),
            st.sampled_from([" ", "\t", "  "]),
        ),
    )
).map("\n".join)


@given(text=lines)
def test_any_resolv_conf_has_nameservers_to_ask(text: str) -> None:
    conf = parse_resolv_conf(text)
    assert 1 <= len(conf.nameservers) <= MAX_NAMESERVERS
    assert 0 <= conf.ndots <= MAX_NDOTS
    for nameserver in conf.nameservers:
        ipaddress.ip_address(nameserver.address)


@given(text=lines)
def test_any_hosts_file_names_addresses_only(text: str) -> None:
    for name, addresses in parse_hosts(text).items():
        assert name == name.lower()
        assert addresses
        for address in addresses:
            assert address == str(ipaddress.ip_address(address))


ip_addresses = st.lists(st.ip_addresses().map(str), unique=True, min_size=1, max_size=8)


@given(addresses=ip_addresses, data=st.data())
def test_an_order_has_the_routed_addresses_or_all_if_there_is_no_route(
    addresses: list[str], data: st.DataObject
) -> None:
    sources = {address: data.draw(st.none() | st.ip_addresses().map(str)) for address in addresses}
    ordered = in_order(addresses, sources.__getitem__)
    routed = [address for address in addresses if sources[address] is not None]
    assert sorted(routed or addresses) == sorted(ordered)
    assert ordered == in_order(ordered, sources.__getitem__), "ordering twice changes nothing"


def outcomes(name: dns.name.Name, rdtype: dns.rdatatype.RdataType) -> st.SearchStrategy[QueryOutcome]:
    """All that nameservers can have to say about a name."""
    if rdtype == dns.rdatatype.A:
        addresses = st.ip_addresses(v=4).map(str)
    else:
        addresses = st.ip_addresses(v=6).map(str) | st.ip_addresses(v=4).map("::ffff:{}".format)
    found = st.lists(addresses, min_size=1, max_size=3).map(
        lambda texts: RecordSet(tuple(dns.rrset.from_text(name, 60, "IN", rdtype, *texts)), 60.0, SERVER)
    )
    text = name.to_text(omit_final_dot=True)
    absent = st.booleans().map(lambda exists: Absent(text, exists=exists, ttl=5.0, server=SERVER))
    return st.one_of(found, absent, st.just(Failed("192.0.2.53 answered SERVFAIL")))


@given(
    host=st.text(max_size=20)
    | st.from_regex(r"[a-z0-9.%:\\_-]{1,30}", fullmatch=True)
    | st.ip_addresses().map(str)
    | st.sampled_from(["mail", "mail.example.test", "mail.", "127.1", "fe80::1%1", "localhost"]),
    family=st.sampled_from(IpFamily),
    search=st.lists(st.sampled_from(["a.test", "", "..", "\0"]) | st.text(max_size=5), max_size=3),
    data=st.data(),
)
def test_a_lookup_gives_addresses_of_the_family_or_a_resolve_error(
    host: str, family: IpFamily, search: list[str], data: st.DataObject
) -> None:
    async def answer(
        name: dns.name.Name, rdtype: dns.rdatatype.RdataType, servers: object, deadline: float
    ) -> QueryOutcome:
        assert name.is_absolute()
        assert servers == (SERVER,)
        assert deadline > 0
        return data.draw(outcomes(name, rdtype))

    async def lookup() -> tuple[str, ...] | ResolveError:
        resolver = Resolver(
            DnsSettings((("192.0.2.53", 53),), search=tuple(search)),
            hosts=Path("/nonexistent/hosts"),
            resolv_conf=Path("/nonexistent/resolv.conf"),
            source_for=lambda address: address,
        )
        try:
            return (await resolver.resolve(host, family)).addresses
        except ResolveError as error:
            return error

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dns_answers, "ask", answer)
        result = asyncio.run(lookup())
    if isinstance(result, ResolveError):
        assert result.reason in {FailureReason.DNS_NOT_FOUND, FailureReason.DNS_FAILED}
        assert is_one_line_of_ascii(result.detail)
        return
    wanted = {IpFamily.ANY: {4, 6}, IpFamily.IPV4: {4}, IpFamily.IPV6: {6}}[family]
    assert {ipaddress.ip_address(address).version for address in result} <= wanted
    assert len(set(result)) == len(result) > 0
