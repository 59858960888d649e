"""Figures in words, as people read them on a page.

Pure text; what a program reads is written by `api` and by the exposition.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from exporter.metrics.endpoint_state import Health

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0

SOON: Final = 14 * DAY
"""Seconds of remaining validity below which a certificate expires soon, and its figure is yellow. Renewal is usual a
month ahead."""

HEALTH: Final[Mapping[Health, str]] = {Health.FAILING: "failing", Health.WAITING: "not yet probed", Health.UP: "up"}
"""The names of the states for people."""

_AGES = ((MINUTE, 1.0, "s"), (HOUR, MINUTE, "min"), (2 * DAY, HOUR, "h"), (float("inf"), DAY, "days"))
"""Up to which age to count in which unit."""

_DIGITS = ((10.0, 2), (100.0, 1), (float("inf"), 0))
"""Up to which figure to write how many decimals, so that there are three digits."""

_KIB = 1024.0


def duration(seconds: float) -> str:
    """A time span with three digits at most: `0.42 ms`, `12.3 ms`, `1.23 s`, `2 min 5 s`."""
    if seconds >= MINUTE:
        minutes, rest = divmod(round(seconds), 60)
        return f"{minutes} min {rest} s"
    figure, unit = (seconds, "s") if seconds >= 1.0 else (seconds * 1000, "ms")
    digits = next(digits for limit, digits in _DIGITS if figure < limit)
    return f"{figure:.{digits}f} {unit}"


def period(seconds: float) -> str:
    """A time span that somebody chose, in full: `500 ms`, `15 s`, `1 min 30 s`, `2 h`."""
    if seconds < 1.0:
        return f"{seconds * 1000:g} ms"
    hours, rest = divmod(seconds, HOUR)
    minutes, rest = divmod(rest, MINUTE)
    parts = ((hours, "h"), (minutes, "min"), (rest, "s"))
    return " ".join(f"{figure:g} {unit}" for figure, unit in parts if figure)


def age(seconds: float) -> str:
    """How long ago something was: `just now`, `12 s ago`, `3 h ago`; what is still to come counts as now."""
    if seconds < 1.0:
        return "just now"
    size, unit = next((size, unit) for limit, size, unit in _AGES if seconds < limit)
    return f"{int(seconds / size)} {unit} ago"


def moment(at: float) -> str:
    """A Unix timestamp as a date and time, in UTC; a time before or beyond the calendar as such."""
    try:
        return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, ValueError, OSError):
        return f"{at:.0f} s since 1970"


def validity(seconds: float) -> str:
    """How long a certificate is still valid: `83 days`, `5 h`, `expired 3 days ago`."""
    if seconds <= 0.0:
        return f"expired {age(max(-seconds, 1.0))}"
    if seconds >= 2 * DAY:
        return f"{int(seconds / DAY)} days"
    return f"{int(seconds / HOUR)} h" if seconds >= HOUR else f"{int(seconds / MINUTE)} min"


def size(figure: int) -> str:
    """Bytes in binary units: `512 B`, `50.0 MiB`."""
    amount, unit = float(figure), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if amount < _KIB:
            break
        amount, unit = amount / _KIB, larger
    return f"{figure} B" if unit == "B" else f"{amount:.1f} {unit}"


def span(seconds: float) -> str:
    """A time span in one unit, rounded down: `37 min`, `3 h`, `12 days`; less than a second counts as one."""
    size, unit = next((size, unit) for limit, size, unit in _AGES if seconds < limit)
    return f"{max(int(seconds / size), 1)} {unit}"


def iso(at: float) -> str:
    """A Unix timestamp as HTML and programs read it, in UTC: `2026-11-28T02:41:07Z`; empty beyond the calendar."""
    try:
        return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return ""


def clock(at: float, now: float, every: float = MINUTE) -> str:
    """A Unix timestamp as shortly as it is clear: `02:41` within a day, else `28 Nov 02:41`, in UTC.

    Args:
        at: The timestamp.
        now: Likewise.
        every: Seconds from one such moment to the next: within a minute, `02:41:07` tells them apart.
    """
    try:
        moment = datetime.fromtimestamp(at, UTC)
    except (OverflowError, ValueError, OSError):
        return f"{at:.0f} s since 1970"
    if abs(now - at) < DAY:
        return f"{moment:%H:%M}" if every >= MINUTE else f"{moment:%H:%M:%S}"
    return f"{moment.day} {moment:%b %H:%M}" if abs(now - at) < 300 * DAY else f"{moment:%Y-%m-%d}"


def figure(number: int) -> str:
    """A number with its thousands apart: `10,000`."""
    return f"{number:,}"


def count(number: int, noun: str) -> str:
    """So many of something: `1 probe`, `10,000 probes`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def day(at: float) -> str:
    """The day that a Unix timestamp lies in, in UTC: `28 Nov`."""
    moment = datetime.fromtimestamp(at, UTC)
    return f"{moment.day} {moment:%b}"
