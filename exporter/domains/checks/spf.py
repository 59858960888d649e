"""SPF: is the record valid, within its limits, and does it allow the senders of the domain?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from ipaddress import ip_address
from typing import Any

from exporter.domains.checks.examination import Examination
from exporter.domains.lookups import Found, addresses, mx_records, pointers, texts
from exporter.domains.posture.spf_evaluation import Ask, Judgement, SpfMistake, SpfResult, Told, check_host
from exporter.domains.posture.spf_macros import SenderIdentity
from exporter.domains.posture.spf_record import SpfMechanism, is_spf, parse_spf
from exporter.domains.tags import RecordError, almost, shown
from exporter.model import DomainProblem

STRANGERS = ("240.0.0.1", "100::1")
"""Addresses that nobody uses (RFC 1112 section 4, RFC 6666).

A sender that matches early does not reach the limits that other senders exceed. A domain that allows these addresses
allows everybody.
"""

MAX_QUESTIONS = 150
"""The most lookups of one evaluation: ten mechanisms of ten hosts each, and a margin."""

_MISTAKES: Mapping[SpfMistake | None, DomainProblem] = {
    SpfMistake.SYNTAX: DomainProblem.SPF_SYNTAX,
    SpfMistake.SEVERAL: DomainProblem.SPF_SEVERAL_RECORDS,
    SpfMistake.LOOKUPS: DomainProblem.SPF_TOO_MANY_LOOKUPS,
    SpfMistake.VOID: DomainProblem.SPF_TOO_MANY_VOID_LOOKUPS,
    SpfMistake.MISSING: DomainProblem.SPF_MISSING_INCLUDE,
}


async def check_spf(here: Examination) -> Mapping[str, Any]:
    """Check the record, and evaluate it for the senders and for strangers (RFC 7208)."""
    found = await here.find(here.domain, "TXT")
    if found.failure:
        here.report(DomainProblem.DNS_FAILED, f"{here.domain}: {found.failure}")
        return {}
    records = [text for text in texts(found) if is_spf(text)]
    if not records:
        meant = almost(texts(found), "spf1")
        hint = "" if meant is None else f": {shown(meant)} is none, because it does not begin with v=spf1 and a space"
        here.report(DomainProblem.SPF_MISSING, f"{here.domain} has no SPF record{hint}")
        return {}
    _judge_record(here, records)
    judged = await here.senders()
    outcomes = await asyncio.gather(*(evaluate(here, address) for address in (*judged, *STRANGERS)))
    if len(records) == 1:
        _judge_outcomes(here, judged, outcomes)
    return {}


def _judge_outcomes(here: Examination, judged: Sequence[str], outcomes: Sequence[Judgement]) -> None:
    """Report the problems of the evaluations for the senders, followed by those for strangers."""
    for number, outcome in enumerate(outcomes):
        problem = _MISTAKES.get(outcome.mistake)
        if outcome.result is SpfResult.TEMPERROR:
            problem = DomainProblem.DNS_FAILED
        if problem is DomainProblem.SPF_TOO_MANY_VOID_LOOKUPS and number >= len(judged):
            continue  # a record with macros for the sender's address finds nothing for a stranger
        if problem is not None:
            here.report(problem, outcome.detail)
    for address, outcome in zip(judged, outcomes, strict=False):
        if outcome.result in (SpfResult.FAIL, SpfResult.SOFTFAIL, SpfResult.NEUTRAL):
            text = f"{address} sends for {here.domain}, and SPF says {outcome.result} ({outcome.detail})"
            here.report(DomainProblem.SPF_SENDER_NOT_ALLOWED, text)
    for outcome in outcomes[len(judged) :]:
        if outcome.result is SpfResult.PASS:
            text = f"{outcome.detail} lets everybody send for {here.domain}"
            here.report(DomainProblem.SPF_ALLOWS_ALL, text)


def _judge_record(here: Examination, records: list[str]) -> None:
    if len(records) > 1:
        here.report(DomainProblem.SPF_SEVERAL_RECORDS, f"{here.domain} has {len(records)} SPF records, and none counts")
        return
    try:
        record = parse_spf(records[0])
    except RecordError as error:
        here.report(DomainProblem.SPF_SYNTAX, f"{here.domain}: {error}")
        return
    last = next((term for term in record.terms if term.mechanism is SpfMechanism.ALL), None)
    if last is None and not record.redirect:
        told = "the record ends without all or redirect: who is not listed is neither allowed nor forbidden"
        here.report(DomainProblem.SPF_WITHOUT_END, told)
    if any(term.mechanism is SpfMechanism.PTR for term in record.terms):
        told = "the mechanism ptr is slow, and receivers may ignore it (RFC 7208 section 5.5)"
        here.report(DomainProblem.SPF_USES_PTR, told)


async def evaluate(here: Examination, address: str) -> Judgement:
    """Whether this address may send for the domain, with our own lookups."""
    run = check_host(SenderIdentity(ip_address(address), f"postmaster@{here.domain}", here.domain), here.domain)
    try:
        ask = next(run)
        for _ in range(MAX_QUESTIONS):
            ask = run.send(await _tell(here, ask))
    except StopIteration as end:
        judgement: Judgement = end.value
        return judgement
    return Judgement(SpfResult.PERMERROR, SpfMistake.LOOKUPS, f"more than {MAX_QUESTIONS} questions to DNS")


async def _tell(here: Examination, ask: Ask) -> Told:
    found = await here.find(ask.name, ask.rdtype)
    if found.failure:
        return Told(failed=True)
    return Told(_VALUES[ask.rdtype](found))


_VALUES: Mapping[str, Callable[[Found], tuple[str, ...]]] = {
    "TXT": lambda found: tuple(texts(found)),
    "A": lambda found: tuple(addresses(found)),
    "AAAA": lambda found: tuple(addresses(found)),
    "PTR": lambda found: tuple(pointers(found)),
    "MX": lambda found: tuple(record.host for record in mx_records(found) if record.host),
}
