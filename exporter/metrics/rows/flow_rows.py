"""The metrics of flows. Each row has a name, a help text, and a function that reads the values."""

from __future__ import annotations

from collections.abc import Callable

from exporter.metrics.flow_state import FlowState
from exporter.metrics.histogram import FLOW_BUCKETS
from exporter.metrics.rows.metric import (
    COUNTER,
    HISTOGRAM,
    Metric,
    SampleReader,
    Samples,
    counts,
    flag,
    further,
    one,
    seconds,
    spread,
    timestamp,
)
from exporter.model import Arrival, Outcome, Settled

FLOW_LABELS = ("flow",)
"""The labels of all series of a flow, before those from the configuration."""

MX_LABEL = "mx"
"""An additional label of flows that send to MX hosts."""


def _of_sending(read: SampleReader[FlowState]) -> SampleReader[FlowState]:
    """Read only flows that send."""
    return lambda metric, states: read(metric, [state for state in states if state.sends])


def _figure(read: Callable[[Settled], str | None]) -> SampleReader[FlowState]:
    """One series about the message that was settled last."""
    return one(lambda state: None if state.latest is None else read(state.latest))


def _latest(read: Callable[[Settled], Samples]) -> SampleReader[FlowState]:
    """Any number of series about the message that was settled last."""
    return further(lambda state: () if state.latest is None else read(state.latest))


def _of_arrived(read: Callable[[Arrival], str | None]) -> SampleReader[FlowState]:
    """One series about the message that was settled last, if it arrived."""
    return _figure(lambda settled: None if settled.arrival is None else read(settled.arrival))


def _arrived(read: Callable[[Arrival], Samples]) -> SampleReader[FlowState]:
    """Any number of series about the message that was settled last, if it arrived."""
    return _latest(lambda settled: () if settled.arrival is None else read(settled.arrival))


def _info(state: FlowState) -> Samples:
    sending, receiving = state.flow.sending, state.flow.receiving
    if sending is None:
        return [(("", "", "", receiving.endpoint.name), "1")]
    by = sending.endpoint.name if sending.mx is None else ""
    return [((sending.sender, sending.recipient, by, receiving.endpoint.name), "1")]


FLOW_METRICS: tuple[Metric[FlowState], ...] = (
    Metric(
        "mail_flow_info",
        "What the flow is; the value is always 1.",
        further(_info),
        ("sender", "recipient", "send_endpoint", "receive_endpoint"),
    ),
    Metric(
        "mail_flow_interval_seconds",
        "How often a message is sent, or looked for where the flow sends none.",
        one(lambda state: seconds(state.flow.interval)),
    ),
    Metric(
        "mail_flow_success",
        "Whether the last message to be settled was delivered: 1 or 0.",
        _figure(lambda settled: flag(settled.outcome is Outcome.DELIVERED)),
    ),
    Metric(
        "mail_flow_outcome_info",
        "Outcome of the last message if it was not delivered; the value is always 1.",
        _latest(lambda last: [] if last.leg is None else [((last.outcome, last.leg, last.reason), "1")]),
        ("outcome", "leg", "reason"),
    ),
    Metric(
        "mail_flow_messages_total",
        "Messages with a known outcome.",
        _of_sending(further(lambda state: counts(state.outcomes))),
        ("outcome",),
        type=COUNTER,
    ),
    Metric(
        "mail_flow_duration_seconds",
        "Time from before the submission of a message until it could be read, for messages that arrived.",
        _of_sending(spread(FLOW_BUCKETS, lambda state: state.durations)),
        type=HISTOGRAM,
    ),
    Metric(
        "mail_flow_last_leg_duration_seconds",
        "Time that each leg of the last message took; legs that were not reached are absent.",
        _latest(lambda settled: [((leg,), seconds(duration)) for leg, duration in settled.legs.items()]),
        ("leg",),
    ),
    Metric(
        "mail_flow_last_run_timestamp_seconds",
        "When the last message was settled.",
        _figure(lambda settled: timestamp(settled.settled_at)),
    ),
    Metric(
        "mail_flow_last_success_timestamp_seconds",
        "When the last delivered message was settled.",
        one(lambda state: timestamp(state.last_success_at)),
    ),
    Metric(
        "mail_flow_in_flight",
        "Messages that were sent and are not found or given up yet.",
        _of_sending(one(lambda state: str(state.in_flight))),
    ),
    Metric(
        "mail_flow_auth_result_info",
        "Authentication results of the last message, from the configured server; the value is always 1.",
        _arrived(lambda arrival: [(found, "1") for found in arrival.authentication.items()]),
        ("method", "result"),
    ),
    Metric(
        "mail_flow_spam_score",
        "The spam score of the last message, as the receiving side says in its header.",
        _arrived(lambda arrival: [((scanner,), f"{score:g}") for scanner, score in arrival.spam_scores.items()]),
        ("scanner",),
    ),
    Metric(
        "mail_flow_hops",
        "Servers that the last message went through, by its Received fields.",
        _of_arrived(lambda arrival: str(len(arrival.hops))),
    ),
    Metric(
        "mail_flow_slowest_hop_seconds",
        "Time that the slowest of these servers took, without servers whose clocks must be wrong.",
        _of_arrived(lambda arrival: None if arrival.slowest_hop is None else seconds(arrival.slowest_hop)),
    ),
    Metric(
        "mail_flow_removed_total",
        "Messages that were removed from mailboxes.",
        _of_sending(further(lambda state: counts(state.removed))),
        ("kind",),
        type=COUNTER,
    ),
    Metric(
        "mail_flow_newest_timestamp_seconds",
        "When the newest message that the flow waits for came.",
        one(lambda state: timestamp(state.newest_at)),
    ),
    Metric(
        "mail_flow_overdue",
        "Whether the newest message is overdue: 1 or 0.",
        one(lambda state: flag(state.overdue)),
    ),
)
"""All metrics of flows, in the order of `/metrics`."""
