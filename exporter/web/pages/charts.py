"""The geometry of the small pictures on the pages.

Geometry only. The templates draw it as SVG with attributes and classes, since the content security policy allows no
styles inside a page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from exporter.metrics.history import PastProbe
from exporter.model import Leg, Phase, ProbeResult, Span
from exporter.web.wording import count, duration, moment

SCALE = 1000
"""Width of a bar in units of its own."""

HISTORY_HEIGHT = 40
"""The size of the history, in units of its own."""

LOWEST = 2.0
"""The smallest visible height of a probe."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A stretch of a probe, in units of `SCALE` from the left.

    Attributes:
        duration: Seconds.
        text: The phase and its duration, for people.
        failed: Whether the probe failed here.
    """

    phase: Phase
    x: float
    width: float
    duration: float
    text: str
    failed: bool = False


def stack(spans: Sequence[Span]) -> list[Bar]:
    """The parts of a probe side by side, each as wide as its share."""
    total = sum(span.duration for span in spans)
    bars = []
    x = 0.0
    for span in spans:
        width = SCALE * span.duration / total if total > 0.0 else 0.0
        bars.append(_bar(span, x, width))
        x += width
    return bars


def waterfall(result: ProbeResult) -> list[Bar]:
    """The parts of a probe at their times, one below the other.

    The stretch that it failed in is the last of its phase; a goodbye may come after it.
    """
    spans = result.spans
    whole = max([result.duration, *(span.start + span.duration for span in spans)])
    scale = SCALE / whole if whole > 0.0 else 0.0
    phase = None if result.failure is None else result.failure.phase
    failed = max((number for number, span in enumerate(spans) if span.phase is phase), default=None)
    return [
        replace(_bar(span, span.start * scale, span.duration * scale), failed=number == failed)
        for number, span in enumerate(spans)
    ]


@dataclass(frozen=True, slots=True)
class LegBar:
    """A leg of a message's way, in units of `SCALE` from the left; `duration` is in seconds."""

    leg: Leg
    x: float
    width: float
    duration: float


def way(legs: Mapping[Leg, float]) -> list[LegBar]:
    """The legs of a message one after the other: one is drawn below the other."""
    total = sum(legs.values())
    scale = SCALE / total if total > 0.0 else 0.0
    bars, x = [], 0.0
    for leg in Leg:
        if leg in legs:
            width = legs[leg] * scale
            bars.append(LegBar(leg, round(x, 2), round(width, 2), legs[leg]))
            x += width
    return bars


@dataclass(frozen=True, slots=True)
class Strip:
    """The last probes or messages in a line, as SVG paths in units of one of them.

    Attributes:
        places: So many have room.
        text: A description for people.
    """

    places: int
    good: str
    bad: str
    text: str


def strip(failures: Sequence[bool], places: int, noun: str = "probe") -> Strip:
    """The last probes in a line, the latest at the right end of so many places.

    Args:
        failures: Whether each one failed, the latest last.
        places: How many there is room for.
        noun: The word for them.
    """
    paths: dict[bool, list[str]] = {False: [], True: []}
    x = places - len(failures)
    for failed, run in groupby(failures):
        width = len(list(run))
        paths[failed].append(f"M{x} 0h{width}v10h-{width}z")
        x += width
    text = f"{count(sum(failures), 'failure')} in the last {count(len(failures), noun)}"
    return Strip(places, "".join(paths[False]), "".join(paths[True]), text)


@dataclass(frozen=True, slots=True)
class Column:
    """A probe of the history, in units of its own from the left and from the top.

    Attributes:
        failed: Whether it is drawn as a failure.
        text: Its time and result, for people.
    """

    x: int
    y: float
    height: float
    failed: bool
    text: str


def columns(attempts: Sequence[PastProbe], places: int) -> list[Column]:
    """The history, the latest at the right end of so many places.

    The slower a successful probe, the higher; a failed one takes the whole height, since the time until it failed says
    nothing beside theirs.
    """
    slowest = max((attempt.duration for attempt in attempts if attempt.reason is None), default=0.0)
    drawn = []
    for place, attempt in enumerate(attempts, start=places - len(attempts)):
        share = attempt.duration / slowest if attempt.reason is None and slowest > 0.0 else 1.0
        height = round(max(LOWEST, share * HISTORY_HEIGHT), 1)
        outcome = "succeeded" if attempt.reason is None else f"{attempt.reason} in {attempt.phase}"
        text = f"{moment(attempt.ended_at)}: {outcome} after {duration(attempt.duration)}"
        drawn.append(Column(place, round(HISTORY_HEIGHT - height, 1), height, attempt.reason is not None, text))
    return drawn


def _bar(span: Span, x: float, width: float) -> Bar:
    return Bar(span.phase, round(x, 2), round(width, 2), span.duration, f"{span.phase} {duration(span.duration)}")
