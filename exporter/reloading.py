"""Reloading the configuration: whole or not at all, one at a time, off the event loop.

It loads the configuration on SIGHUP or when a file changes, and passes it to the daemon, which applies it.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Generic, TypeAlias, TypeVar

import structlog

from exporter.config.problems import WHOLE_FILE, ConfigurationError, Problem
from exporter.model import LongTask
from exporter.supervision import supervised
from exporter.threads import in_own_thread
from exporter.watching import Watcher

C = TypeVar("C")

Reload: TypeAlias = Callable[[], Awaitable[Sequence[Problem]]]
"""Reloads the configuration, and returns its problems."""

log = structlog.get_logger()


class Reloader(Generic[C]):
    """Loads and applies configurations when asked.

    Every request is answered by a load that began after it, so that the newest file is used. Requests during a load
    share the next one.
    """

    def __init__(
        self, load: Callable[[], C], apply: Callable[[C], None], failed: Callable[[tuple[Problem, ...]], None]
    ) -> None:
        """Prepare to reload.

        Args:
            load: Reads the configuration, in a thread; raises `ConfigurationError`.
            apply: Applies it, in the event loop.
            failed: Is told what is wrong with one that cannot be used.
        """
        self._load = load
        self._apply = apply
        self._failed = failed
        self._current: asyncio.Task[tuple[Problem, ...]] | None = None
        self._next: asyncio.Task[tuple[Problem, ...]] | None = None
        self._closed = False

    async def reload(self) -> tuple[Problem, ...]:
        """Reload, and return the problems; there are none if the new configuration is in force."""
        if self._next is None:
            self._next = asyncio.create_task(self._run(self._current))
        # A cancelled caller must not cancel the reload for the others.
        return await asyncio.shield(self._next)

    async def close(self) -> None:
        """Apply no new configuration from now on."""
        self._closed = True
        pending = [task for task in (self._current, self._next) if task is not None]
        if pending:
            await asyncio.wait(pending)

    async def _run(self, before: asyncio.Task[tuple[Problem, ...]] | None) -> tuple[Problem, ...]:
        if before is not None:
            await asyncio.wait([before])
        self._current, self._next = self._next, None
        if self._closed:
            return ()
        try:
            # In a thread of its own: the files may lie on a file system that hangs.
            configuration = await in_own_thread(self._load, "reload")
            if not self._closed:
                self._apply(configuration)
        except ConfigurationError as error:
            for problem in error.problems:
                log.error(  # noqa: TRY400 - the user's mistake and not a bug, so no traceback
                    "configuration not reloaded", **problem.place, problem=problem.message
                )
            return self._failure(error.problems)
        except Exception as error:
            # No descriptors, no memory, no process to read it with, or a bug: the next reload may fare better.
            log.exception("configuration not reloaded")
            return self._failure(
                (Problem("configuration", WHOLE_FILE, f"could not be loaded: {error}; the log says more"),)
            )
        return ()

    def _failure(self, problems: tuple[Problem, ...]) -> tuple[Problem, ...]:
        self._failed(problems)
        return problems


@asynccontextmanager
async def reload_when_asked(
    reload: Reload, watcher: Watcher | None, failed: Callable[[LongTask], None]
) -> AsyncIterator[None]:
    """Reload on SIGHUP, and when a watched file changes.

    Args:
        reload: Does it.
        watcher: Reports changes; `None` to watch nothing.
        failed: Is called when watching failed; it continues.
    """
    loop = asyncio.get_running_loop()
    tasks: set[asyncio.Task[None]] = set()

    async def once() -> None:
        await reload()

    def begin(work: Coroutine[None, None, None]) -> None:
        task = loop.create_task(work)
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    loop.add_signal_handler(signal.SIGHUP, lambda: begin(once()))
    if watcher is not None:
        begin(supervised(LongTask.CONFIG_WATCH, partial(_whenever_it_changes, watcher, reload), failed))
    try:
        yield
    finally:
        # Ignored from now on: without a handler, a reload that comes too late would end the process at once.
        loop.remove_signal_handler(signal.SIGHUP)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        pending = tuple(tasks)
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)


async def _whenever_it_changes(watcher: Watcher, reload: Reload) -> None:
    async for _ in watcher.changes():
        await reload()
