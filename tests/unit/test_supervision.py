"""What runs all the time goes on, whatever happens to it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from exporter.model import LongTask
from exporter.schedule.lag import LagMonitor
from exporter.schedule.stops import Stops
from exporter.supervision import FIRST_PAUSE, LONGEST_PAUSE, supervised
from tests import virtual_time


class Failing:
    """Work that fails a few times."""

    def __init__(self, *errors: BaseException) -> None:
        self.errors = list(errors)
        self.begun: list[float] = []
        self.counted: list[LongTask] = []

    async def work(self) -> None:
        self.begun.append(asyncio.get_running_loop().time())
        if self.errors:
            raise self.errors.pop(0)

    def run(self) -> list[Any]:
        with capture_logs() as logs:
            virtual_time.run(supervised(LongTask.CONFIG_WATCH, self.work, self.counted.append))
        return list(logs)


def test_what_fails_is_logged_counted_and_begun_anew() -> None:
    failing = Failing(OSError(24, "Too many open files"), MemoryError(), RuntimeError("can't start new thread"))
    logs = failing.run()

    assert [LongTask.CONFIG_WATCH] * 3 == failing.counted
    assert [("error", "config_watch")] * 3 == [(line["log_level"], line["task"]) for line in logs]
    assert [0.0, FIRST_PAUSE, 3 * FIRST_PAUSE, 7 * FIRST_PAUSE] == failing.begun


def test_what_fails_again_and_again_is_begun_once_a_minute() -> None:
    failing = Failing(*[OSError()] * 12)
    failing.run()

    assert LONGEST_PAUSE == failing.begun[-1] - failing.begun[-2]


async def test_what_is_cancelled_ends() -> None:
    task = asyncio.create_task(supervised(LongTask.CONFIG_WATCH, asyncio.Event().wait, lambda _: None))  # type: ignore[arg-type]  # what it returns is of no interest
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_the_look_at_the_lag_is_taken_again_after_a_failure() -> None:
    seen: list[float] = []
    counted: list[LongTask] = []

    def observe(lag: float) -> None:
        seen.append(lag)
        if len(seen) == 1:
            raise ZeroDivisionError

    async def scenario() -> None:
        monitor = LagMonitor(observe, Stops(asyncio.get_running_loop().time), counted.append)
        monitor.start()
        await asyncio.sleep(1.1)
        monitor.stop()

    with capture_logs() as logs:
        virtual_time.run(scenario())

    assert 4 == len(seen)
    assert ([LongTask.LAG], ["lag"]) == (counted, [line["task"] for line in logs])
