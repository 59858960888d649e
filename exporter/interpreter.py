"""Keeps Python's own interruptions of the event loop short: garbage collection and thread switches.

Both are settings of the whole process, so only the process's main program may use them.
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
"""Seconds for which a computing thread, such as one that reads a configuration, may hold the interpreter lock. Python's
default of 5 ms would be added to every step of every running probe."""

THRESHOLDS: Final = (700, 5, 30)
"""When Python collects garbage by itself. It collects generation 0 after 700 new objects, and generation 1 every fifth
time. It collects everything after another thirty times, if new objects are a quarter of all: after 100,000 objects or
some 10 MiB. The first two take less than a millisecond."""

LOOK_EVERY: Final = 1.0
"""Seconds between two checks whether a full collection is needed, and would disturb no probe now."""

WORTH_IT: Final = 2
"""Collections of generation 1 (7,000 objects) after which a full collection is worth it."""

PATIENCE: Final = 30
"""How often to wait for a quiet moment, before a new configuration is settled anyway."""


def favour_the_loop() -> None:
    """Prevent other threads and the garbage collector from delaying the event loop for long."""
    sys.setswitchinterval(SWITCH_INTERVAL)
    gc.set_threshold(*THRESHOLDS)


def settle() -> None:
    """Collect garbage, and then exclude all remaining objects from later collections.

    To be called once the configuration is there, and before anything else is: a look at 10,000 endpoints takes 60 ms.
    What stays is still freed when nothing refers to it any more; only cycles in it never are.
    """
    gc.collect()
    gc.freeze()


class Housekeeping:
    """Collects garbage among all objects when no probe is disturbed by it."""

    def __init__(self, quiet: Callable[[float], bool]) -> None:
        """Prepare to look.

        Args:
            quiet: Whether no probe runs now or within this many seconds.
        """
        self._quiet = quiet
        self._unsettled = False
        self._asked = 0
        self.took = 0.01
        """Seconds that the last full collection took; a guess before the first."""

    def unsettle(self) -> None:
        """To be called after a new configuration, because the excluded objects were replaced by new ones."""
        self._unsettled = True
        self._asked = 0

    async def run(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY)
            self.consider()

    def consider(self) -> None:
        """Collect if it is worth it and disturbs no probe, or if a new configuration has waited for long."""
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
    """Run something that makes very many lasting objects, without collections in between."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
