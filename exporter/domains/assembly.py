"""The parts put together, for the daemon and for commands."""

from __future__ import annotations

from exporter.config.configuration import Domain
from exporter.domains.checks.examination import Settings
from exporter.domains.discovery.discover import Discoverer
from exporter.domains.hands import VisitingHands
from exporter.domains.judge import Judge
from exporter.domains.lookups import Lookups
from exporter.domains.targets import TargetRule
from exporter.net.fetch import Fetcher
from exporter.net.resolve import Resolver
from exporter.visiting.visit import Visitor


def discoverer(names: Resolver) -> Discoverer:
    """Asks about domains by this resolver."""
    return Discoverer(Lookups(names), Fetcher(names))


def judge(names: Resolver, visitor: Visitor, former: Judge | None = None) -> Judge:
    """Judges domains by this resolver, and by visits of this visitor; it remembers what a former judge did."""

    def fetcher(settings: Settings) -> Fetcher:
        return Fetcher(names, ca_file=settings.ca_file)

    return Judge(Lookups(names), fetcher, VisitingHands(visitor), memories=None if former is None else former.memories)


def settings_of(domain: Domain) -> Settings:
    """What a configured domain asks for."""
    return Settings(
        domain.name,
        domain.checks,
        dkim_selectors=domain.dkim_selectors,
        senders=domain.senders,
        dnsbl=domain.dnsbl,
        rule=TargetRule(domain.allowed),
        ca_file=domain.ca_file,
        timeout=domain.timeout,
    )
