"""Restarts background work after failures.

An exception is logged and counted, and the work begins again after a pause.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from exporter.model import LongTask

FIRST_PAUSE: Final = 1.0
"""Seconds before work that failed begins again."""

LONGEST_PAUSE: Final = 60.0
"""The longest pause in seconds. Each failure in a row doubles the pause."""

log = structlog.get_logger()


async def supervised(task: LongTask, work: Callable[[], Awaitable[None]], failed: Callable[[LongTask], None]) -> None:
    """Do work until it returns or is cancelled. Restart it after every failure.

    Args:
        task: Its name in the log and the metrics.
        work: Starts the work.
        failed: Is called after every failure.
    """
    loop = asyncio.get_running_loop()
    wait = FIRST_PAUSE
    while True:
        begun = loop.time()
        try:
            await work()
        except Exception as error:  # noqa: BLE001 - whatever it is, the work goes on
            report(task, error, failed)
        else:
            return
        if loop.time() - begun > LONGEST_PAUSE:
            wait = FIRST_PAUSE
        await asyncio.sleep(wait)
        wait = min(wait * 2, LONGEST_PAUSE)


def report(task: LongTask, error: Exception, failed: Callable[[LongTask], None]) -> None:
    log.error("a task failed and is restarted", task=task.value, exc_info=error)
    failed(task)
