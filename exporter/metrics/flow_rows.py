"""The metrics of flows: a row each, with its name, its meaning and where its figures come from."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from exporter.metrics.catalogue import COUNTER, GAUGE, HISTOGRAM, Metric
from exporter.metrics.families import seconds, timestamp
from exporter.metrics.flow_state import FlowState
from exporter.metrics.labels import label_pairs
from exporter.model import Arrival, Outcome, Settled

Figures = Iterable[tuple[str, str]]
"""Further labels as they stand between braces, and the value as it is written."""

FLOW_LABELS = ("flow",)
"""What every series of a flow has, before the labels that its configuration adds."""

MX_LABEL = "mx"
"""What the series have besides, where a flow hands its messages to MX hosts."""


@dataclass(frozen=True, slots=True)
class FlowRow:
    """One metric of flows.

    Attributes:
        read: The samples of one flow; of a histogram it is not asked.
    """

    metric: Metric
    read: Callable[[FlowState], Figures]


def _one(value: str | None) -> Figures:
    return () if value is None else (("", value),)


def _flag(value: bool | None) -> Figures:
    return () if value is None else (("", "1" if value else "0"),)


def _sent(read: Callable[[FlowState], Figures]) -> Callable[[FlowState], Figures]:
    """Only of flows that send."""
    return lambda state: read(state) if state.sends else ()


def _latest(read: Callable[[Settled], Figures]) -> Callable[[FlowState], Figures]:
    """Of the message that was settled last."""
    return lambda state: () if state.latest is None else read(state.latest)


def _arrived(read: Callable[[Arrival], Figures]) -> Callable[[FlowState], Figures]:
    """Of the message that was settled last, if it arrived."""
    return _latest(lambda settled: () if settled.arrival is None else read(settled.arrival))


def _info(state: FlowState) -> Figures:
    sending, receiving = state.flow.sending, state.flow.receiving
    pairs = {
        "sender": "" if sending is None else sending.sender,
        "recipient": "" if sending is None else sending.recipient,
        "send_endpoint": "" if sending is None or sending.mx is not None else sending.endpoint.name,
        "receive_endpoint": receiving.endpoint.name,
    }
    return ((label_pairs(pairs.items()), "1"),)


def _outcome_info(settled: Settled) -> Figures:
    if settled.leg is None:
        return ()
    pairs = {"outcome": settled.outcome, "leg": settled.leg, "reason": settled.reason}
    return ((label_pairs(pairs.items()), "1"),)


def _counts(label: str, counts: Iterable[tuple[str, int]]) -> Figures:
    return [(label_pairs([(label, name)]), str(count)) for name, count in counts]


def _legs(settled: Settled) -> Figures:
    return [(label_pairs([("leg", leg)]), seconds(duration)) for leg, duration in settled.legs.items()]


def _authentication(arrival: Arrival) -> Figures:
    return [
        (label_pairs([("method", method), ("result", result)]), "1")
        for method, result in arrival.authentication.items()
    ]


def _spam(arrival: Arrival) -> Figures:
    return [(label_pairs([("scanner", scanner)]), f"{score:g}") for scanner, score in arrival.spam_scores.items()]


FLOW_ROWS = (
    FlowRow(
        Metric(
            "mail_flow_info",
            GAUGE,
            "What the flow is; the value is always 1.",
            ("sender", "recipient", "send_endpoint", "receive_endpoint"),
        ),
        _info,
    ),
    FlowRow(
        Metric(
            "mail_flow_interval_seconds", GAUGE, "How often a message is sent, or looked for where the flow sends none."
        ),
        lambda state: _one(seconds(state.flow.interval)),
    ),
    FlowRow(
        Metric("mail_flow_success", GAUGE, "Whether the last message to be settled was delivered: 1 or 0."),
        _latest(lambda settled: _flag(settled.outcome is Outcome.DELIVERED)),
    ),
    FlowRow(
        Metric(
            "mail_flow_outcome_info",
            GAUGE,
            "What became of the last message, while it was not delivered; the value is always 1.",
            ("outcome", "leg", "reason"),
        ),
        _latest(_outcome_info),
    ),
    FlowRow(
        Metric("mail_flow_messages_total", COUNTER, "Messages of which it is known what became of them.", ("outcome",)),
        _sent(lambda state: _counts("outcome", state.outcomes.items())),
    ),
    FlowRow(
        Metric(
            "mail_flow_duration_seconds",
            HISTOGRAM,
            "Time from before the submission of a message until it could be read, of those that arrived.",
        ),
        _sent(lambda _: ()),
    ),
    FlowRow(
        Metric(
            "mail_flow_last_leg_duration_seconds",
            GAUGE,
            "Time that each leg of the last message took; legs that were not reached are absent.",
            ("leg",),
        ),
        _latest(_legs),
    ),
    FlowRow(
        Metric("mail_flow_last_run_timestamp_seconds", GAUGE, "When the last message was settled."),
        _latest(lambda settled: _one(timestamp(settled.settled_at))),
    ),
    FlowRow(
        Metric("mail_flow_last_success_timestamp_seconds", GAUGE, "When the last delivered message was settled."),
        lambda state: () if state.last_success_at is None else _one(timestamp(state.last_success_at)),
    ),
    FlowRow(
        Metric("mail_flow_in_flight", GAUGE, "Messages that were sent, and neither found nor given up."),
        _sent(lambda state: _one(str(state.in_flight))),
    ),
    FlowRow(
        Metric(
            "mail_flow_auth_result_info",
            GAUGE,
            "What the pinned server says of the authentication of the last message; the value is always 1.",
            ("method", "result"),
        ),
        _arrived(_authentication),
    ),
    FlowRow(
        Metric(
            "mail_flow_spam_score",
            GAUGE,
            "The spam score of the last message, as the receiving side says in its header.",
            ("scanner",),
        ),
        _arrived(_spam),
    ),
    FlowRow(
        Metric("mail_flow_hops", GAUGE, "Servers that the last message went through, by its Received fields."),
        _arrived(lambda arrival: _one(str(len(arrival.hops)))),
    ),
    FlowRow(
        Metric(
            "mail_flow_slowest_hop_seconds",
            GAUGE,
            "Time that the slowest of these servers took, of those whose clocks can be right.",
        ),
        _arrived(lambda arrival: () if arrival.slowest_hop is None else _one(seconds(arrival.slowest_hop))),
    ),
    FlowRow(
        Metric("mail_flow_removed_total", COUNTER, "Messages that were removed from mailboxes.", ("kind",)),
        _sent(lambda state: _counts("kind", state.removed.items())),
    ),
    FlowRow(
        Metric("mail_flow_newest_timestamp_seconds", GAUGE, "When the newest message that the flow waits for came."),
        lambda state: () if state.newest_at is None else _one(timestamp(state.newest_at)),
    ),
    FlowRow(
        Metric("mail_flow_overdue", GAUGE, "Whether that was longer ago than it may be: 1 or 0."),
        lambda state: _flag(state.overdue),
    ),
)
"""In the order in which `/metrics` lists them."""

FLOW_METRICS = tuple(row.metric for row in FLOW_ROWS)
