"""Following and judging in the daemon: the jobs of each domain, which the schedule runs.

A problem of one domain does not affect others. It is in the domain's report, or in the log if it is our bug.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from itertools import count
from pathlib import Path

from exporter.config.configuration import Domain, Following
from exporter.domains.assembly import discoverer, judge
from exporter.domains.discovery.discoverer import Discoverer
from exporter.domains.discovery.following import Follower
from exporter.domains.judge import Judge
from exporter.domains.posture.memory import DomainMemory
from exporter.metrics.domain_state import DomainStates
from exporter.model import Endpoint
from exporter.net.dns.resolve import Resolver
from exporter.schedule.job import JUDGEMENTS, LOOKS, Connections, Job
from exporter.visiting.visit import Visitor


class DomainRunner:
    """Follows and judges the domains of one process."""

    def __init__(
        self,
        visitor: Visitor,
        states: DomainStates,
        found: Callable[[str, tuple[Endpoint, ...]], None],
        memories: dict[str, DomainMemory],
    ) -> None:
        """Prepare without domains.

        Args:
            visitor: Does the handshakes.
            states: Receives the results.
            found: Receives the endpoints of a domain after each look.
            memories: The memory of each domain. Judgements update it.
        """
        self._memories = memories
        self._visitor = visitor
        self._states = states
        self._found = found
        self._resolver: Resolver | None = None
        self._discoverers: dict[Path | None, Discoverer] = {}
        self._judge: Judge | None = None
        self._followers: dict[str, Follower] = {}
        self._domains: dict[str, Domain] = {}
        self._jobs: dict[tuple[str, str], tuple[object, Job]] = {}
        self._numbers = count()

    def configure(self, followings: Iterable[Following], domains: Iterable[Domain], resolver: Resolver) -> None:
        """Follow and judge these domains from now on. The state of domains that stay is kept."""
        if resolver is not self._resolver:
            self._resolver = resolver
            self._discoverers = {}
            # The new judge gets the memories, so that a new resolver does not make us forget policies and records.
            self._judge = judge(resolver, self._visitor, self._memories)
        before, self._followers = self._followers, {}
        known, self._jobs = self._jobs, {}
        for following in followings:
            follower = before.get(following.domain) or Follower(following)
            follower.reconfigure(following)
            self._followers[following.domain] = follower
            look = partial(self._look, follower)
            self._enter(known, (LOOKS, following.domain), following, following.refresh, look)
        self._domains = {domain.name: domain for domain in domains}
        for domain in self._domains.values():
            self._enter(known, (JUDGEMENTS, domain.name), domain, domain.interval, partial(self._judge_once, domain))

    def jobs(self) -> tuple[Job, ...]:
        """The looks and judgements to run. If settings change, a new job replaces the old one, and is due at once."""
        return tuple(job for _, job in self._jobs.values())

    def endpoints(self) -> dict[str, tuple[Endpoint, ...]]:
        """The endpoints of each followed domain that are known now."""
        return {name: follower.endpoints() for name, follower in self._followers.items()}

    def _enter(
        self,
        known: Mapping[tuple[str, str], tuple[object, Job]],
        subject: tuple[str, str],
        settings: object,
        interval: float,
        run: Callable[[Connections], Awaitable[None]],
    ) -> None:
        entry = known.get(subject)
        if entry is None or entry[0] != settings:
            lane, name = subject
            entry = settings, Job((lane, f"{name} {next(self._numbers)}"), interval, run, hosts=(lane,))
        self._jobs[subject] = entry

    def _discoverer(self, ca_file: Path | None) -> Discoverer:
        """The discoverer with these authorities. Domains share it, so that the file is read only once."""
        assert self._resolver is not None  # noqa: S101 - `configure` was given it before any job
        if ca_file not in self._discoverers:
            self._discoverers[ca_file] = discoverer(self._resolver, self._visitor.world.detours, ca_file)
        return self._discoverers[ca_file]

    async def _look(self, follower: Follower, _: Connections) -> None:
        endpoints = await follower.look(self._discoverer(follower.following.ca_file))
        domain = follower.following.domain
        if endpoints is not None and follower.state is not None and self._followers.get(domain) is follower:
            self._states.followed(follower.state)
            self._found(domain, endpoints)

    async def _judge_once(self, domain: Domain, connection: Connections) -> None:
        assert self._judge is not None  # noqa: S101 - likewise
        report = await self._judge.judge(domain, connection)
        # Discard the report on a domain that was removed or changed meanwhile.
        if self._domains.get(domain.name) == domain:
            self._states.judged(report)
