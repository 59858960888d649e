"""Ctrl-C while modules are imported. `exporter.cli` handles it once a command runs.

Nothing has to be undone until then, so the process ends at once. A traceback out of some import helps nobody, and
Python loses an interrupt that comes in a callback of its import system.
"""

import os
import signal
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final, NoReturn

INTERRUPTED: Final = 130
"""The exit code after Ctrl-C: 128 and the number of SIGINT, as shells count."""


def leave(_signal: int, _frame: types.FrameType | None) -> NoReturn:
    """Handle SIGINT: end the process."""
    if sys.stderr is not None:
        with suppress(OSError):
            os.write(2, b"\n")  # the terminal shows ^C at the beginning of this line
    os._exit(INTERRUPTED)


def leave_on_interrupt() -> None:
    """Have Ctrl-C end the process at once, unless it is ignored, as in a shell's background job."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, leave)


def raise_on_interrupt() -> None:
    """Have Ctrl-C raise `KeyboardInterrupt` again."""
    if signal.getsignal(signal.SIGINT) is leave:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def leaving(last: Callable[[], None]) -> Iterator[None]:
    """Inside this block, Ctrl-C ends the process at once, but for one last deed."""

    def leave_with(number: int, frame: types.FrameType | None) -> NoReturn:
        last()
        leave(number, frame)

    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, leave_with)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
