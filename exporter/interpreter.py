"""Python's own interruptions of the event loop, kept short: its garbage collector and the switching of its threads.

Both are settings of the whole process, so that only its owner may ask for them.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

SWITCH_INTERVAL: Final = 0.0005
"""Seconds for which a thread that computes, such as one that takes a configuration in, may keep the loop waiting for
the interpreter. Python's own 5 ms would be added to every step of every probe that is under way meanwhile."""

THRESHOLDS: Final = (700, 5, 30)
"""When Python collects garbage by itself. It collects generation 0 after 700 new objects, and generation 1 every fifth
time. It collects everything after another thirty times, if new objects are a quarter of all: after 100,000 objects or
some 10 MiB. The first two take less than a millisecond."""

LOOK_EVERY: Final = 1.0
"""Seconds between two questions whether everything should be looked at, and whether that disturbs anybody now."""

WORTH_IT: Final = 2
"""Looks at what outlived one (7,000 objects) after which looking at everything is worth it."""

PATIENCE: Final = 30
"""How often to ask for a quiet moment, before a new configuration is settled all the same."""


def favour_the_loop() -> None:
    """Let neither other threads nor the garbage collector keep the event loop waiting for long."""
    sys.setswitchinterval(SWITCH_INTERVAL)
    gc.set_threshold(*THRESHOLDS)


def settle() -> None:
    """Take what there is now, once garbage is gone, for what will stay, and do not look through it again.

    To be called once the configuration is there, and before anything else is: a look at 10,000 endpoints takes 60 ms.
    What stays is still freed when nothing refers to it any more; only cycles in it never are.
    """
    gc.collect()
    gc.freeze()


class Housekeeping:
    """Looks for garbage among all objects when nobody is disturbed by it."""

    def __init__(self, quiet: Callable[[float], bool]) -> None:
        """Prepare to look.

        Args:
            quiet: Whether nothing is measured now, nor for so many seconds.
        """
        self._quiet = quiet
        self._unsettled = False
        self._asked = 0
        self.took = 0.01
        """Seconds that the last look took; a guess before the first."""

    def unsettle(self) -> None:
        """There is a new configuration: what was taken for what will stay has gone, and other things have come."""
        self._unsettled = True
        self._asked = 0

    async def run(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY)
            self.consider()

    def consider(self) -> None:
        """Look if it is worth it and disturbs nobody, or if a new configuration has waited for long."""
        if not self._unsettled and gc.get_count()[2] < WORTH_IT:
            return
        self._asked += 1
        if self._quiet(2 * self.took) or (self._unsettled and self._asked >= PATIENCE):
            self._look()

    def _look(self) -> None:
        begun = time.perf_counter()
        if self._unsettled:
            # What became garbage since the last time is found, and the configuration need not be looked at again.
            gc.unfreeze()
            settle()
        else:
            gc.collect()
        self._unsettled = False
        self._asked = 0
        self.took = time.perf_counter() - begun


@contextmanager
def uncollected() -> Iterator[None]:
    """Do something that makes very many objects that stay, without looking through them in between."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
