"""DNS lookups about a domain. Answers tell existing, missing and unknown records apart.

Only this module turns dnspython's records into plain values. The callers decide what they mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, cast

import dns.rdatatype
from dns.rdtypes.ANY.MX import MX
from dns.rdtypes.ANY.NS import NS
from dns.rdtypes.ANY.PTR import PTR
from dns.rdtypes.ANY.TLSA import TLSA
from dns.rdtypes.ANY.TXT import TXT
from dns.rdtypes.IN.A import A
from dns.rdtypes.IN.SRV import SRV

from exporter.domains.discovery.dns_records import Mx, Srv
from exporter.domains.posture.tlsa import Tlsa
from exporter.net.dns.dns_query import Absent, Failed, QueryOutcome, RecordSet
from exporter.net.dns.resolve import Resolver

MAX_RECORDS = 100
"""The most records of one answer that are read. Postfix reads as many."""

MAX_TEXTS = 1000
"""The most TXT records. Large organizations have a hundred at their domain, most of them to prove that it is theirs."""


class DnssecStatus(StrEnum):
    """The DNSSEC status of an answer (RFC 4035 section 4.3)."""

    SECURE = "secure"
    INSECURE = "insecure"
    BOGUS = "bogus"
    UNKNOWN = "unknown"
    """No trusted resolver has validated it."""


@dataclass(frozen=True, slots=True)
class Found:
    """The records of one type at a name.

    Attributes:
        rdatas: The records in dnspython's form; empty if there are none.
        name: The target of the name's aliases, or the name itself.
        ttl: Seconds for which the answer may be used.
        security: The DNSSEC status of the answer, also of a negative one.
        exists: Whether the name has records of any kind.
        unreadable: The number of records that cannot be read. If no record can be read, this is a failure, too.
        failure: For people: why the records are unknown; empty if they are known.
    """

    rdatas: tuple[Any, ...] = ()
    name: str = ""
    ttl: float = 0.0
    security: DnssecStatus = DnssecStatus.UNKNOWN
    exists: bool = True
    unreadable: int = 0
    failure: str = ""

    @property
    def secure(self) -> bool:
        """Whether the answer was validated."""
        return self.security is DnssecStatus.SECURE


class Lookups:
    """Asks DNS, and interprets the answers."""

    def __init__(self, names: Resolver) -> None:
        self._names = names

    async def find(self, name: str, rdtype: str) -> Found:
        """The records of one type at an absolute name."""
        kind = dns.rdatatype.from_text(rdtype)
        outcome = await self._names.records(name, kind)
        name = name.lower().removesuffix(".")
        match outcome:
            case RecordSet():
                security = await self._security(outcome, authentic=outcome.authentic)
                rdatas = outcome.rdatas[: MAX_TEXTS if kind == dns.rdatatype.TXT else MAX_RECORDS]
                return Found(rdatas, outcome.name, outcome.ttl, security, unreadable=outcome.unreadable)
            case Absent():
                security = await self._security(outcome, authentic=outcome.authentic)
                return Found((), outcome.name, outcome.ttl, security, exists=outcome.exists)
        return await self._failed(outcome, name, kind)

    async def find_at(self, name: str, rdtype: str, addresses: Sequence[str]) -> Found | None:
        """The records at a zone's own name servers, without any cache; `None` if they do not answer."""
        outcome = await self._names.records_at(name, dns.rdatatype.from_text(rdtype), addresses)
        if isinstance(outcome, Failed) or not outcome.authoritative:
            return None
        return Found(outcome.rdatas[:MAX_RECORDS] if isinstance(outcome, RecordSet) else (), outcome.name, outcome.ttl)

    async def _security(self, outcome: QueryOutcome, *, authentic: bool) -> DnssecStatus:
        if not await self._names.validates(outcome):
            return DnssecStatus.UNKNOWN
        return DnssecStatus.SECURE if authentic else DnssecStatus.INSECURE

    async def _failed(self, failed: Failed, name: str, kind: dns.rdatatype.RdataType) -> Found:
        """Find out why a lookup failed.

        A validating server answers SERVFAIL for bogus records. If it is asked not to check, it returns them.
        """
        if failed.unreadable is not None:
            security = await self._security(failed.unreadable, authentic=failed.unreadable.authentic)
            count = failed.unreadable.unreadable
            return Found((), name, security=security, unreadable=count, failure=failed.detail)
        bogus = failed.bogus
        if not bogus and "SERVFAIL" in failed.detail:
            unchecked = await self._names.records(name, kind, checking_disabled=True)
            bogus = not isinstance(unchecked, Failed) and await self._names.validates(unchecked)
        return Found((), name, security=DnssecStatus.BOGUS if bogus else DnssecStatus.UNKNOWN, failure=failed.detail)


def texts(found: Found) -> list[str]:
    """TXT records, with the strings of each joined without spaces (RFC 7208 section 3.3)."""
    return [b"".join(cast("TXT", rdata).strings).decode("utf-8", "replace") for rdata in found.rdatas]


def mx_records(found: Found) -> list[Mx]:
    """MX records, by preference."""
    records = [Mx(cast("MX", rdata).preference, _host(cast("MX", rdata).exchange)) for rdata in found.rdatas]
    return sorted(records, key=lambda record: (record.preference, record.host))


def srv_records(found: Found) -> list[Srv]:
    records: Sequence[SRV] = found.rdatas
    return [Srv(record.priority, record.weight, record.port, _host(record.target)) for record in records]


def addresses(found: Found) -> list[str]:
    return [cast("A", rdata).address for rdata in found.rdatas]


def pointers(found: Found) -> list[str]:
    return [_host(cast("PTR", rdata).target) for rdata in found.rdatas]


def name_servers(found: Found) -> list[str]:
    return [_host(cast("NS", rdata).target) for rdata in found.rdatas]


def tlsa_records(found: Found) -> list[Tlsa]:
    """TLSA records, each once."""
    records: Sequence[TLSA] = found.rdatas
    return list(dict.fromkeys(Tlsa(each.usage, each.selector, each.mtype, each.cert) for each in records))


def _host(name: Any) -> str:
    return str(name.to_text(omit_final_dot=True)).lower() if name.labels != (b"",) else ""
