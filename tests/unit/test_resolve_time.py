"""How long a lookup is said to take: from the leaving of the first question to the coming of the last answer needed.

The witness is the nameserver, which stamps what it hears and says. What is said may be more, and never less.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import dns.rcode
import dns.rrset
import pytest

from exporter.model import DnsSettings, IpFamily
from exporter.net.dns.resolve import ResolveError, Resolver
from tests.servers import dns as servers
from tests.servers.dns import Behaviour, Nameserver, Query, nameserver

MAIL = "mail.example.test"
BOTH = servers.records(f"{MAIL}. 300 IN A 192.0.2.1", f"{MAIL}. 300 IN AAAA 2001:db8::1")
LITTLE = 3.0
"""Seconds by which a busy machine may make a lookup appear longer than the nameserver saw it."""


@dataclass
class Witness:
    """When the first question was heard, and the last answer given, of all that came by here."""

    heard: list[float] = field(default_factory=list)
    said: list[float] = field(default_factory=list)

    def watching(self, behaviour: Behaviour) -> Behaviour:
        """The behaviour, with its times taken."""

        def behave(query: Query) -> Sequence[bytes]:
            self.heard.append(time.perf_counter())
            answer = behaviour(query)
            if answer:
                self.said.append(time.perf_counter())
            return answer

        return behave

    @property
    def saw(self) -> float:
        return max(self.said) - min(self.heard)


def resolver(*of: Nameserver, timeout: float = 5.0, search: Sequence[str] = ()) -> Resolver:
    return Resolver(DnsSettings(tuple(server.address for server in of), timeout, tuple(search)))


def check(waited: float | None, witness: Witness, at_least: float) -> None:
    assert waited is not None
    assert at_least <= witness.saw <= waited <= witness.saw + LITTLE


def erring(query: Query) -> Sequence[bytes]:
    """Takes its time to say SERVFAIL."""
    time.sleep(0.1)  # the loop as a whole: the lookup notices nothing before, either
    return servers.rcode(dns.rcode.SERVFAIL)(query)


@pytest.mark.parametrize("family", [IpFamily.IPV4, IpFamily.ANY])
@pytest.mark.parametrize(
    ("first", "at_least"),
    [
        pytest.param(servers.silent, 0.3, id="dead"),
        pytest.param(erring, 0.1, id="SERVFAIL"),
        pytest.param(servers.garbage, 0.3, id="garbage"),
    ],
)
async def test_the_wait_for_a_server_that_does_not_answer_well_counts(
    first: Behaviour, at_least: float, family: IpFamily
) -> None:
    witness = Witness()
    async with nameserver(witness.watching(first)) as bad, nameserver(witness.watching(BOTH)) as good:
        # A third of the time is given to each of the two, and kept in reserve.
        found = await resolver(bad, good, timeout=0.95).resolve(MAIL, family)
    check(found.waited, witness, at_least)


async def test_the_wait_for_a_datagram_that_was_lost_counts() -> None:
    witness = Witness()
    async with nameserver(witness.watching(servers.losing_the_first(1, BOTH))) as server:
        found = await resolver(server, timeout=0.7).resolve(MAIL, IpFamily.IPV4)
    check(found.waited, witness, 0.3)


async def test_one_family_that_is_lost_at_first_makes_the_lookup_longer() -> None:
    witness = Witness()
    lossy = servers.by_type(A=BOTH, AAAA=servers.losing_the_first(1, BOTH))
    async with nameserver(witness.watching(lossy)) as server:
        found = await resolver(server, timeout=0.7).resolve(MAIL, IpFamily.ANY)
    assert 2 == len(found.addresses)
    check(found.waited, witness, 0.3)


async def test_asking_again_by_tcp_counts() -> None:
    witness = Witness()

    def slow_by_tcp(query: Query) -> Sequence[bytes]:
        if query.transport == "tcp":
            time.sleep(0.1)
        return servers.cut_short_by_udp(BOTH)(query)

    async with nameserver(witness.watching(slow_by_tcp)) as server:
        found = await resolver(server).resolve(MAIL, IpFamily.IPV4)
    check(found.waited, witness, 0.1)


async def test_asking_again_without_edns_counts() -> None:
    witness = Witness()

    def slow(query: Query) -> Sequence[bytes]:
        time.sleep(0.05)
        return servers.without_edns(BOTH)(query)

    async with nameserver(witness.watching(slow)) as server:
        found = await resolver(server).resolve(MAIL, IpFamily.IPV4)
    check(found.waited, witness, 0.1)


async def test_every_search_domain_counts() -> None:
    witness = Witness()

    def slow(query: Query) -> Sequence[bytes]:
        time.sleep(0.05)
        return BOTH(query)

    async with nameserver(witness.watching(slow)) as server:
        names = resolver(server, search=("one.test", "two.test", "example.test"))
        found = await names.resolve("mail", IpFamily.IPV4)
    check(found.waited, witness, 0.15)


async def test_a_chain_of_aliases_counts_from_its_first_question() -> None:
    witness = Witness()
    target = servers.records("other.test. 300 IN A 192.0.2.1", zone="test.")

    def behave(query: Query) -> Sequence[bytes]:
        time.sleep(0.05)
        if query.name == MAIL:
            message = servers.response(query)
            message.answer.append(dns.rrset.from_text(f"{MAIL}.", 300, "IN", "CNAME", "other.test."))
            return servers.sent(query, message)
        return target(query)

    async with nameserver(witness.watching(behave)) as server:
        found = await resolver(server).resolve(MAIL, IpFamily.IPV4)
    check(found.waited, witness, 0.1)


async def test_a_name_that_is_not_found_says_how_long_that_took_too() -> None:
    witness = Witness()
    async with (
        nameserver(witness.watching(servers.silent)) as dead,
        nameserver(witness.watching(servers.records())) as good,
    ):
        with pytest.raises(ResolveError) as caught:
            await resolver(dead, good, timeout=0.95).resolve(MAIL, IpFamily.IPV4)
    check(caught.value.waited, witness, 0.3)


async def test_a_clock_that_was_set_during_the_wait_takes_nothing_off(monkeypatch: pytest.MonkeyPatch) -> None:
    witness, now = Witness(), time.time

    def behave(query: Query) -> Sequence[bytes]:
        time.sleep(0.1)
        monkeypatch.setattr(time, "time", lambda: now() + 3600.0)
        return BOTH(query)

    async with nameserver(witness.watching(behave)) as server:
        found = await resolver(server).resolve(MAIL, IpFamily.IPV4)
    monkeypatch.undo()
    check(found.waited, witness, 0.1)
