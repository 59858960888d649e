"""DKIM: are the keys of the configured selectors published, and good?"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from exporter.domains.checks.examination import Examination
from exporter.domains.lookups import texts
from exporter.domains.posture.dkim_key import GOOD_BITS, LEAST_BITS, dkim_records, parse_dkim
from exporter.domains.tags import RecordError
from exporter.model import DomainProblem


async def check_dkim(here: Examination) -> Mapping[str, Any]:
    """Check the keys (RFC 6376 section 3.6)."""
    await asyncio.gather(*(_judge(here, selector) for selector in here.settings.dkim_selectors))
    return {}


async def _judge(here: Examination, selector: str) -> None:
    name = f"{selector}._domainkey.{here.domain}"
    found = await here.find(name, "TXT")
    records = dkim_records(texts(found))
    if found.failure:
        here.report(DomainProblem.DNS_FAILED, f"{name}: {found.failure}")
    elif not records:
        alias = f" is an alias of {found.name}, which" if found.name != name.lower() else ""
        here.report(DomainProblem.DKIM_MISSING, f"{name}{alias} has no DKIM record")
    elif len(records) > 1:
        told = f"{name} has {len(records)} records: which one a receiver takes is not defined"
        here.report(DomainProblem.DKIM_SEVERAL_RECORDS, told)
    else:
        _judge_key(here, name, records[0])


def _judge_key(here: Examination, name: str, record: str) -> None:
    try:
        key = parse_dkim(record)
    except RecordError as error:
        here.report(DomainProblem.DKIM_SYNTAX, f"{name}: {error}")
        return
    if key.revoked:
        here.report(DomainProblem.DKIM_REVOKED, f"{name}: the key is empty, which revokes it")
    if key.testing:
        here.report(DomainProblem.DKIM_TESTING, f"{name}: t=y asks receivers to take no notice")
    if key.bits is not None and key.bits < LEAST_BITS:
        here.report(DomainProblem.DKIM_KEY_SHORT, f"{name}: receivers do not take RSA of {key.bits} bits")
    elif key.bits is not None and key.bits < GOOD_BITS:
        here.report(DomainProblem.DKIM_KEY_WEAK, f"{name}: RSA of {key.bits} bits, and {GOOD_BITS} is usual")
