"""When each endpoint is due. Pure: the time is an argument, in seconds of any clock that only goes forward."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from exporter.model import Endpoint, Series

FIRST_WITHIN: Final = 60.0
"""Seconds within which every endpoint is probed for the first time, however long its interval: who starts the program
wants to see that a configuration works, and ten thousand endpoints still start spread over a minute."""


@dataclass(frozen=True, slots=True)
class Due:
    """An endpoint whose time has come.

    Attributes:
        at: When it was due.
        missed: How many of its turns passed altogether before this one, because nobody asked.
    """

    endpoint: Endpoint
    at: float
    missed: int = 0


class Timetable:
    """The turns of all endpoints.

    Each endpoint starts at a point of its interval given by a hash of its name, so that starts are spread evenly, stay
    the same from run to run, and do not move when others come and go.
    """

    def __init__(self) -> None:
        self._endpoints: dict[Series, Endpoint] = {}
        self._next: dict[Series, float] = {}
        # Also entries that do not count any more: those that are not what `_next` says.
        self._heap: list[tuple[float, Series]] = []

    def replace(self, endpoints: Iterable[Endpoint], now: float) -> None:
        """From now on these are the endpoints; those that keep name and interval keep their turns."""
        before, self._endpoints = self._endpoints, {endpoint.series: endpoint for endpoint in endpoints}
        turns, self._next = self._next, {}
        for series, endpoint in self._endpoints.items():
            known = before.get(series)
            keeps = known is not None and known.interval == endpoint.interval
            self._next[series] = turns[series] if keeps else _first(endpoint, now)
        self._heap = [(at, series) for series, at in self._next.items()]
        heapq.heapify(self._heap)

    def endpoint(self, series: Series) -> Endpoint | None:
        """The endpoint that has these series, if there still is one."""
        return self._endpoints.get(series)

    def exchange(self, gone: Iterable[Endpoint], come: Iterable[Endpoint], now: float) -> None:
        """Some endpoints go and others come; the rest keep their turns, and nobody looks at them."""
        for endpoint in gone:
            del self._endpoints[endpoint.series], self._next[endpoint.series]
        for endpoint in come:
            self._endpoints[endpoint.series] = endpoint
            self._next[endpoint.series] = _first(endpoint, now)
            heapq.heappush(self._heap, (self._next[endpoint.series], endpoint.series))

    def next_at(self) -> float | None:
        """When the next endpoint is due; `None` if there are none."""
        while self._heap and self._next.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def spread_anew(self, now: float) -> int:
        """Give all that were due before now a turn as if they were new, and tell how many turns passed.

        After a standstill all of them are due: at once they would be no measurement, and a burst for the servers.
        """
        passed = 0
        for series, at in self._next.items():
            if at < now:
                endpoint = self._endpoints[series]
                passed += int((now - at) / endpoint.interval) + 1
                self._next[series] = _first(endpoint, now)
        self._heap = [(at, series) for series, at in self._next.items()]
        heapq.heapify(self._heap)
        return passed

    def pop(self, now: float) -> Due | None:
        """The endpoint that has been due the longest, and enter its next turn; `None` if none is due yet."""
        at = self.next_at()
        if at is None or at > now:
            return None
        series = self._heap[0][1]
        endpoint = self._endpoints[series]
        # Turns that nobody asked for (a suspended machine) are passed over: catching up at once would help no one.
        missed = int((now - at) / endpoint.interval)
        at += missed * endpoint.interval
        self._next[series] = at + endpoint.interval
        heapq.heapreplace(self._heap, (self._next[series], series))
        return Due(endpoint, at, missed)


def _first(endpoint: Endpoint, now: float) -> float:
    """When an endpoint that is new has its first turn."""
    name = endpoint.name if endpoint.only_address is None else f"{endpoint.name} {endpoint.only_address}"
    return now + fraction(name) * min(endpoint.interval, FIRST_WITHIN)


def fraction(name: str) -> float:
    """A number from 0 up to 1 that is always the same for a name, and evenly spread over names."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=7).digest()) / 2**56
