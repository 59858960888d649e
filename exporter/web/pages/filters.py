"""The filter form of the status page: its fields and the current choices."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from exporter.metrics.endpoint_state import Health
from exporter.model import Protocol
from exporter.web.query import Selection, Sort
from exporter.web.survey import Survey
from exporter.web.wording import HEALTH, figure

ALL: Final = ("", "all")

SORTS: Final = {
    Sort.URGENCY: "failing first",
    Sort.NAME: "name",
    Sort.CHANGED: "last change of state",
    Sort.SLOWEST: "slowest",
    Sort.EXPIRY: "first certificate to expire",
}


@dataclass(frozen=True, slots=True)
class FilterChoice:
    """A field to choose one value of several in.

    Attributes:
        words: What it is about, for people.
        name: The query's name for it.
        options: The values as the query has them, and in words.
        chosen: The value that is chosen now.
    """

    words: str
    name: str
    options: tuple[tuple[str, str], ...]
    chosen: str


def choices(selection: Selection, survey: Survey) -> list[FilterChoice]:
    reasons = {str(reason): f"{reason} ({figure(number)})" for reason, number in survey.reasons.items()}
    label = "=".join(selection.labels[0]) if selection.labels else ""
    labels = {f"{name}={value}": f"{name}={value} ({figure(count)})" for (name, value), count in survey.labels.items()}
    names = dict.fromkeys(name for name, _ in survey.labels)
    found = [
        _choice("State", "state", [(health, HEALTH[health]) for health in Health], selection.state),
        _choice("Protocol", "protocol", [(protocol, protocol) for protocol in Protocol], selection.protocol),
        _choice("Reason", "reason", reasons.items(), selection.reason),
        _choice("Label", "label", sorted(labels.items()), label),
        FilterChoice("Sort by", "sort", tuple((str(sort), words) for sort, words in SORTS.items()), selection.sort),
        _choice("Group by", "group", [(name, name) for name in sorted(names)], selection.group, none="no label"),
    ]
    return [each for each in found if len(each.options) > 1]


def _choice(
    words: str, name: str, options: Iterable[tuple[str, str]], chosen: str | None, none: str = "all"
) -> FilterChoice:
    """A field that need not be filled in; what is chosen is among its options also if nothing has it now."""
    every = dict([("", none), *((str(value), text) for value, text in options)])
    if chosen:
        every.setdefault(str(chosen), str(chosen))
    return FilterChoice(words, name, tuple(every.items()), str(chosen or ""))
