"""What one probe learnt, whatever became of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from exporter.model.endpoints import Series
from exporter.model.facts import NOTHING_LEARNT, Facts
from exporter.model.phases import FailureReason, Phase


@dataclass(frozen=True, slots=True)
class Resolution:
    """What a name was found to lead to.

    Attributes:
        addresses: In the order to try them.
        unanswered: Why there may be more of them, for people; empty if these are all.
        waited: Seconds from the first question's leaving to the last answer's coming; `None` if that is not known, or
            nobody had to be asked.
    """

    addresses: tuple[str, ...]
    unanswered: str = ""
    waited: float | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Span:
    """One stretch of a probe. A phase may have several: EHLO is said again after STARTTLS.

    Attributes:
        start: Seconds since the probe began.
        duration: Seconds.
    """

    phase: Phase
    start: float
    duration: float


class Direction(StrEnum):
    """Who said a line of the transcript."""

    CLIENT = ">"
    SERVER = "<"
    NOTE = "-"
    """Neither: what the probe did, such as connecting."""


@dataclass(frozen=True, slots=True)
class TranscriptLine:
    """A line of the conversation, fit to be shown: no secret was ever in it, and every character is printable.

    Attributes:
        at: Seconds since the probe began.
    """

    at: float
    direction: Direction
    text: str


@dataclass(frozen=True, slots=True)
class Failure:
    """Why and where a probe failed.

    Attributes:
        phase: The phase that did not end well, or could not begin.
        detail: For people: what was expected and what came, without secrets, printable, one line.
        unclear: The server refused the login in words that say nothing known.
    """

    reason: FailureReason
    phase: Phase
    detail: str
    unclear: bool = False


PAUSING: Final = frozenset({FailureReason.AUTH_REJECTED, FailureReason.AUTH_UNAVAILABLE})
"""Answers to a login after which it is left alone for a while."""


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """All that one probe learnt, whatever became of it.

    Attributes:
        endpoint: The endpoint's name.
        started_at: Unix timestamp.
        duration: Seconds from the first to the last step, without those in which the other side waited for us.
        spans: The phases reached, in order; the last is where a failed probe ended (or its goodbye).
        failure: `None` if the probe succeeded.
        facts: What was learnt of the server, also by a probe that failed.
        transcript: The conversation.
        only_address: As the endpoint's.
        resolution: Where the host's name leads to; `None` if that could not be found out.
        own_time: Seconds in which the other side waited for us: `ended_at` counts them.
    """

    endpoint: str
    started_at: float
    duration: float
    spans: tuple[Span, ...]
    failure: Failure | None
    facts: Facts = NOTHING_LEARNT
    transcript: tuple[TranscriptLine, ...] = ()
    only_address: str | None = None
    resolution: Resolution | None = None
    own_time: float = 0.0

    @property
    def series(self) -> Series:
        return self.endpoint, self.only_address or ""

    @property
    def login_paused(self) -> bool:
        """Whether the login was left alone because it had been refused a short while ago."""
        failure = self.failure
        return failure is not None and failure.phase is Phase.AUTH and failure.reason in PAUSING and not self._tried

    @property
    def _tried(self) -> bool:
        return any(span.phase is Phase.AUTH for span in self.spans)

    @property
    def ended_at(self) -> float:
        return self.started_at + self.duration + self.own_time

    @property
    def phase_durations(self) -> dict[Phase, float]:
        """Seconds spent in each phase reached, a phase's several stretches added up."""
        total: dict[Phase, float] = {}
        for span in self.spans:
            total[span.phase] = total.get(span.phase, 0.0) + span.duration
        return total
