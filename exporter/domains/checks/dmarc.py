"""DMARC: is there a policy, is it valid, and do the receivers of its reports accept them?"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from exporter.domains.checks.examination import Examination
from exporter.domains.lookups import texts
from exporter.domains.posture.dmarc_policy import ALL, DmarcPolicy, DmarcRecord, Walk, consent_name, parse_dmarc, walk
from exporter.domains.tags import RecordError, almost, having_version, shown
from exporter.model import DomainProblem

MAX_REPORTS = 10
"""The most domains of report addresses whose consent is checked."""


async def check_dmarc(here: Examination) -> Mapping[str, Any]:
    """Check the record and its report addresses (RFC 9989)."""
    walked, failure = await _walk(here, here.domain)
    step = walked.applying()
    if step is None or step.domain != here.domain:
        meant = almost(texts(await here.find(f"_dmarc.{here.domain}", "TXT")), "DMARC1")
        if meant is not None:
            told = f"_dmarc.{here.domain}: {shown(meant)} does not begin with v=DMARC1; and does not count"
            here.report(DomainProblem.DMARC_SYNTAX, told)
    if step is None:
        if failure:
            here.report(DomainProblem.DNS_FAILED, failure)
        else:
            here.report(DomainProblem.DMARC_MISSING, f"{here.domain} has no DMARC record, nor a domain above it")
        return {}
    where = f"_dmarc.{step.domain}"
    if len(step.records) > 1:
        here.report(DomainProblem.DMARC_SEVERAL_RECORDS, f"{where} has {len(step.records)} records, and none counts")
        return {}
    try:
        record = parse_dmarc(step.records[0])
    except RecordError as error:
        here.report(DomainProblem.DMARC_SYNTAX, f"{where}: {error}")
        return {}
    for fault in record.faults:
        here.report(DomainProblem.DMARC_SYNTAX, f"{where}: {fault}")
    policy = await _policy(here, step.domain, record)
    _judge_policy(here, where, policy, record)
    await _judge_reports(here, step.domain, record, walked)
    return {"dmarc_policy": policy.value}


_DONE = {DmarcPolicy.QUARANTINE: "quarantined", DmarcPolicy.REJECT: "rejected"}


def _judge_policy(here: Examination, where: str, policy: DmarcPolicy, record: DmarcRecord) -> None:
    """Report a policy that receivers do not apply, or not to all mail."""
    if policy is DmarcPolicy.NONE:
        here.report(DomainProblem.DMARC_NOT_ENFORCED, f"the policy of {where} is none: forged mail is delivered")
    elif record.testing:
        less = "delivered" if policy is DmarcPolicy.QUARANTINE else "quarantined"
        told = f"the policy of {where} is in testing (t=y): forged mail is {less} instead of {_DONE[policy]}"
        here.report(DomainProblem.DMARC_NOT_ENFORCED, told)
    elif record.percent < ALL:
        told = f"{where} has pct={record.percent}: receivers that know RFC 7489 spare the rest of forged mail"
        here.report(DomainProblem.DMARC_NOT_ENFORCED, told)


async def _policy(here: Examination, domain: str, record: DmarcRecord) -> DmarcPolicy:
    """The policy of a record for the judged domain, which may be a subdomain (section 4.7: `p`, `sp` and `np`)."""
    if domain == here.domain:
        return record.policy
    exists = (await here.exchange()).found.exists
    return record.subdomains if exists else record.nonexistent


async def _judge_reports(here: Examination, domain: str, record: DmarcRecord, walked: Walk) -> None:
    """Check the consent of other domains: they must agree in DNS to receive reports (RFC 9990 section 4)."""
    own = walked.organizational

    async def judge(target: str) -> None:
        walk_of_target, _ = await _walk(here, target)
        if walk_of_target.organizational == own:
            return
        name = consent_name(domain, target)
        found = await here.find(name, "TXT")
        if found.failure:
            here.report(DomainProblem.DNS_FAILED, f"{name}: {found.failure}")
        elif not having_version(texts(found), "DMARC1", loosely=True):
            told = f"reports go to {target}, which does not agree to take them: {name} has no v=DMARC1"
            here.report(DomainProblem.DMARC_REPORTS_NOT_ACCEPTED, told)

    await asyncio.gather(*(judge(target) for target in record.reports[:MAX_REPORTS] if target != domain))


async def _walk(here: Examination, domain: str) -> tuple[Walk, str]:
    """The walk from a domain, and why it ended early; empty if it did not."""
    steps, failure = walk(domain), ""
    try:
        name = next(steps)
        while True:
            found = await here.find(name, "TXT")
            failure = f"{name}: {found.failure}" if found.failure else ""
            name = steps.send(None if failure else texts(found))
    except StopIteration as end:
        walked: Walk = end.value
        return walked, failure
