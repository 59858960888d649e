"""Detects that this process stood still: stopped by a signal, suspended with its machine, or without CPU time.

Meanwhile servers close connections and timeouts pass, so the results of running probes say nothing about the servers.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

STANDSTILL: Final = 3.0
"""This many seconds without a beat are a standstill. The event loop's longest stalls are a tenth of that."""


def boot_time() -> float:
    """Seconds since the machine was started, including the time in which it was suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Stops:
    """Knows when this process stood still, from regular calls of `beat`."""

    def __init__(self, clock: Callable[[], float] = boot_time) -> None:
        """Start now.

        Args:
            clock: Seconds that also pass while the process stands still.
        """
        self._clock = clock
        self._beat = clock()
        self._last_end: float | None = None

    def now(self) -> float:
        """The current time, for a later call of `since`."""
        self.beat()
        return self._beat

    def beat(self) -> float:
        """Call this several times a second. Returns for how many seconds the process stood still, or 0."""
        before, self._beat = self._beat, self._clock()
        if self._beat - before < STANDSTILL:
            return 0.0
        self._last_end = self._beat
        return self._beat - before

    def since(self, moment: float) -> bool:
        """Whether the process stood still since this time."""
        self.beat()
        return self._last_end is not None and self._last_end > moment
