"""The metrics of flows. Each row has a name, a help text, and a function that reads the values."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from exporter.metrics.flow_state import FlowState
from exporter.metrics.histogram import FLOW_BUCKETS, Histogram
from exporter.metrics.label_text import label_pairs
from exporter.metrics.metric import (
    COUNTER,
    GAUGE,
    HISTOGRAM,
    Metric,
    SampleReader,
    Samples,
    count,
    flag,
    further,
    sample,
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
    return lambda name, states: read(name, [state for state in states if state.sends])


def _durations(state: FlowState) -> Histogram:
    return state.durations


def _sent(read: Callable[[FlowState], Samples]) -> Callable[[FlowState], Samples]:
    """Read only flows that send."""
    return lambda state: read(state) if state.sends else ()


def _latest(read: Callable[[Settled], Samples]) -> Callable[[FlowState], Samples]:
    """Read the message that was settled last."""
    return lambda state: () if state.latest is None else read(state.latest)


def _arrived(read: Callable[[Arrival], Samples]) -> Callable[[FlowState], Samples]:
    """Read the message that was settled last, if it arrived."""
    return _latest(lambda settled: () if settled.arrival is None else read(settled.arrival))


def _info(state: FlowState) -> Samples:
    sending, receiving = state.flow.sending, state.flow.receiving
    pairs = {
        "sender": "" if sending is None else sending.sender,
        "recipient": "" if sending is None else sending.recipient,
        "send_endpoint": "" if sending is None or sending.mx is not None else sending.endpoint.name,
        "receive_endpoint": receiving.endpoint.name,
    }
    return ((label_pairs(pairs.items()), "1"),)


def _outcome_info(settled: Settled) -> Samples:
    if settled.leg is None:
        return ()
    pairs = {"outcome": settled.outcome, "leg": settled.leg, "reason": settled.reason}
    return ((label_pairs(pairs.items()), "1"),)


def _counts(label: str, counts: Iterable[tuple[str, int]]) -> Samples:
    return [(label_pairs([(label, name)]), str(count)) for name, count in counts]


def _legs(settled: Settled) -> Samples:
    return [(label_pairs([("leg", leg)]), seconds(duration)) for leg, duration in settled.legs.items()]


def _authentication(arrival: Arrival) -> Samples:
    return [
        (label_pairs([("method", method), ("result", result)]), "1")
        for method, result in arrival.authentication.items()
    ]


def _spam(arrival: Arrival) -> Samples:
    return [(label_pairs([("scanner", scanner)]), f"{score:g}") for scanner, score in arrival.spam_scores.items()]


FLOW_METRICS: tuple[Metric[FlowState], ...] = (
    Metric(
        "mail_flow_info",
        GAUGE,
        "What the flow is; the value is always 1.",
        further(_info),
        ("sender", "recipient", "send_endpoint", "receive_endpoint"),
    ),
    Metric(
        "mail_flow_interval_seconds",
        GAUGE,
        "How often a message is sent, or looked for where the flow sends none.",
        further(lambda state: sample(seconds(state.flow.interval))),
    ),
    Metric(
        "mail_flow_success",
        GAUGE,
        "Whether the last message to be settled was delivered: 1 or 0.",
        further(_latest(lambda settled: sample(flag(settled.outcome is Outcome.DELIVERED)))),
    ),
    Metric(
        "mail_flow_outcome_info",
        GAUGE,
        "Outcome of the last message if it was not delivered; the value is always 1.",
        further(_latest(_outcome_info)),
        ("outcome", "leg", "reason"),
    ),
    Metric(
        "mail_flow_messages_total",
        COUNTER,
        "Messages with a known outcome.",
        further(_sent(lambda state: _counts("outcome", state.outcomes.items()))),
        ("outcome",),
    ),
    Metric(
        "mail_flow_duration_seconds",
        HISTOGRAM,
        "Time from before the submission of a message until it could be read, for messages that arrived.",
        _of_sending(spread(FLOW_BUCKETS, _durations)),
    ),
    Metric(
        "mail_flow_last_leg_duration_seconds",
        GAUGE,
        "Time that each leg of the last message took; legs that were not reached are absent.",
        further(_latest(_legs)),
        ("leg",),
    ),
    Metric(
        "mail_flow_last_run_timestamp_seconds",
        GAUGE,
        "When the last message was settled.",
        further(_latest(lambda settled: sample(timestamp(settled.settled_at)))),
    ),
    Metric(
        "mail_flow_last_success_timestamp_seconds",
        GAUGE,
        "When the last delivered message was settled.",
        further(lambda state: sample(timestamp(state.last_success_at))),
    ),
    Metric(
        "mail_flow_in_flight",
        GAUGE,
        "Messages that were sent and are not found or given up yet.",
        further(_sent(lambda state: sample(count(state.in_flight)))),
    ),
    Metric(
        "mail_flow_auth_result_info",
        GAUGE,
        "Authentication results of the last message, from the configured server; the value is always 1.",
        further(_arrived(_authentication)),
        ("method", "result"),
    ),
    Metric(
        "mail_flow_spam_score",
        GAUGE,
        "The spam score of the last message, as the receiving side says in its header.",
        further(_arrived(_spam)),
        ("scanner",),
    ),
    Metric(
        "mail_flow_hops",
        GAUGE,
        "Servers that the last message went through, by its Received fields.",
        further(_arrived(lambda arrival: sample(count(len(arrival.hops))))),
    ),
    Metric(
        "mail_flow_slowest_hop_seconds",
        GAUGE,
        "Time that the slowest of these servers took, without servers whose clocks must be wrong.",
        further(_arrived(lambda arrival: () if arrival.slowest_hop is None else sample(seconds(arrival.slowest_hop)))),
    ),
    Metric(
        "mail_flow_removed_total",
        COUNTER,
        "Messages that were removed from mailboxes.",
        further(_sent(lambda state: _counts("kind", state.removed.items()))),
        ("kind",),
    ),
    Metric(
        "mail_flow_newest_timestamp_seconds",
        GAUGE,
        "When the newest message that the flow waits for came.",
        further(lambda state: sample(timestamp(state.newest_at))),
    ),
    Metric(
        "mail_flow_overdue",
        GAUGE,
        "Whether the newest message is overdue: 1 or 0.",
        further(lambda state: sample(flag(state.overdue))),
    ),
)
"""All metrics of flows, in the order of `/metrics`."""
