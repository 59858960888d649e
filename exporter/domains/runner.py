"""Following and judging in the daemon: one task for each domain, within a bound on how many work at the same time.

One domain's trouble is its own: what goes wrong is in its report, or in the log if it is our bug, and the task goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Protocol

import structlog

from exporter.config.configuration import Domain, Following
from exporter.domains.assembly import discoverer, judge, settings_of
from exporter.domains.discovery.discover import Discoverer
from exporter.domains.discovery.following import Follower
from exporter.domains.judge import Judge
from exporter.metrics.domain_state import FollowedState
from exporter.model import DomainReport, Endpoint
from exporter.net.resolve import Resolver
from exporter.visiting.visit import Visitor

AT_ONCE = 4
"""Domains that are judged at the same time; each shakes hands with a handful of servers."""

LOOKS_AT_ONCE = 16
"""Domains that are looked at for their endpoints at the same time."""

log = structlog.get_logger()


class Keeper(Protocol):
    """Who keeps what is found."""

    def judged(self, report: DomainReport) -> None:
        """A domain was judged."""

    def followed(self, followed: FollowedState) -> None:
        """A domain was looked at."""


class DomainRunner:
    """Follows and judges the domains of one process."""

    def __init__(self, visitor: Visitor, keeper: Keeper, found: Callable[[str, tuple[Endpoint, ...]], None]) -> None:
        """Prepare to do nothing.

        Args:
            visitor: Shakes hands.
            keeper: Is told what was found out.
            found: Is told what endpoints a domain stands for, whenever it was looked at.
        """
        self._visitor = visitor
        self._keeper = keeper
        self._found = found
        self._resolver: Resolver | None = None
        self._discoverer: Discoverer | None = None
        self._judge: Judge | None = None
        self._followers: dict[str, Follower] = {}
        self._domains: dict[str, Domain] = {}
        self._tasks: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._judging = asyncio.Semaphore(AT_ONCE)
        self._looking = asyncio.Semaphore(LOOKS_AT_ONCE)

    def configure(self, followings: Iterable[Following], domains: Iterable[Domain], resolver: Resolver) -> None:
        """Follow and judge these from now on. What is known of those that stay, stays."""
        if resolver is not self._resolver:
            self._resolver = resolver
            self._discoverer = discoverer(resolver)
            # What is remembered of policies and records is the judge's, and a new resolver must not make us forget it.
            self._judge = judge(resolver, self._visitor, self._judge)
        before, self._followers = self._followers, {}
        for following in followings:
            follower = before.get(following.domain) or Follower(following)
            changed = follower.following != following
            follower.reconfigure(following)
            self._followers[following.domain] = follower
            self._keep_task(("follow", following.domain), partial(self._follow, follower), again=changed)
        former, self._domains = self._domains, {domain.name: domain for domain in domains}
        for domain in self._domains.values():
            changed = former.get(domain.name) != domain
            self._keep_task(("judge", domain.name), partial(self._judge_always, domain), again=changed)
        wanted = {("follow", name) for name in self._followers} | {("judge", name) for name in self._domains}
        for key in self._tasks.keys() - wanted:
            self._tasks.pop(key).cancel()
            if key[0] == "judge" and self._judge is not None:
                self._judge.forget(key[1])

    def endpoints(self) -> dict[str, tuple[Endpoint, ...]]:
        """What each followed domain stands for, by what is known now."""
        return {name: follower.endpoints() for name, follower in self._followers.items()}

    async def stop(self) -> None:
        """End it all."""
        tasks = list(self._tasks.values())
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _keep_task(self, key: tuple[str, str], begin: Callable[[], Awaitable[None]], *, again: bool) -> None:
        task = self._tasks.get(key)
        if task is not None and not again:
            return
        if task is not None:
            task.cancel()

        async def run() -> None:
            await begin()

        self._tasks[key] = asyncio.get_running_loop().create_task(run(), name=" ".join(key))

    async def _follow(self, follower: Follower) -> None:
        await _every(lambda: follower.following.refresh, lambda: self._look(follower))

    async def _judge_always(self, domain: Domain) -> None:
        await _every(lambda: domain.interval, lambda: self._judge_once(domain))

    async def _look(self, follower: Follower) -> None:
        assert self._discoverer is not None  # noqa: S101 - `configure` made it before any task
        async with self._looking:
            endpoints = await follower.look(self._discoverer)
        if endpoints is not None and follower.state is not None:
            self._keeper.followed(follower.state)
            self._found(follower.following.domain, endpoints)

    async def _judge_once(self, domain: Domain) -> None:
        assert self._judge is not None  # noqa: S101 - likewise
        async with self._judging:
            report = await self._judge.judge(settings_of(domain))
        self._keeper.judged(report)


async def _every(interval: Callable[[], float], work: Callable[[], Awaitable[None]]) -> None:
    """Works from start to start in this rhythm; what takes longer than that lets turns pass."""
    loop = asyncio.get_running_loop()
    due = loop.time()
    while True:
        try:
            await work()
        except Exception:
            log.exception("bug: the work for a domain broke; it goes on with the next turn")
        due = max(due + interval(), loop.time())
        await asyncio.sleep(due - loop.time())
