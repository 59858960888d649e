"""Rollovers of a key under DANE, played through in time: what is said at each step, in both orders."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import dns.rdata
import dns.rdataclass
import dns.rdatatype
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from exporter.config.configuration import Domain
from exporter.domains.handshakes import HandshakeResult, Handshakes, MailService
from exporter.domains.judge import Judge
from exporter.domains.lookups import Lookups
from exporter.domains.posture.memory import MAX_REMEMBERED, DomainMemory, read, written
from exporter.model import DomainCheck, DomainProblem, DomainReport, KeyType, Sender
from exporter.net.dns.dns_query import Absent, Failed, QueryOutcome, RecordSet
from exporter.net.dns.nameserver import Nameserver
from exporter.net.dns.resolve import Resolver
from exporter.net.http.fetch import Fetcher
from tests.authority import NOW, Party, Span, issue

OLD, NEW = (issue("mx.example.com", alternatives=["mx.example.com"], days=Span(-60, 30)) for _ in range(2))
HERE = Nameserver("127.0.0.1")


def tlsa(party: Party) -> str:
    key = party.certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return f"3 1 1 {hashlib.sha256(key).hexdigest()}"


@dataclass
class World:
    """A domain with one MX host, whose records and certificate change.

    Attributes:
        records: As caches have them.
        at_home: As the zone's own name servers have them; `None` if these cannot be asked.
    """

    records: list[str]
    served: Party
    other: Party | None = None
    at_home: list[str] | None = None
    zone: dict[tuple[str, str], list[str]] = field(
        default_factory=lambda: {
            ("example.com", "MX"): ["10 mx.example.com."],
            ("mx.example.com", "A"): ["45.67.0.1"],
            ("example.com", "NS"): ["ns.example.com."],
            ("ns.example.com", "A"): ["45.67.0.53"],
        }
    )

    async def records_of(self, name: str, rdtype: str) -> list[str]:
        return (
            self.records if (name, rdtype) == ("_25._tcp.mx.example.com", "TLSA") else self.zone.get((name, rdtype), [])
        )

    async def shake(
        self, place: MailService, address: str, *, server_name: str, key_type: KeyType | None, ca_file: Path | None
    ) -> HandshakeResult:
        assert ("mx.example.com", "45.67.0.1", "mx.example.com", None) == (place.host, address, server_name, ca_file)
        party = self.served if key_type in (None, KeyType.ECDSA) else self.other
        if party is None:
            return HandshakeResult(None)
        end = party.certificate.not_valid_after_utc.timestamp()
        begin = party.certificate.not_valid_before_utc.timestamp()
        return HandshakeResult(None, chain=(party.der,), not_before=begin, not_after=end)


class Names(Resolver):
    """The world's records in the form of answers."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def validates(self, outcome: QueryOutcome) -> bool:
        return outcome is not None

    async def records(
        self, name: str, rdtype: dns.rdatatype.RdataType, *, checking_disabled: bool = False
    ) -> QueryOutcome:
        assert not checking_disabled
        texts = await self._world.records_of(name, dns.rdatatype.to_text(rdtype))
        if not texts:
            return Absent(name, exists=True, ttl=1.0, server=HERE, authentic=True)
        rdatas = tuple(dns.rdata.from_text(dns.rdataclass.IN, rdtype, text) for text in texts)
        return RecordSet(rdatas, 1.0, HERE, authentic=True, name=name)

    async def records_at(self, name: str, rdtype: dns.rdatatype.RdataType, addresses: Sequence[str]) -> QueryOutcome:
        assert (name, rdtype, ["45.67.0.53"]) == ("_25._tcp.mx.example.com", dns.rdatatype.TLSA, [*addresses])
        texts = self._world.at_home
        if texts is None:
            return Failed("did not answer within 2 s")
        if not texts:
            return Absent(name, exists=False, ttl=1.0, server=HERE, authoritative=True)
        rdatas = tuple(dns.rdata.from_text(dns.rdataclass.IN, rdtype, text) for text in texts)
        return RecordSet(rdatas, 1.0, HERE, name=name, authoritative=True)


def judge_of(world: World, at: float = 0.0, memories: dict[str, DomainMemory] | None = None) -> Judge:
    def nothing(_: Domain) -> Fetcher:
        return Fetcher(Names(world))

    return Judge(
        Lookups(Names(world)),
        nothing,
        cast("Handshakes", world),
        {} if memories is None else memories,
        clock=lambda: NOW.timestamp() + at,
        has_route=bool,
    )


async def told(judge: Judge) -> tuple[bool | None, bool | None, set[DomainProblem]]:
    """Whether DANE delivers, whether a rollover is ready, and what is wrong."""
    settings = Domain("example.com", (DomainCheck.MX, DomainCheck.DANE))
    report: DomainReport = await judge.judge(settings)
    delivers = next((each.deliverable for each in report.deliveries if each.sender is Sender.DANE), None)
    ready: Any = report.rollover_ready.get(("mx.example.com", 25))
    return delivers, ready, {finding.problem for finding in report.findings}


async def test_a_report_says_when_it_was_made_and_how_long_it_took() -> None:
    world, begun = World([tlsa(OLD)], OLD), time.perf_counter()
    report = await judge_of(world).judge(Domain("example.com", (DomainCheck.MX,)))
    assert 0 < report.duration < time.perf_counter() - begun
    assert NOW.timestamp() == report.checked_at


def test_by_default_this_machine_says_where_it_has_a_route_to() -> None:
    names = Names(World([], OLD))
    judge = Judge(Lookups(names), lambda _: Fetcher(names), cast("Handshakes", None))
    assert judge.has_route("127.0.0.1")


async def test_in_the_right_order_nothing_is_ever_wrong() -> None:
    world = World([tlsa(OLD)], OLD)
    judge = judge_of(world, at=-20 * 86400.0)
    assert (True, False, set()) == await told(judge)
    world.records = [tlsa(OLD), tlsa(NEW)]  # published ahead
    assert (True, True, set()) == await told(judge)
    world.served = NEW  # the certificate changes
    assert (True, False, set()) == await told(judge)
    world.records = [tlsa(NEW)]  # withdrawn
    assert (True, False, set()) == await told(judge)


async def test_a_record_of_a_former_key_is_not_taken_for_that_of_a_future_one() -> None:
    world = World([tlsa(OLD), tlsa(NEW)], OLD)
    judge = judge_of(world, at=-20 * 86400.0)
    assert True is (await told(judge))[1]
    world.served = NEW
    assert False is (await told(judge))[1]


async def test_who_changes_the_certificate_first_is_warned_before_and_broken_then() -> None:
    world = World([tlsa(OLD)], OLD)
    judge = judge_of(world, at=10 * 86400.0)  # in the last third of its life
    assert (True, False, {DomainProblem.DANE_RENEWAL_UNPREPARED}) == await told(judge)
    world.served = NEW
    assert (False, None, {DomainProblem.DANE_MISMATCH}) == await told(judge)
    world.records = [tlsa(OLD), tlsa(NEW)]
    delivers, _, problems = await told(judge)
    assert (True, set()) == (delivers, problems - {DomainProblem.DANE_RENEWAL_UNPREPARED})


async def test_who_withdraws_the_old_record_first_is_warned_while_caches_know_it() -> None:
    both = [tlsa(OLD), tlsa(NEW)]
    world = World(both, OLD, at_home=both)
    judge = judge_of(world, at=-20 * 86400.0)
    assert (True, True, set()) == await told(judge)
    world.at_home = [tlsa(NEW)]
    assert (True, True, {DomainProblem.DANE_WITHDRAWN}) == await told(judge)
    world.records = [tlsa(NEW)]  # caches forget
    assert (False, None, {DomainProblem.DANE_MISMATCH}) == await told(judge)


async def test_who_withdraws_everything_first_is_warned_before_another_record_breaks_it() -> None:
    world = World([tlsa(OLD)], OLD)
    now = -20 * 86400.0
    memories: dict[str, DomainMemory] = {}
    assert (True, False, set()) == await told(judge_of(world, now, memories))
    world.records = []
    assert (True, None, {DomainProblem.DANE_WITHDRAWN}) == await told(judge_of(world, now + 60, memories))
    # Somebody may not want DANE any more.
    assert (True, None, set()) == await told(judge_of(world, now + 3 * 86400.0, memories))
    world.records = [tlsa(NEW)]
    assert (False, None, {DomainProblem.DANE_MISMATCH}) == await told(judge_of(world, now + 120, memories))


async def test_in_the_right_order_the_zones_own_servers_say_nothing_wrong() -> None:
    world = World([tlsa(OLD)], OLD, at_home=[tlsa(OLD)])
    judge = judge_of(world, at=-20 * 86400.0)
    for records, served in (
        ([tlsa(OLD)], OLD),
        ([tlsa(OLD), tlsa(NEW)], OLD),
        ([tlsa(OLD), tlsa(NEW)], NEW),
        ([tlsa(NEW)], NEW),
    ):
        world.at_home, world.served = records, served
        assert set() == (await told(judge))[2]  # caches are behind
        world.records = records
        assert set() == (await told(judge))[2]


async def test_a_key_that_a_renewal_has_kept_is_expected_to_be_kept_again() -> None:
    memories: dict[str, DomainMemory] = {}
    world = World([tlsa(OLD)], OLD)
    assert {DomainProblem.DANE_RENEWAL_UNPREPARED} == (await told(judge_of(world, 10 * 86400.0, memories)))[2]
    world.served = issue("mx.example.com", alternatives=["mx.example.com"], key=OLD.key, days=Span(20, 110))
    assert set() == (await told(judge_of(world, 25 * 86400.0, memories)))[2]
    # In the last third of its life, and for another reason than before.
    assert set() == (await told(judge_of(world, 100 * 86400.0, memories)))[2]
    whole = f"3 0 1 {hashlib.sha256(world.served.der).hexdigest()}"
    world.records = [whole]
    assert {DomainProblem.DANE_RENEWAL_UNPREPARED} == (await told(judge_of(world, 100 * 86400.0, memories)))[2]


async def test_a_key_of_another_kind_is_judged_too() -> None:
    odd = issue("mx.example.com", alternatives=["mx.example.com"], key=Ed25519PrivateKey.generate(), days=Span(-9, 81))
    assert (True, None, set()) == await told(judge_of(World([tlsa(odd)], odd)))
    assert (False, None, {DomainProblem.DANE_MISMATCH}) == await told(judge_of(World([tlsa(NEW)], odd)))


async def test_a_domain_that_changes_all_the_time_fills_no_memory() -> None:
    memories: dict[str, DomainMemory] = {}
    world = World([], OLD)
    for number in range(3):
        memories.setdefault("example.com", DomainMemory()).matched |= {
            ("mx.example.com", 25, 3, 1, 1, bytes([number, other])) for other in range(200)
        }
        world.records = [tlsa(OLD)]
        await told(judge_of(world, -20 * 86400.0, memories))
        assert len(memories["example.com"].matched) <= MAX_REMEMBERED + 1


async def test_what_is_remembered_survives_a_restart() -> None:
    memories: dict[str, DomainMemory] = {}
    world = World([tlsa(OLD), tlsa(NEW)], OLD)
    assert True is (await told(judge_of(world, -20 * 86400.0, memories)))[1]
    world.served = NEW
    assert False is (await told(judge_of(world, -20 * 86400.0, memories)))[1]
    kept = json.loads(json.dumps({domain: written(each) for domain, each in memories.items()}))
    again = {domain: read(each) for domain, each in kept.items()}
    assert memories == again
    assert False is (await told(judge_of(world, -20 * 86400.0, again)))[1]


@pytest.mark.parametrize("document", [{}, {"matched": 3}, {**written(DomainMemory()), "served": [["a", "b", "zz", 1]]}])
def test_a_memory_that_makes_no_sense_is_none(document: dict[str, Any]) -> None:
    assert DomainMemory() == read(document)


async def test_a_prepared_renewal_is_no_matter_for_a_warning() -> None:
    world = World([tlsa(OLD), tlsa(NEW)], OLD)
    assert (True, True, set()) == await told(judge_of(world, at=10 * 86400.0))


@pytest.mark.parametrize("at", [-20.0, 10.0])
async def test_what_is_renewed_with_the_same_key_goes_on(at: float) -> None:
    renewed = issue("mx.example.com", alternatives=["mx.example.com"], key=OLD.key, days=Span(0, 90))
    world = World([tlsa(OLD)], renewed)
    assert (True, False, set()) == await told(judge_of(world, at=max(at, 0.0) * 86400.0))
