"""Which hosts a domain's mail goes to, asked of a nameserver that says what a test wants."""

from __future__ import annotations

import dns.rcode
import pytest

from exporter.model import DnsSettings, FailureReason
from exporter.net.dns.mail_exchangers import MAX_HOSTS, mail_exchangers
from exporter.net.dns.resolve import ResolveError, Resolver
from tests.servers.dns import Behaviour, nameserver, rcode, records

DOMAIN = "example.test"


async def exchangers(behaviour: Behaviour) -> tuple[str, ...]:
    async with nameserver(behaviour) as server:
        return await mail_exchangers(Resolver(DnsSettings((server.address,), 2.0)), DOMAIN)


def mx(*hosts: str) -> Behaviour:
    return records(*(f"{DOMAIN}. 60 IN MX {host}" for host in hosts))


async def test_the_most_preferred_comes_first_and_none_twice() -> None:
    found = await exchangers(mx("20 B.example.test.", "5 c.example.test.", "20 a.example.test.", "30 c.example.test."))
    assert ("c.example.test", "a.example.test", "b.example.test") == found


async def test_a_domain_with_other_records_is_its_own_exchanger() -> None:
    assert (DOMAIN,) == await exchangers(records(f"{DOMAIN}. 60 IN A 192.0.2.1"))


async def test_an_alias_is_followed() -> None:
    found = await exchangers(
        records(f"{DOMAIN}. 60 IN CNAME other.test.", "other.test. 60 IN MX 1 mx.other.test.", zone=".")
    )
    assert ("mx.other.test",) == found


async def test_a_null_mx_beside_others_is_left_out_and_their_number_is_bounded() -> None:
    assert ("mx.example.test",) == await exchangers(mx("0 .", "10 mx.example.test."))
    many = await exchangers(mx(*(f"{number} mx{number}.test." for number in range(MAX_HOSTS + 5))))
    assert MAX_HOSTS == len(many)


@pytest.mark.parametrize(
    ("behaviour", "reason", "words"),
    [
        (mx("0 ."), FailureReason.DNS_NOT_FOUND, "takes no mail: its MX record says so"),
        (mx("0 .", "1 ."), FailureReason.DNS_NOT_FOUND, "takes no mail: its MX record says so"),
        (rcode(dns.rcode.NXDOMAIN), FailureReason.DNS_NOT_FOUND, "does not exist"),
        (rcode(dns.rcode.SERVFAIL), FailureReason.DNS_FAILED, "SERVFAIL"),
    ],
)
async def test_a_domain_that_takes_no_mail_has_a_reason(
    behaviour: Behaviour, reason: FailureReason, words: str
) -> None:
    with pytest.raises(ResolveError, match=words) as raised:
        await exchangers(behaviour)
    assert reason is raised.value.reason
