"""The metrics of the exporter itself, and of what it does for several endpoints together: one row each."""

from __future__ import annotations

from exporter.metrics.exporter_state import ExporterState
from exporter.metrics.rows.metric import (
    COUNTER,
    HISTOGRAM,
    Metric,
    Samples,
    alone,
    bare,
    counts,
    flag,
    labelled,
    timestamp,
)


def _build(exporter: ExporterState) -> Samples:
    build = exporter.build
    return [((build.version, build.python_version, build.openssl_version), "1")]


def _tokens_expiry(exporter: ExporterState) -> Samples:
    return [((name,), at) for name, state in exporter.tokens.items() if (at := timestamp(state.expires_at)) is not None]


def _token_requests(exporter: ExporterState) -> Samples:
    return [
        ((name, outcome), str(count))
        for name, state in exporter.tokens.items()
        for outcome, count in state.requests.items()
    ]


EXPORTER_METRICS: tuple[Metric[ExporterState], ...] = (
    Metric(
        "mail_oauth2_token_expiry_timestamp_seconds",
        "When the access token in use expires; absent while there is none, or its server does not say.",
        labelled(_tokens_expiry),
        ("credentials",),
    ),
    Metric(
        "mail_oauth2_token_requests_total",
        "Requests for access tokens.",
        labelled(_token_requests),
        ("credentials", "outcome"),
        type=COUNTER,
    ),
    Metric(
        "mail_exporter_build_info",
        "Versions of this exporter and its parts; the value is always 1.",
        labelled(_build),
        ("version", "python_version", "openssl_version"),
    ),
    Metric(
        "mail_exporter_config_last_reload_successful",
        "Whether the last attempt to load the configuration succeeded: 1 or 0.",
        alone(lambda exporter: flag(exporter.reload_successful)),
    ),
    Metric(
        "mail_exporter_config_last_reload_success_timestamp_seconds",
        "When the configuration was last loaded successfully.",
        alone(lambda exporter: timestamp(exporter.reloaded_at)),
    ),
    Metric(
        "mail_exporter_endpoints",
        "Endpoints that this process probes.",
        labelled(lambda exporter: counts(exporter.endpoints)),
        ("protocol",),
    ),
    Metric(
        "mail_exporter_shard",
        "Which shard this process is, counted from 0.",
        alone(lambda exporter: str(exporter.shard)),
    ),
    Metric(
        "mail_exporter_total_shards",
        "How many shards share the configured endpoints.",
        alone(lambda exporter: str(exporter.total_shards)),
    ),
    Metric(
        "mail_exporter_probes_in_flight",
        "Probes, sendings of flows and checks of domains that are running.",
        alone(lambda exporter: str(exporter.probes_in_flight)),
    ),
    Metric(
        "mail_exporter_probe_start_delay_seconds",
        "Delay between the scheduled and the actual start of probes, of sendings of flows and of checks of domains.",
        bare(lambda exporter: exporter.start_delay),
        type=HISTOGRAM,
    ),
    Metric(
        "mail_exporter_probes_skipped_total",
        "Probes, sendings of flows and checks of domains that were due but not started.",
        labelled(lambda exporter: counts(exporter.skipped)),
        ("reason",),
        type=COUNTER,
    ),
    Metric(
        "mail_exporter_event_loop_lag_seconds",
        "How late the event loop ran what was due. Without kernel timestamps, latencies may be too high by this much.",
        bare(lambda exporter: exporter.lag),
        type=HISTOGRAM,
    ),
    Metric(
        "mail_exporter_scrape_duration_seconds",
        "Time to produce /metrics.",
        bare(lambda exporter: exporter.scrapes),
        type=HISTOGRAM,
    ),
    Metric(
        "mail_exporter_web_config_last_reload_successful",
        "Whether the last change of the web configuration could be used: 1 or 0; absent without one.",
        alone(lambda exporter: flag(exporter.web_config_successful)),
    ),
    Metric(
        "mail_exporter_log_lines_dropped_total",
        "Log lines that nobody read in time, or that could not be written.",
        alone(lambda exporter: str(exporter.log_lines_dropped)),
        type=COUNTER,
    ),
    Metric(
        "mail_exporter_task_failures_total",
        "How often a background task failed and was restarted; the log says why.",
        labelled(lambda exporter: counts(exporter.task_failures)),
        ("task",),
        type=COUNTER,
    ),
)
