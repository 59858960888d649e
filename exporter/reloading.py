"""Reloading the configuration: whole or not at all, one at a time, off the event loop.

It knows how to load and whom to give the result to. What asks for a reload (a signal, a request, a changed file), and
what a new configuration means, is the composition root's matter.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

import structlog

from exporter.config.problems import ConfigurationError, Problem

C = TypeVar("C")

log = structlog.get_logger()


class Reloader(Generic[C]):
    """Loads and applies configurations when asked.

    Everybody who asks is answered by a load that began after the asking, so that what was just written is seen; and all
    who ask while one is under way share the next.
    """

    def __init__(
        self, load: Callable[[], C], apply: Callable[[C], None], failed: Callable[[tuple[Problem, ...]], None]
    ) -> None:
        """Prepare to reload.

        Args:
            load: Reads the configuration, in a thread; raises `ConfigurationError`.
            apply: Puts it in force, on the event loop.
            failed: Is told what is wrong with one that cannot be used.
        """
        self._load = load
        self._apply = apply
        self._failed = failed
        self._current: asyncio.Task[tuple[Problem, ...]] | None = None
        self._next: asyncio.Task[tuple[Problem, ...]] | None = None
        self._closed = False

    async def reload(self) -> tuple[Problem, ...]:
        """Reload, and tell what is wrong; nothing is if the new configuration is in force."""
        if self._next is None:
            self._next = asyncio.create_task(self._run(self._current))
        # One who gives up must not take the reload away from those that share it.
        return await asyncio.shield(self._next)

    async def close(self) -> None:
        """From now on, no new configuration is put in force."""
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
            configuration = await asyncio.to_thread(self._load)
        except ConfigurationError as error:
            for problem in error.problems:
                log.warning("configuration not reloaded", file=problem.file, line=problem.line, problem=problem.message)
            self._failed(error.problems)
            return error.problems
        if not self._closed:
            self._apply(configuration)
        return ()
