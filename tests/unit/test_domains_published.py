"""What the checks say of records alone, as a domain publishes them: no server is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import dns.rdata
import pytest

from exporter.domains.checks.examination import Examination, Settings
from exporter.domains.judge import CHECKS
from exporter.domains.lookups import Found, Lookups
from exporter.domains.posture.memory import DomainMemory
from exporter.model import DomainCheck

DOMAIN = "example.com"
SENDER = "192.0.2.10"

Zone = Mapping[tuple[str, str], Sequence[str]]


class Published:
    """Answers from a zone. A record `!` stands for a look-up that fails."""

    def __init__(self, zone: Zone) -> None:
        self._zone = zone

    async def find(self, name: str, rdtype: str) -> Found:
        """As `Lookups.find`."""
        records = self._zone.get((name, rdtype), ())
        if "!" in records:
            return Found(name=name, failure="SERVFAIL")
        return Found(tuple(dns.rdata.from_text("IN", rdtype, each) for each in records), name, exists=bool(records))


async def judged(check: DomainCheck, zone: Zone) -> tuple[bool | None, list[tuple[str, str]]]:
    """Whether the check succeeds, and its problems."""
    nothing: Any = None
    settings = Settings(DOMAIN, (check,), dkim_selectors=("s1",), senders=(SENDER,))
    lookups = cast("Lookups", Published(zone))
    here = Examination(settings, lookups, nothing, nothing, DomainMemory(), 0.0, lambda _: False)
    await CHECKS[check](here)
    here.close()
    return here.success(check), [(each.problem.value, each.detail) for each in here.findings.get(check, ())]


def dmarc(text: str) -> Zone:
    return {("_dmarc.example.com", "TXT"): [f'"{text}"']}


@pytest.mark.parametrize(
    ("check", "zone", "success", "problem", "detail"),
    [
        (DomainCheck.DMARC, dmarc("V = DMARC1; P=reject"), True, None, ""),
        (DomainCheck.DMARC, dmarc("v=DMARC1; p=reject; pct=20"), True, "dmarc_not_enforced", "pct=20"),
        (DomainCheck.DMARC, dmarc(" v=DMARC1; p=reject"), False, "dmarc_syntax", "does not begin with v=DMARC1;"),
        (DomainCheck.DMARC, dmarc("p=reject; v=DMARC1"), False, "dmarc_syntax", "does not begin with v=DMARC1;"),
        (
            DomainCheck.MTA_STS,
            {("_mta-sts.example.com", "TXT"): ['"id=1; v=STSv1"']},
            False,
            "mta_sts_record_invalid",
            "does not begin with v=STSv1;",
        ),
        (
            DomainCheck.MTA_STS,
            {("_mta-sts.example.com", "TXT"): ['"v=STSv1; id = 1"']},
            False,
            "mta_sts_record_invalid",
            "has a space beside the equals sign",
        ),
        (
            DomainCheck.TLS_RPT,
            {("_smtp._tls.example.com", "TXT"): ['"v = TLSRPTv1; rua=mailto:a@example.com"']},
            False,
            "tls_rpt_invalid",
            "does not begin with v=TLSRPTv1;",
        ),
        (
            DomainCheck.DKIM,
            {("s1._domainkey.example.com", "TXT"): [r'"v=DKIM1\\; p=AAAA"']},
            False,
            "dkim_syntax",
            r'v "DKIM1\\" is not DKIM1',
        ),
        (
            DomainCheck.REVERSE_DNS,
            {("10.2.0.192.in-addr.arpa", "PTR"): ["a.example.net."], ("a.example.net", "A"): ["!"]},
            None,
            "dns_failed",
            "which cannot be looked up",
        ),
    ],
)
async def test_a_record_is_judged_as_receivers_read_it(
    check: DomainCheck, zone: Zone, success: bool | None, problem: str | None, detail: str
) -> None:
    found, problems = await judged(check, zone)
    assert success is found
    assert [problem] * (problem is not None) == [each for each, _ in problems][:1]
    assert detail in "".join(told for _, told in problems)
