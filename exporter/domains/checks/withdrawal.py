"""DANE: was a record withdrawn while the server still shows its key?

Senders that have the record in a cache still deliver. The zone's own name servers are asked, to notice the withdrawal
before caches expire. If all records were withdrawn first, the next ones may not match any key that is served.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from exporter.domains.checks.examination import Examination
from exporter.domains.handshakes import MailService
from exporter.domains.lookups import name_servers, tlsa_records
from exporter.domains.posture.tlsa import Tlsa
from exporter.model import DomainProblem

REMINDED_FOR: Final = 2 * 86400.0
"""Seconds for which missing records are reported: long enough to publish new ones."""

MAX_SERVERS: Final = 3
"""The most name servers of a zone that are asked. One answer is enough."""

MAX_LEVELS: Final = 4
"""The most names, from the host upwards, that are tried to find its zone."""


async def authoritative(here: Examination, name: str, host: str) -> list[Tlsa] | None:
    """The usable TLSA records of a name at the name servers of a host's zone; `None` if they do not answer."""
    return await here.shared(("authoritative", name), lambda: _authoritative(here, name, host))


async def _authoritative(here: Examination, name: str, host: str) -> list[Tlsa] | None:
    addresses = [address for server in await _servers(here, host) for address in (await here.host(server)).permitted]
    if not addresses:
        return None
    found = await here.lookups.find_at(name, "TLSA", addresses[:MAX_SERVERS])
    return None if found is None else [each for each in tlsa_records(found) if each.fault is None]


async def _servers(here: Examination, host: str) -> list[str]:
    labels = host.split(".")
    for above in range(min(MAX_LEVELS, len(labels) - 1)):
        servers = name_servers(await here.find(".".join(labels[above:]), "NS"))
        if servers:
            return servers[:MAX_SERVERS]
    return []


def judge_presence(here: Examination, place: MailService, *, published: bool, known: bool) -> None:
    """Report a server that has no records now, but had matching ones before."""
    if published:
        here.memory.withdrawn.pop((place.host, place.port), None)
    if published or not known or not any(key[:2] == (place.host, place.port) for key in here.memory.matched):
        return
    since = here.memory.withdrawn.setdefault((place.host, place.port), here.now)
    if here.now - since < REMINDED_FOR:
        told = f"{place.host} port {place.port} had TLSA records and has none now: it is no longer protected by DANE"
        here.report(DomainProblem.DANE_WITHDRAWN, f"{told}, and new ones may match nothing")


def report_gone(here: Examination, place: MailService, gone: Iterable[Tlsa]) -> None:
    """Report records that match, but that only caches still have."""
    records = "; ".join(map(str, gone))
    told = f"{place.host} port {place.port}: the zone's name servers no longer have {records}, whose key is served"
    here.report(DomainProblem.DANE_WITHDRAWN, f"{told}: DANE breaks when caches forget them")
