"""DNSSEC: are the domain's answers signed, with valid signatures?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from exporter.domains.checks.examination import Examination, MailHost
from exporter.domains.lookups import DnssecStatus
from exporter.model import DomainProblem

UNKNOWN = "no nameserver was asked that validates and can be believed; see dns: {nameservers, trust_ad}"
"""Why the result is unknown."""


async def check_dnssec(here: Examination) -> Mapping[str, Any]:
    """Check the status that a trusted resolver reports (RFC 4035 section 4.3)."""
    exchange = await here.exchange()
    found = exchange.found
    if found.security is DnssecStatus.BOGUS:
        here.report(DomainProblem.DNSSEC_BOGUS, f"{here.domain}: signatures are wrong ({found.failure})")
    elif found.failure:
        here.report(DomainProblem.DNS_FAILED, found.failure)
    elif found.security is DnssecStatus.UNKNOWN:
        here.report(DomainProblem.DNSSEC_UNKNOWN, UNKNOWN)
    elif found.security is DnssecStatus.INSECURE:
        here.nothing_published()
    for host in exchange.hosts:
        if any(each.security is DnssecStatus.BOGUS for each in host.found):
            here.report(DomainProblem.DNSSEC_BOGUS, f"{host.name}: signatures are wrong")
        elif found.security is DnssecStatus.SECURE and _is_insecure(host):
            here.report(
                DomainProblem.DNSSEC_MX_INSECURE, f"{here.domain} is signed, and its MX host {host.name} is not"
            )
    return {}


def _is_insecure(host: MailHost) -> bool:
    """Whether the host has addresses, and they are not signed."""
    return any(each.rdatas for each in host.found) and not host.secure
