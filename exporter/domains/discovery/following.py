"""Following domains: turns what they publish into endpoints, and keeps these while look-ups fail.

The name of an endpoint is its shortest URL. So an endpoint that stays published keeps its name, series and counters. If
a source fails, its last known servers stay.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import replace

import structlog

from exporter.config.configuration import Following
from exporter.domains.discovery.discoverer import Discoverer, Discovery, Wanted
from exporter.domains.discovery.offers import MAX_OFFERS, Answered, Discovered
from exporter.domains.registrable import same_owner
from exporter.domains.target_rule import DomainTargetRule
from exporter.metrics.domain_state import FollowedState
from exporter.model import Endpoint, Source

EARLY = 0.5
"""Seconds by which a look may be early, because the schedule is not exact."""

log = structlog.get_logger()


class Follower:
    """Follows one domain."""

    def __init__(self, following: Following) -> None:
        self.following = following
        self.state: FollowedState | None = None
        self._known: Mapping[Source, Answered] = {}
        self._not_before = 0.0

    def reconfigure(self, following: Following) -> None:
        """Use other settings for the same domain from now on."""
        if following.sources != self.following.sources or following.allowed != self.following.allowed:
            self._not_before = 0.0
        self.following = following

    async def look(self, discoverer: Discoverer) -> tuple[Endpoint, ...] | None:
        """Discover what the domain publishes, and return the endpoints.

        Returns:
            `None` if it is too early for another look, or the settings changed meanwhile.
        """
        if time.monotonic() < self._not_before - EARLY:
            return None
        following = self.following
        wanted = Wanted(following.domain, following.sources, rule=DomainTargetRule(following.allowed))
        discovery = await discoverer.discover(wanted)
        if self.following != following:
            return None
        self._not_before = time.monotonic() + discovery.ttl
        return self.take(discovery)

    def take(self, discovery: Discovery) -> tuple[Endpoint, ...]:
        """Store the result of a look, and return the domain's endpoints."""
        self._known = {answer.source: self._kept(answer) for answer in discovery.answers}
        endpoints = self.endpoints()
        failed = any(answer.failed for answer in discovery.answers)
        success = not failed and any(answer.success for answer in discovery.answers)
        last = time.time() if success else self.state.last_success_at if self.state is not None else None
        problems = tuple(f"{answer.source}: {answer.problem}" for answer in discovery.answers if answer.problem)
        before, self.state = self.state, FollowedState(discovery.domain, success, last, len(endpoints), problems)
        if before is None or (before.success, before.count) != (success, len(endpoints)):
            told = log.info if success else log.warning
            told("followed a domain", domain=discovery.domain, endpoints=len(endpoints), problems=list(problems))
        return endpoints

    def endpoints(self) -> tuple[Endpoint, ...]:
        """The domain's endpoints that are known now."""
        discovery = Discovery(self.following.domain, tuple(self._known.values()))
        return tuple(endpoints_of(self.following, discovery.endpoints))

    def _kept(self, answer: Answered) -> Answered:
        """An answer, completed with the earlier offers if its source failed."""
        known = self._known.get(answer.source)
        if known is None or not (answer.failed or (answer.malformed and not answer.offers)):
            return answer
        offers = tuple(dict.fromkeys((*answer.offers, *known.offers)))
        return replace(answer, offers=offers[:MAX_OFFERS])


def endpoints_of(following: Following, found: Iterable[Discovered]) -> Iterable[Endpoint]:
    """The endpoints of a followed domain."""
    for each in found:
        offer = each.offer
        template = following.templates[offer.protocol]
        login = template.credentials
        remark = f"found by {', '.join(each.sources)} of {following.domain}"
        if login is not None and offer.relay:
            login = None
        elif login is not None and not _may_log_in(following, each):
            login = None
            remark += (
                f"; probed without a login, for {offer.host} is not a host of {following.domain}: "
                "login_hosts can name it"
            )
        tls = template.tls
        if offer.relay:
            tls = replace(tls, verify=following.verify_relays)
        yield replace(
            template,
            name=offer.name,
            host=offer.host,
            port=offer.port,
            encryption=following.encryption or offer.encryption,
            credentials=login,
            tls=tls,
            absolute=True,
            priority=offer.priority,
            targets=DomainTargetRule(following.allowed),
            remark=remark,
        )


def _may_log_in(following: Following, found: Discovered) -> bool:
    """Whether a login may be sent to this host, which is known only from public records."""
    host = found.offer.host
    return (
        found.offer.secure
        or same_owner(following.domain, host)
        or any(pattern.matches(host) for pattern in following.login_hosts)
    )
