"""What a benchmark found: figures beside those of a peer that did the same in the same run, as a table and as JSON.

No measuring here. A figure means little by itself, since no two machines are alike; what is claimed is the ratio to a
peer, and a bound on one or on the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from rich.console import Console
from rich.table import Table

OURS = "mail-exporter"


@dataclass(frozen=True, slots=True)
class Bound:
    """What a figure of ours may be at most.

    Attributes:
        limit: In the row's unit; or a ratio, where `of` says to whose figure.
        of: The peer that the ratio is to; `None` for a figure that stands by itself.
    """

    limit: float
    of: str | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that was measured, ours beside the peers'. Less is better, always.

    Attributes:
        case: What was done, e.g. "IMAPS and a login, 32 at once".
        figure: What was measured of it, e.g. "CPU a probe, median".
        unit: Of the figures, e.g. "ms".
        ours: Our figure.
        peers: Theirs, by name and version.
        bounds: What ours is held to.
    """

    case: str
    figure: str
    unit: str
    ours: float
    peers: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    bounds: Sequence[Bound] = ()

    def ratio(self, peer: str) -> float:
        """Ours to a peer's."""
        return self.ours / self.peers[peer]

    def excess(self, bound: Bound) -> float:
        """By what factor the bound is missed; 1 or less if it is kept."""
        return (self.ours if bound.of is None else self.ratio(bound.of)) / bound.limit


@dataclass(frozen=True, slots=True)
class Report:
    """All that one benchmark found.

    Attributes:
        name: As on the command line.
        title: In a few words.
        rows: In the order of the table.
        remarks: What a reader has to know: what could not be measured here, and why.
    """

    name: str
    title: str
    rows: Sequence[Row]
    remarks: Sequence[str] = ()


def missed(reports: Iterable[Report]) -> Iterator[str]:
    """A sentence for each bound that is not kept."""
    for report in reports:
        for row in report.rows:
            for bound in row.bounds:
                if row.excess(bound) > 1:
                    yield (
                        f"{report.name}: {row.case}: {row.figure} is {shown(row.ours)} {row.unit}, "
                        f"{row.excess(bound):.2f} times {_bound_in_words(bound, row.unit)}"
                    )


def show(report: Report, console: Console) -> None:
    """Prints the table of one benchmark."""
    table = Table(title=f"{report.name}: {report.title}", title_justify="left")
    for heading in ("case", "figure", "unit"):
        table.add_column(heading)
    for heading in (OURS, "peers", "ratio", "bound"):
        table.add_column(heading, justify="right")
    for row in report.rows:
        table.add_row(
            row.case,
            row.figure,
            row.unit,
            shown(row.ours),
            "\n".join(f"{peer} {shown(value)}" for peer, value in row.peers.items()),
            "\n".join(f"{row.ratio(peer):.2f}" for peer in row.peers),
            "\n".join(_verdict(row, bound) for bound in row.bounds),
        )
    console.print(table)
    for remark in report.remarks:
        console.print(f"  {remark}", highlight=False)


def as_json(reports: Iterable[Report], machine: Mapping[str, str]) -> dict[str, object]:
    """All of it, for programs."""
    return {
        "machine": dict(machine),
        "benchmarks": [
            {
                "name": report.name,
                "title": report.title,
                "remarks": list(report.remarks),
                "rows": [_row_as_json(row) for row in report.rows],
            }
            for report in reports
        ],
    }


def _row_as_json(row: Row) -> dict[str, object]:
    return {
        "case": row.case,
        "figure": row.figure,
        "unit": row.unit,
        "ours": row.ours,
        "peers": dict(row.peers),
        "ratios": {peer: row.ratio(peer) for peer in row.peers},
        "bounds": [
            {"limit": bound.limit, "of": bound.of, "excess": row.excess(bound), "kept": row.excess(bound) <= 1}
            for bound in row.bounds
        ],
    }


def _verdict(row: Row, bound: Bound) -> str:
    excess = row.excess(bound)
    return f"{_bound_in_words(bound, row.unit)}: " + ("kept" if excess <= 1 else f"MISSED, times {excess:.2f}")


def _bound_in_words(bound: Bound, unit: str) -> str:
    return f"{bound.limit:g} {unit}" if bound.of is None else f"{bound.limit:g} of {bound.of}"


def shown(value: float) -> str:
    """A figure with the three digits that count."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"  # noqa: PLR2004 - from there on they are all whole
