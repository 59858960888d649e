"""The dashboard "Mail overview": whether mail works, and if not, what fails, where, since when and why."""

from __future__ import annotations

from dashboards.boards.board import Board, Line, Section
from dashboards.boards.columns import ENDPOINT, INSTANCE, endpoint, last_success, phase, reason
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
    of_reasons,
    says,
    value_range,
    values,
)
from dashboards.boards.looks import days_left as of_days_left
from dashboards.boards.panels import figure, graph, timeline
from dashboards.boards.parts import Panel, Query, Text
from dashboards.boards.questions import (
    REASON_CODES,
    days_left,
    failed,
    failing_in_the_time_shown,
    failures,
    in_rows,
    percentile,
    since_success,
    stale,
    states,
    success_ratio,
)
from dashboards.boards.tables import Column, ranked, rows
from dashboards.boards.variables import of_endpoints, scope_of_endpoints, shown_over_time
from dashboards.promql import Scope
from dashboards.settings import Settings

MOST = 10
"""The number of entries in a ranking."""


def board(settings: Settings) -> Board:
    """The dashboard to begin with."""
    of = scope_of_endpoints(settings)
    return Board(
        uid="mail-overview",
        title="Mail overview",
        description="Is mail working? What does not, since when, and why; what is slow; what will end soon.",
        since="now-6h",
        variables=[*of_endpoints(settings), shown_over_time()],
        sections=(
            Section(
                "",
                (
                    Line(4, _tiles(of, settings)),
                    Line(8, ((16, _failing(of, settings)), (8, _by_reason(of)))),
                    Line(9, ((24, _over_time(of, settings)),)),
                ),
            ),
            Section("Speed", (Line(10, ((12, _slowest(of, settings)), (12, _latency(of)))),)),
            Section("Logins", (Line(8, ((14, _logins(of, settings)), (10, _held_back(of, settings)))),)),
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
    refused = of("mail_probe_failure_info", 'reason=~"auth_rejected|auth_disabled"')
    working = figure(
        Text(
            "Is mail working?",
            "Yes: the last probe of every endpoint succeeded, lately. Partly: some failed, or have not been probed for "
            "three intervals. No: all of them.",
            "Unknown",
        ),
        # Endpoints that are probed on demand have no interval and are never stale.
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
                    "Endpoints without a result for three of their intervals and a minute. What they show is old.",
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
                    "Endpoints that refuse the login now: auth_rejected or auth_disabled. A login that the server "
                    "could not check, or that was not tried, is not counted.",
                    "None tried",
                ),
                Query(f"count({refused}) or count({of('mail_auth_success')}) * 0"),
                "none",
                NONE_IS_GOOD,
            ),
        ),
        (
            4,
            figure(
                Text(
                    "Success ratio",
                    "The share of the probes in the time shown that succeeded, as the mean of all endpoints.",
                ),
                Query(f"avg({success_ratio(of, '$__range')})"),
                "percentunit",
                SHARE_OF_SUCCESS,
                decimals=2,
            ),
        ),
    )


def _failing(of: Scope, settings: Settings) -> Panel:
    failure, succeeded = of("mail_probe_failure_info"), of("mail_probe_last_success_timestamp_seconds")
    return rows(
        Text(
            "What fails, and why",
            "Endpoints whose last probe failed, the newest failures first, with the reason and the phase in which it "
            "failed. The endpoint leads to its dashboard, the reason to what it means and what to do. Not since the "
            "start: no probe has succeeded since the exporter was started.",
            "Nothing fails",
        ),
        [Query(since_success(failure, succeeded, "reason", "phase"))],
        [
            *endpoint(settings),
            Column("protocol", "Protocol", {"custom.width": 80}),
            reason(),
            phase(),
            last_success("Last success"),
        ],
        sort_by="Last success",
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


def _over_time(of: Scope, settings: Settings) -> Panel:
    return timeline(
        Text(
            "Endpoints over time",
            "Green while the probes of an endpoint succeed, red with the reason while they fail, a gap where there was "
            "no figure. Only endpoints that failed in the time shown, and of many the 40 that failed most; choose at "
            "the top to see all.",
            "Nothing failed",
        ),
        [Query(in_rows(f"{states(of)} and {failing_in_the_time_shown(of)}", settings), "{{row}}")],
        [of_reasons(REASON_CODES)],
        values=True,
        link=endpoint_dashboard(ENDPOINT, INSTANCE),
    )


def _slowest(of: Scope, settings: Settings) -> Panel:
    median = f"quantile_over_time(0.5, {of('mail_probe_last_duration_seconds')}[$__range])"
    return ranked(
        Text("Slowest endpoints", f"The {MOST} endpoints whose probes take longest: the median of the time shown."),
        Query(f"topk({MOST}, {median})"),
        endpoint(settings),
        "Duration",
        unit="s",
        steps=durations(settings),
    )


def _latency(of: Scope) -> Panel:
    buckets = of("mail_probe_duration_seconds_bucket")
    quantiles = (("median", 0.5, PALE_PROTOCOL_COLORS), ("95th percentile", 0.95, PROTOCOL_COLORS))
    return graph(
        Text(
            "Latency by protocol",
            "Median (pale) and 95th percentile of all probes of a protocol in the 15 minutes before, failed ones "
            "included. Where nothing is probed as often, of a longer time.",
        ),
        [
            Query(percentile(quantile, buckets, "protocol"), f"{{{{protocol}}}} {name}")
            for name, quantile, _ in quantiles
        ],
        "s",
        colors=[(f"{protocol} {name}", color) for name, _, colors in quantiles for protocol, color in colors.items()],
    )


def _logins(of: Scope, settings: Settings) -> Panel:
    tried = f"{of('mail_auth_success')} and ignoring (mechanism) ({failing_in_the_time_shown(of)})"
    return timeline(
        Text(
            "Logins over time",
            "Whether the server accepted the last login that was tried, of endpoints that failed in the time shown; "
            "choose at the top to see all. Before the first login there is a gap.",
            "Nothing failed",
        ),
        [Query(in_rows(tried, settings), "{{row}} ({{mechanism}})")],
        flag("Accepted", "Not accepted"),
        link=endpoint_dashboard(ENDPOINT, INSTANCE),
    )


def _held_back(of: Scope, settings: Settings) -> Panel:
    return ranked(
        Text(
            "Paused logins",
            "After a rejected login the exporter waits before it tries that account again, so that it is not locked.",
            "No login is paused",
        ),
        Query(f"{of('mail_auth_backoff_seconds')} > 0"),
        endpoint(settings),
        "Resumes in",
        unit="s",
        steps=((None, LOOK),),
    )


def _certificates(of: Scope, settings: Settings) -> Panel:
    return ranked(
        Text(
            "Certificates that expire first",
            f"Days until the first certificate that the server presents expires, for the {MOST} endpoints with the "
            "fewest. Below zero it has expired.",
            "No certificate seen",
        ),
        Query(f"bottomk({MOST}, {days_left(of)})"),
        endpoint(settings),
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
    burnt = f"(1 - ({success_ratio(of, '$__range')})) / {budget}"
    return ranked(
        Text(
            "Error budget burnt",
            f"The failed probes of the time shown as a share of those that the objective of {share} allows, for the "
            f"{MOST} endpoints that burnt most. Choose 30 days to see how the objective fares.",
        ),
        Query(f"topk({MOST}, {burnt})"),
        endpoint(settings),
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
            "How many probes failed in which phase, in the time of four scrapes before each point.",
            "No failures",
        ),
        [Query(failed(of, "phase"), "{{phase}}")],
        "none",
        stacked=True,
        bars=True,
        colors=PHASE_COLORS.items(),
    )


def _failed_by_reason(of: Scope) -> Panel:
    by_reason = f"sum by (reason) {failures(of, '$__range')}"
    return ranked(
        Text(
            "Failed probes by reason", "How many probes failed in the time shown, and for which reason.", "No failures"
        ),
        Query(f"{by_reason} > 0"),
        [reason()],
        "Probes",
        unit="none",
        steps=((None, BAD),),
        decimals=0,
    )
