"""`python -m benchmarks`: runs them one after the other, and prints what was found as tables and as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final

import click
from rich.console import Console

from benchmarks import accuracy, memory, probe_cost, scrape, startup
from benchmarks import schedule as on_schedule
from benchmarks.building import CannotBuild
from benchmarks.lab import Benchmark, Lab
from benchmarks.processes import machine
from benchmarks.report import Report, as_json, missed, show
from tests.servers.programs import scratch_directory

BENCHMARKS: Final[Mapping[str, Benchmark]] = MappingProxyType(
    {
        "probe_cost": probe_cost.measure,
        "accuracy": accuracy.measure,
        "scrape": scrape.measure,
        "memory": memory.measure,
        "schedule": on_schedule.measure,
        "startup": startup.measure,
    }
)

WIDTH: Final = 150
"""Columns of a table where no terminal says how wide it is."""


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(list(BENCHMARKS)), metavar="[NAME]...")
@click.option("--json", "file", type=click.Path(dir_okay=False, path_type=Path), help="Write the results to this file.")
@click.option("--quick", is_flag=True, help="See in a minute whether they work, with figures that mean nothing.")
@click.option("--strict", is_flag=True, help="Exit with 1 if a bound is missed.")
def main(names: Sequence[str], file: Path | None, *, quick: bool, strict: bool) -> None:
    """Measure what is claimed about speed, beside others that do the same; without NAME, all of it in half an hour."""
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    reports: list[Report] = []
    for name in names or BENCHMARKS:
        console.print(f"measuring: {name} ...", highlight=False)
        try:
            with scratch_directory() as directory:
                report = BENCHMARKS[name](Lab(directory, quick))
        except CannotBuild as error:
            raise click.ClickException(str(error)) from None
        show(report, console)
        reports.append(report)
        if file is not None:
            # After each: half an hour's work is not lost with the last one.
            file.write_text(json.dumps(as_json(reports, machine()), indent=2) + "\n")
    sentences = list(missed(reports))
    for sentence in sentences:
        console.print(f"missed: {sentence}", highlight=False)
    if strict and sentences:
        sys.exit(1)


if __name__ == "__main__":
    main(prog_name="python -m benchmarks")
