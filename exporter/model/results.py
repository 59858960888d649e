"""The results of one probe."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from exporter.model.endpoints import Series
from exporter.model.facts import NOTHING_LEARNT, Facts
from exporter.model.phases import FailureReason, Phase


@dataclass(frozen=True, slots=True)
class Resolution:
    """The result of looking up a name.

    Attributes:
        addresses: In the order to try them.
        unanswered: Why there may be more of them, for people; empty if these are all.
        waited: Seconds from the first question to the last answer; `None` if unknown, or if no server was asked.
    """

    addresses: tuple[str, ...]
    unanswered: str = ""
    waited: float | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Span:
    """One part of a phase. A phase may have several: EHLO is sent again after STARTTLS.

    Attributes:
        start: Seconds since the probe began.
        duration: Seconds.
    """

    phase: Phase
    start: float
    duration: float


class Direction(StrEnum):
    """Who sent a line of the transcript."""

    CLIENT = ">"
    SERVER = "<"
    NOTE = "-"
    """Neither: what the probe did, such as connecting."""


@dataclass(frozen=True, slots=True)
class TranscriptLine:
    """A line of the conversation, ready to show: without secrets, and with printable characters only.

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
        phase: The phase that failed, or could not begin.
        detail: For people: what was expected and what came, without secrets, printable, one line.
        unclear: The server refused the login without a known reason.
    """

    reason: FailureReason
    phase: Phase
    detail: str
    unclear: bool = False


PAUSING: Final = frozenset({FailureReason.AUTH_REJECTED, FailureReason.AUTH_UNAVAILABLE})
"""Failures after which a login is paused for a while."""


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """The result of one probe, successful or not.

    Attributes:
        endpoint: The endpoint's name.
        started_at: Unix timestamp.
        duration: Seconds from the first to the last step, without those in which the server waited for us.
        spans: The phases reached, in order; the last is where a failed probe ended (or its goodbye).
        failure: `None` if the probe succeeded.
        facts: What was learnt of the server, also by a probe that failed.
        transcript: The conversation.
        only_address: As the endpoint's.
        resolution: The addresses of the host's name; `None` if the lookup failed.
        own_time: Seconds in which the server waited for us; `ended_at` includes them.
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
        """Whether the login was paused after an earlier refusal."""
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
        """Seconds spent in each phase that was reached, with all its parts added up."""
        total: dict[Phase, float] = {}
        for span in self.spans:
            total[span.phase] = total.get(span.phase, 0.0) + span.duration
        return total
