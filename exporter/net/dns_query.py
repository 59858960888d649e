"""One DNS question, asked of the nameservers in turn until one gives an answer that can be used.

This is where answers are judged: what was found, what does not exist, and what is no answer at all. It asks for any
kind of record; it keeps nothing, and knows neither addresses nor search domains.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import inf
from typing import cast

import dns.edns
import dns.exception
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdatatype
from dns.rdtypes.ANY.SOA import SOA

from exporter.net.dns_exchange import BadAnswer, exchange
from exporter.net.nameserver import Nameserver

FIRST_PATIENCE = 1.0
"""Seconds that the first try waits; each further round waits twice as long. A packet is lost more often than a
resolver takes a second, and one that does has the answer ready when it is asked again."""

MAX_ALIASES = 8
"""How often a chain of aliases is asked for again from where an answer left it; a loop across answers ends here."""

MAX_TTL = 3600.0
"""Seconds for which an answer may be reused, whatever it says: a mistake in a zone is noticed within the hour."""

MAX_NEGATIVE_TTL = 30.0
"""Seconds for which "there is none" may be reused (RFC 2308 section 5 allows hours): a name that was just put right
is found by the next probe or the one after it."""

_MAX_EXTRA_TEXT = 80


@dataclass(frozen=True, slots=True)
class Records:
    """The records asked for.

    Attributes:
        rdatas: At least one, in the order of the answer.
        ttl: Seconds for which they may be reused: the smallest of the records and the aliases that led to them.
        server: Who says so.
        asked_at: When the first question left, by `time.perf_counter`.
        answered_at: When the last answer had come, likewise.
    """

    rdatas: tuple[dns.rdata.Rdata, ...]
    ttl: float
    server: Nameserver
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
        asked_at: As of `Records`.
        answered_at: Likewise.
    """

    name: str
    exists: bool
    ttl: float
    server: Nameserver
    asked_at: float = field(default=0.0, compare=False)
    answered_at: float = field(default=0.0, compare=False)


@dataclass(frozen=True, slots=True)
class Failed:
    """No nameserver gave an answer that can be used.

    Attributes:
        detail: Who did what instead, in printable ASCII.
    """

    detail: str


Outcome = Records | Absent | Failed


@dataclass(frozen=True, slots=True)
class _Alias:
    """The answer ends in the middle of a chain: the target is yet to be asked for."""

    target: dns.name.Name
    ttl: float
    asked_at: float = 0.0
    answered_at: float = 0.0


async def ask(
    name: dns.name.Name, rdtype: dns.rdatatype.RdataType, servers: Sequence[Nameserver], deadline: float
) -> Outcome:
    """Asks until there is an answer, following aliases.

    Args:
        name: Absolute.
        rdtype: The kind of records; none of the meta types.
        servers: In order of preference; at least one.
        deadline: When to give up, on the loop's clock.
    """
    ttl, asked_at = MAX_TTL, inf
    target = name
    for _ in range(MAX_ALIASES):
        verdict = await _ask_in_turn(target, rdtype, servers, deadline)
        match verdict:
            case _Alias():
                target, ttl = verdict.target, min(ttl, verdict.ttl)
                asked_at = min(asked_at, verdict.asked_at)
            case Records() | Absent():
                return replace(verdict, ttl=min(ttl, verdict.ttl), asked_at=min(asked_at, verdict.asked_at))
            case Failed():
                return verdict if target == name else Failed(f"an alias of {shown(target)}: {verdict.detail}")
    return Failed(f"{shown(name)} is an alias of an alias without end")


async def _ask_in_turn(
    name: dns.name.Name, rdtype: dns.rdatatype.RdataType, servers: Sequence[Nameserver], deadline: float
) -> Outcome | _Alias:
    """Goes round the servers; one that did not answer in time is asked again, one that erred is not."""
    loop = asyncio.get_running_loop()
    budget = deadline - loop.time()
    # Short enough that each server is asked within the budget, however small that is.
    patience = min(FIRST_PATIENCE, budget / (len(servers) + 1))
    complaints: dict[Nameserver, str] = {}
    hopeful = list(servers)
    while hopeful:
        for server in tuple(hopeful):
            left = deadline - loop.time()
            if left <= 0:
                hopeful.clear()
                break
            try:
                answer = await exchange(name, rdtype, server, min(patience, left))
                verdict = judge(answer.message, server)
                return replace(verdict, asked_at=answer.asked_at, answered_at=answer.answered_at)
            except TimeoutError as error:
                complaints[server] = str(error) or f"did not answer within {round(budget, 1):g} s"
            except BadAnswer as error:
                complaints[server] = str(error)
                hopeful.remove(server)
            except OSError as error:
                complaints[server] = f"cannot be asked: {_reason(error)}"
                hopeful.remove(server)
        patience *= 2
    told = [f"{server} {complaint}" for server, complaint in complaints.items()]
    return Failed("; ".join(told) or "no time was left to ask")


def judge(response: dns.message.QueryMessage, server: Nameserver) -> Records | Absent | _Alias:
    """Says what an answer means.

    Raises:
        BadAnswer: It is an error, contradicts itself, or comes from a server that does not resolve names for us.
    """
    rcode = response.rcode()
    if rcode not in {dns.rcode.NOERROR, dns.rcode.NXDOMAIN}:
        raise BadAnswer(f"answered {dns.rcode.to_text(rcode)}{_extended_error(response)}")
    try:
        chain = response.resolve_chaining()
    except dns.message.ChainTooLong as error:
        raise BadAnswer("answered with aliases that lead in a circle") from error
    except dns.exception.DNSException as error:
        raise BadAnswer(f"gave an answer that contradicts itself ({type(error).__name__})") from error
    ttl = float(chain.minimum_ttl)
    if chain.answer is not None:
        return Records(tuple(chain.answer), min(ttl, MAX_TTL), server)
    negative_ttl = _negative_ttl(response, chain.canonical_name)
    if rcode == dns.rcode.NOERROR and negative_ttl is None:
        if chain.cnames:
            return _Alias(chain.canonical_name, ttl)
        if any(rrset.rdtype == dns.rdatatype.NS for rrset in response.authority):
            # RFC 2308 section 2.2: nameservers without an SOA are a referral, which only a resolver can follow.
            raise BadAnswer("answered with a referral: it does not resolve names for its clients")
    return Absent(
        name=shown(chain.canonical_name),
        exists=rcode == dns.rcode.NOERROR,
        # RFC 2308 section 5: an answer without an SOA is not cached.
        ttl=0.0 if negative_ttl is None else min(ttl, negative_ttl, MAX_NEGATIVE_TTL),
        server=server,
    )


def shown(name: dns.name.Name) -> str:
    """A name for people: printable ASCII, without the final dot."""
    return name.to_text(omit_final_dot=True)


def _negative_ttl(response: dns.message.QueryMessage, name: dns.name.Name) -> float | None:
    """How long the zone of `name` lets it be absent, in seconds; `None` if the answer has no SOA record of it."""
    for rrset in response.authority:
        if rrset.rdtype == dns.rdatatype.SOA and name.is_subdomain(rrset.name):
            # RFC 2308 section 5: the smaller of the record's own TTL and its MINIMUM field.
            return float(min(rrset.ttl, cast("SOA", rrset[0]).minimum))
    return None


def _extended_error(response: dns.message.QueryMessage) -> str:
    """The first reason that the server gives of its own accord (RFC 8914), in brackets, or nothing."""
    for option in response.options:
        if isinstance(option, dns.edns.EDEOption):
            return f" ({ascii(option.to_text())[1:-1][:_MAX_EXTRA_TEXT]})"
    return ""


def _reason(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno else str(error)
