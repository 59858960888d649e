"""Several probes in a terminal: side by side, one after another, and their statistics.

Tables end with an empty column, since the last one is not aligned.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from rich.console import Console
from rich.text import Text

from exporter.cli.statistics import Statistics
from exporter.cli.terminal import print_rows, print_wrapped, widths
from exporter.model import Failure, FailureReason, Phase, ProbeResult
from exporter.web.wording import count, duration, moment

GAP: Final = 2
"""Columns between two of a table."""


def print_side_by_side(console: Console, results: Sequence[ProbeResult]) -> None:
    """A row for each target and a column for each phase; phases below each target where the screen is too narrow."""
    reached = [phase for phase in Phase if any(phase in result.phase_durations for result in results)]
    heads = [_headed(word) for word in ("", "", "total", *reached, "")]
    rows: list[Sequence[str | Text]] = [heads, *(_row(result, reached) for result in results)]
    if sum(width + GAP for width in widths(rows)) <= console.width:
        print_rows(console, rows, right=range(2, len(heads)))
        return
    for result in results:
        console.print(Text.assemble(_mark(result), " ", (result.endpoint, "bold"), f"  {duration(result.duration)}"))
        for line in _filled(
            [f"{phase} {duration(took)}" for phase, took in result.phase_durations.items()], console.width
        ):
            console.print(Text(line, "dim"), soft_wrap=True)


def print_failures(
    console: Console, results: Iterable[ProbeResult], url: Mapping[FailureReason, str], *, named: bool
) -> None:
    """Print which targets failed, why, and where to read on.

    Args:
        console: Where.
        results: Those that failed.
        url: Where each reason is explained.
        named: Whether there are several targets, so that each has to be named.
    """
    failed = [(result.endpoint, result.failure) for result in results if result.failure is not None]
    if not failed:
        return
    console.print()
    for name, failure in failed:
        print_wrapped(console, Text.assemble((f"{name} " if named else "", "bold"), _failed(failure)))
    for reason in dict.fromkeys(failure.reason for _, failure in failed):
        console.print(Text(url[reason]), soft_wrap=True)


def print_line(console: Console, result: ProbeResult, *, width: int) -> None:
    """Print one probe in one line: time, endpoint, duration and result."""
    line = Text.assemble(
        (moment(result.ended_at), "dim"),
        "  ",
        (result.endpoint.ljust(width), "bold"),
        f"  {duration(result.duration):>10}  ",
        _mark(result),
    )
    if result.failure is not None:
        # The full text is printed once, at the end.
        line.append(f" {result.failure.reason} in {result.failure.phase}", "red")
    console.print(line, soft_wrap=True)


def print_statistics(console: Console, name: str, statistics: Statistics) -> None:
    """Print the statistics of one target."""
    console.print()
    line = Text.assemble((name, "bold"), f"  {count(statistics.probes, 'probe')}, {statistics.succeeded} succeeded")
    console.print(line, soft_wrap=True)
    for (reason, phase), number in statistics.failures.items():
        console.print(Text(f"  {number} failed: {reason} in {phase}", "red"), soft_wrap=True)
    rows: list[tuple[str | Text, ...]] = [
        (
            phase,
            duration(spread.minimum),
            duration(spread.median),
            duration(spread.p95),
            duration(spread.maximum),
            "",
        )
        for phase, spread in statistics.spreads.items()
    ]
    if rows:
        heads = [_headed(word) for word in ("", "min", "median", "p95", "max", "")]
        print_rows(console, [tuple(heads), *rows], right=range(1, 5))


def _filled(pieces: Sequence[str], width: int) -> Iterator[str]:
    """Pieces in lines, none of which is broken: a figure stays with its unit."""
    line = ""
    for number, piece in enumerate(pieces, 1):
        next_one = f" {piece}," if number < len(pieces) else f" {piece}"
        if line and len(line) + len(next_one) > width:
            yield line
            line = ""
        line = line + next_one if line else f" {next_one}"
    yield line


def _headed(word: str | Text) -> Text:
    return Text(str(word), "dim")


def _row(result: ProbeResult, reached: Sequence[Phase]) -> list[str | Text]:
    durations = result.phase_durations
    failed = result.failure and result.failure.phase
    cells = [
        Text(duration(durations[phase]) if phase in durations else "", "red" if phase is failed else "")
        for phase in reached
    ]
    return [_mark(result), Text(result.endpoint, "bold"), duration(result.duration), *cells, ""]


def _mark(result: ProbeResult) -> Text:
    return Text("ok", "green") if result.failure is None else Text("failed", "bold red")


def _failed(failure: Failure) -> Text:
    return Text.assemble((f"{failure.reason} in {failure.phase}: ", "bold red"), (failure.detail, "red"))
