"""One judgement of a domain: all its checks run at the same time within one time limit, and a summary follows.

A judgement always returns a report. If a check fails to find something out, this is reported as its problem.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import structlog

from exporter.config.configuration import Domain
from exporter.domains.checks.autoconfig import check_autoconfig
from exporter.domains.checks.dane import check_dane
from exporter.domains.checks.delivery import sum_up
from exporter.domains.checks.dkim import check_dkim
from exporter.domains.checks.dmarc import check_dmarc
from exporter.domains.checks.dnsbl import check_dnsbl
from exporter.domains.checks.dnssec import check_dnssec
from exporter.domains.checks.examination import Check, Examination
from exporter.domains.checks.mta_sts import check_mta_sts, check_tls_rpt
from exporter.domains.checks.mx import check_mx
from exporter.domains.checks.reverse_dns import check_reverse_dns
from exporter.domains.checks.spf import check_spf
from exporter.domains.handshakes import Handshakes
from exporter.domains.lookups import Lookups
from exporter.domains.posture.memory import DomainMemory
from exporter.model import DomainCheck, DomainProblem, DomainReport
from exporter.net.dns.address_order import routed_source
from exporter.net.http.fetch import Fetcher
from exporter.schedule.job import Connections, uncounted

CHECKS: Mapping[DomainCheck, Check] = {
    DomainCheck.MX: check_mx,
    DomainCheck.DNSSEC: check_dnssec,
    DomainCheck.DANE: check_dane,
    DomainCheck.MTA_STS: check_mta_sts,
    DomainCheck.TLS_RPT: check_tls_rpt,
    DomainCheck.SPF: check_spf,
    DomainCheck.DMARC: check_dmarc,
    DomainCheck.DKIM: check_dkim,
    DomainCheck.REVERSE_DNS: check_reverse_dns,
    DomainCheck.DNSBL: check_dnsbl,
    DomainCheck.AUTOCONFIG: check_autoconfig,
}

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Judge:
    """Judges domains, also several at the same time.

    Attributes:
        fetcher: Makes what fetches the documents of a domain.
        memories: The memory of each domain.
        clock: Unix time.
        has_route: Whether this machine has a route to an address.
    """

    lookups: Lookups
    fetcher: Callable[[Domain], Fetcher]
    handshakes: Handshakes
    memories: dict[str, DomainMemory] = field(default_factory=dict)
    clock: Callable[[], float] = time.time
    has_route: Callable[[str], bool] = lambda address: routed_source(address) is not None

    async def judge(self, settings: Domain, connection: Connections = uncounted) -> DomainReport:
        """Judge a domain now. Only cancellation raises an exception.

        Args:
            settings: The domain and its checks.
            connection: Counts the connections to its mail servers.
        """
        begun = time.perf_counter()
        here = Examination(
            settings,
            DomainCheck.MX,
            self.lookups,
            self.fetcher(settings),
            self.handshakes,
            self.memories.setdefault(settings.name, DomainMemory()),
            self.clock(),
            self.has_route,
            connection,
        )
        expires = asyncio.get_running_loop().time() + settings.timeout
        try:
            learnt = await asyncio.gather(
                *(_bounded(here.of(check), CHECKS[check], expires) for check in settings.checks),
                *([_bounded(here, sum_up, expires)] if DomainCheck.MX in settings.checks else []),
            )
        finally:
            here.close()
        facts: dict[str, Any] = {}
        for each in learnt:
            facts |= each
        return DomainReport(
            domain=settings.name,
            checked_at=self.clock(),
            duration=time.perf_counter() - begun,
            success=MappingProxyType({check: here.success(check) for check in settings.checks}),
            findings=tuple(finding for check in settings.checks for finding in here.findings.get(check, ())),
            **facts,
        )


async def _bounded(here: Examination, make: Check, expires: float) -> Mapping[str, Any]:
    """Run a check until the time limit, and return its fields of the report."""
    try:
        async with asyncio.timeout_at(expires):
            return await make(here)
    except TimeoutError:
        told = f"not finished within {here.settings.timeout:g} s"
        here.report(DomainProblem.TIMEOUT, told)
    except Exception:
        log.exception("a domain cannot be judged", domain=here.domain, check=here.check.value)
        here.report(DomainProblem.INTERNAL_ERROR, "an error of mail-exporter, see its log")
    return {}
