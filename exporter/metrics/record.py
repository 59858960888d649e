"""Stores the result of a probe compactly, and unpacks it on demand.

Ten thousand endpoints keep their last result and their last failure, each with its transcript. As the objects that
probes return, each would take about ten KiB. So spans and transcript lines are packed into one string each, and equal
values are stored once.

One text for `/metrics` is stored in addition, because writing it for every scrape would be slow.

Packing loses only digits: the times of a transcript are kept to the microsecond.
"""

from __future__ import annotations

import zlib
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, fields
from enum import Enum
from struct import Struct
from typing import Any, TypeVar

from cachetools import LRUCache

from exporter.metrics.label_text import label_pairs
from exporter.model import PAUSING, Direction, Facts, Failure, Phase, ProbeResult, Span, TlsFacts, TranscriptLine

SHARED_OCTETS = 2 * 1024 * 1024
"""The size of all shared values: the capabilities of all kinds of servers, and the certificates of about 250 servers.
A server that always sends new values can fill this. Then other values are not shared, but memory stays limited."""

PLAIN_WEIGHT = 200
CERTIFICATE_WEIGHT = 2000
NAME_WEIGHT = 56
"""Approximate octets of a value, of a certificate in it, and of each name in addition to its characters."""

MARK = "\0"
"""A placeholder in prepared lines for the metric's name and the endpoint's labels. No label value contains it."""

PLAIN_TRANSCRIPT = 2048
"""Transcripts with more characters are compressed. A typical probe has half of this, and needs no compression."""

_PHASES = tuple(Phase)
_PHASE_NUMBERS = {phase: number for number, phase in enumerate(_PHASES)}
_PHASE_PAIRS = {phase: label_pairs([("phase", phase)]) for phase in Phase}
_FACTS = tuple([field.name for field in fields(Facts)])

_SPAN = Struct("=Bdd")
"""A span of a probe: the number of its phase, its start and its duration."""

Value = TypeVar("Value", bound=Hashable)


class Shared:
    """Recent values, so that equal ones are stored once: servers of one kind announce the same capabilities."""

    def __init__(self, octets: int = SHARED_OCTETS) -> None:
        self._values: LRUCache[Any, Any] = LRUCache(octets, getsizeof=_weight)

    def __call__(self, value: Value) -> Value:
        """Returns the stored value that is equal, else this value."""
        kept: Value | None = self._values.get(value)
        if kept is not None:
            return kept
        if _weight(value) <= self._values.maxsize:
            self._values[value] = value
        return value


def _weight(value: object) -> int:
    """The approximate size of a value in octets."""
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
    """A `ProbeResult` without the endpoint's name. The other fields have the same meaning.

    Attributes:
        packed_spans: The spans, each packed as `_SPAN`.
        phase_lines: The lines of `/metrics` about the phases. Each begins with `MARK` instead of the metric's name and
            the endpoint's labels. Writing them would be a quarter of a scrape's work, and only a probe changes them.
        packed_transcript: The transcript, one line for each of its lines; as bytes if compressed.
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
        """When the verified path expires, or the presented chain if none was verified; `None` if not known."""
        tls = self.facts.tls
        if tls is None:
            return None
        return tls.chain_not_after if tls.verified_chain_not_after is None else tls.verified_chain_not_after

    @property
    def ended_at(self) -> float:
        return self.started_at + self.duration + self.own_time

    @property
    def login_paused(self) -> bool:
        """Whether it only repeats an earlier refusal. The login was not tried, so that no account gets locked."""
        if self.failure is None or self.failure.reason not in PAUSING:
            return False
        return _PHASE_NUMBERS[Phase.AUTH] not in self.packed_spans[:: _SPAN.size]


def fold(result: ProbeResult, previous: Record | None, shared: Shared) -> Record:
    """Pack a result.

    Args:
        result: The result of a probe.
        previous: The previous record of the endpoint, which usually has equal values.
        shared: Has the equal values of other endpoints.
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
    """Unpack a result. Only digits of times are lost.

    Args:
        record: The packed result.
        endpoint: The endpoint's name.
        transcript: Whether to unpack the transcript too, which takes longer than everything else.
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
    """Returns the previous facts if they are equal, else these facts with shared values."""
    if facts == previous:
        return previous
    kept = {name: _kept(getattr(facts, name), getattr(previous, name, None), shared) for name in _FACTS}
    return Facts(**kept)


def _kept(value: Value, previous: Any, shared: Shared) -> Value:
    """Returns a stored value that is equal, else this value.

    Flags, numbers and enumeration members are not shared: they need no memory, and may equal values of other types.
    """
    if value is None or isinstance(value, int | Enum):
        return value
    return previous if value == previous else shared(value)


def _pack_transcript(lines: tuple[TranscriptLine, ...]) -> str | bytes:
    joined = "\n".join([line.direction + f"{line.at:.6f} {line.text}" for line in lines])
    return joined if len(joined) <= PLAIN_TRANSCRIPT else zlib.compress(joined.encode(), level=1)


def transcript_text(packed: str | bytes) -> str:
    """A record's transcript as one text. Each line begins with its direction and its time."""
    return packed if isinstance(packed, str) else zlib.decompress(packed).decode()


def transcript_lines(text: str) -> Iterator[TranscriptLine]:
    """Parses the text that `transcript_text` returns."""
    for line in text.split("\n") if text else ():
        at, _, text = line[1:].partition(" ")
        yield TranscriptLine(float(at), Direction(line[0]), text)
