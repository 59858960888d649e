"""Builds discoverers and judges, for the daemon and for commands."""

from __future__ import annotations

from pathlib import Path

from exporter.config.configuration import Domain
from exporter.domains.discovery.discoverer import Discoverer
from exporter.domains.handshakes import Handshakes
from exporter.domains.judge import Judge
from exporter.domains.lookups import Lookups
from exporter.domains.posture.memory import DomainMemory
from exporter.net.detours import NO_DETOURS, Detours
from exporter.net.dns.resolve import Resolver
from exporter.net.http.fetch import Fetcher
from exporter.visiting.visit import Visitor


def discoverer(names: Resolver, detours: Detours = NO_DETOURS, ca_file: Path | None = None) -> Discoverer:
    """A discoverer that uses this resolver."""
    return Discoverer(Lookups(names), Fetcher(names, ca_file=ca_file, detours=detours))


def judge(names: Resolver, visitor: Visitor, memories: dict[str, DomainMemory] | None = None) -> Judge:
    """A judge that uses this resolver, this visitor, and these memories of earlier judgements."""

    def fetcher(domain: Domain) -> Fetcher:
        return Fetcher(names, ca_file=domain.ca_file, detours=visitor.world.detours)

    return Judge(Lookups(names), fetcher, Handshakes(visitor), {} if memories is None else memories)
