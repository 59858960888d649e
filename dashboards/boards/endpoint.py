"""Mail endpoint: one endpoint, from "does it work" down to the reply codes."""

from __future__ import annotations

from dashboards.boards.board import Board, Line, Marks, Section
from dashboards.boards.endpoint_encryption import encryption
from dashboards.boards.endpoint_login import login, mailbox
from dashboards.boards.links import exporter_page, meaning
from dashboards.boards.looks import (
    BAD,
    GOOD,
    PHASE_COLORS,
    SHARE_OF_SUCCESS,
    SOON_BAD,
    UNKNOWN,
    durations,
    of_reasons,
    says,
    success,
    values,
)
from dashboards.boards.looks import days_left as of_days_left
from dashboards.boards.panels import figure, graph, percentiles, spread, timeline
from dashboards.boards.parts import Panel, Query, Text, neutral, shades_of_red
from dashboards.boards.questions import (
    REASON_CODES,
    codes,
    days_left,
    failed,
    in_rows,
    stale,
    states,
    success_ratio,
)
from dashboards.boards.variables import of_one_endpoint, scope_of_one_endpoint
from dashboards.promql import Scope
from dashboards.settings import Settings

REASON = "${__field.labels.reason}"
ENDPOINT = "${endpoint:percentencode}"


def board(settings: Settings) -> Board:
    """The dashboard that the others lead to."""
    of = scope_of_one_endpoint(settings)
    return Board(
        uid="mail-endpoint",
        title="Mail endpoint",
        description="One endpoint: whether it works, why not, how long each step takes, its certificate, its mailbox.",
        since="now-6h",
        variables=of_one_endpoint(settings),
        marks=(Marks("Failures", BAD, of("mail_probe_failure_info"), "{{reason}} in {{phase}}"),),
        links=(exporter_page(ENDPOINT),),
        sections=(
            Section("", (Line(4, _tiles(of, settings)), Line(7, ((14, _states(of, settings)), (10, _failures(of)))))),
            Section(
                "Latency",
                (
                    Line(10, ((15, _phases(of)), (9, _percentiles(of)))),
                    Line(9, ((12, _durations(of)), (12, _success(of, settings)))),
                ),
            ),
            Section("Encryption", encryption(of, settings)),
            Section("Login and capabilities", login(of, settings)),
            Section("Mailbox", mailbox(of, settings), collapsed=True),
        ),
    )


def _tiles(of: Scope, settings: Settings) -> tuple[tuple[int, Panel], ...]:
    probe = of("mail_probe_success")
    state = figure(
        Text(
            "State",
            f"Whether the last probe succeeded. Stale: there was no result for {settings.stale_intervals:g} intervals "
            "and a minute.",
            "Not probed",
        ),
        Query(f"min({probe}) + 2 * max({stale(of, settings)}) or min({probe})"),
        "none",
        ((None, UNKNOWN),),
        [*success(), values(v2=says("Stale", SOON_BAD), v3=says("Stale", SOON_BAD))],
        filled=True,
    )
    reason = figure(
        Text("Why it fails", "Reason and phase of the last probe, if it failed.", "Not failing"),
        Query(f"group by (reason, phase) ({of('mail_probe_failure_info')})", "{{reason}} in {{phase}}"),
        "none",
        ((None, BAD),),
        names=True,
    ).data_links([meaning(REASON), exporter_page(ENDPOINT)])
    last = figure(
        Text("Last probe", "How long ago the last probe ended."),
        Query(f"max(time() - {of('mail_probe_last_run_timestamp_seconds')})"),
        "dtdurations",
        decimals=0,
    )
    worked = figure(
        Text("Last success", "How long ago a probe succeeded.", "Not since the start"),
        Query(f"min(time() - {of('mail_probe_last_success_timestamp_seconds')})"),
        "dtdurations",
        decimals=0,
    )
    share = figure(
        Text("Availability", "The share of the probes in the time shown that succeeded."),
        Query(f"avg({success_ratio(of, '$__range')})"),
        "percentunit",
        SHARE_OF_SUCCESS,
        decimals=2,
    )
    duration = figure(
        Text("Duration", "The median of the probes in the time shown, failed ones included."),
        Query(f"max(quantile_over_time(0.5, {of('mail_probe_last_duration_seconds')}[$__range]))"),
        "s",
        durations(settings),
    )
    left = figure(
        Text("Days left", "Until the first certificate that the server presents expires.", "None seen"),
        Query(f"min({days_left(of)})"),
        "none",
        of_days_left(settings),
        decimals=1,
    )
    return ((3, state), (6, reason), (3, last), (3, worked), (3, share), (3, duration), (3, left))


def _states(of: Scope, settings: Settings) -> Panel:
    return timeline(
        Text(
            "State and reason",
            "Green while the probes succeed, red with the reason while they fail; a row for each exporter and address. "
            "Below, one row for each reason and phase.",
            "Not probed",
        ),
        [
            Query(in_rows(states(of), settings), "{{row}}"),
            Query(
                f"max by (reason, phase) ({of('mail_probe_failure_info')} * on (reason) group_left () ({codes()}))",
                "{{reason}} in {{phase}}",
            ),
        ],
        [of_reasons(REASON_CODES)],
        values=True,
    )


def _failures(of: Scope) -> Panel:
    return graph(
        Text(
            "Failures by reason and phase",
            "How many probes failed, in the time of four scrapes before each point.",
            "No failures",
        ),
        [Query(failed(of, "reason", "phase"), "{{reason}} in {{phase}}")],
        "none",
        stacked=True,
        bars=True,
        color=shades_of_red(),
    )


def _phases(of: Scope) -> Panel:
    return graph(
        Text(
            "Latency by phase",
            "How long each phase of the last probe took, one above the other in the order of a probe. A phase that "
            "was not reached is missing. Where each address is probed: their mean.",
        ),
        [
            Query(f"avg({of('mail_probe_last_phase_duration_seconds', matcher)})", phase)
            for phase, matcher in ((phase, f'phase="{phase}"') for phase in PHASE_COLORS)
        ],
        "s",
        stacked=True,
        colors=PHASE_COLORS.items(),
    )


def _percentiles(of: Scope) -> Panel:
    return percentiles(
        Text(
            "Duration percentiles",
            "All probes of the last 15 minutes, including failed ones, as exact as the histogram's buckets. Where "
            "the endpoint is probed less often, the time is longer.",
        ),
        of("mail_probe_duration_seconds_bucket"),
    )


def _durations(of: Scope) -> Panel:
    increase = f"sum by (le) (increase({of('mail_probe_duration_seconds_bucket')}[$__rate_interval]))"
    return spread(
        Text("Durations", "How many probes took how long: the darker, the more. Two bands are two kinds of probes."),
        Query(increase, "{{le}}"),
        "s",
    )


def _success(of: Scope, settings: Settings) -> Panel:
    return graph(
        Text(
            "Success ratio",
            f"The share of the probes in the hour before that succeeded. The line is the objective of "
            f"{settings.objective * 100:g} %.",
        ),
        [Query(f"avg({success_ratio(of, '1h')})", "last hour")],
        "percentunit",
        steps=((None, BAD), (settings.objective, GOOD)),
        shown_steps=True,
        color=neutral(),
        high=1,
    )
