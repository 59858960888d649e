"""Decides how often mailboxes are read: often after a message is sent, then less and less, and rarely without one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from exporter.flows.reading.assignment import Assignment
from exporter.flows.reading.watched_mailboxes import WatchedMailbox

CLOSELY: Final = 15.0
"""Seconds after sending in which the server is polled even if it supports IDLE: Dovecot reports half a second late."""

LEAST_PAUSE: Final = 0.05
SHARE: Final = 0.025
"""Seconds between two looks, per second of the message's age. So transit times are accurate to this share."""

LEAST_PAUSE_ELSEWHERE: Final = 1.0
SHARE_ELSEWHERE: Final = 0.25
"""The same share for mailboxes that must be opened first, and for all looks by POP3."""

MAX_PAUSE: Final = 60.0
"""The most seconds between two looks while a message is in flight."""

AT_REST: Final = 300.0
"""Seconds between two looks while no message is in flight, to find leftovers."""

STAY: Final = 3600.0
"""Seconds after which an idle connection is replaced, because names and certificates may have changed."""

SLICE: Final = 0.5
"""Seconds to wait for the server before checking whether a flow sends."""

WORTH_IDLING: Final = 1.0
"""The shortest wait in seconds for which IDLE is used."""


class Pace:
    """When a reader looks, waits and leaves.

    Attributes:
        wanted: Set when a flow sends, or the reader's work has changed.
        attentive: Set while the reader does not wait in IDLE.
        stopping: Whether the reader should leave as soon as possible.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.wanted = asyncio.Event()
        self.attentive = asyncio.Event()
        self.stopping = False
        self._clock = clock
        self._came_at = clock()

    def arrive(self) -> None:
        self._came_at = self._clock()

    def next_look(self, work: Assignment, place: WatchedMailbox, *, idles: bool) -> float:
        """When to look at a mailbox again, in monotonic seconds. `idles` says whether the server supports IDLE."""
        now = self._clock()
        return max(min(self._next_look(work, place, now, idles=idles), place.sweep_at), now)

    def _next_look(self, work: Assignment, place: WatchedMailbox, now: float, *, idles: bool) -> float:
        if place.to_sweep > 0:
            return now
        age = work.age_of_youngest(now)
        if age is None:
            return now + min(AT_REST, work.rhythm())
        if place is not work.primary():
            return now + min(max(LEAST_PAUSE_ELSEWHERE, SHARE_ELSEWHERE * age), MAX_PAUSE)
        if idles and age > CLOSELY:
            return now + MAX_PAUSE
        return now + min(max(LEAST_PAUSE, SHARE * age), MAX_PAUSE)

    def read(self, work: Assignment) -> None:
        """Note that all mailboxes that were due have been read."""
        work.failure = None

    def may_leave(self, work: Assignment, *, idles: bool) -> bool:
        """Whether the connection is not needed any more."""
        if self.stopping or work.changed:
            return True
        if work.has_in_flight() or work.is_sweeping():
            return False
        # Where messages of ours arrive, the connection stays open.
        return not (idles and work.removes) or self._clock() - self._came_at > STAY

    def wake_at(self, work: Assignment, grace: float) -> float:
        """When there is something to do even if no mail arrives, in monotonic seconds."""
        looks = [place.next_look for place in work.places.values() if place.written is not None]
        return min([*looks, *work.deadlines(grace), self._clock() + AT_REST])

    def worth_idling(self, until: float) -> bool:
        """Whether there is enough time to use IDLE."""
        return until - self._clock() >= WORTH_IDLING and not self.wanted.is_set()

    def patience(self, until: float) -> float:
        """Seconds to wait for the server; 0 if there is something else to do."""
        if self.stopping or self.wanted.is_set():
            return 0.0
        self.attentive.clear()
        return max(min(until - self._clock(), SLICE), 0.0)

    async def pause(self, until: float) -> None:
        """Wait until this time, or until a flow sends. This does not use IDLE."""
        self.wanted.clear()
        self.attentive.set()
        seconds = until - self._clock()
        if seconds > 0 and not self.stopping:
            try:
                async with asyncio.timeout(seconds):
                    await self.wanted.wait()
            except TimeoutError:
                return
