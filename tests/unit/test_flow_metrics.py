from __future__ import annotations

import json
from dataclasses import replace
from types import MappingProxyType

from exporter.config.values.label_names import RESERVED_FLOW_LABELS as RESERVED
from exporter.metrics.exporter_state import BuildInfo
from exporter.metrics.exposition import Format, expose
from exporter.metrics.flow_state import MAX_HISTORY, FlowStates
from exporter.metrics.rows.flow_rows import FLOW_LABELS, FLOW_METRICS, MX_LABEL
from exporter.metrics.store import Store
from exporter.model import (
    Arrival,
    AuthMethod,
    AuthResult,
    Awaited,
    Flow,
    Hop,
    Leg,
    MessageFault,
    Outcome,
    Receiving,
    Removal,
    Settled,
)
from exporter.web.flow_api import flow_detail, flow_list
from tests.unit.flow_samples import FLOW, IMAP, NOW, TEXT

LABELLED = replace(FLOW, labels=MappingProxyType({"team": 'ma"il'}))
REPORT = Flow("report", Receiving(IMAP), awaited=Awaited(3600.0), interval=900.0)
DELIVERED = Settled(
    "there",
    "",
    TEXT,
    Outcome.DELIVERED,
    None,
    "",
    "",
    NOW,
    NOW + 6,
    legs=MappingProxyType({Leg.SUBMIT: 0.5, Leg.TRANSIT: 2.5, Leg.RETRIEVE: 0.25, Leg.REMOVE: 0.125}),
    took=3.0,
    arrival=Arrival(
        "INBOX",
        (Hop("a", "b", NOW + 1, 1.0, clocks_differ=False), Hop("c", "a", NOW + 3600, 3599.0, clocks_differ=True)),
        MappingProxyType({AuthMethod.DKIM: AuthResult.PASS}),
        MappingProxyType({"rspamd": -1.5}),
    ),
)
BOUNCED = Settled(
    "there",
    "",
    TEXT,
    Outcome.BOUNCED,
    Leg.TRANSIT,
    "5.1.1",
    "550 no",
    NOW,
    NOW + 9,
    faults=(MessageFault(Outcome.JUNK, "x"),),
)


def exposed(states: FlowStates) -> list[str]:
    text = b"".join(expose(Store(BuildInfo("1", "2", "3"), flows=states).snapshot(), Format.TEXT)).decode()
    return [line for line in text.splitlines() if line.startswith("mail_flow_")]


def flows(*, now: float = NOW + 60) -> FlowStates:
    states = FlowStates(lambda: now)
    states.configure((LABELLED, REPORT))
    return states


OWN = 'flow="there",team="ma\\"il"'


def test_a_flow_that_has_not_run_has_only_what_is_configured_and_counts_of_zero() -> None:
    lines = exposed(flows())
    assert (
        f'mail_flow_info{{{OWN},sender="me@example.com",recipient="you@example.net",send_endpoint="submission",'
        'receive_endpoint="imap"} 1'
    ) in lines
    assert 'mail_flow_interval_seconds{flow="report"} 900.000000' in lines
    assert {f'mail_flow_messages_total{{{OWN},outcome="{outcome}"}} 0' for outcome in Outcome} <= set(lines)
    assert f"mail_flow_in_flight{{{OWN}}} 0" in lines
    assert not any(line.startswith(("mail_flow_success", "mail_flow_last", "mail_flow_overdue")) for line in lines)


def test_a_delivered_message_has_its_figures() -> None:
    states = flows()
    states.settled(DELIVERED)
    states.removed("there", "", Removal.OWN)
    states.in_flight("there", "", 2)
    lines = exposed(states)
    for expected in (
        f"mail_flow_success{{{OWN}}} 1",
        f'mail_flow_messages_total{{{OWN},outcome="delivered"}} 1',
        f'mail_flow_duration_seconds_bucket{{{OWN},le="2.0"}} 0',
        f'mail_flow_duration_seconds_bucket{{{OWN},le="5.0"}} 1',
        f"mail_flow_duration_seconds_sum{{{OWN}}} 3.000000",
        f"mail_flow_duration_seconds_count{{{OWN}}} 1",
        f'mail_flow_last_leg_duration_seconds{{{OWN},leg="transit"}} 2.500000',
        f"mail_flow_last_run_timestamp_seconds{{{OWN}}} {NOW + 6:.3f}",
        f"mail_flow_last_success_timestamp_seconds{{{OWN}}} {NOW + 6:.3f}",
        f"mail_flow_in_flight{{{OWN}}} 2",
        f'mail_flow_auth_result_info{{{OWN},method="dkim",result="pass"}} 1',
        f'mail_flow_spam_score{{{OWN},scanner="rspamd"}} -1.5',
        f"mail_flow_hops{{{OWN}}} 2",
        f"mail_flow_slowest_hop_seconds{{{OWN}}} 1.000000",
        f'mail_flow_removed_total{{{OWN},kind="own"}} 1',
    ):
        assert expected in lines
    assert not any(line.startswith("mail_flow_outcome_info") for line in lines)


def test_a_message_that_was_not_delivered_says_why_and_has_no_figures_of_an_arrival() -> None:
    states = flows()
    states.settled(DELIVERED)
    states.settled(BOUNCED)
    lines = exposed(states)
    assert f"mail_flow_success{{{OWN}}} 0" in lines
    assert f'mail_flow_outcome_info{{{OWN},outcome="bounced",leg="transit",reason="5.1.1"}} 1' in lines
    assert f"mail_flow_last_success_timestamp_seconds{{{OWN}}} {NOW + 6:.3f}" in lines
    assert not any(line.startswith(("mail_flow_hops", "mail_flow_spam_score", "mail_flow_auth")) for line in lines)


def test_mx_hosts_have_series_of_their_own() -> None:
    assert FLOW.sending is not None
    by_mx = replace(FLOW, sending=replace(FLOW.sending, mx="example.net"))
    states = FlowStates(lambda: NOW)
    states.configure((by_mx,))
    assert [] == exposed(states)
    states.settled(replace(DELIVERED, mx="mx1.example.net"))
    states.settled(replace(BOUNCED, mx="mx2.example.net"))
    lines = exposed(states)
    assert 'mail_flow_success{flow="there",mx="mx1.example.net"} 1' in lines
    assert 'mail_flow_success{flow="there",mx="mx2.example.net"} 0' in lines


def test_an_awaited_message_is_overdue_by_its_age() -> None:
    states = flows()
    assert not any("overdue" in line for line in exposed(states))
    states.newest("report", NOW)
    assert f'mail_flow_newest_timestamp_seconds{{flow="report"}} {NOW:.3f}' in exposed(states)
    assert 'mail_flow_overdue{flow="report"} 0' in exposed(states)
    late = flows(now=NOW + 3601)
    late.newest("report", NOW)
    assert 'mail_flow_overdue{flow="report"} 1' in exposed(late)
    none = flows()
    none.newest("report", None)
    assert 'mail_flow_overdue{flow="report"} 1' in exposed(none)
    assert not any("newest" in line for line in exposed(none))


def test_a_flow_that_stays_keeps_its_counts_and_one_that_goes_leaves_at_once() -> None:
    states = flows()
    states.settled(DELIVERED)
    states.configure((replace(LABELLED, labels=MappingProxyType({"team": "other"})),))
    assert 'mail_flow_messages_total{flow="there",team="other",outcome="delivered"} 1' in exposed(states)
    states.configure(())
    states.settled(DELIVERED)
    assert [] == exposed(states)


def test_history_is_bounded() -> None:
    states = flows()
    for number in range(MAX_HISTORY + 5):
        states.settled(replace(DELIVERED, sent_at=NOW + number))
    (state,) = states.of("there")
    assert (MAX_HISTORY, NOW + MAX_HISTORY + 4) == (len(state.history), state.history[0].sent_at)


def test_no_label_of_the_configuration_can_clash() -> None:
    assert set() == {label for metric in FLOW_METRICS for label in metric.labels} - RESERVED
    assert {*FLOW_LABELS, MX_LABEL} <= RESERVED


def test_the_api_tells_all_that_is_known() -> None:
    states = flows()
    states.settled(DELIVERED)
    states.settled(BOUNCED)
    states.newest("report", NOW)
    listed = json.loads(flow_list(states.snapshot(), NOW))
    assert ["there", "report"] == [each["name"] for each in listed["flows"]]
    there, report = listed["flows"]
    assert (False, 1, 1) == (there["success"], there["messages"]["delivered"], there["messages"]["bounced"])
    assert ("bounced", "transit", "5.1.1", "550 no") == tuple(
        there["last_message"][key] for key in ("outcome", "leg", "reason", "detail")
    )
    assert (None, None, NOW, False) == (report["messages"], report["sender"], report["newest_at"], report["overdue"])
    detail = json.loads(flow_detail(states.of("there"), NOW))
    (way,) = detail["ways"]
    assert ["bounced", "delivered"] == [each["outcome"] for each in way["history"]]
    arrival = way["history"][1]["arrival"]
    assert ({"dkim": "pass"}, {"rspamd": -1.5}, [False, True]) == (
        arrival["authentication"],
        arrival["spam_scores"],
        [hop["clocks_differ"] for hop in arrival["hops"]],
    )
