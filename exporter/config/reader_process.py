"""Starts the process that reads a configuration. `subprocess_loader` takes what comes of it.

It takes a fifth of a second, in which the daemon is imported. So this module imports nothing that takes long.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

COMMAND: Final = (sys.executable, "-P", "-c", "from exporter.config.subprocess_loader import answer; answer()")
"""What is run, with the files' names behind it. -P: what happens to lie in the working directory is not imported."""

WITHOUT_PLUGINS: Final[Mapping[str, str]] = {"PYDANTIC_DISABLE_PLUGINS": "__all__"}
"""pydantic would read the metadata of every installed package, to find its plugins. There are none for us."""


def start_reader(*patterns: str | Path) -> subprocess.Popen[bytes]:
    """Start to read the files. What standard input has is yet to be handed over."""
    command = [*COMMAND, *map(str, patterns)]  # the files are only ever read from
    environment = {**os.environ, **WITHOUT_PLUGINS}
    return subprocess.Popen(  # noqa: S603 - ourselves
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
        process_group=0,  # Ctrl-C is for the program that waits for the answer
    )


@contextmanager
def reading(*patterns: str | Path) -> Iterator[subprocess.Popen[bytes]]:
    """A started reader, which ends with the block at the latest."""
    reader = start_reader(*patterns)
    try:
        yield reader
    finally:
        reader.kill()
