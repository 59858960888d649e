"""The history of an endpoint: changes of state and of the server, the last failures, and ninety days.

Values only: each probe makes a new history from the one before. What takes room is shared or packed, so that a healthy
endpoint costs two KiB more than its last probe, and one that fails all the time some ten more.

The other files of this room are its parts, its format in a file, and what earlier processes knew. No file is opened
here: that is done in `exporter.history_file`.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import pairwise
from struct import Struct
from typing import Final

from exporter.metrics.history.changes import Change, newly_found, with_change
from exporter.metrics.history.timeline import Timeline
from exporter.metrics.record import Record, transcript_lines, transcript_text, unfold
from exporter.model import Direction, Failure, FailureReason, Phase, ProbeResult, Span, TlsFacts

ATTEMPTS_KEPT: Final = 60
"""Probes: an hour's at the default interval."""

FAILURES_KEPT: Final = 20
"""Failed probes that are kept whole, each with an address of its own."""

TURNS_KEPT: Final = 40
"""Changes of state: ten nights with an outage of two kinds each."""

FLAPPING: Final = 4
"""From so many changes between up and failing within the kept attempts on, an endpoint flaps."""

MAX_KEPT_TRANSCRIPT: Final = 16 * 1024
"""Characters of a kept failure's conversation; what is cut out of the middle of a longer one is no longer needed to
understand how it ended."""

_PHASES: Final = tuple(Phase)
_PHASE_NUMBERS: Final = {phase: number for number, phase in enumerate(_PHASES)}
_REASONS: Final = tuple(FailureReason)
_REASON_NUMBERS: Final = {reason: number for number, reason in enumerate(_REASONS)}
_SUCCEEDED: Final = len(_REASONS)

_ATTEMPT: Final = Struct("=dfBB")
"""A probe: its end, its duration, the number of its reason and of its phase."""

_TURN: Final = Struct("=dBB")
"""A change of state: when, and the numbers as above."""


@dataclass(frozen=True, slots=True)
class PastProbe:
    """One probe, as the history remembers it.

    Attributes:
        ended_at: Unix timestamp.
        duration: Seconds.
        reason: `None` if it succeeded.
        phase: Where it failed; `None` if it succeeded.
    """

    ended_at: float
    duration: float
    reason: FailureReason | None
    phase: Phase | None


@dataclass(frozen=True, slots=True)
class Turn:
    """A change of state.

    Attributes:
        at: When the first probe ended that showed it, a Unix timestamp.
        reason: What it failed with; `None` if the endpoint was up.
        phase: Where it failed; `None` likewise.
    """

    at: float
    reason: FailureReason | None
    phase: Phase | None


@dataclass(frozen=True, slots=True)
class KeptFailure:
    """A failed probe, stored compactly.

    Attributes:
        started_at: Unix timestamp.
        duration: Seconds.
        own_time: Seconds; as a result's.
        common: All but times and conversation, which is kept once for as many failures in a row as have it in common.
        packed: Phases and conversation, compressed against `base`: equal failures differ in times only.
        base: Phases and conversation of the first of them, which is kept once for all of them.
    """

    started_at: float
    duration: float
    own_time: float
    common: Record
    packed: bytes
    base: bytes

    @property
    def ended_at(self) -> float:
        return self.started_at + self.duration + self.own_time

    @property
    def id(self) -> str:
        """Its name among the failures of an endpoint, which tells its time: `20261128T024113.123Z`."""
        return failure_id(self.ended_at)

    @property
    def failure(self) -> Failure | None:
        return self.common.failure

    def result(self, endpoint: str) -> ProbeResult:
        """The result as the probe returned it, to the microsecond."""
        text = zlib.decompressobj(zdict=self.base).decompress(self.packed).decode()
        phases, _, conversation = text.partition("\n")
        return replace(
            unfold(self.common, endpoint, transcript=False),
            started_at=self.started_at,
            duration=self.duration,
            own_time=self.own_time,
            spans=tuple(_read_spans(phases)),
            transcript=tuple(transcript_lines(conversation)),
        )


@dataclass(frozen=True, slots=True)
class History:
    """An endpoint's past.

    Attributes:
        packed_attempts: The last probes; `attempts` reads it.
        packed_turns: The last changes of state; `turns` reads it.
        timeline: Ninety days in half hours.
        since: When the first probe of the present run of successes or of failures ended; `None` before any.
        streak: How many probes that run has; probes of an earlier process count.
        failures: The last failed probes, the oldest first. One that only reports that a login is paused is among them
            only if there is no other of its run.
        good: The last that succeeded; `None` if none did since the start.
        tls: What the last handshake showed; `None` if there was none since the start.
        changes: What changed about the server, the oldest change first.
    """

    packed_attempts: bytes = b""
    packed_turns: bytes = b""
    timeline: Timeline = field(default_factory=Timeline)
    since: float | None = None
    streak: int = 0
    failures: tuple[KeptFailure, ...] = ()
    good: Record | None = None
    tls: TlsFacts | None = None
    changes: tuple[Change, ...] = ()

    def after(self, record: Record) -> History:
        """The history with one probe more."""
        failure, at = record.failure, record.ended_at
        numbers = (_REASON_NUMBERS[failure.reason], _PHASE_NUMBERS[failure.phase]) if failure else (_SUCCEEDED, 0)
        last = self.packed_turns[-_TURN.size :]
        goes_on = bool(last) and (last[-2] == _SUCCEEDED) == (failure is None)
        turned = last[-2:] != bytes(numbers)
        since = self.since if goes_on and self.since is not None else at
        changes = self.changes
        for change in newly_found(self.good, self.tls, record):
            changes = with_change(changes, replace(change, at=at))
        entry = _ATTEMPT.pack(at, record.duration, *numbers)
        return History(
            packed_attempts=(self.packed_attempts + entry)[-ATTEMPTS_KEPT * _ATTEMPT.size :],
            packed_turns=(self.packed_turns + _TURN.pack(at, *numbers))[-TURNS_KEPT * _TURN.size :]
            if turned
            else self.packed_turns,
            timeline=self.timeline.noted(at, failed=failure is not None),
            since=since,
            streak=self.streak + 1 if goes_on else 1,
            failures=self.failures if failure is None else _with_failure(self.failures, record, since),
            good=self.good if failure else record,
            tls=record.facts.tls or self.tls,
            changes=changes,
        )

    @property
    def attempts(self) -> tuple[PastProbe, ...]:
        """The last probes, the oldest first."""
        return tuple(
            PastProbe(at, duration, *_outcome(reason, phase))
            for at, duration, reason, phase in _ATTEMPT.iter_unpack(self.packed_attempts)
        )

    @property
    def turns(self) -> tuple[Turn, ...]:
        """The last changes of state, the oldest first; the first of them may be how the endpoint was found."""
        return tuple(Turn(at, *_outcome(*numbers)) for at, *numbers in _TURN.iter_unpack(self.packed_turns))

    @property
    def flips(self) -> int:
        """How often it changed between up and failing within the kept attempts."""
        step, reason = _ATTEMPT.size, _ATTEMPT.size - 2
        failed = [number != _SUCCEEDED for number in self.packed_attempts[reason::step]]
        return sum(before != after for before, after in pairwise(failed))

    @property
    def last_failed(self) -> KeptFailure | None:
        """The last failure that was tried; `None` if there is none."""
        return self.failures[-1] if self.failures else None

    def failure(self, wanted: str) -> KeptFailure | None:
        """The kept failure of an id; `None` if it is not kept, or not any more."""
        return next((kept for kept in self.failures if kept.id == wanted), None)


NO_HISTORY: Final = History()


def turns_packed(turns: Sequence[Turn]) -> bytes:
    """Changes of state as a history holds them; the last ones, if they are too many."""
    packed = [
        _TURN.pack(turn.at, _SUCCEEDED, 0)
        if turn.reason is None or turn.phase is None
        else _TURN.pack(turn.at, _REASON_NUMBERS[turn.reason], _PHASE_NUMBERS[turn.phase])
        for turn in turns
    ]
    return b"".join(packed[-TURNS_KEPT:])


def failure_id(ended_at: float) -> str:
    """A failure's name among those of its endpoint."""
    try:
        moment = datetime.fromtimestamp(ended_at, UTC)
    except (OverflowError, ValueError, OSError):
        return f"at{ended_at:.0f}"
    return f"{moment:%Y%m%dT%H%M%S}.{moment.microsecond // 1000:03}Z"


def _outcome(reason: int, phase: int) -> tuple[FailureReason, Phase] | tuple[None, None]:
    return (None, None) if reason == _SUCCEEDED else (_REASONS[reason], _PHASES[phase])


def _with_failure(kept: tuple[KeptFailure, ...], record: Record, since: float) -> tuple[KeptFailure, ...]:
    last = kept[-1] if kept else None
    if record.login_paused and last is not None and last.ended_at >= since:
        return kept
    timeless = replace(record, started_at=0.0, duration=0.0, own_time=0.0)
    common = replace(timeless, packed_spans=b"", phase_lines="", packed_transcript="")
    text = f"{_written_spans(record)}\n{_shortened(transcript_text(record.packed_transcript))}"
    octets = text.encode(errors="replace")
    base = octets
    if last is not None and _kind(last.common) == _kind(record):
        base = last.base
        common = last.common if last.common == common else common
    compressor = zlib.compressobj(level=1, zdict=base)
    packed = compressor.compress(octets) + compressor.flush()
    latest = KeptFailure(record.started_at, record.duration, record.own_time, common, packed, base)
    return (*kept, latest)[-FAILURES_KEPT:]


def _written_spans(record: Record) -> str:
    spans = unfold(record, "", transcript=False).spans
    return " ".join([f"{span.phase} {span.start * 1e6:.0f} {span.duration * 1e6:.0f}" for span in spans])


def _read_spans(text: str) -> Iterator[Span]:
    words = iter(text.split())
    for phase, start, duration in zip(words, words, words, strict=True):
        yield Span(Phase(phase), int(start) / 1e6, int(duration) / 1e6)


def _kind(record: Record) -> tuple[FailureReason, Phase] | None:
    return None if record.failure is None else (record.failure.reason, record.failure.phase)


def _shortened(text: str) -> str:
    """A conversation, without its middle if it is long. Each line is a line of the transcript."""
    if len(text) <= MAX_KEPT_TRANSCRIPT:
        return text
    half = MAX_KEPT_TRANSCRIPT // 2
    begin, end = text[: text.rindex("\n", 0, half) + 1] if "\n" in text[:half] else "", text[-half:]
    end = end[end.index("\n") + 1 :] if "\n" in end else ""
    at = begin.rpartition("\n")[0].rpartition("\n")[2][1:].partition(" ")[0] or "0.000000"
    left_out = text.count("\n") - begin.count("\n") - end.count("\n")
    return f"{begin}{Direction.NOTE}{at} {left_out} lines are not kept\n{end}"
