"""Printing in columns, for any terminal, pipe or file."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Collection, Iterable, Sequence
from typing import Final

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

UNFOLDED: Final = 10_000
"""Columns where no screen ends: what is piped is searched and compared by lines, so none is folded."""

LEAST: Final = 20
"""Columns that the last of several columns has at least, however narrow the screen."""

GAP: Final = "  "
"""The text before each column."""


def output() -> Console:
    """Standard output.

    What it cannot encode is written as escapes, so that an umlaut does no harm in the C locale of a cron job.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    folds = (sys.stdout is not None and sys.stdout.isatty()) or "COLUMNS" in os.environ
    return Console(width=None if folds else UNFOLDED, highlight=False)


def takes(console: Console, characters: str) -> bool:
    """Whether the output can encode these characters."""
    try:
        characters.encode(console.encoding)
    except UnicodeEncodeError:
        return False
    return True


def room(console: Console, rows: Iterable[Sequence[str | Text]]) -> int:
    """The columns that are left on the screen to the right of these."""
    return max(console.width - sum(len(GAP) + width for width in widths(rows)) - len(GAP), LEAST)


def print_rows(
    console: Console, rows: Sequence[Sequence[str | Text]], *, right: Collection[int] = (), before: str = ""
) -> None:
    """Print rows in columns. The last column is folded where the screen ends, and nothing is ever cut off.

    Args:
        console: Where.
        rows: As many cells each; the last may have several lines.
        right: The columns that are aligned at their right.
        before: The beginning of every line, such as the sign of a comment.
    """
    heads = [row[:-1] for row in rows]
    spread = widths(heads)
    margin = Text(before + "".join(GAP + " " * width for width in spread) + GAP)
    for head, row in zip(heads, rows, strict=True):
        begin = Text(before)
        for number, (cell, width) in enumerate(zip(head, spread, strict=True)):
            padding = " " * (width - cell_len(str(cell)))
            begin.append(GAP + padding if number in right else GAP).append(cell)
            begin.append("" if number in right else padding)
        begin.append(GAP)
        last = Text() + row[-1]
        for line in last.wrap(console, room(console, heads) - len(before), overflow="fold"):
            whole = begin + line
            whole.rstrip()
            console.print(whole, soft_wrap=True)
            begin = margin


def print_wrapped(console: Console, text: Text) -> None:
    """Print a text, broken at words where the screen ends; only a word that is longer than a line is broken itself."""
    for line in text.wrap(console, console.width, overflow="fold"):
        line.rstrip()
        console.print(line, soft_wrap=True)


def widths(rows: Iterable[Sequence[str | Text]]) -> list[int]:
    """How wide each column has to be."""
    return [max(cell_len(str(cell)) for cell in column) for column in zip(*rows, strict=True)]
