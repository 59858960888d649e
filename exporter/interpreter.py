"""Python's own interruptions of the event loop, kept short: its garbage collector and the switching of its threads.

Both are settings of the whole process, so that only whoever owns the process may ask for them.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

SWITCH_INTERVAL: Final = 0.0005
"""Seconds for which a thread that computes, such as one that takes a configuration in, may keep the loop waiting for
the interpreter. Python's own 5 ms would be added to every step of every probe that is under way meanwhile."""


THRESHOLDS: Final = (700, 5, 10)
"""When the garbage collector looks: after so many new objects, and at those that outlived a look every fifth time. By
then `favour_the_loop` has it leave alone what is still there."""


def favour_the_loop() -> None:
    """Let neither other threads nor the garbage collector keep the event loop waiting for more than a few milliseconds.

    From now on, what has outlived two looks of the collector is taken for what will stay (see `settle`). A probe leaves
    no cycles behind, and whatever else does mostly does so within a look or two.
    """
    sys.setswitchinterval(SWITCH_INTERVAL)
    gc.set_threshold(*THRESHOLDS)
    if _settle_survivors not in gc.callbacks:
        gc.callbacks.append(_settle_survivors)


def settle() -> None:
    """Take whatever there is now for what will stay, and do not look through it for garbage again.

    A full collection looks at every object: 60 ms for 10,000 endpoints, in which nothing else happens. What stays is
    still freed when nothing refers to it any more; only cycles among what is there at this moment never are.
    """
    gc.freeze()


def _settle_survivors(phase: str, info: dict[str, int]) -> None:
    if phase == "stop" and info["generation"] > 0:
        settle()


@contextmanager
def uncollected() -> Iterator[None]:
    """Do something that makes very many objects that stay, without looking through them in between."""
    gc.disable()
    try:
        yield
    finally:
        settle()
        gc.enable()
