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
"""Seconds for which a thread that computes, such as one that reads a configuration, may keep the event loop waiting for
the interpreter. Python's own 5 ms would be added to every step of every probe that is under way meanwhile."""


def favour_the_loop() -> None:
    """Let no other thread keep the event loop waiting for long."""
    sys.setswitchinterval(SWITCH_INTERVAL)


def settle() -> None:
    """Take whatever there is now for what will stay, and do not look through it for garbage again.

    A full collection looks at every object: 60 ms for 10,000 endpoints, in which nothing else happens. What stays is
    still freed when nothing refers to it any more; only cycles among what is there at this moment never are.
    """
    gc.freeze()


@contextmanager
def uncollected() -> Iterator[None]:
    """Do something that makes very many objects that stay, without looking through them in between."""
    gc.disable()
    try:
        yield
    finally:
        settle()
        gc.enable()
