"""Mail flow: is mail flowing, where is it stuck, how long does it take, and how is it received."""

from __future__ import annotations

from dashboards.boards.board import Board, Line, Section
from dashboards.boards.columns import CELL, exporter, last_success
from dashboards.boards.links import flow_page
from dashboards.boards.looks import ANY, GOOD, LEG_COLORS, LOOK, NONE_IS_GOOD, OUTCOME_COLORS, flag, of_outcomes
from dashboards.boards.panels import figure, graph, timeline
from dashboards.boards.parts import Panel, Query, Text, palette, shades_of_red
from dashboards.boards.questions import (
    OUTCOME_CODES,
    below_one_in_the_time_shown,
    flow_states,
    in_rows,
    percentile,
    since_success,
)
from dashboards.boards.tables import Column, cell_link, rows
from dashboards.boards.variables import of_flows, scope_of_flows, shown_over_time
from dashboards.promql import Scope
from dashboards.settings import Settings

FLOW = "${__field.labels.flow:percentencode}"
"""The flow of a series, in a link."""


def board(settings: Settings) -> Board:
    """The dashboard for people responsible for mail delivery."""
    of = scope_of_flows(settings)
    return Board(
        uid="mail-flow",
        title="Mail flow",
        description="Messages that are sent here and looked for there: whether they arrive, and how long that takes.",
        since="now-24h",
        variables=[*of_flows(settings), shown_over_time()],
        sections=(
            Section(
                "",
                (Line(4, _tiles(of)), Line(8, ((24, _flowing(of, settings)),)), Line(7, ((24, _stuck(of, settings)),))),
            ),
            Section(
                "How long it takes",
                (
                    Line(8, ((12, _legs(of)), (12, _durations(of)))),
                    Line(8, ((12, _hops(of, settings)), (12, _slowest(of, settings)))),
                ),
            ),
            Section("How it is received", (Line(8, ((12, _spam(of, settings)), (12, _authentication(of, settings)))),)),
            Section(
                "Messages",
                (
                    Line(8, ((8, _outcomes(of)), (8, _in_flight(of, settings)), (8, _removed(of)))),
                    Line(7, ((12, _last(of, settings)), (12, _awaited(of, settings)))),
                ),
            ),
        ),
    )


def _tiles(of: Scope) -> tuple[tuple[int, Panel], ...]:
    success = of("mail_flow_success")
    return (
        (
            6,
            figure(
                Text("Delivering", "Flows whose last message was delivered.", "None"),
                Query(f"sum({success})"),
                "none",
                ((None, LOOK), (1, GOOD)),
            ),
        ),
        (
            6,
            figure(
                Text("Not delivering", "Flows whose last message was not delivered as it should be.", "None"),
                Query(f"sum({success} == bool 0)"),
                "none",
                NONE_IS_GOOD,
            ),
        ),
        (
            6,
            figure(
                Text("Messages under way", "Sent, and neither found nor given up."),
                Query(f"sum({of('mail_flow_in_flight')})"),
                "none",
                ANY,
            ),
        ),
        (
            6,
            figure(
                Text("Overdue", "Messages of others that should have come by now.", "None is waited for"),
                Query(f"sum({of('mail_flow_overdue')})"),
                "none",
                NONE_IS_GOOD,
            ),
        ),
    )


def _each(expression: str, settings: Settings, *further: str) -> Query:
    """A series for each flow, and for each MX host of a flow that hands its messages to those."""
    return Query(in_rows(expression, settings, "flow", "mx", *further), "{{row}}")


def _flowing(of: Scope, settings: Settings) -> Panel:
    success = of("mail_flow_success")
    return timeline(
        Text(
            "Is mail flowing",
            "What became of the last message of each flow. Only flows of which one was not delivered as it should be, "
            "in the time shown; choose at the top to see all. A row leads to the exporter's page of the flow.",
            "All messages were delivered",
        ),
        [_each(f"{flow_states(of)} and {below_one_in_the_time_shown(success)}", settings)],
        [of_outcomes(OUTCOME_CODES)],
        values=True,
        link=flow_page(FLOW),
    )


def _stuck(of: Scope, settings: Settings) -> Panel:
    outcome, succeeded = of("mail_flow_outcome_info"), of("mail_flow_last_success_timestamp_seconds")
    return rows(
        Text(
            "Where mail is stuck",
            "Flows whose last message was not delivered as it should be: what became of it, and the leg to blame. A "
            "flow leads to the exporter's page of it, with the words of the servers.",
            "None",
        ),
        [Query(since_success(outcome, succeeded, "outcome", "leg", "reason"))],
        [
            Column("flow", "Flow", {"links": [cell_link(flow_page(CELL))]}),
            Column("mx", "MX host"),
            *exporter(settings),
            Column("outcome", "Outcome"),
            Column("leg", "Leg"),
            Column("reason", "Reason"),
            last_success("Last delivered"),
        ],
        sort_by="Last delivered",
    )


def _legs(of: Scope) -> Panel:
    query = f"avg by (leg) ({of('mail_flow_last_leg_duration_seconds')})"
    return graph(
        Text("Legs", "The legs of the last messages on top of each other, the average of the flows that are chosen."),
        [Query(query, "{{leg}}")],
        "s",
        stacked=True,
        colors=LEG_COLORS.items(),
    )


def _durations(of: Scope) -> Panel:
    buckets = of("mail_flow_duration_seconds_bucket")
    return graph(
        Text(
            "From here to there",
            "The median of each flow in the 15 minutes before, measured from before the submission. Without a message "
            "in that time, of a longer time.",
        ),
        [Query(percentile(0.5, buckets, "flow"), "{{flow}}")],
        "s",
        color=palette(),
        filled=False,
    )


def _hops(of: Scope, settings: Settings) -> Panel:
    return graph(
        Text("Servers on the way", "How many servers the last message went through."),
        [_each(of("mail_flow_hops"), settings)],
        "none",
        color=palette(),
        filled=False,
    )


def _slowest(of: Scope, settings: Settings) -> Panel:
    return graph(
        Text("Slowest hop", "Seconds that the slowest server took, of those whose clocks can be right."),
        [_each(of("mail_flow_slowest_hop_seconds"), settings)],
        "s",
        color=palette(),
        filled=False,
    )


def _spam(of: Scope, settings: Settings) -> Panel:
    return graph(
        Text("Spam score", "By each scanner of the receiving side.", "No scanner says anything"),
        [_each(of("mail_flow_spam_score"), settings, "scanner")],
        "none",
        color=palette(),
        filled=False,
        low=None,
    )


def _authentication(of: Scope, settings: Settings) -> Panel:
    passed = of("mail_flow_auth_result_info", 'result="pass"')
    other = of("mail_flow_auth_result_info", 'result!="pass"')
    return timeline(
        Text("Authentication", "What the pinned server says of the last message.", "No server is pinned"),
        [_each(f"({passed} or {other} * 0)", settings, "method", "result")],
        flag("Passed", "Not passed", if_no=LOOK),
        link=flow_page(FLOW),
    )


def _outcomes(of: Scope) -> Panel:
    counts = f"sum by (outcome) (increase({of('mail_flow_messages_total')}[$__rate_interval]))"
    return graph(
        Text("Outcomes", "Settled messages."),
        [Query(counts, "{{outcome}}")],
        "none",
        stacked=True,
        bars=True,
        colors=OUTCOME_COLORS.items(),
    )


def _in_flight(of: Scope, settings: Settings) -> Panel:
    return graph(
        Text("Under way", "Sent, and neither found nor given up. Above ten no more are sent."),
        [_each(of("mail_flow_in_flight"), settings)],
        "none",
        color=palette(),
        filled=False,
    )


def _removed(of: Scope) -> Panel:
    counts = f"sum by (kind) (increase({of('mail_flow_removed_total')}[$__rate_interval]))"
    return graph(
        Text("Removed", "Messages that were removed: own, leftovers, and notifications about ours."),
        [Query(counts, "{{kind}}")],
        "none",
        stacked=True,
        bars=True,
        color=shades_of_red(),
    )


def _last(of: Scope, settings: Settings) -> Panel:
    return graph(
        Text("Age of the last message", "Seconds since the last message was settled, whatever became of it."),
        [_each(f"time() - {of('mail_flow_last_run_timestamp_seconds')}", settings)],
        "s",
        color=palette(),
        filled=False,
    )


def _awaited(of: Scope, settings: Settings) -> Panel:
    return graph(
        Text("Age of awaited messages", "Seconds since the newest one that matches came.", "None is waited for"),
        [_each(f"time() - {of('mail_flow_newest_timestamp_seconds')}", settings)],
        "s",
        color=palette(),
        filled=False,
    )
