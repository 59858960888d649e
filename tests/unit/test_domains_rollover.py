"""Rollovers of a key under DANE, played through in time: what is said at each step, in both orders."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dns.rdata
import dns.rdataclass
import dns.rdatatype
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from exporter.domains.checks.examination import Place, Settings, Shown
from exporter.domains.judge import Judge
from exporter.domains.lookups import Lookups
from exporter.domains.targets import ONLY_PUBLIC
from exporter.model import DomainCheck, DomainProblem, DomainReport, IpFamily, KeyType, Resolution, Sender
from exporter.net.dns_query import Absent, Outcome, Records
from exporter.net.fetch import Fetcher
from exporter.net.nameserver import Nameserver
from tests.authority import NOW, Party, Span, issue

OLD, NEW = (issue("mx.example.com", alternatives=["mx.example.com"], days=Span(-60, 30)) for _ in range(2))
HERE = Nameserver("127.0.0.1")


def tlsa(party: Party) -> str:
    key = party.certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return f"3 1 1 {hashlib.sha256(key).hexdigest()}"


@dataclass
class World:
    """A domain with one MX host, whose records and certificate change."""

    records: list[str]
    served: Party
    other: Party | None = None
    zone: dict[tuple[str, str], list[str]] = field(
        default_factory=lambda: {
            ("example.com", "MX"): ["10 mx.example.com."],
            ("mx.example.com", "A"): ["45.67.0.1"],
        }
    )

    async def resolve(self, host: str, family: IpFamily) -> Resolution:
        raise AssertionError(host, family)

    async def records_of(self, name: str, rdtype: str) -> list[str]:
        return (
            self.records if (name, rdtype) == ("_25._tcp.mx.example.com", "TLSA") else self.zone.get((name, rdtype), [])
        )

    async def validates(self, outcome: Outcome) -> bool:
        return outcome is not None

    async def shake(
        self, place: Place, address: str, *, server_name: str, key_type: KeyType | None, ca_file: Path | None
    ) -> Shown:
        assert (place.host, address, server_name, ca_file) == ("mx.example.com", "45.67.0.1", "mx.example.com", None)
        party = self.served if key_type in (None, KeyType.ECDSA) else self.other
        if party is None:
            return Shown(None)
        end = party.certificate.not_valid_after_utc.timestamp()
        begin = party.certificate.not_valid_before_utc.timestamp()
        return Shown(None, chain=(party.der,), not_before=begin, not_after=end)


class Names:
    """The world's records in the form of answers."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.resolve, self.validates = world.resolve, world.validates

    async def records(self, name: str, rdtype: dns.rdatatype.RdataType, *, checking_disabled: bool = False) -> Outcome:
        assert not checking_disabled
        texts = await self._world.records_of(name, dns.rdatatype.to_text(rdtype))
        if not texts:
            return Absent(name, exists=True, ttl=1.0, server=HERE, authentic=True)
        rdatas = tuple(dns.rdata.from_text(dns.rdataclass.IN, rdtype, text) for text in texts)
        return Records(rdatas, 1.0, HERE, authentic=True, name=name)


def judge_of(world: World, at: float = 0.0) -> Judge:
    def nothing(_: Settings) -> Fetcher:
        return Fetcher(Names(world))

    return Judge(
        Lookups(Names(world)),
        nothing,
        world,
        clock=lambda: NOW.timestamp() + at,
        has_route=bool,
    )


async def told(judge: Judge) -> tuple[bool | None, bool | None, set[DomainProblem]]:
    """Whether DANE delivers, whether a rollover is ready, and what is wrong."""
    settings = Settings("example.com", (DomainCheck.MX, DomainCheck.DANE), rule=ONLY_PUBLIC)
    report: DomainReport = await judge.judge(settings)
    delivers = next((each.deliverable for each in report.deliveries if each.sender is Sender.DANE), None)
    ready: Any = report.rollover_ready.get(("mx.example.com", 25))
    return delivers, ready, {finding.problem for finding in report.findings}


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


async def test_who_withdraws_the_old_record_first_is_broken_at_once() -> None:
    world = World([tlsa(NEW)], OLD)
    assert (False, None, {DomainProblem.DANE_MISMATCH}) == await told(judge_of(world, at=-20 * 86400.0))


async def test_a_prepared_renewal_is_no_matter_for_a_warning() -> None:
    world = World([tlsa(OLD), tlsa(NEW)], OLD)
    assert (True, True, set()) == await told(judge_of(world, at=10 * 86400.0))


@pytest.mark.parametrize("at", [-20.0, 10.0])
async def test_what_is_renewed_with_the_same_key_goes_on(at: float) -> None:
    renewed = issue("mx.example.com", alternatives=["mx.example.com"], key=OLD.key, days=Span(0, 90))
    world = World([tlsa(OLD)], renewed)
    assert (True, False, set()) == await told(judge_of(world, at=max(at, 0.0) * 86400.0))
