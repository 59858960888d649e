"""What every benchmark is handed: a directory of its own, and how much effort to make."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from benchmarks.report import Report

Amount = TypeVar("Amount")


@dataclass(frozen=True, slots=True)
class Lab:
    """Where and how thoroughly to measure.

    Attributes:
        directory: For files; other users may enter it.
        quick: To see whether the benchmark works, with figures that mean nothing.
    """

    directory: Path
    quick: bool = False

    def amount(self, thorough: Amount, quick: Amount) -> Amount:
        """The one that fits the effort."""
        return quick if self.quick else thorough


Benchmark = Callable[[Lab], Report]
"""Measures one thing. What it needs and cannot have here it leaves out, and says so in the report's remarks."""

Benchmarks = Sequence[tuple[str, Benchmark]]
