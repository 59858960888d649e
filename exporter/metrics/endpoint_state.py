"""The state of one endpoint at one moment, and the next state after a probe. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from exporter.metrics.histogram import PROBE_BUCKETS, Histogram, counted
from exporter.metrics.history import FLAPPING, NO_HISTORY, History, KeptFailure, PastProbe
from exporter.metrics.label_text import label_pairs
from exporter.metrics.record import Record, Shared, fold
from exporter.model import Endpoint, FailureReason, Label, Mechanism, Phase, ProbeResult

ENDPOINT_LABELS = (Label.ENDPOINT, Label.PROTOCOL)
"""The labels of all series of an endpoint, before those from the configuration."""

ADDRESS_LABEL = Label.ADDRESS
"""An additional label if each address of the host has its own series."""


class Health(StrEnum):
    """The health of an endpoint, by its last probe. In order of urgency."""

    FAILING = "failing"
    WAITING = "waiting"
    """Not yet probed."""
    UP = "up"


@dataclass(frozen=True, slots=True)
class EndpointState:
    """The state of one endpoint, or of one of its addresses, at one moment.

    Attributes:
        labels: The labels that all its series have, as written between the braces of a sample.
        latest: Its last result; `None` if it was not probed yet.
        last_success_at: When its last successful probe ended, a Unix timestamp; `None` if there was none.
        last_login: The mechanism of the last login that was tried here, and whether it was accepted; `None` before the
            first. A paused login changes nothing.
        probes: How many were finished.
        failures: How many of them failed, by reason and phase.
        durations: How long they took.
        history: Since when it is as it is, its last failures, what changed when.
        held_back: Seconds until its login is tried again, known as a snapshot is taken; 0 if it is not held back.
    """

    endpoint: Endpoint
    labels: str
    latest: Record | None
    last_success_at: float | None
    last_login: tuple[Mechanism, bool] | None
    probes: int
    failures: Mapping[tuple[FailureReason, Phase], int]
    durations: Histogram
    history: History
    held_back: float = 0.0

    @property
    def health(self) -> Health:
        if self.latest is None:
            return Health.WAITING
        return Health.FAILING if self.latest.failure else Health.UP

    @property
    def attempts(self) -> tuple[PastProbe, ...]:
        """Its history, the oldest probe first."""
        return self.history.attempts

    @property
    def flaps(self) -> bool:
        """Whether it keeps changing between up and failing."""
        return self.history.flips >= FLAPPING

    @property
    def last_failed(self) -> KeptFailure | None:
        """Its last failure that was tried; `None` if there was none."""
        return self.history.last_failed


def unprobed(endpoint: Endpoint) -> EndpointState:
    """The state of an endpoint before its first probe."""
    return EndpointState(
        endpoint=endpoint,
        labels=series_labels(endpoint),
        latest=None,
        last_success_at=None,
        last_login=None,
        probes=0,
        failures=_NONE_FAILED,
        durations=Histogram.empty(PROBE_BUCKETS),
        history=NO_HISTORY,
    )


def advance(state: EndpointState, result: ProbeResult, shared: Shared) -> EndpointState:
    """The state after one probe more."""
    record = fold(result, state.latest, shared)
    failures = state.failures
    if record.failure is not None:
        failures = counted(failures, (record.failure.reason, record.failure.phase))
    return EndpointState(
        endpoint=state.endpoint,
        labels=state.labels,
        latest=record,
        last_success_at=record.ended_at if record.failure is None else state.last_success_at,
        last_login=(
            state.last_login
            if record.facts.auth_mechanism is None or record.facts.auth_success is None
            else (record.facts.auth_mechanism, record.facts.auth_success)
        ),
        probes=state.probes + 1,
        failures=failures,
        durations=state.durations.observe(record.duration),
        history=state.history.after(record),
    )


def series_labels(endpoint: Endpoint) -> str:
    """The labels of all series of an endpoint: which, its protocol, and what its configuration adds, by name."""
    own = list(zip(ENDPOINT_LABELS, (endpoint.name, endpoint.protocol.value), strict=True))
    if endpoint.only_address is not None:
        own.append((ADDRESS_LABEL, endpoint.only_address))
    return label_pairs((*own, *sorted(endpoint.labels.items())))


_NONE_FAILED: Mapping[tuple[FailureReason, Phase], int] = {}
