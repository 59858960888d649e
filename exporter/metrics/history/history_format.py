"""The format of the history file: a line of JSON for each endpoint. Text only, no files.

The first line names the format. The last has the number of endpoints and a checksum, so that a truncated file is
detected. Anything that this version does not know, such as a reason of a later version, is left out when read.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import isfinite
from typing import Any, Final

from exporter.metrics.history import History, Turn, turns_packed
from exporter.metrics.history.changes import Change, Fact
from exporter.metrics.history.remembering import Remembered
from exporter.metrics.history.timeline import Timeline
from exporter.model import FailureReason, Phase, Series

FORMAT: Final = "mail-exporter history 1"

NOTHING: Final[Mapping[str, Any]] = {}

_REASONS: Final = frozenset(FailureReason)
_PHASES: Final = frozenset(Phase)
_FACTS: Final = frozenset(Fact)


class DamagedHistoryError(ValueError):
    """A text is not a complete history; the message says why."""


def write_history(
    remembered: Iterable[tuple[Series, Remembered]], of_domains: Mapping[str, Any] = NOTHING
) -> Iterator[str]:
    """The lines of the file, each with its line feed.

    Args:
        remembered: What is known of endpoints.
        of_domains: What is remembered of mail domains; stands in the first line, which earlier versions read past.
    """
    digest, count = hashlib.sha256(), 0
    yield json.dumps({"format": FORMAT} | ({"domains": dict(of_domains)} if of_domains else {})) + "\n"
    for series, each in remembered:
        line = json.dumps(_document(series, each)) + "\n"
        digest.update(line.encode())
        count += 1
        yield line
    yield json.dumps({"endpoints": count, "sha256": digest.hexdigest()}) + "\n"


def read_history(lines: Iterable[str]) -> dict[Series, Remembered]:
    """What `write_history` wrote.

    Raises:
        DamagedHistoryError: It did not write that, or not all of it is there.
    """
    rest = iter(lines)
    if _object(next(rest, "")).get("format") != FORMAT:
        raise DamagedHistoryError(f"the first line is not that of a {FORMAT!r} file")
    digest = hashlib.sha256()
    found: dict[Series, Remembered] = {}
    for line in rest:
        document = _object(line)
        if "sha256" in document:
            if document["sha256"] != digest.hexdigest() or next(rest, None) is not None:
                raise DamagedHistoryError("its lines are not those that were written")
            return found
        digest.update(line.encode(errors="replace"))
        try:
            series, remembered = _remembered(document)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise DamagedHistoryError(f"line {len(found) + 2} makes no sense: {error!r}") from None
        found[series] = remembered
    raise DamagedHistoryError("its end is missing")


def domains_in(first: str) -> Mapping[str, Any]:
    """What the first line of a file remembers of mail domains."""
    found = _object(first).get("domains")
    return {name: each for name, each in found.items() if isinstance(each, dict)} if isinstance(found, dict) else {}


def _document(series: Series, remembered: Remembered) -> dict[str, Any]:
    history = remembered.history
    return {
        "endpoint": series[0],
        "address": series[1],
        "server": remembered.server,
        "since": history.since,
        "probes_in_a_row": history.streak,
        "last_success_at": remembered.last_success_at,
        "half_hour": history.timeline.newest,
        "timeline": str(history.timeline),
        "states": [[turn.at, turn.reason, turn.phase] for turn in history.turns],
        "changes": [[change.at, change.fact, change.before, change.after] for change in history.changes],
    }


def _object(line: str) -> Mapping[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        raise DamagedHistoryError("a line is not JSON") from None
    if not isinstance(found, dict):
        raise DamagedHistoryError("a line is not a JSON object")
    return found


def _remembered(document: Mapping[str, Any]) -> tuple[Series, Remembered]:
    since = _maybe_time(document["since"])
    history = History(
        packed_turns=turns_packed(list(_turns(document["states"]))),
        timeline=Timeline.parse(_text(document["timeline"]), _count(document["half_hour"])),
        since=since,
        streak=_count(document["probes_in_a_row"]),
        changes=tuple(_changes(document["changes"])),
    )
    series = _text(document["endpoint"]), _text(document["address"])
    return series, Remembered(_text(document["server"]), history, _maybe_time(document["last_success_at"]))


def _turns(rows: Sequence[Any]) -> Iterator[Turn]:
    for at, reason, phase in rows:
        if reason is None:
            yield Turn(_time(at), None, None)
        elif reason in _REASONS and phase in _PHASES:
            yield Turn(_time(at), FailureReason(reason), Phase(phase))


def _changes(rows: Sequence[Any]) -> Iterator[Change]:
    for at, fact, before, after in rows:
        if fact in _FACTS:
            yield Change(_time(at), Fact(fact), _text(before), _text(after))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("a text is missing")
    return value


def _count(value: object) -> int:
    if not isinstance(value, int) or value < 0:
        raise ValueError("a count is missing")
    return value


def _time(value: object) -> float:
    if not isinstance(value, int | float) or not isfinite(value):
        raise ValueError("a time is missing")
    return float(value)


def _maybe_time(value: object) -> float | None:
    return None if value is None else _time(value)
