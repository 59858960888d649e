"""Mail exporter: the exporter itself, and whether its figures can be trusted."""

from __future__ import annotations

from dashboards.boards.board import Board, Line, Marks, Section
from dashboards.boards.columns import endpoint, exporter
from dashboards.boards.looks import (
    ANY,
    BAD,
    GOOD,
    LOOK,
    NEUTRAL,
    NONE_IS_GOOD,
    PROTOCOL_COLORS,
    SOON_BAD,
    flag,
)
from dashboards.boards.panels import figure, graph, percentiles, spread, timeline
from dashboards.boards.parts import Panel, Query, Text, shades_of_red
from dashboards.boards.questions import percentile
from dashboards.boards.tables import Column, ranked, rows
from dashboards.boards.variables import of_exporters, scope_of_exporters
from dashboards.promql import Scope
from dashboards.settings import Settings


def board(settings: Settings) -> Board:
    """The dashboard for administrators of the exporter."""
    of = scope_of_exporters(settings)
    return Board(
        uid="mail-exporter",
        title="Mail exporter",
        description="The exporter itself: whether it keeps its schedule, what it costs, its configuration, its tokens.",
        since="now-6h",
        variables=of_exporters(settings),
        marks=_events(of),
        sections=(
            Section("", (Line(4, _tiles(of, settings)), Line(5, ((24, _exporters(of, settings)),)))),
            Section(
                "Schedule",
                (
                    Line(8, ((8, _probes(of)), (8, _in_flight(of)), (8, _skipped(of)))),
                    Line(8, ((8, _lag(of, settings)), (8, _delay(of, settings)), (8, _lags(of)))),
                ),
            ),
            Section(
                "What it costs",
                (Line(8, ((6, _cpu(of)), (6, _memory(of)), (6, _scrapes(of)), (6, _descriptors(of)))),),
            ),
            Section(
                "Configuration", (Line(7, ((8, _configuration(of)), (8, _tasks(of)), (8, _errors(of, settings)))),)
            ),
            Section("Tokens (OAuth 2)", (Line(8, ((12, _tokens(of)), (12, _expiry(of)))),), collapsed=True),
        ),
    )


def _events(of: Scope) -> tuple[Marks, ...]:
    """Where an exporter was started, and where a configuration was loaded."""
    started = (
        f"time() - {of('process_start_time_seconds')} < 60 and on (job, instance) {of('mail_exporter_build_info')}"
    )
    loaded = f"time() - {of('mail_exporter_config_last_reload_success_timestamp_seconds')} < 60"
    return (
        Marks("Started", LOOK, started, "{{instance}} was started"),
        Marks("Configuration loaded", NEUTRAL, loaded, "{{instance}} loaded its configuration"),
    )


def _tiles(of: Scope, settings: Settings) -> tuple[tuple[int, Panel], ...]:
    lag = of("mail_exporter_event_loop_lag_seconds_bucket")
    delay = of("mail_exporter_probe_start_delay_seconds_bucket")

    def late(title: str, description: str, buckets: str, bound: float) -> Panel:
        return figure(
            Text(title, description),
            Query(percentile(0.99, buckets)),
            "s",
            ((None, GOOD), (bound / 2, LOOK), (bound, SOON_BAD)),
            graph=True,
        )

    return (
        (
            4,
            figure(
                Text(
                    "Exporters up",
                    "Those that answer to Prometheus, of those that are chosen at the top.",
                    "None answers",
                ),
                Query(f"sum({of('up')} and on (job, instance) {of('mail_exporter_build_info')})"),
                "none",
                ((None, BAD), (1, GOOD)),
            ),
        ),
        (
            4,
            figure(
                Text("Endpoints", "What all of them probe."),
                Query(f"sum({of('mail_exporter_endpoints')})"),
                "none",
                ANY,
            ),
        ),
        (
            4,
            figure(
                Text(
                    "Configuration refused",
                    "Exporters that go on with the configuration they had, because the new one is not good.",
                ),
                Query(f"sum({of('mail_exporter_config_last_reload_successful')} == bool 0)"),
                "none",
                NONE_IS_GOOD,
            ),
        ),
        (
            4,
            late(
                "Event loop lag, 99 %",
                "By as much may the exporter itself lengthen a latency, one time in a hundred at most.",
                lag,
                settings.lag_seconds,
            ),
        ),
        (
            4,
            late(
                "Start delay, 99 %",
                "How late probes start against their schedule, one in a hundred at most.",
                delay,
                settings.delay_seconds,
            ),
        ),
        (
            4,
            figure(
                Text("Probes skipped", "Due in the time shown, but not started."),
                Query(f"sum(increase({of('mail_exporter_probes_skipped_total')}[$__range]))"),
                "none",
                ((None, GOOD), (1, SOON_BAD)),
                decimals=0,
            ),
        ),
    )


def _exporters(of: Scope, settings: Settings) -> Panel:
    started = f"{of('process_start_time_seconds')} and on (job, instance) {of('mail_exporter_build_info')}"
    return rows(
        Text(
            "Exporters",
            "Each process: its version, its shard, what it probes, since when it runs and with which configuration.",
            "None answers",
        ),
        [
            Query(of("mail_exporter_build_info")),
            Query(f"sum without (protocol) ({of('mail_exporter_endpoints')})"),
            Query(of("mail_exporter_shard")),
            Query(of("mail_exporter_total_shards")),
            Query(f"({started}) * 1000"),
            Query(f"{of('mail_exporter_config_last_reload_success_timestamp_seconds')} * 1000"),
        ],
        [
            *exporter(settings),
            Column("job", "Job"),
            Column("version", "Version"),
            Column("python_version", "Python"),
            Column("openssl_version", "OpenSSL"),
            Column("Value #B", "Endpoints", {"custom.width": 95}),
            Column("Value #C", "Shard", {"custom.width": 65}),
            Column("Value #D", "Of", {"custom.width": 50}),
            Column("Value #E", "Running since", {"unit": "dateTimeAsIso", "custom.width": 170}),
            Column("Value #F", "Configuration of", {"unit": "dateTimeAsIso", "custom.width": 170}),
        ],
        sort_by="Instance",
    )


def _probes(of: Scope) -> Panel:
    return graph(
        Text("Probes per second", "Finished, by protocol."),
        [Query(f"sum by (protocol) (rate({of('mail_probes_total')}[$__rate_interval]))", "{{protocol}}")],
        "none",
        stacked=True,
        colors=PROTOCOL_COLORS.items(),
    )


def _in_flight(of: Scope) -> Panel:
    return graph(
        Text(
            "Probes in flight",
            "Running at the same time. Probes above the limit wait for their next turn; if that comes first, they are "
            "skipped.",
        ),
        [Query(of("mail_exporter_probes_in_flight"), "{{instance}}")],
        "none",
    )


def _skipped(of: Scope) -> Panel:
    skipped = f"sum by (reason) (increase({of('mail_exporter_probes_skipped_total')}[$__rate_interval]))"
    return graph(
        Text(
            "Skipped over time",
            "Due, but not started. overlap: the probe before was still running. concurrency, host: a limit was "
            "reached. late: the process stood still for a whole turn.",
        ),
        [Query(skipped, "{{reason}}")],
        "none",
        stacked=True,
        bars=True,
        color=shades_of_red(),
    )


def _lag(of: Scope, settings: Settings) -> Panel:
    return percentiles(
        Text(
            "Event loop lag",
            "How late the process ran what was due, in the 15 minutes before. On Linux, latencies do not contain it. "
            "The line is the alert's bound.",
        ),
        of("mail_exporter_event_loop_lag_seconds_bucket"),
        settings.lag_seconds,
    )


def _delay(of: Scope, settings: Settings) -> Panel:
    return percentiles(
        Text("Start delay", "How late probes started against their schedule. The line is the alert's bound."),
        of("mail_exporter_probe_start_delay_seconds_bucket"),
        settings.delay_seconds,
    )


def _lags(of: Scope) -> Panel:
    increase = f"sum by (le) (increase({of('mail_exporter_event_loop_lag_seconds_bucket')}[$__rate_interval]))"
    return spread(
        Text("Lags", "How often the event loop was how late: the darker, the more often."),
        Query(increase, "{{le}}"),
        "s",
    )


def _cpu(of: Scope) -> Panel:
    used = f"rate({of('process_cpu_seconds_total')}[$__rate_interval])"
    return graph(
        Text("CPU", "Share of one core, which is all that the process can use."),
        [Query(_of_exporters(of, used), "{{instance}}")],
        "percentunit",
    )


def _memory(of: Scope) -> Panel:
    return graph(
        Text("Memory", "Resident."),
        [Query(_of_exporters(of, of("process_resident_memory_bytes")), "{{instance}}")],
        "bytes",
    )


def _scrapes(of: Scope) -> Panel:
    return percentiles(
        Text("Scrape duration", "How long it took to produce /metrics, until the last byte was handed over."),
        of("mail_exporter_scrape_duration_seconds_bucket"),
    )


def _descriptors(of: Scope) -> Panel:
    share = f"{of('process_open_fds')} / {of('process_max_fds')}"
    return graph(
        Text("File descriptors", "Open ones, as a share of the limit. Each probe in flight needs one."),
        [Query(_of_exporters(of, share), "{{instance}}")],
        "percentunit",
    )


def _configuration(of: Scope) -> Panel:
    return timeline(
        Text("Configuration", "Whether the configuration could be loaded when that was tried last."),
        [
            Query(of("mail_exporter_config_last_reload_successful"), "{{instance}}"),
            Query(of("mail_exporter_web_config_last_reload_successful"), "{{instance}} (web)"),
        ],
        flag("Loaded", "Refused"),
    )


def _tasks(of: Scope) -> Panel:
    tasks = f"sum by (task) (increase({of('mail_exporter_task_failures_total')}[$__rate_interval]))"
    dropped = f"sum(increase({of('mail_exporter_log_lines_dropped_total')}[$__rate_interval]))"
    return graph(
        Text(
            "Tasks that failed",
            "How often a task of the exporter failed and was restarted, and how many lines of the log were dropped "
            "because nobody read them.",
        ),
        [Query(tasks, "{{task}}"), Query(dropped, "log lines dropped")],
        "none",
        stacked=True,
        bars=True,
        color=shades_of_red(),
    )


def _errors(of: Scope, settings: Settings) -> Panel:
    failure = of("mail_probe_failure_info", 'reason="internal_error"')
    return ranked(
        Text(
            "Internal errors",
            "Endpoints whose probes met a bug of the exporter in the time shown. The log has the tracebacks.",
            "None",
        ),
        Query(f"count without (phase, reason) (count_over_time({failure}[$__range]))"),
        endpoint(settings),
        "Phases",
        unit="none",
        steps=((None, BAD),),
    )


def _tokens(of: Scope) -> Panel:
    requests = f"sum by (credentials, outcome) (increase({of('mail_oauth2_token_requests_total')}[$__rate_interval]))"
    return graph(
        Text("Token requests", "OAuth 2 tokens that were asked for, by credentials and outcome.", "No OAuth 2"),
        [Query(requests, "{{credentials}}: {{outcome}}")],
        "none",
        stacked=True,
        bars=True,
    )


def _expiry(of: Scope) -> Panel:
    return ranked(
        Text("Tokens expire in", "When the token of each credentials has to be renewed.", "No OAuth 2"),
        Query(f"{of('mail_oauth2_token_expiry_timestamp_seconds')} - time()"),
        [Column("credentials", "Credentials")],
        "In",
        unit="s",
        steps=((None, BAD), (0, GOOD)),
        descending=False,
    )


def _of_exporters(of: Scope, series: str) -> str:
    """The series of processes that are mail exporters: others have metrics of these names, too."""
    return f"{series} and on (job, instance) {of('mail_exporter_build_info')}"
