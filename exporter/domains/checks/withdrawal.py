"""DANE: was a record withdrawn while the server still shows its key?

Senders with the record in a cache still deliver. To see it before caches forget it, the zone's own name servers are
asked. If all records were withdrawn first, the next ones may match nothing that is served.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from exporter.domains.checks.examination import Examination, Place
from exporter.domains.lookups import name_servers, tlsa_records
from exporter.domains.posture.dane import Tlsa
from exporter.model import DomainCheck, DomainProblem

REMINDED_FOR: Final = 2 * 86400.0
"""Seconds for which it is said that all records are gone: long enough to put new ones in their place."""

MAX_SERVERS: Final = 3
"""Name servers of a zone that are asked; one answer is enough."""

MAX_LEVELS: Final = 4
"""Labels above a host where its zone is looked for."""


async def authoritative(here: Examination, name: str, host: str) -> list[Tlsa] | None:
    """The usable TLSA records of a name at the name servers of a host's zone; `None` if none of those can be asked."""
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


def judge_presence(here: Examination, place: Place, *, published: bool, known: bool) -> None:
    """Whether there are no records where some matched before."""
    if published:
        here.memory.withdrawn.pop((place.host, place.port), None)
    if published or not known or not any(key[:2] == (place.host, place.port) for key in here.memory.matched):
        return
    since = here.memory.withdrawn.setdefault((place.host, place.port), here.now)
    if here.now - since < REMINDED_FOR:
        told = f"{place.host} port {place.port} had TLSA records and has none now: it is no longer protected by DANE"
        here.report(DomainProblem.DANE_WITHDRAWN, DomainCheck.DANE, f"{told}, and new ones may match nothing")


def report_gone(here: Examination, place: Place, gone: Iterable[Tlsa]) -> None:
    """Records that match, in caches only."""
    records = "; ".join(map(str, gone))
    told = f"{place.host} port {place.port}: the zone's name servers no longer have {records}, whose key is served"
    here.report(DomainProblem.DANE_WITHDRAWN, DomainCheck.DANE, f"{told}: DANE breaks when caches forget them")
