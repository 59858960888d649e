"""When each item is due. Pure: the time is an argument, in seconds of any clock that only goes forward."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar
from typing import Protocol as Interface

JobKey: TypeAlias = tuple[str, str]
"""The unique key of an item."""


class Scheduled(Interface):
    """An item that the schedule can run. A run must end without being cancelled."""

    @property
    def key(self) -> JobKey:
        """Its unique key. For an endpoint, this is its name, and its address if it has only one."""

    @property
    def interval(self) -> float:
        """Seconds between the starts of two runs."""

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts that a run connects to."""

    @property
    def first_within(self) -> float:
        """Seconds within which the first run starts, or the interval if that is shorter."""


Item = TypeVar("Item", bound=Scheduled)


@dataclass(frozen=True, slots=True)
class Due(Generic[Item]):
    """An item whose time has come.

    Attributes:
        at: When it was due.
        missed: The number of earlier turns that passed without a call.
    """

    item: Item
    at: float
    missed: int = 0


class Timetable(Generic[Item]):
    """The turns of all items.

    The hash of an item's key decides when in its interval it starts. So starts are spread evenly, stay the same after a
    restart, and do not change when other items are added or removed.
    """

    def __init__(self) -> None:
        self._items: dict[JobKey, Item] = {}
        self._next: dict[JobKey, float] = {}
        # It may also have outdated entries, which differ from `_next`.
        self._heap: list[tuple[float, JobKey]] = []

    def item(self, key: JobKey) -> Item | None:
        """The item of this key, if there still is one."""
        return self._items.get(key)

    def exchange(self, gone: Iterable[Item], come: Iterable[Item], now: float) -> None:
        """Remove some items and add others. The rest keeps its turns.

        An added item with the key and interval of a removed one keeps its turns.
        """
        for item in gone:
            del self._items[item.key], self._next[item.key]
        for item in come:
            known = self._items.get(item.key)
            self._items[item.key] = item
            if known is None or known.interval != item.interval:
                self._next[item.key] = _first(item, now)
                heapq.heappush(self._heap, (self._next[item.key], item.key))

    def next_at(self) -> float | None:
        """When the next item is due; `None` if there are none."""
        while self._heap and self._next.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def spread_anew(self, now: float) -> int:
        """Schedule all overdue items as if they were new, and return how many turns passed.

        After a standstill all items are due. Running all at once would distort the measurements and burden the servers.
        """
        passed = 0
        for key, at in self._next.items():
            if at < now:
                item = self._items[key]
                passed += int((now - at) / item.interval) + 1
                self._next[key] = _first(item, now)
        self._heap = [(at, key) for key, at in self._next.items()]
        heapq.heapify(self._heap)
        return passed

    def pop(self, now: float) -> Due[Item] | None:
        """Return the item that has been due the longest, and plan its next turn; `None` if no item is due."""
        at = self.next_at()
        if at is None or at > now:
            return None
        key = self._heap[0][1]
        item = self._items[key]
        # Turns that passed without a call, e.g. on a suspended machine, are skipped: catching up would be useless.
        missed = int((now - at) / item.interval)
        at += missed * item.interval
        self._next[key] = at + item.interval
        heapq.heapreplace(self._heap, (self._next[key], key))
        return Due(item, at, missed)


def _first(item: Scheduled, now: float) -> float:
    """When a new item has its first turn."""
    return now + fraction(" ".join(filter(None, item.key))) * min(item.interval, item.first_within)


def fraction(name: str) -> float:
    """A number from 0 to below 1. It is always the same for a name, and evenly distributed over names."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=7).digest()) / 2**56
