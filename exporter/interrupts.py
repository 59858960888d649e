"""Ctrl-C before a command runs. `exporter.cli` handles it once one does.

Nothing has to be undone until then, so the process ends at once: a traceback out of some import helps nobody.
"""

import os
import signal
import types
from typing import Final, NoReturn

INTERRUPTED: Final = 130
"""The exit code after Ctrl-C: 128 and the number of SIGINT, as shells count."""


def leave(_signal: int, _frame: types.FrameType | None) -> NoReturn:
    """Handle SIGINT: end the process."""
    os._exit(INTERRUPTED)


def leave_on_interrupt() -> None:
    """Have Ctrl-C end the process at once, unless it is ignored, as in a shell's background job."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, leave)
