"""Starts the process that reads a configuration. `subprocess_loader` takes what comes of it.

It takes a fifth of a second, in which the daemon is imported. So this module imports nothing that takes long.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

COMMAND: Final = (sys.executable, "-P", "-c", "from exporter.config.subprocess_loader import answer; answer()")
"""What is run, with the files' names behind it. -P: what happens to lie in the working directory is not imported."""


def start_reader(*patterns: str | Path) -> subprocess.Popen[bytes]:
    """Start to read the files. What standard input has is yet to be handed over."""
    command = [*COMMAND, *map(str, patterns)]  # the files are only ever read from
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603 - ourselves
