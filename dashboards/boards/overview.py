"""Mail overview: is mail working? And if not: what, where, since when, and why."""

from __future__ import annotations

from dashboards.boards.board import Board, Line, Section
from dashboards.boards.columns import endpoint, phase, reason
from dashboards.boards.links import endpoint_dashboard
from dashboards.boards.looks import (
    BAD,
    GOOD,
    LOOK,
    NONE_IS_BETTER,
    NONE_IS_GOOD,
    PALE_PROTOCOL_COLORS,
    PHASE_COLORS,
    PROTOCOL_COLORS,
    SHARE_OF_SUCCESS,
    SOON_BAD,
    USED_UP,
    durations,
    flag,
    says,
    success,
    value_range,
    values,
)
from dashboards.boards.looks import days_left as of_days_left
from dashboards.boards.panels import figure, graph, timeline
from dashboards.boards.parts import Panel, Query, Text
from dashboards.boards.questions import days_left, failed, stale
from dashboards.boards.tables import Column, ranked, rows
from dashboards.boards.variables import choice, of_endpoints, scope_of_endpoints
from dashboards.promql import Scope
from dashboards.settings import Settings

LABEL = "${__field.labels.endpoint:percentencode}"
"""The endpoint of a series, in a link."""


MOST = 10
"""Of what is ranked, so many are shown."""


def board(settings: Settings) -> Board:
    """The dashboard to begin with."""
    of = scope_of_endpoints(settings)
    return Board(
        uid="mail-overview",
        title="Mail overview",
        description="Is mail working? What does not, since when, and why; what is slow; what will end soon.",
        since="now-6h",
        variables=[*of_endpoints(settings), choice("shown", "Shown over time", (("All", "2"), ("With failures", "1")))],
        sections=(
            Section(
                "",
                (
                    Line(4, _tiles(of, settings)),
                    Line(9, ((15, _failing(of)), (9, _by_reason(of)))),
                    Line(13, ((24, _over_time(of)),)),
                ),
            ),
            Section("Speed", (Line(10, ((12, _slowest(of, settings)), (12, _latency(of)))),)),
            Section("Logins", (Line(9, ((14, _logins(of)), (10, _held_back(of)))),)),
            Section(
                "Certificates and error budgets",
                (Line(10, ((12, _certificates(of, settings)), (12, _budgets(of, settings)))),),
            ),
            Section(
                "Failures in the time shown", (Line(9, ((14, _failed_by_phase(of)), (10, _failed_by_reason(of)))),)
            ),
        ),
    )


def _tiles(of: Scope, settings: Settings) -> tuple[tuple[int, Panel], ...]:
    probe = of("mail_probe_success")
    working = figure(
        Text(
            "Is mail working?",
            "Yes: the last probe of every endpoint succeeded, lately. Partly: some failed, or have not been probed for "
            "three intervals. No: all of them.",
            "Unknown",
        ),
        # What is probed on demand has no interval, and is never stale.
        Query(f"avg(clamp_max(({probe} == bool 0) + ({stale(of, settings)}), 1) or {probe} == bool 0)"),
        "percentunit",
        ((None, GOOD), (1e-9, SOON_BAD), (1, BAD)),
        [values(v0=says("Yes", GOOD), v1=says("No", BAD, 2)), value_range(1e-9, 1 - 1e-9, says("Partly", SOON_BAD, 1))],
        filled=True,
    )
    return (
        (4, working),
        (
            3,
            figure(
                Text("Up", "Endpoints whose last probe succeeded."), Query(f"sum({probe})"), "none", ((None, GOOD),)
            ),
        ),
        (
            3,
            figure(
                Text("Failing", "Endpoints whose last probe failed."),
                Query(f"sum({probe} == bool 0)"),
                "none",
                NONE_IS_GOOD,
            ),
        ),
        (
            3,
            figure(
                Text(
                    "Stale",
                    "Endpoints without a result for three of their intervals and a minute: what they show is old.",
                ),
                Query(f"sum({stale(of, settings)})"),
                "none",
                NONE_IS_BETTER,
            ),
        ),
        (
            3,
            figure(
                Text(
                    "Expiring",
                    f"Endpoints that present a certificate with less than {settings.soon_days:g} days left, or none "
                    "left.",
                ),
                Query(f"sum({days_left(of)} < bool {settings.soon_days:g})"),
                "none",
                NONE_IS_BETTER,
            ),
        ),
        (
            4,
            figure(
                Text(
                    "Logins refused",
                    "Endpoints that did not take the login of the last probe that tried one.",
                    "None tried",
                ),
                Query(f"sum({of('mail_auth_success')} == bool 0)"),
                "none",
                NONE_IS_GOOD,
            ),
        ),
        (
            4,
            figure(
                Text(
                    "Success ratio",
                    "The share of the time shown, over all endpoints, in which the last probe had succeeded.",
                ),
                Query(f"avg(avg_over_time({probe}[$__range]))"),
                "percentunit",
                SHARE_OF_SUCCESS,
                decimals=2,
            ),
        ),
    )


def _failing(of: Scope) -> Panel:
    failure = of("mail_probe_failure_info")
    since = f"(time() - {of('mail_probe_last_success_timestamp_seconds')})"
    return rows(
        Text(
            "What fails, and why",
            "Endpoints whose last probe failed, with the reason and the phase in which it failed. The endpoint leads "
            "to its dashboard, the reason to what it means and what to do. Never yet: not since the exporter was "
            "started.",
            "Nothing fails",
        ),
        [Query(f"{since} * ignoring (reason, phase) group_right () {failure} or {failure} * -1")],
        [
            endpoint(),
            Column("protocol", "Protocol", {"custom.width": 80}),
            reason(),
            phase(),
            Column(
                "Value",
                "Worked last",
                {
                    "unit": "dtdurations",
                    "decimals": 0,
                    "custom.width": 180,
                    "mappings": [{"type": "value", "options": {"-1": {"text": "never yet", "index": 0}}}],
                },
            ),
        ],
        sort_by="Endpoint",
    )


def _by_reason(of: Scope) -> Panel:
    return ranked(
        Text("Failing by reason", "How many endpoints fail for which reason in which phase, now.", "Nothing fails"),
        Query(f"count by (reason, phase) ({of('mail_probe_failure_info')})"),
        [reason(), phase()],
        "Endpoints",
        unit="none",
        steps=((None, BAD),),
        decimals=0,
    )


def _over_time(of: Scope) -> Panel:
    probe = of("mail_probe_success")
    return timeline(
        Text(
            "Endpoints over time",
            "Each endpoint: green while its probes succeed, red while they fail, a gap where there was no figure. "
            "Choose at the top to see only those that failed in the time shown.",
            "Nothing failed",
        ),
        [Query(f"{probe} and min_over_time({probe}[$__range]) < $shown", "{{endpoint}}")],
        success(),
        link=endpoint_dashboard(LABEL),
    )


def _slowest(of: Scope, settings: Settings) -> Panel:
    median = f"quantile_over_time(0.5, {of('mail_probe_last_duration_seconds')}[$__range])"
    return ranked(
        Text("Slowest endpoints", f"The {MOST} endpoints whose probes take longest: the median of the time shown."),
        Query(f"topk({MOST}, {median})"),
        [endpoint()],
        "Duration",
        unit="s",
        steps=durations(settings),
    )


def _latency(of: Scope) -> Panel:
    buckets = f"sum by (protocol, le) (rate({of('mail_probe_duration_seconds_bucket')}[$__rate_interval]))"
    quantiles = (("median", 0.5, PALE_PROTOCOL_COLORS), ("95th percentile", 0.95, PROTOCOL_COLORS))
    return graph(
        Text(
            "Latency by protocol",
            "Median (pale) and 95th percentile of all probes of a protocol, failed ones included.",
        ),
        [
            Query(f"histogram_quantile({quantile}, {buckets})", f"{{{{protocol}}}} {name}")
            for name, quantile, _ in quantiles
        ],
        "s",
        colors=[(f"{protocol} {name}", color) for name, _, colors in quantiles for protocol, color in colors.items()],
    )


def _logins(of: Scope) -> Panel:
    return timeline(
        Text(
            "Logins over time",
            "Endpoints with credentials: whether the server took the login. A gap: it did not come to a login.",
            "No endpoint has credentials",
        ),
        [Query(of("mail_auth_success"), "{{endpoint}} ({{mechanism}})")],
        flag("Accepted", "Refused"),
        link=endpoint_dashboard(LABEL),
    )


def _held_back(of: Scope) -> Panel:
    return ranked(
        Text(
            "Logins held back",
            "After a rejected login the exporter waits before it tries that account again, so that it is not locked. "
            "How long it still waits.",
            "No login is held back",
        ),
        Query(f"{of('mail_auth_backoff_seconds')} > 0"),
        [endpoint()],
        "For another",
        unit="s",
        steps=((None, LOOK),),
    )


def _certificates(of: Scope, settings: Settings) -> Panel:
    return ranked(
        Text(
            "Certificates that end first",
            f"Days until the first certificate that the server presents ends, of the {MOST} endpoints that have least. "
            "Below zero it has ended.",
            "No certificate seen",
        ),
        Query(f"bottomk({MOST}, {days_left(of)})"),
        [endpoint()],
        "Days left",
        unit="none",
        steps=of_days_left(settings),
        high=90,
        decimals=1,
        descending=False,
    )


def _budgets(of: Scope, settings: Settings) -> Panel:
    share = f"{settings.objective * 100:g} %"
    budget = f"{1 - settings.objective:.6g}"
    burnt = f"(1 - avg_over_time({of('mail_probe_success')}[$__range])) / {budget}"
    return ranked(
        Text(
            "Error budget burnt",
            f"What the failures of the time shown are of those that the objective of {share} allows in as long a time, "
            f"of the {MOST} endpoints that burnt most. Choose 30 days to see how the objective fares.",
        ),
        Query(f"topk({MOST}, {burnt})"),
        [endpoint()],
        "Burnt",
        unit="percentunit",
        steps=USED_UP,
        high=1,
        decimals=0,
    )


def _failed_by_phase(of: Scope) -> Panel:
    return graph(
        Text(
            "Failed probes by phase",
            "How many probes failed in which phase. The very first failure of a kind at an endpoint is not seen: its "
            "counter begins with it.",
            "No failures",
        ),
        [Query(failed(of, "phase"), "{{phase}}")],
        "none",
        stacked=True,
        bars=True,
        colors=PHASE_COLORS.items(),
    )


def _failed_by_reason(of: Scope) -> Panel:
    failures = f"sum by (reason) (increase({of('mail_probe_failures_total')}[$__range]))"
    return ranked(
        Text(
            "Failed probes by reason", "How many probes failed in the time shown, and for which reason.", "No failures"
        ),
        Query(f"{failures} > 0"),
        [reason()],
        "Probes",
        unit="none",
        steps=((None, BAD),),
        decimals=0,
    )
