"""The flows as JSON: field names, units and what is null. docs/api.md describes it.

Field names are an interface: one may be added, but neither renamed nor removed. Times are Unix timestamps in seconds,
durations seconds; what is not known is null.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from exporter.metrics.flow_state import FlowState
from exporter.model import Arrival, Outcome, Settled
from exporter.web.api import JsonObject


def flow_list(states: Sequence[FlowState], now: float) -> bytes:
    """The answer to `/api/v1/flows`."""
    return _encoded({"generated_at": now, "flows": [flow_summary(state) for state in states]})


def flow_detail(states: Sequence[FlowState], now: float) -> bytes:
    """The answer to `/api/v1/flows/NAME`.

    Args:
        states: The state of the flow, or of each of its MX hosts; at least one.
        now: Unix timestamp.
    """
    whole = {**_what(states[0]), "mx_hosts": [state.mx for state in states if state.mx] or None}
    hosts = [{**flow_summary(state), "history": [message(each) for each in state.history]} for state in states]
    return _encoded({"generated_at": now, **whole, "ways": hosts})


def flow_summary(state: FlowState) -> JsonObject:
    """What the list tells of a flow, or of one of the MX hosts that it hands messages to."""
    latest = state.latest
    return {
        **_what(state),
        "mx": state.mx or None,
        "success": None if latest is None else latest.outcome is Outcome.DELIVERED,
        "held_up": state.held_up or None,
        "in_flight": state.in_flight if state.sends else None,
        "messages": {outcome.value: count for outcome, count in state.outcomes.items()} if state.sends else None,
        "removed": {kind.value: count for kind, count in state.removed.items()} if state.sends else None,
        "last_success_at": state.last_success_at,
        "newest_at": state.newest_at,
        "overdue": state.overdue,
        "last_message": None if latest is None else message(latest),
    }


def message(settled: Settled) -> JsonObject:
    """A message with a known outcome; `mail-exporter flow --json` prints the same."""
    return {
        "outcome": settled.outcome,
        "leg": settled.leg,
        "reason": settled.reason or None,
        "detail": settled.detail or None,
        "mx": settled.mx or None,
        "sent_at": settled.sent_at,
        "settled_at": settled.settled_at,
        "duration_seconds": settled.took,
        "legs": [{"leg": leg, "duration_seconds": duration} for leg, duration in settled.legs.items()],
        "faults": [{"outcome": fault.outcome, "detail": fault.detail} for fault in settled.faults],
        "arrival": None if settled.arrival is None else _arrival(settled.arrival),
    }


def _what(state: FlowState) -> JsonObject:
    flow = state.flow
    sending, receiving = flow.sending, flow.receiving
    return {
        "name": flow.name,
        "labels": dict(flow.labels),
        "interval_seconds": flow.interval,
        "sender": None if sending is None else sending.sender,
        "recipient": None if sending is None else sending.recipient,
        "send_endpoint": None if sending is None or sending.mx is not None else sending.endpoint.name,
        "send_mx": None if sending is None else sending.mx,
        "receive_endpoint": receiving.endpoint.name,
        "mailboxes": list(receiving.mailboxes),
    }


def _arrival(arrival: Arrival) -> JsonObject:
    return {
        "mailbox": arrival.mailbox,
        "hops": [
            {
                "by": hop.by or None,
                "from": hop.source or None,
                "at": hop.at,
                "delay_seconds": hop.delay,
                "clocks_differ": hop.clocks_differ,
            }
            for hop in arrival.hops
        ],
        "authentication": dict(arrival.authentication),
        "spam_scores": dict(arrival.spam_scores),
    }


def _encoded(answer: JsonObject) -> bytes:
    return f"{json.dumps(answer, indent=1)}\n".encode()
