"""One DNS question, asked of the nameservers in turn until one gives an answer that can be used.

This is where answers are judged: what was found, what does not exist, and what is not an answer at all. It asks for any
kind of record; it keeps nothing, and knows neither addresses nor search domains.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import cast

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdatatype
from dns.rdtypes.ANY.SOA import SOA

from exporter.net.dns.dns_exchange import Stamps, exchange
from exporter.net.dns.dns_wire import Answer, BadAnswer
from exporter.net.dns.nameserver import Nameserver

FIRST_PATIENCE = 1.0
"""Seconds that the first try waits; each further round waits twice as long. A packet is lost more often than a
resolver takes a second, and one that does has the answer ready when it is asked again."""

MAX_ALIASES = 8
"""How often a chain of aliases is asked for again from where an answer left it; a loop across answers ends here."""

MAX_TTL = 3600.0
"""Seconds for which an answer may be reused, whatever it says: a mistake in a zone is noticed within the hour."""

MAX_NEGATIVE_TTL = 30.0
"""Seconds for which a negative answer may be reused (RFC 2308 section 5 allows hours). So a name that was just repaired
is found by one of the next two probes."""

_MAX_EXTRA_TEXT = 80

_BOGUS = frozenset(
    {
        dns.edns.EDECode.DNSSEC_BOGUS,
        dns.edns.EDECode.SIGNATURE_EXPIRED,
        dns.edns.EDECode.SIGNATURE_NOT_YET_VALID,
        dns.edns.EDECode.DNSKEY_MISSING,
        dns.edns.EDECode.RRSIGS_MISSING,
        dns.edns.EDECode.NO_ZONE_KEY_BIT_SET,
        dns.edns.EDECode.NSEC_MISSING,
    }
)
"""RFC 8914, 4.7 to 4.13: the zone is signed, and wrongly."""


@dataclass(frozen=True, slots=True)
class RecordSet:
    """The records asked for.

    Attributes:
        rdatas: At least one, in the order of the answer.
        ttl: Seconds for which they may be reused: the smallest of the records and the aliases that led to them.
        server: Who says so.
        authentic: Whether the server says, of all of the way, that it has validated it by DNSSEC (RFC 4035 section
            3.2.3). Whether that server can be believed is another matter.
        authoritative: Whether the server says that they are its own, and not out of a cache (the AA bit).
        name: The name that has them: the one asked for, or the one that its aliases lead to. Fit to be shown.
        unreadable: How many more there are that cannot be read.
        asked_at: When the first question left, by `time.perf_counter`.
        answered_at: When the last answer had come, likewise.
    """

    rdatas: tuple[dns.rdata.Rdata, ...]
    ttl: float
    server: Nameserver
    authentic: bool = False
    name: str = ""
    unreadable: int = 0
    authoritative: bool = field(default=False, compare=False)
    asked_at: float = field(default=0.0, compare=False)
    answered_at: float = field(default=0.0, compare=False)


@dataclass(frozen=True, slots=True)
class Absent:
    """A nameserver says that there are no such records.

    Attributes:
        name: The name that has none: the one asked for, or the one that its aliases lead to. Fit to be shown.
        exists: Whether the name has records of other kinds.
        ttl: Seconds for which this may be reused.
        server: Who says so.
        authentic: As of `RecordSet`.
        authoritative: Likewise.
        asked_at: Likewise.
        answered_at: Likewise.
    """

    name: str
    exists: bool
    ttl: float
    server: Nameserver
    authentic: bool = False
    authoritative: bool = field(default=False, compare=False)
    asked_at: float = field(default=0.0, compare=False)
    answered_at: float = field(default=0.0, compare=False)


@dataclass(frozen=True, slots=True)
class Failed:
    """No nameserver gave an answer that can be used.

    Attributes:
        detail: Which server gave which answer, in printable ASCII.
        bogus: Whether a server said that the answer's signatures are wrong (RFC 8914 section 4.7 and its kin).
        unreadable: What a server answered that has records none of which can be read; `None` if none did.
    """

    detail: str
    bogus: bool = field(default=False, compare=False)
    unreadable: RecordSet | None = field(default=None, compare=False)


QueryOutcome = RecordSet | Absent | Failed


@dataclass(frozen=True, slots=True)
class _Alias:
    """The answer ends in the middle of a chain: the target is yet to be asked for."""

    target: dns.name.Name
    ttl: float
    authentic: bool


async def ask(
    name: dns.name.Name,
    rdtype: dns.rdatatype.RdataType,
    servers: Sequence[Nameserver],
    deadline: float,
    *,
    checking_disabled: bool = False,
) -> QueryOutcome:
    """Asks until there is an answer, following aliases.

    Args:
        name: Absolute.
        rdtype: The kind of records; none of the meta types.
        servers: In order of preference; at least one.
        deadline: When to give up, on the loop's clock.
        checking_disabled: Ask for what the server has found to be wrong, too.
    """
    ttl, authentic, stamps = MAX_TTL, True, Stamps(checking_disabled=checking_disabled)
    target = name
    for _ in range(MAX_ALIASES):
        verdict = await _ask_in_turn(target, rdtype, servers, deadline, stamps)
        match verdict:
            case _Alias():
                target, ttl = verdict.target, min(ttl, verdict.ttl)
                authentic = authentic and verdict.authentic
            case RecordSet() | Absent():
                asked_at, answered_at = stamps.asked_at or 0.0, stamps.answered_at or 0.0
                return replace(
                    verdict,
                    ttl=min(ttl, verdict.ttl),
                    authentic=authentic and verdict.authentic,
                    asked_at=asked_at,
                    answered_at=answered_at,
                )
            case Failed():
                if target == name:
                    return verdict
                return replace(verdict, detail=f"an alias of {shown(target)}: {verdict.detail}")
    return Failed(f"{shown(name)} is an alias of an alias without end")


async def _ask_in_turn(
    name: dns.name.Name,
    rdtype: dns.rdatatype.RdataType,
    servers: Sequence[Nameserver],
    deadline: float,
    stamps: Stamps,
) -> QueryOutcome | _Alias:
    """Asks the servers in turn. A server that timed out is asked again and again, one that failed once more.

    The C library does so too, also with a single server. One that answers otherwise, wrongly, is not asked again.
    """
    loop = asyncio.get_running_loop()
    budget = deadline - loop.time()
    # Short enough that each server is asked within the budget, however small that is.
    patience = min(FIRST_PATIENCE, budget / (len(servers) + 1))
    asked = _Servers(servers, budget)
    while asked.hopeful:
        for server in tuple(asked.hopeful):
            left = deadline - loop.time()
            if left <= 0:
                return asked.failed()
            try:
                return judge(await exchange(name, rdtype, server, min(patience, left), stamps), server)
            except BadAnswer as error:
                asked.answered_badly(server, error)
            except OSError as error:
                asked.did_not_answer(server, error)
        patience *= 2
    return asked.failed()


class _Servers:
    """The servers that one question is put to: which are worth asking again, and what the others did wrong."""

    def __init__(self, servers: Sequence[Nameserver], budget: float) -> None:
        self.hopeful = list(servers)
        self._budget = budget
        self._forgiven: set[Nameserver] = set()
        self._complaints: dict[Nameserver, str] = {}
        self._bogus = False
        self._unreadable: RecordSet | None = None

    def answered_badly(self, server: Nameserver, error: BadAnswer) -> None:
        self._complaints[server] = str(error)
        self._bogus = self._bogus or isinstance(error, _Bogus)
        if isinstance(error, _Unreadable):
            self._unreadable = error.records
        if isinstance(error, _ServerFailed) and server not in self._forgiven:
            self._forgiven.add(server)
        else:
            self.hopeful.remove(server)

    def did_not_answer(self, server: Nameserver, error: OSError) -> None:
        if isinstance(error, TimeoutError):
            self._complaints[server] = str(error) or f"did not answer within {round(self._budget, 1):g} s"
        else:
            self._complaints[server] = f"cannot be asked: {_reason(error)}"
            self.hopeful.remove(server)

    def failed(self) -> Failed:
        told = [f"{server} {complaint}" for server, complaint in self._complaints.items()]
        return Failed("; ".join(told) or "no time was left to ask", self._bogus, self._unreadable)


class _Bogus(BadAnswer):
    """The server says that the answer's signatures are wrong."""


class _ServerFailed(BadAnswer):
    """The server reported a failure that may be temporary (SERVFAIL)."""


class _Unreadable(BadAnswer):
    """None of the records can be read."""

    def __init__(self, records: RecordSet) -> None:
        super().__init__("answered with records that cannot be read")
        self.records = records


def judge(answer: Answer, server: Nameserver) -> RecordSet | Absent | _Alias:
    """Says what an answer means.

    Raises:
        BadAnswer: It is an error, contradicts itself, or comes from a server that does not resolve names for us.
    """
    response = answer.message
    rcode = response.rcode()
    if rcode not in {dns.rcode.NOERROR, dns.rcode.NXDOMAIN}:
        raise _error(response)
    authentic, own = bool(response.flags & dns.flags.AD), bool(response.flags & dns.flags.AA)
    try:
        chain = response.resolve_chaining()
    except dns.message.ChainTooLong as error:
        raise BadAnswer("answered with aliases that lead in a circle") from error
    except dns.exception.DNSException as error:
        raise BadAnswer(f"gave an answer that contradicts itself ({type(error).__name__})") from error
    ttl = float(chain.minimum_ttl)
    if chain.answer is not None:
        name = shown(chain.canonical_name)
        return RecordSet(tuple(chain.answer), min(ttl, MAX_TTL), server, authentic, name, answer.unreadable, own)
    if answer.unreadable:
        raise _Unreadable(RecordSet((), 0.0, server, authentic, shown(chain.canonical_name), answer.unreadable, own))
    negative_ttl = _negative_ttl(response, chain.canonical_name)
    if rcode == dns.rcode.NOERROR and negative_ttl is None:
        if chain.cnames:
            return _Alias(chain.canonical_name, ttl, authentic)
        if any(rrset.rdtype == dns.rdatatype.NS for rrset in response.authority):
            # RFC 2308 section 2.2: nameservers without an SOA are a referral, which only a resolver can follow.
            raise BadAnswer("answered with a referral: it does not resolve names for its clients")
    return Absent(
        name=shown(chain.canonical_name),
        exists=rcode == dns.rcode.NOERROR,
        # RFC 2308 section 5: an answer without an SOA is not cached.
        ttl=0.0 if negative_ttl is None else min(ttl, negative_ttl, MAX_NEGATIVE_TTL),
        server=server,
        authentic=authentic,
        authoritative=own,
    )


def _error(response: dns.message.QueryMessage) -> BadAnswer:
    rcode = response.rcode()
    failed = _ServerFailed if rcode == dns.rcode.SERVFAIL else BadAnswer
    kind = _Bogus if _is_bogus(response) else failed
    return kind(f"answered {dns.rcode.to_text(rcode)}{_extended_error(response)}")


def shown(name: dns.name.Name) -> str:
    """A name for people: printable ASCII, without the final dot."""
    return name.to_text(omit_final_dot=True)


def _negative_ttl(response: dns.message.QueryMessage, name: dns.name.Name) -> float | None:
    """Seconds for which a negative answer may be kept; `None` without an SOA record for the zone of `name`."""
    for rrset in response.authority:
        if rrset.rdtype == dns.rdatatype.SOA and name.is_subdomain(rrset.name):
            # RFC 2308 section 5: the smaller of the record's own TTL and its MINIMUM field.
            return float(min(rrset.ttl, cast("SOA", rrset[0]).minimum))
    return None


def _is_bogus(response: dns.message.QueryMessage) -> bool:
    return any(isinstance(option, dns.edns.EDEOption) and option.code in _BOGUS for option in response.options)


def _extended_error(response: dns.message.QueryMessage) -> str:
    """The first extended DNS error (RFC 8914), in brackets; empty without one."""
    for option in response.options:
        if isinstance(option, dns.edns.EDEOption):
            return f" ({ascii(option.to_text())[1:-1][:_MAX_EXTRA_TEXT]})"
    return ""


def _reason(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno else str(error)
