"""A probe's result, stored compactly and unpacked on demand.

Ten thousand endpoints keep their last result and their last failure, each with its transcript. As the objects that a
probe returns they would take some ten KiB each; here the many small ones - spans and transcript lines - are
packed into one string each, and values that are equal are kept once.

The one thing that is spread out instead is a text for `/metrics` that would otherwise be made again for each scrape.

Nothing is lost but digits: a transcript's times are kept to the microsecond.
"""

from __future__ import annotations

import zlib
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, fields
from enum import Enum
from struct import Struct
from typing import Any, TypeVar

from cachetools import LRUCache

from exporter.metrics.labels import label_pairs
from exporter.model import (
    PAUSING,
    Direction,
    Facts,
    Failure,
    Phase,
    ProbeResult,
    Span,
    TlsFacts,
    TranscriptLine,
)

SHARED_OCTETS = 2 * 1024 * 1024
"""How many values are remembered to be shared: the capabilities of all kinds of servers, the certificates of some 250.
A server that makes up new ones each time can fill this, and then costs others their sharing, but no more memory."""

PLAIN_WEIGHT = 200
CERTIFICATE_WEIGHT = 2000
NAME_WEIGHT = 56
"""Octets of a value that is remembered, of a certificate in it, and of each of its names beside its letters."""

MARK = "\0"
"""Stands in prepared lines for what an endpoint's series have in common; no label value holds it."""

PLAIN_TRANSCRIPT = 2048
"""Characters: a longer transcript is compressed. A login and a look around take half of that, so that most probes do
not pay for it."""

_PHASES = tuple(Phase)
_PHASE_NUMBERS = {phase: number for number, phase in enumerate(_PHASES)}
_PHASE_PAIRS = {phase: label_pairs([("phase", phase)]) for phase in Phase}
_FACTS = tuple([field.name for field in fields(Facts)])

_SPAN = Struct("=Bdd")
"""A stretch of a probe: the number of its phase, its start, its duration."""

Value = TypeVar("Value", bound=Hashable)


class Shared:
    """Values seen lately, so that equal ones can be kept once: servers of one kind announce the same capabilities."""

    def __init__(self, octets: int = SHARED_OCTETS) -> None:
        self._values: LRUCache[Any, Any] = LRUCache(octets, getsizeof=_weight)

    def __call__(self, value: Value) -> Value:
        """An equal value: the one that is kept already, if there is one."""
        kept: Value | None = self._values.get(value)
        if kept is not None:
            return kept
        if _weight(value) <= self._values.maxsize:
            self._values[value] = value
        return value


def _weight(value: object) -> int:
    """Octets that a value takes up, about."""
    match value:
        case TlsFacts():
            chains = {*value.chain, *value.verified_chain}
            return PLAIN_WEIGHT + sum(
                CERTIFICATE_WEIGHT + sum(NAME_WEIGHT + len(name) for name in each.names) for each in chains
            )
        case str():
            return PLAIN_WEIGHT + len(value)
        case tuple():
            return PLAIN_WEIGHT + sum(NAME_WEIGHT + (len(each) if isinstance(each, str) else 0) for each in value)
        case _:
            return PLAIN_WEIGHT


@dataclass(frozen=True, slots=True)
class Record:
    """A `ProbeResult` without the endpoint's name; the fields have the same meaning.

    Attributes:
        packed_spans: A row of `_SPAN`.
        phase_lines: What `/metrics` says of the phases: a line each, which begins with `MARK` where the metric's name
            and the endpoint's labels belong. It is a quarter of a scrape's work, and only a probe changes it.
        packed_transcript: A line each; as bytes if compressed.
    """

    started_at: float
    duration: float
    own_time: float
    packed_spans: bytes
    phase_lines: str
    failure: Failure | None
    facts: Facts
    packed_transcript: str | bytes

    @property
    def expiry(self) -> float | None:
        """When the certificate stops being good: on the path that was verified, if one was; `None` if not known."""
        tls = self.facts.tls
        if tls is None:
            return None
        return tls.chain_not_after if tls.verified_chain_not_after is None else tls.verified_chain_not_after

    @property
    def ended_at(self) -> float:
        return self.started_at + self.duration + self.own_time

    @property
    def login_paused(self) -> bool:
        """Whether it only reports an earlier refusal: the login was not tried, so that no account gets locked."""
        if self.failure is None or self.failure.reason not in PAUSING:
            return False
        return _PHASE_NUMBERS[Phase.AUTH] not in self.packed_spans[:: _SPAN.size]


def fold(result: ProbeResult, previous: Record | None, shared: Shared) -> Record:
    """The result made small.

    Args:
        result: What a probe returned.
        previous: The record before, of the same endpoint, whose values are likely to be the same.
        shared: Where to look for equal values otherwise.
    """
    facts = _kept_facts(result.facts, None if previous is None else previous.facts, shared)
    return Record(
        started_at=result.started_at,
        duration=result.duration,
        own_time=result.own_time,
        packed_spans=b"".join(
            [_SPAN.pack(_PHASE_NUMBERS[span.phase], span.start, span.duration) for span in result.spans]
        ),
        phase_lines="".join(
            [f"{MARK}{_PHASE_PAIRS[phase]}}} {duration:.6f}\n" for phase, duration in result.phase_durations.items()]
        ),
        failure=_kept(result.failure, previous and previous.failure, shared),
        facts=facts,
        packed_transcript=_pack_transcript(result.transcript),
    )


def unfold(record: Record, endpoint: str, *, transcript: bool = True) -> ProbeResult:
    """The result as the probe returned it, to the digits that were kept.

    Args:
        record: What was kept.
        endpoint: The endpoint's name.
        transcript: Whether that is wanted too; it takes longer than all the rest.
    """
    return ProbeResult(
        endpoint=endpoint,
        started_at=record.started_at,
        duration=record.duration,
        own_time=record.own_time,
        spans=tuple(
            Span(_PHASES[phase], start, duration) for phase, start, duration in _SPAN.iter_unpack(record.packed_spans)
        ),
        failure=record.failure,
        facts=record.facts,
        transcript=tuple(transcript_lines(transcript_text(record.packed_transcript))) if transcript else (),
    )


def _kept_facts(facts: Facts, previous: Facts | None, shared: Shared) -> Facts:
    """Equal facts that are kept already; else these, made of values that are."""
    if facts == previous:
        return previous
    kept = {name: _kept(getattr(facts, name), getattr(previous, name, None), shared) for name in _FACTS}
    return Facts(**kept)


def _kept(value: Value, previous: Any, shared: Shared) -> Value:
    """An equal value that is kept already, or this one.

    Flags, numbers and members of closed sets take no memory, and some of them equal values of other kinds.
    """
    if value is None or isinstance(value, int | Enum):
        return value
    return previous if value == previous else shared(value)


def _pack_transcript(lines: tuple[TranscriptLine, ...]) -> str | bytes:
    joined = "\n".join([line.direction + f"{line.at:.6f} {line.text}" for line in lines])
    return joined if len(joined) <= PLAIN_TRANSCRIPT else zlib.compress(joined.encode(), level=1)


def transcript_text(packed: str | bytes) -> str:
    """A record's conversation in one text: a line each, which begins with its direction and its time."""
    return packed if isinstance(packed, str) else zlib.decompress(packed).decode()


def transcript_lines(text: str) -> Iterator[TranscriptLine]:
    """The lines of such a text."""
    for line in text.split("\n") if text else ():
        at, _, text = line[1:].partition(" ")
        yield TranscriptLine(float(at), Direction(line[0]), text)
