"""MTA-STS: are the record and the policy valid, and do all MX hosts comply (RFC 8461)? Also checks TLS-RPT."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from exporter.certificates.text import moment
from exporter.domains.checks.examination import Examination, MailHost, relay
from exporter.domains.lookups import texts
from exporter.domains.posture.memory import MAX_REMEMBERED
from exporter.domains.posture.sts_policy import (
    MAX_POLICY,
    SHORT_MAX_AGE,
    Mode,
    StsPolicy,
    parse_policy,
    parse_sts_record,
    parse_tls_rpt,
)
from exporter.domains.tags import RecordError, almost, having_version, shown
from exporter.model import DomainCheck, DomainProblem, PolicyFacts
from exporter.net.http.fetch import FetchError, Lost

T = TypeVar("T")

FETCH_TIMEOUT = 10.0
"""Seconds. Section 3.3 suggests a minute, but mail should not wait that long."""

SOON = 7 * 86400.0
"""A certificate should have been renewed this many seconds before it ends."""

_PROBLEMS: Mapping[Lost, DomainProblem] = {
    Lost.CERTIFICATE: DomainProblem.MTA_STS_POLICY_CERTIFICATE,
    Lost.NOT_ALLOWED: DomainProblem.TARGET_NOT_ALLOWED,
}


@dataclass(frozen=True, slots=True)
class PolicyFound:
    """The record and policy as a sender finds them. What is wrong with them was reported.

    Attributes:
        id: The record's id; `None` without a valid record.
        policy: The policy; `None` if it is invalid or missing.
        expires: Unix time when the certificate of the policy's server ends.
    """

    id: str | None = None
    policy: StsPolicy | None = None
    expires: float | None = None


async def policy_of(here: Examination) -> PolicyFound:
    """The policy. It is looked up once for each judgement."""
    return await here.shared("policy", lambda: _policy(here.of(DomainCheck.MTA_STS)))


async def _policy(here: Examination) -> PolicyFound:
    identifier = await _only_record(here, f"_mta-sts.{here.domain}", STS)
    if identifier is None:
        return PolicyFound()
    url = f"https://mta-sts.{here.domain}/.well-known/mta-sts.txt"
    within = min(FETCH_TIMEOUT, here.settings.timeout / 2)
    try:
        # Section 3.3: redirections are not followed.
        document = await here.fetcher.get(url, here.rule.objection, limit=MAX_POLICY, within=within, redirects=0)
    except FetchError as error:
        problem = _PROBLEMS.get(error.lost, DomainProblem.MTA_STS_POLICY_UNREACHABLE)
        here.report(problem, f"{url} {error.detail}")
        return PolicyFound(identifier)
    try:
        policy = parse_policy(document.body)
    except RecordError as error:
        here.report(DomainProblem.MTA_STS_POLICY_INVALID, f"{url}: {error}")
        return PolicyFound(identifier, expires=document.expires)
    if document.media_type != "text/plain":
        here.report(DomainProblem.MTA_STS_POLICY_INVALID, f"{url} is served as {document.media_type}, not text/plain")
    return PolicyFound(identifier, policy, document.expires)


async def check_mta_sts(here: Examination) -> Mapping[str, Any]:
    """Check the record, the policy and the MX hosts (RFC 8461)."""
    found = await policy_of(here)
    if here.check in here.silent:
        return {}
    changed = _changed_without_id(here, found)
    policy = found.policy
    if policy is not None:
        _judge_policy(here, policy, found.expires)
        if policy.mode is not Mode.NONE:
            hosts = (await here.exchange()).hosts
            await asyncio.gather(*(_judge_host(here, policy, host) for host in hosts))
    return {
        "policy": PolicyFacts(
            mode=None if policy is None else policy.mode.value,
            id=found.id,
            max_age=None if policy is None else policy.max_age,
            certificate_not_after=found.expires,
            changed_without_id=changed,
        )
    }


def _changed_without_id(here: Examination, found: PolicyFound) -> bool | None:
    if found.policy is None or found.id is None:
        return None
    known = here.memory.policies
    if found.id not in known and len(known) >= MAX_REMEMBERED:
        known.clear()
    changed = known.setdefault(found.id, found.policy.digest) != found.policy.digest
    if changed:
        told = f"the policy is another than before, and its id is {found.id} as before: senders keep the old one"
        here.report(DomainProblem.MTA_STS_CHANGED_WITHOUT_ID, told)
    return changed


def _judge_policy(here: Examination, policy: StsPolicy, expires: float | None) -> None:
    if policy.mode is not Mode.ENFORCE:
        told = f"the policy has mode {policy.mode}: no mail is held back by it"
        here.report(DomainProblem.MTA_STS_NOT_ENFORCED, told)
    if policy.max_age < SHORT_MAX_AGE and policy.mode is not Mode.NONE:
        told = f"max_age is {policy.max_age} s: senders forget the policy within a day"
        here.report(DomainProblem.MTA_STS_MAX_AGE_SHORT, told)
    if expires is not None and expires < here.now + SOON:
        told = f"the certificate of mta-sts.{here.domain} ends {moment(expires)}"
        here.report(DomainProblem.MTA_STS_POLICY_EXPIRES, told)


async def _judge_host(here: Examination, policy: StsPolicy, host: MailHost) -> None:
    if not policy.lists(host.name):
        here.report(DomainProblem.MTA_STS_MX_UNLISTED, f"{host.name} fits none of mx: {', '.join(policy.patterns[:5])}")
        return
    for address in host.permitted:
        shown = await here.shown(relay(host.name), address, host.name)
        if not shown.reached or not shown.speaks:
            continue  # the check of MX reports this
        where = f"{host.name} at {address}"
        if not shown.chain:
            here.report(DomainProblem.MTA_STS_MX_WITHOUT_STARTTLS, f"{where}: {shown.detail}")
        elif shown.problems:
            told = ", ".join(shown.problems)
            here.report(DomainProblem.MTA_STS_MX_CERTIFICATE, f"{where}: the certificate is {told}")


async def check_tls_rpt(here: Examination) -> Mapping[str, Any]:
    """Check the record for TLS reports (RFC 8460 section 3)."""
    await _only_record(here, f"_smtp._tls.{here.domain}", TLS_RPT)
    return {}


@dataclass(frozen=True, slots=True)
class _RecordKind(Generic[T]):
    """A kind of TXT record of which a name has one.

    Attributes:
        version: What it begins with, behind `v=`.
        invalid: The problem of a record that cannot be used.
        several: The problem of several records.
        parse: Reads it; raises `RecordError`.
    """

    version: str
    invalid: DomainProblem
    several: DomainProblem
    parse: Callable[[str], T]


STS: Final = _RecordKind(
    "STSv1", DomainProblem.MTA_STS_RECORD_INVALID, DomainProblem.MTA_STS_SEVERAL_RECORDS, parse_sts_record
)
TLS_RPT: Final = _RecordKind(
    "TLSRPTv1",
    DomainProblem.TLS_RPT_INVALID,
    DomainProblem.TLS_RPT_SEVERAL_RECORDS,
    parse_tls_rpt,
)


async def _only_record(here: Examination, name: str, kind: _RecordKind[T]) -> T | None:
    """The content of the only record of a kind; `None` if there is none that counts, which is reported."""
    found = await here.find(name, "TXT")
    records, meant = having_version(texts(found), kind.version), almost(texts(found), kind.version)
    if found.failure:
        here.report(DomainProblem.DNS_FAILED, f"{name}: {found.failure}")
    elif not records and meant is not None:
        here.report(kind.invalid, f"{name}: {shown(meant)} does not begin with v={kind.version}; and does not count")
    elif not records:
        here.nothing_published()
    elif len(records) > 1:
        here.report(kind.several, f"{name} has {len(records)} records, and none counts")
    else:
        try:
            return kind.parse(records[0])
        except RecordError as error:
            here.report(kind.invalid, f"{name}: {error}")
    return None
