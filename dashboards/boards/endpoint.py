"""Mail endpoint: one endpoint, from "does it work" down to the reply codes."""

from __future__ import annotations

from dashboards.boards.board import Board, Line, Marks, Section
from dashboards.boards.columns import address, exporter
from dashboards.boards.links import exporter_page, meaning
from dashboards.boards.looks import (
    BAD,
    GOOD,
    LOOK,
    OTHER,
    PHASE_COLORS,
    QUANTILE_COLORS,
    QUANTILES,
    SHARE_OF_SUCCESS,
    SOON_BAD,
    UNKNOWN,
    USED_UP,
    durations,
    flag,
    of_reasons,
    reply_codes,
    says,
    success,
    values,
)
from dashboards.boards.looks import days_left as of_days_left
from dashboards.boards.panels import figure, graph, spread, timeline
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
    whenever_probed,
)
from dashboards.boards.tables import Column, rows
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
            Section(
                "Encryption",
                (
                    Line(5, ((24, _certificate(of, settings)),)),
                    Line(8, ((10, _session(of, settings)), (8, _problems(of, settings)), (6, _days_left(of)))),
                ),
            ),
            Section(
                "Login and capabilities",
                (
                    Line(7, ((12, _login(of, settings)), (12, _reply_codes(of, settings)))),
                    Line(4, _capabilities(of)),
                ),
            ),
            Section(
                "Mailbox",
                collapsed=True,
                lines=(
                    Line(
                        8, ((7, _mailbox(of)), (6, _mailbox_size(of)), (4, _quota(of)), (7, _read_back(of, settings)))
                    ),
                ),
            ),
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
    def percentile(quantile: float) -> str:
        buckets = of("mail_probe_duration_seconds_bucket")
        return whenever_probed(
            lambda window: f"histogram_quantile({quantile}, sum by (le) (rate({buckets}[{window}])))"
        )

    return graph(
        Text(
            "Duration percentiles",
            "All probes of the last 15 minutes, including failed ones, as exact as the histogram's buckets. Where "
            "the endpoint is probed less often, the time is longer.",
        ),
        [Query(percentile(quantile), legend) for legend, quantile in QUANTILES],
        "s",
        colors=zip((legend for legend, _ in QUANTILES), QUANTILE_COLORS, strict=True),
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


def _certificate(of: Scope, settings: Settings) -> Panel:
    return rows(
        Text(
            "Certificate of the server",
            "The leaf that the server presented to the last probe.",
            "The last probe saw none",
        ),
        [
            Query(of("mail_tls_certificate_info")),
            Query(f"{of('mail_tls_certificate_not_before_timestamp_seconds')} * 1000"),
            Query(f"{of('mail_tls_certificate_not_after_timestamp_seconds')} * 1000"),
        ],
        [
            Column("subject", "Subject"),
            Column("issuer", "Issuer"),
            Column("key", "Key", {"custom.width": 90}),
            Column("signature", "Signature", {"custom.width": 160}),
            Column("serial", "Serial", {"custom.width": 140}),
            Column("Value #B", "Valid from", {"unit": "dateTimeAsIso", "custom.width": 165}),
            Column("Value #C", "Valid until", {"unit": "dateTimeAsIso", "custom.width": 165}),
            address(),
            *exporter(settings),
        ],
        sort_by="Valid until",
    )


def _session(of: Scope, settings: Settings) -> Panel:
    return rows(
        Text(
            "TLS session",
            'What was agreed on: protocol version, cipher suite, key exchange group. X25519MLKEM768 resists "record '
            'now, decrypt later".',
            "The last probe had none",
        ),
        [Query(of("mail_tls_info"))],
        [
            Column("version", "Version", {"custom.width": 80}),
            Column("cipher", "Cipher suite"),
            Column("group", "Key exchange", {"custom.width": 115}),
            address(),
            *exporter(settings),
        ],
        sort_by="Version",
    )


def _problems(of: Scope, settings: Settings) -> Panel:
    return timeline(
        Text(
            "Certificate and staple",
            "Whether chain and name are good, and whether the server sends an OCSP response along. Below, in red, "
            "each problem that was found.",
            "No TLS",
        ),
        [
            Query(in_rows(of("mail_tls_verified"), settings, "address"), "verified {{row}}"),
            Query(in_rows(f"{of('mail_tls_verification_error_info')} * 0", settings, "address"), "{{error}} {{row}}"),
            Query(in_rows(f"{of('mail_tls_ocsp_stapled')} + 2", settings, "address"), "staple {{row}}"),
        ],
        [*flag("Yes", "No"), values(v2=says("No", UNKNOWN), v3=says("Yes", GOOD))],
    )


def _days_left(of: Scope) -> Panel:
    return graph(
        Text(
            "Days left over time",
            "Until the server's certificate expires, until the first of its chain does, and until its OCSP response is "
            "due for renewal. A jump up is a renewal. Where several addresses or exporters show different ones: the "
            "first to expire.",
            "None seen",
        ),
        [
            Query(f"min({of('mail_tls_certificate_not_after_timestamp_seconds')} - time()) / 86400", "certificate"),
            Query(f"min({days_left(of)})", "chain"),
            Query(f"min({of('mail_tls_ocsp_next_update_timestamp_seconds')} - time()) / 86400", "OCSP response"),
        ],
        "none",
        colors=zip(("certificate", "chain", "OCSP response"), OTHER, strict=True),
        dashed=["chain"],
    )


def _login(of: Scope, settings: Settings) -> Panel:
    return timeline(
        Text(
            "Login",
            "Whether the server accepted the last login that was tried, by mechanism. Paused: after a rejection the "
            "exporter waits before it tries again.",
            "No login was tried",
        ),
        [
            Query(in_rows(of("mail_auth_success"), settings, "address"), "{{mechanism}} {{row}}"),
            Query(in_rows(f"({of('mail_auth_backoff_seconds')} > 0) * 0 + 2", settings, "address"), "paused {{row}}"),
        ],
        [*flag("Accepted", "Not accepted"), values(v2=says("Paused", LOOK))],
    )


def _reply_codes(of: Scope, settings: Settings) -> Panel:
    return timeline(
        Text(
            "Reply codes",
            "SMTP: the last reply code in each phase. Green: yes. Blue: go on. Orange: not now. Red: no.",
            "Not SMTP",
        ),
        [Query(in_rows(of("mail_probe_last_reply_code"), settings, "address"), "{{phase}} {{row}}")],
        reply_codes(),
        values=True,
    )


def _capabilities(of: Scope) -> tuple[tuple[int, Panel], ...]:
    return (
        (
            6,
            figure(
                Text("STARTTLS", "Whether the server offered it, for endpoints that are to use it.", "Not asked"),
                Query(f"min({of('mail_starttls_offered')})"),
                "none",
                ((None, UNKNOWN),),
                flag("Offered", "Not offered"),
            ),
        ),
        (
            6,
            figure(
                Text("Mechanism", "The mechanism of the last login that was tried.", "No login"),
                Query(f"group by (mechanism) ({of('mail_auth_success')})", "{{mechanism}}"),
                "none",
                names=True,
            ),
        ),
        (
            6,
            figure(
                Text("Largest message", "SMTP: what the server takes at most, by its EHLO.", "Not announced"),
                Query(f"min({of('mail_smtp_size_limit_bytes')})"),
                "bytes",
            ),
        ),
        (
            6,
            figure(
                Text("IP version", "What the last probe used.", "No connection"),
                Query(f"max({of('mail_probe_ip_protocol')})"),
                "none",
            ),
        ),
    )


def _mailbox(of: Scope) -> Panel:
    return graph(
        Text("Mailbox", "Messages, and those that nobody has seen.", "No mailbox is looked at"),
        [
            Query(f"max({of('mail_mailbox_messages')})", "messages"),
            Query(f"max({of('mail_mailbox_unseen_messages')})", "unseen"),
        ],
        "none",
        colors=zip(("messages", "unseen"), OTHER, strict=False),
    )


def _read_back(of: Scope, settings: Settings) -> Panel:
    return timeline(
        Text(
            "Read back",
            "Whether the newest messages could be read back whole, where `read_back` is set; and how many could not.",
            "Nothing is read back",
        ),
        [
            Query(in_rows(of("mail_mailbox_readable"), settings, "address"), "{{mailbox}} {{row}}"),
            Query(
                in_rows(f"({of('mail_mailbox_unreadable_messages')} > 0) * 0", settings, "address"),
                "{{mailbox}} {{row}}: unreadable messages",
            ),
        ],
        flag("Readable", "Not readable"),
    )


def _mailbox_size(of: Scope) -> Panel:
    return graph(
        Text("Size and quota", "How large the mailbox is, and what its quota root has used and may use.", "Not told"),
        [
            Query(f"max({of('mail_mailbox_size_bytes')})", "mailbox"),
            Query(f"max({of('mail_mailbox_quota_used_bytes')})", "quota used"),
            Query(f"max({of('mail_mailbox_quota_limit_bytes')})", "quota"),
        ],
        "bytes",
        colors=zip(("mailbox", "quota used", "quota"), OTHER, strict=True),
        dashed=["quota"],
    )


def _quota(of: Scope) -> Panel:
    return figure(
        Text("Quota used", "How full the quota root of the mailbox is.", "No quota"),
        Query(f"max({of('mail_mailbox_quota_used_bytes')} / ({of('mail_mailbox_quota_limit_bytes')} > 0))"),
        "percentunit",
        USED_UP,
        decimals=1,
    )
