"""Names as a real nameserver has them: Debian's nsd, authoritative for a zone that stands here."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import dns.rdatatype
import pytest

from exporter.model import DnsSettings, FailureReason, IpFamily
from exporter.net.dns.dns_answers import Answers
from exporter.net.dns.dns_query import RecordSet
from exporter.net.dns.nameserver import Nameserver
from exporter.net.dns.resolve import MAX_ADDRESSES, ResolveError, Resolver
from tests.servers.nsd import nsd
from tests.servers.programs import scratch_directory

_MANY = "".join(f"many 300 IN A 192.0.2.{number}\n" for number in range(1, 200))
ZONE = f"""\
$ORIGIN example.test.
$TTL 300
@          IN SOA ns hostmaster 1 3600 600 86400 60
@          IN NS ns
@          IN MX 10 mail
ns         IN A 127.0.0.1
mail       IN A 192.0.2.1
mail       IN A 192.0.2.2
mail       IN AAAA 2001:db8::1
imap       IN CNAME mail
chain      IN CNAME imap
dangling   IN CNAME gone
elsewhere  IN CNAME mail.other.test.
abroad     IN CNAME mail.unknown.test.
one        IN CNAME two
two        IN CNAME one
v4only     IN A 192.0.2.4
v6only     IN AAAA 2001:db8::6
text       IN TXT "no address"
*.wild     IN A 192.0.2.7
_imaps._tcp IN SRV 0 1 993 imap
delegated  IN NS ns.delegated
ns.delegated IN A 192.0.2.200
{_MANY}"""
OTHER_ZONE = """\
$ORIGIN other.test.
$TTL 20
@     IN SOA ns.example.test. hostmaster.example.test. 1 3600 600 86400 60
@     IN NS ns.example.test.
mail  IN A 198.51.100.1
"""


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, int]]:
    with scratch_directory() as directory, nsd(directory, {"example.test": ZONE, "other.test": OTHER_ZONE}) as address:
        yield address


@pytest.fixture
def resolver(server: tuple[str, int], tmp_path: Path) -> Resolver:
    return Resolver(
        DnsSettings((server,), search=("example.test",)),
        hosts=tmp_path / "hosts",
        resolv_conf=tmp_path / "resolv.conf",
        source_for=lambda address: address,
    )


@pytest.mark.parametrize(
    ("host", "family", "addresses"),
    [
        ("mail.example.test", IpFamily.ANY, {"2001:db8::1", "192.0.2.1", "192.0.2.2"}),
        ("MAIL.Example.TEST.", IpFamily.IPV4, {"192.0.2.1", "192.0.2.2"}),
        ("mail.example.test", IpFamily.IPV6, {"2001:db8::1"}),
        ("mail", IpFamily.IPV6, {"2001:db8::1"}),
        ("chain.example.test", IpFamily.IPV6, {"2001:db8::1"}),
        ("v4only.example.test", IpFamily.ANY, {"192.0.2.4"}),
        ("v6only.example.test", IpFamily.ANY, {"2001:db8::6"}),
        ("any.name.wild.example.test", IpFamily.ANY, {"192.0.2.7"}),
        ("elsewhere.example.test", IpFamily.ANY, {"198.51.100.1"}),
    ],
)
async def test_a_name_has_the_addresses_of_the_zone(
    resolver: Resolver, host: str, family: IpFamily, addresses: set[str]
) -> None:
    assert addresses == set((await resolver.resolve(host, family)).addresses)


async def test_ipv6_comes_first_where_both_have_a_route(resolver: Resolver) -> None:
    assert "2001:db8::1" == ((await resolver.resolve("mail.example.test", IpFamily.ANY)).addresses)[0]


async def test_more_addresses_than_a_datagram_holds_come_by_tcp(resolver: Resolver) -> None:
    assert len((await resolver.resolve("many.example.test", IpFamily.IPV4)).addresses) == MAX_ADDRESSES


@pytest.mark.parametrize(
    ("host", "reason", "words"),
    [
        ("nobody.example.test", FailureReason.DNS_NOT_FOUND, "nobody.example.test does not exist, says {} (NXDOMAIN)"),
        ("text.example.test", FailureReason.DNS_NOT_FOUND, "text.example.test has no A or AAAA record, says {}"),
        (
            "dangling.example.test",
            FailureReason.DNS_NOT_FOUND,
            "dangling.example.test is an alias of gone.example.test, which does not exist, says {} (NXDOMAIN)",
        ),
        (
            "abroad.example.test",
            FailureReason.DNS_FAILED,
            "abroad.example.test: an alias of mail.unknown.test: {} answered REFUSED",
        ),
        ("mail.unknown.test", FailureReason.DNS_FAILED, "mail.unknown.test: {} answered REFUSED"),
        (
            "mail.delegated.example.test",
            FailureReason.DNS_FAILED,
            "mail.delegated.example.test: {} answered with a referral: it does not resolve names for its clients",
        ),
    ],
)
async def test_what_cannot_be_resolved_is_told(
    server: tuple[str, int], resolver: Resolver, host: str, reason: FailureReason, words: str
) -> None:
    with pytest.raises(ResolveError) as caught:
        await resolver.resolve(host, IpFamily.ANY)
    assert reason is caught.value.reason
    assert caught.value.detail.startswith(words.format(f"{server[0]}:{server[1]}"))


async def test_aliases_in_a_circle_fail(resolver: Resolver) -> None:
    with pytest.raises(ResolveError) as caught:
        await resolver.resolve("one.example.test", IpFamily.IPV4)
    assert caught.value.reason is FailureReason.DNS_FAILED


@pytest.mark.parametrize(
    ("name", "rdtype", "text"),
    [
        ("example.test", "MX", "10 mail.example.test."),
        ("_imaps._tcp.example.test", "SRV", "0 1 993 imap.example.test."),
    ],
)
async def test_other_kinds_of_records_can_be_asked_for(
    server: tuple[str, int], name: str, rdtype: str, text: str
) -> None:
    answers = Answers([Nameserver(*server)], asyncio.get_running_loop().time)
    deadline = asyncio.get_running_loop().time() + 5
    (outcome,) = await answers.ask([(name, dns.rdatatype.from_text(rdtype))], deadline)
    assert isinstance(outcome, RecordSet)
    assert [text] == [rdata.to_text() for rdata in outcome.rdatas]
    assert 300.0 == outcome.ttl
