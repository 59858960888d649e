"""How often mailboxes are looked at: closely while a message is young, ever less as it grows older, hardly else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from exporter.flows.assignment import Assignment
from exporter.flows.places import Place

CLOSELY: Final = 15.0
"""Seconds after sending in which a server is asked although it offers IDLE: Dovecot tells half a second late."""

LEAST_PAUSE: Final = 0.05
SHARE: Final = 0.025
"""The share of a message's age that may pass between two questions: the transit is known to this share."""

LEAST_PAUSE_ELSEWHERE: Final = 1.0
SHARE_ELSEWHERE: Final = 0.25
"""Likewise for mailboxes that are not open and have to be opened, and by POP3 for every look."""

MAX_PAUSE: Final = 60.0
"""Seconds between two looks while a message is under way."""

AT_REST: Final = 300.0
"""Seconds between two looks while none is: for what others left behind."""

STAY: Final = 3600.0
"""Seconds after which a connection is made again, at rest: names and certificates may have changed."""

SLICE: Final = 0.5
"""Seconds for which the wait for the server is not interrupted by somebody who sends."""

WORTH_IDLING: Final = 1.0
"""Seconds of waiting that are worth the two lines of IDLE."""


class Pace:
    """When a reader looks, waits and leaves.

    Attributes:
        wanted: Set when somebody sends, or the reader's work has changed.
        attentive: Set while the reader does not wait in IDLE.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.wanted = asyncio.Event()
        self.attentive = asyncio.Event()
        self.stopping = False
        self._clock = clock
        self._came_at = clock()

    def arrive(self) -> None:
        self._came_at = self._clock()

    def next_look(self, work: Assignment, place: Place, *, idles: bool) -> float:
        """When to look at a mailbox again."""
        now = self._clock()
        return max(min(self._next_look(work, place, now, idles=idles), place.sweep_at), now)

    def _next_look(self, work: Assignment, place: Place, now: float, *, idles: bool) -> float:
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
        """All that was due has been looked at."""
        work.failure = None

    def may_leave(self, work: Assignment, *, idles: bool) -> bool:
        """Whether the connection is of no more use now."""
        if self.stopping or work.changed:
            return True
        if work.has_in_flight() or work.is_sweeping():
            return False
        return not (idles and work.stands) or self._clock() - self._came_at > STAY

    def wake_at(self, work: Assignment, grace: float) -> float:
        """When there is something to do, whether mail comes or not."""
        looks = [place.next_look for place in work.places.values() if place.written is not None]
        return min([*looks, *work.deadlines(grace), self._clock() + AT_REST])

    def worth_idling(self, until: float) -> bool:
        """Whether there is so much time that the server may be asked to tell by itself."""
        return until - self._clock() >= WORTH_IDLING and not self.wanted.is_set()

    def patience(self, until: float) -> float:
        """Seconds to wait for the server; 0 if there is something else to do."""
        if self.stopping or self.wanted.is_set():
            return 0.0
        self.attentive.clear()
        return max(min(until - self._clock(), SLICE), 0.0)

    async def pause(self, until: float) -> None:
        """Wait without the server, until then or until somebody sends."""
        self.wanted.clear()
        self.attentive.set()
        seconds = until - self._clock()
        if seconds > 0 and not self.stopping:
            try:
                async with asyncio.timeout(seconds):
                    await self.wanted.wait()
            except TimeoutError:
                return
