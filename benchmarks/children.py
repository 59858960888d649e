"""Processes of this folder's own: how a module is run as a program that serves until its input ends."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

_ENDS_WITHIN: Final = 10.0


@dataclass(frozen=True, slots=True)
class Child:
    """A running one.

    Attributes:
        said: The lines that it began with.
    """

    pid: int
    said: tuple[str, ...]


@contextmanager
def child(module: str, *arguments: str, lines: int = 1) -> Iterator[Child]:
    """Runs one until the block ends.

    Args:
        module: Its name in this folder.
        arguments: Of its command line.
        lines: How many it writes when it serves.

    Raises:
        RuntimeError: It does not serve; why is on standard error.
    """
    command = [sys.executable, "-m", f"benchmarks.{module}", *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            said = tuple(process.stdout.readline().strip() for _ in range(lines)) if process.stdout is not None else ()
            if not all(said):
                raise RuntimeError(f"{module} does not serve")
            yield Child(process.pid, said)
        finally:
            if process.stdin is not None:
                process.stdin.close()
            try:
                process.wait(_ENDS_WITHIN)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
