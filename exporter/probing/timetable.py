"""When each endpoint is due. Pure: the time is an argument, in seconds of any clock that only goes forward."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from exporter.model import Endpoint

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
        self._endpoints: dict[str, Endpoint] = {}
        self._heap: list[tuple[float, str]] = []
        self._next: dict[str, float] = {}

    def replace(self, endpoints: Iterable[Endpoint], now: float) -> None:
        """From now on these are the endpoints; those that keep name and interval keep their turns."""
        before, self._endpoints = self._endpoints, {endpoint.name: endpoint for endpoint in endpoints}
        for name, endpoint in self._endpoints.items():
            if name not in before or before[name].interval != endpoint.interval:
                self._next[name] = now + fraction(name) * min(endpoint.interval, FIRST_WITHIN)
        self._next = {name: self._next[name] for name in self._endpoints}
        self._heap = [(at, name) for name, at in self._next.items()]
        heapq.heapify(self._heap)

    def next_at(self) -> float | None:
        """When the next endpoint is due; `None` if there are none."""
        return self._heap[0][0] if self._heap else None

    def pop(self, now: float) -> Due | None:
        """The endpoint that has been due the longest, and enter its next turn; `None` if none is due yet."""
        if not self._heap or self._heap[0][0] > now:
            return None
        at, name = self._heap[0]
        endpoint = self._endpoints[name]
        # Turns that nobody asked for (a suspended machine) are passed over: catching up at once would help no one.
        missed = int((now - at) / endpoint.interval)
        at += missed * endpoint.interval
        self._next[name] = at + endpoint.interval
        heapq.heapreplace(self._heap, (self._next[name], name))
        return Due(endpoint, at, missed)


def fraction(name: str) -> float:
    """A number from 0 up to 1 that is always the same for a name, and evenly spread over names."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=7).digest()) / 2**56
