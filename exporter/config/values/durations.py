"""Parses and writes durations as in Prometheus: `500ms`, `30s`, `1m30s`, `1h`."""

from __future__ import annotations

import re
from collections.abc import Mapping

from exporter.config.problems import quoted

_MILLISECONDS: Mapping[str, int] = {
    "y": 365 * 24 * 3_600_000,
    "w": 7 * 24 * 3_600_000,
    "d": 24 * 3_600_000,
    "h": 3_600_000,
    "m": 60_000,
    "s": 1_000,
    "ms": 1,
}
"""Prometheus' units, in the order in which they are written."""

PATTERN = "^" + "".join(f"([0-9]{{1,9}}{unit})?" for unit in _MILLISECONDS) + "$"
"""The pattern for schemas and `parse_duration`. It also matches the empty text, which `parse_duration` refuses."""

_DURATION = re.compile(PATTERN)
_WHOLE_NUMBER = re.compile("[0-9]{1,9}")
_SPELT_OUT = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?) ?([a-z]*)", re.IGNORECASE)
_UNIT_NAMES: Mapping[str, tuple[str, ...]] = {
    "ms": ("ms", "msec", "msecs", "millisecond", "milliseconds"),
    "s": ("", "s", "sec", "secs", "second", "seconds"),
    "m": ("m", "min", "mins", "minute", "minutes"),
    "h": ("h", "hr", "hrs", "hour", "hours"),
    "d": ("d", "day", "days"),
}


def parse_duration(text: str) -> float:
    """The seconds of a duration.

    Raises:
        ValueError: The text is not a duration. The message says what to write.
    """
    match = _DURATION.fullmatch(text)
    if match is None or not text:
        raise ValueError(f"{quoted(text)} is not a duration; {_mend(text)}")
    parts = zip(match.groups(), _MILLISECONDS.items(), strict=True)
    return sum(int(part.removesuffix(unit)) * size for part, (unit, size) in parts if part) / 1000


def format_duration(seconds: float) -> str:
    """Writes seconds in the shortest way, to the millisecond, with hours as the largest unit."""
    left = round(seconds * 1000)
    written = ""
    for unit in ("h", "m", "s", "ms"):
        count, left = divmod(left, _MILLISECONDS[unit])
        if count:
            written += f"{count}{unit}"
    return written or "0s"


def _mend(text: str) -> str:
    """Suggests what was probably meant."""
    bare = text.strip()
    if _WHOLE_NUMBER.fullmatch(bare):
        return f"write {bare}s"
    if bare and bare != text and _DURATION.fullmatch(bare):
        return f"write {bare}, without spaces around it"
    spelt_out = _SPELT_OUT.fullmatch(bare)
    if spelt_out:
        count, word = spelt_out.groups()
        for unit, names in _UNIT_NAMES.items():
            if word.lower() in names:
                return f"write {format_duration(float(count) * _MILLISECONDS[unit] / 1000)}"
    return "write it like 500ms, 30s, 1m30s or 1h"
