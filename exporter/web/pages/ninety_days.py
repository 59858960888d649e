"""Ninety days of an endpoint as a picture: a column a day, from midnight at the top to midnight. Geometry only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from exporter.metrics.history.timeline import LENGTH, SLOT_SECONDS, SLOTS_A_DAY, Slot, Timeline, slot_number
from exporter.web.wording import DAY, count

DAYS: Final = LENGTH // SLOTS_A_DAY

CLASSES: Final[Mapping[Slot, str]] = {Slot.GOOD: "good", Slot.MIXED: "mixed", Slot.BAD: "bad"}
"""The classes of half hours; unknown ones are not drawn."""

FAILING: Final = frozenset({Slot.MIXED, Slot.BAD})

AXIS: Final = (0, 0.25, 0.5, 0.75, 1)


@dataclass(frozen=True, slots=True)
class Day:
    """One day, by its half hours.

    Attributes:
        at: The start of the day, a Unix timestamp.
        known: How many of them had probes.
        failing: How many of them had a failed probe.
        bad: In how many of them all probes failed.
    """

    at: float
    known: int
    failing: int
    bad: int


@dataclass(frozen=True, slots=True)
class NinetyDays:
    """The picture.

    Attributes:
        days: Columns; the last one is today.
        paths: For each class, the SVG path that fills its half hours, in units of a day and half an hour.
        axis: Unix timestamps to write below, at equal distances.
        text: A description for people.
        worst: The days with failures, the latest first.
        known: Whether there is anything to show.
    """

    days: int
    paths: Sequence[tuple[str, str]]
    axis: Sequence[float]
    text: str
    worst: Sequence[Day]
    known: bool


def ninety_days(timeline: Timeline, now: float) -> NinetyDays:
    """Draws a timeline; `now` is a Unix timestamp."""
    today = int(now // DAY)
    last = (today + 1) * SLOTS_A_DAY - 1
    # What is still to come today is a part of the last column that nothing is known of.
    ahead = last - slot_number(now)
    slots = timeline.slots(slot_number(now), LENGTH - ahead) + [Slot.UNKNOWN] * ahead
    columns = [slots[start : start + SLOTS_A_DAY] for start in range(0, LENGTH, SLOTS_A_DAY)]
    first = (today - DAYS + 1) * DAY
    days = [_day(first + number * DAY, column) for number, column in enumerate(columns)]
    pieces: dict[Slot, list[str]] = {slot: [] for slot in CLASSES}
    for x, column in enumerate(columns):
        for slot, y, height in _runs(column):
            if slot in pieces:
                pieces[slot].append(f"M{x} {y}h.9v{height}h-.9z")
    known = sum(day.known for day in days)
    failing = sum(day.failing for day in days)
    return NinetyDays(
        days=DAYS,
        paths=[(CLASSES[slot], "".join(path)) for slot, path in pieces.items() if path],
        axis=[first + share * (DAYS - 1) * DAY for share in AXIS],
        text=_text(known, failing, sum(day.bad for day in days)),
        worst=[day for day in reversed(days) if day.failing],
        known=known > 0,
    )


def _day(at: float, column: Sequence[Slot]) -> Day:
    return Day(
        at=at,
        known=sum(slot is not Slot.UNKNOWN for slot in column),
        failing=sum(slot in FAILING for slot in column),
        bad=sum(slot is Slot.BAD for slot in column),
    )


def _runs(column: Sequence[Slot]) -> Iterator[tuple[Slot, int, int]]:
    y = 0
    for slot, run in groupby(column):
        height = len(list(run))
        yield slot, y, height
        y += height


def _text(known: int, failing: int, bad: int) -> str:
    hours = known * SLOT_SECONDS / 3600
    if not failing:
        return f"No failure in the {hours:,.1f} hours that were watched."
    whole = f"; in {bad:,} of them all probes failed" if bad else ""
    return f"Failures in {failing:,} of {count(known, 'watched half hour')}{whole}."
