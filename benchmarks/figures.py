"""The figures in docs/scaling.md, made from benchmarks/results.json, so that the page says what was measured.

`python -m benchmarks.figures` puts them there. A test holds the page to the file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.report import shown

ROOT: Final = Path(__file__).parents[1]
RESULTS: Final = ROOT / "benchmarks" / "results.json"
PAGE: Final = ROOT / "docs" / "scaling.md"

_PHASE_ERROR: Final = re.compile(r"(?:(?P<which>too much|too little) of|error of) (?P<phase>\w+), (?P<statistic>.+)")

_MARKED: Final = re.compile(r"(<!-- figures -->\n).*?(<!-- /figures -->\n)", re.DOTALL)


def figures(results: Mapping[str, Any]) -> str:
    """All results as Markdown: a table for each benchmark."""
    return "".join(_lines(results))


def page(text: str, results: Mapping[str, Any]) -> str:
    """The page with these results in it.

    Raises:
        ValueError: It has no place for them.
    """
    if not _MARKED.search(text):
        raise ValueError("the page has no <!-- figures --> for the figures to go to")
    return _MARKED.sub(lambda found: f"{found[1]}\n{figures(results)}\n{found[2]}", text)


def _lines(results: Mapping[str, Any]) -> Iterator[str]:
    machine = results["machine"]
    yield (
        f"Measured on {machine['cores']} cores of {machine['processor']}, {machine['system']}, "
        f"Python {machine['python']}.\n"
    )
    for report in results["benchmarks"]:
        yield f"\n**{report['name']}**: {report['title']}\n\n"
        yield "| case | figure | ours | peers | bound |\n|---|---|---:|---|---|\n"
        for row in _worst(report["rows"]):
            ours = f"{shown(row['ours'])} {row['unit']}"
            yield f"| {row['case']} | {row['figure']} | {ours} | {_peers(row)} | {_bounds(row)} |\n"
        if report["remarks"]:
            yield "\n" + "".join(f"- {remark}\n" for remark in report["remarks"])


def _worst(rows: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """The rows; but of each case's phases only the worst, for there are eight of them."""
    worst: dict[tuple[str, str], Mapping[str, Any]] = {}
    for row in rows:
        phase = _PHASE_ERROR.fullmatch(row["figure"])
        which = f", {phase['which']}" if phase and phase["which"] else ""
        statistic = (row["case"], f"{phase['statistic']}{which}" if phase else row["figure"])
        if statistic not in worst or row["ours"] > worst[statistic]["ours"]:
            figure = f"worst phase ({phase['phase']}), {statistic[1]}" if phase else row["figure"]
            worst[statistic] = {**row, "figure": figure}
    yield from worst.values()


def _peers(row: Mapping[str, Any]) -> str:
    return "; ".join(f"{peer} {shown(value)}, ratio {row['ratios'][peer]:.2f}" for peer, value in row["peers"].items())


def _bounds(row: Mapping[str, Any]) -> str:
    return "; ".join(_bound(bound) for bound in row["bounds"])


def _bound(bound: Mapping[str, Any]) -> str:
    limit = f"{bound['limit']:g}" + (f" of {bound['of']}" if bound["of"] else "")
    return limit if bound["kept"] else f"{limit}, missed by {100 * (bound['excess'] - 1):.0f} %"


def main() -> None:
    """Puts the results into the page."""
    PAGE.write_text(page(PAGE.read_text(), json.loads(RESULTS.read_text())))


if __name__ == "__main__":
    main()
