"""Following and judging in the daemon: what there is to do for each domain, for the schedule to run.

One domain's trouble is its own: what goes wrong is in its report, or in the log if it is our bug.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from itertools import count
from pathlib import Path
from typing import Protocol

from exporter.config.configuration import Domain, Following
from exporter.domains.assembly import discoverer, judge, settings_of
from exporter.domains.discovery.discover import Discoverer
from exporter.domains.discovery.following import Follower
from exporter.domains.judge import Judge
from exporter.domains.posture.memory import Memory
from exporter.metrics.domain_state import FollowedState
from exporter.model import DomainReport, Endpoint
from exporter.net.resolve import Resolver
from exporter.schedule.job import JUDGEMENTS, LOOKS, Job
from exporter.visiting.visit import Visitor


class Keeper(Protocol):
    """Who keeps what is found."""

    def judged(self, report: DomainReport) -> None: ...

    def followed(self, followed: FollowedState) -> None: ...


class DomainRunner:
    """Follows and judges the domains of one process."""

    def __init__(
        self,
        visitor: Visitor,
        keeper: Keeper,
        found: Callable[[str, tuple[Endpoint, ...]], None],
        memories: dict[str, Memory],
    ) -> None:
        """Prepare to do nothing.

        Args:
            visitor: Shakes hands.
            keeper: Is told what was found out.
            found: Is told what endpoints a domain stands for, whenever it was looked at.
            memories: What is remembered of each domain; kept up.
        """
        self._memories = memories
        self._visitor = visitor
        self._keeper = keeper
        self._found = found
        self._resolver: Resolver | None = None
        self._discoverers: dict[Path | None, Discoverer] = {}
        self._judge: Judge | None = None
        self._followers: dict[str, Follower] = {}
        self._domains: dict[str, Domain] = {}
        self._jobs: dict[tuple[str, str], tuple[object, Job]] = {}
        self._numbers = count()

    def configure(self, followings: Iterable[Following], domains: Iterable[Domain], resolver: Resolver) -> None:
        """Follow and judge these from now on. What is known of those that stay, stays."""
        if resolver is not self._resolver:
            self._resolver = resolver
            self._discoverers = {}
            # What is remembered of policies and records is the judge's, and a new resolver must not make us forget it.
            self._judge = judge(resolver, self._visitor, self._memories)
        before, self._followers = self._followers, {}
        known, self._jobs = self._jobs, {}
        for following in followings:
            follower = before.get(following.domain) or Follower(following)
            follower.reconfigure(following)
            self._followers[following.domain] = follower
            look = partial(self._look, follower)
            self._enter(known, (LOOKS, following.domain), following, following.refresh, look)
        former, self._domains = self._domains, {domain.name: domain for domain in domains}
        for domain in self._domains.values():
            self._enter(known, (JUDGEMENTS, domain.name), domain, domain.interval, partial(self._judge_once, domain))
        for name in former.keys() - self._domains.keys():
            if self._judge is not None:
                self._judge.forget(name)

    def jobs(self) -> tuple[Job, ...]:
        """The looks and judgements to come. One that is configured in another way is another job, and due at once."""
        return tuple(job for _, job in self._jobs.values())

    def endpoints(self) -> dict[str, tuple[Endpoint, ...]]:
        """What each followed domain stands for, by what is known now."""
        return {name: follower.endpoints() for name, follower in self._followers.items()}

    def _enter(
        self,
        known: Mapping[tuple[str, str], tuple[object, Job]],
        subject: tuple[str, str],
        settings: object,
        interval: float,
        run: Callable[[], Awaitable[None]],
    ) -> None:
        entry = known.get(subject)
        if entry is None or entry[0] != settings:
            lane, name = subject
            entry = settings, Job((lane, f"{name} {next(self._numbers)}"), interval, run, hosts=(lane,))
        self._jobs[subject] = entry

    def _discoverer(self, ca_file: Path | None) -> Discoverer:
        """Who asks about domains with these authorities; one for all of them keeps what was read of the file."""
        assert self._resolver is not None  # noqa: S101 - `configure` was given it before any job
        if ca_file not in self._discoverers:
            self._discoverers[ca_file] = discoverer(self._resolver, self._visitor.world.detours, ca_file)
        return self._discoverers[ca_file]

    async def _look(self, follower: Follower) -> None:
        endpoints = await follower.look(self._discoverer(follower.following.ca_file))
        domain = follower.following.domain
        if endpoints is not None and follower.state is not None and self._followers.get(domain) is follower:
            self._keeper.followed(follower.state)
            self._found(domain, endpoints)

    async def _judge_once(self, domain: Domain) -> None:
        assert self._judge is not None  # noqa: S101 - likewise
        report = await self._judge.judge(settings_of(domain))
        # Discard the report on a domain that was removed or changed meanwhile.
        if self._domains.get(domain.name) == domain:
            self._keeper.judged(report)
