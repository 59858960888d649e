"""Statistics of several probes of one target: minimum, median, 95th percentile and maximum of each phase. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from exporter.model import FailureReason, Phase, ProbeResult

TOTAL: Final = "total"
"""The row for the whole probe, beside the rows of the phases."""


@dataclass(frozen=True, slots=True)
class Spread:
    """The distribution of a duration, in seconds.

    Attributes:
        count: The number of probes that measured it.
        p95: The 95th percentile by nearest rank: 95 % of the probes took no longer.
    """

    count: int
    minimum: float
    median: float
    p95: float
    maximum: float

    @classmethod
    def of(cls, durations: Sequence[float]) -> Spread:
        """The spread of at least one duration."""
        ordered = sorted(durations)
        rank = math.ceil(0.95 * len(ordered))
        return cls(len(ordered), ordered[0], median(ordered), ordered[rank - 1], ordered[-1])


@dataclass(frozen=True, slots=True)
class Statistics:
    """The statistics of several probes of one target.

    Attributes:
        failures: The number of failed probes by reason and phase.
        spreads: By phase in the order of phases, and of the whole probe; successful probes only, since the time until a
            failure says nothing beside theirs.
    """

    probes: int
    succeeded: int
    failures: Mapping[tuple[FailureReason, Phase], int]
    spreads: Mapping[str, Spread]

    @classmethod
    def of(cls, results: Sequence[ProbeResult]) -> Statistics:
        good = [result for result in results if result.failure is None]
        measured: dict[str, list[float]] = {phase: [] for phase in Phase}
        for result in good:
            for phase, duration in result.phase_durations.items():
                measured[phase].append(duration)
        spreads = {phase: Spread.of(durations) for phase, durations in measured.items() if durations}
        if good:
            spreads[TOTAL] = Spread.of([result.duration for result in good])
        failures = Counter((each.failure.reason, each.failure.phase) for each in results if each.failure is not None)
        return cls(len(results), len(good), failures, spreads)
