"""How late the event loop runs due work. Without kernel timestamps, latencies may be too high by this much."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from exporter.model import LongTask
from exporter.schedule.stops import Stops
from exporter.supervision import report

log = structlog.get_logger()

PERIOD: Final = 0.25
"""Seconds between two measurements. This is cheap, and likely to detect a stall that affects a probe."""


class LagMonitor:
    """Sets timers in the event loop, and reports how late each one runs."""

    def __init__(self, observe: Callable[[float], None], stops: Stops, failed: Callable[[LongTask], None]) -> None:
        """Prepare to measure.

        Args:
            observe: Is told the lag, in seconds.
            stops: Is told that the process is running.
            failed: Is told of errors.
        """
        self._observe = observe
        self._failed = failed
        self._stops = stops
        self._alarm: asyncio.TimerHandle | None = None

    def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._alarm = loop.call_later(PERIOD, self._look, loop, loop.time() + PERIOD)

    def stop(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()

    def _look(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        now = loop.time()
        # Do this first, so that an error below does not prevent the next measurement.
        self._alarm = loop.call_at(now + PERIOD, self._look, loop, now + PERIOD)
        try:
            standstill = self._stops.beat()
            if standstill:
                log.warning("this process stood still; its probes are tried again", seconds=round(standstill, 1))
            self._observe(max(now - due, 0.0))
        except Exception as error:  # noqa: BLE001 - see above
            report(LongTask.LAG, error, self._failed)
