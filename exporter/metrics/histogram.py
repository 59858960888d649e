"""Histograms and counters as immutable values: observing or counting returns a new one.

Ten thousand endpoints have one each, so the counts are packed; and as a value it can be read by a scrape that takes its
time while probes go on. How it is written out is the exposition's business.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from struct import Struct
from types import MappingProxyType
from typing import TypeVar

Key = TypeVar("Key")

PROBE_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Seconds. The lowest is for a server on the same machine. The middle is for a server across an ocean with a login
(seven round trips and a password hash). The highest are for servers that delay their greeting, and for timeouts."""

DELAY_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
"""Seconds, for how late this process does things: under one ms when it is well, over a second when it is stuck."""

SCRAPE_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds, up to Prometheus' usual scrape timeout."""

FLOW_BUCKETS = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)
"""Seconds that mail takes from here to there: over greylisting to a queue that is tried every half hour."""

_BOUNDS = (PROBE_BUCKETS, DELAY_BUCKETS, SCRAPE_BUCKETS, FLOW_BUCKETS)
_COUNTS = {len(bounds) + 1: Struct(f"={len(bounds) + 1}Q") for bounds in _BOUNDS}
"""By number of buckets, the one without a bound included. Unsigned 64 bit: no counter here will ever wrap."""


@dataclass(frozen=True, slots=True)
class Histogram:
    """A distribution of durations.

    Attributes:
        bounds: The upper bound of each bucket, ascending, inclusive; one of the tuples above.
        packed: The cumulative counts, the last of which has no bound and is the number of observations.
        sum: Of everything observed, in seconds.
    """

    bounds: tuple[float, ...]
    packed: bytes
    sum: float

    @classmethod
    def empty(cls, bounds: tuple[float, ...]) -> Histogram:
        return cls(bounds, bytes(_COUNTS[len(bounds) + 1].size), 0.0)

    def observe(self, seconds: float) -> Histogram:
        """This histogram with one more observation. Negative values, from a clock that was set, count as zero."""
        seconds = max(seconds, 0.0)
        layout = _COUNTS[len(self.bounds) + 1]
        counts = layout.unpack(self.packed)
        first = bisect_left(self.bounds, seconds)
        packed = layout.pack(*counts[:first], *[count + 1 for count in counts[first:]])
        return Histogram(self.bounds, packed, self.sum + seconds)

    @property
    def counts(self) -> tuple[int, ...]:
        """Observations up to each bound, and all of them."""
        return _COUNTS[len(self.bounds) + 1].unpack(self.packed)

    @property
    def count(self) -> int:
        return self.counts[-1]


def counted(counts: Mapping[Key, int], key: Key) -> Mapping[Key, int]:
    """The counts with one more of a key."""
    return MappingProxyType({**counts, key: counts.get(key, 0) + 1})
