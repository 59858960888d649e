"""Every metric once: its name, type, help and labels, in the order in which `/metrics` lists them.

Only what a metric is called and means. Where its figures come from is the subject of `families`, how they are written
that of `exposition`; docs/metrics.md is made from this table by `reference`. A new metric is a row here and one in
`families`.

Names are the interface that dashboards and alerts depend on: a row may be added, but neither renamed nor removed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class MetricType(StrEnum):
    """The types of the exposition formats that are used here."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Unit(StrEnum):
    """Base units. A metric's name ends with its unit, and OpenMetrics says so in a line of its own."""

    SECONDS = "seconds"
    BYTES = "bytes"


@dataclass(frozen=True, slots=True)
class Metric:
    """What there is to know about one metric beside its figures.

    Attributes:
        name: As Prometheus stores it; a counter's with `_total`.
        help: One line of plain text without backslashes or quotes, so that no format needs to escape it.
        labels: What distinguishes its series beyond the labels that every series of an endpoint has.
    """

    name: str
    type: MetricType
    help: str
    labels: tuple[str, ...] = ()

    @property
    def family(self) -> str:
        """The name in OpenMetrics' metadata, where a counter's has no suffix."""
        return self.name.removesuffix("_total") if self.type is MetricType.COUNTER else self.name

    @property
    def unit(self) -> Unit | None:
        """`None` for counts, flags and information."""
        return next((unit for unit in Unit if self.family.endswith(f"_{unit}")), None)


COUNTER, GAUGE, HISTOGRAM = MetricType.COUNTER, MetricType.GAUGE, MetricType.HISTOGRAM

ENDPOINT_LABELS = ("endpoint", "protocol")
"""What every series of an endpoint has, before the labels that its configuration adds."""

ADDRESS_LABEL = "address"
"""What the series have besides, where each address of the host has series of its own."""

ENDPOINT_METRICS = (
    Metric(
        "mail_endpoint_info",
        GAUGE,
        "What the endpoint is, and from which preset; the value is always 1.",
        ("host", "port", "encryption", "provider"),
    ),
    Metric("mail_endpoint_interval_seconds", GAUGE, "How often the endpoint is probed."),
    Metric("mail_probe_success", GAUGE, "Whether the last probe succeeded: 1 or 0."),
    Metric(
        "mail_probe_last_duration_seconds",
        GAUGE,
        "How long server and network took in the last probe. A refused or closed connection counts until noticed.",
    ),
    Metric(
        "mail_probe_last_phase_duration_seconds",
        GAUGE,
        "How long server and network took in each phase of the last probe; phases that were not reached are absent. "
        "A refused or closed connection counts until noticed.",
        ("phase",),
    ),
    Metric("mail_probe_last_run_timestamp_seconds", GAUGE, "When the last probe ended."),
    Metric("mail_probe_last_success_timestamp_seconds", GAUGE, "When the last successful probe ended."),
    Metric(
        "mail_probe_duration_seconds",
        HISTOGRAM,
        "How long server and network took, in good probes and failed ones.",
    ),
    Metric("mail_probes_total", COUNTER, "Probes finished."),
    Metric(
        "mail_probe_failures_total",
        COUNTER,
        "Probes failed; a reason and phase is absent until it has happened.",
        ("reason", "phase"),
    ),
    Metric(
        "mail_probe_failure_info",
        GAUGE,
        "Why the last probe failed; absent if it succeeded, else 1.",
        ("reason", "phase"),
    ),
    Metric(
        "mail_probe_last_reply_code", GAUGE, "SMTP: the last reply code in each phase of the last probe.", ("phase",)
    ),
    Metric("mail_probe_ip_protocol", GAUGE, "The IP version that the last probe used: 4 or 6."),
    Metric(
        "mail_auth_success",
        GAUGE,
        "Whether the server took the last login that was tried: 1 or 0; absent before the first.",
        ("mechanism",),
    ),
    Metric(
        "mail_auth_backoff_seconds",
        GAUGE,
        "Time until a refused login is tried again, 0 if none is paused; only for endpoints that log in.",
    ),
    Metric("mail_tls_certificate_not_before_timestamp_seconds", GAUGE, "When the server's certificate becomes valid."),
    Metric(
        "mail_tls_certificate_not_after_timestamp_seconds",
        GAUGE,
        "When the server's certificate expires; known also if verification failed.",
    ),
    Metric(
        "mail_tls_chain_not_after_timestamp_seconds",
        GAUGE,
        "When the first of the certificates that the server presented expires.",
    ),
    Metric(
        "mail_tls_verified_chain_not_after_timestamp_seconds",
        GAUGE,
        "When the first certificate on the path that was verified expires; absent where none was.",
    ),
    Metric(
        "mail_tls_verified",
        GAUGE,
        "Whether chain and name were verified, and the fingerprint if one is expected: 1 or 0.",
    ),
    Metric(
        "mail_tls_verification_error_info",
        GAUGE,
        "What is wrong with the certificate, every problem found; the value is always 1.",
        ("error",),
    ),
    Metric("mail_tls_info", GAUGE, "The TLS session; the value is always 1.", ("version", "cipher", "group")),
    Metric(
        "mail_tls_certificate_info",
        GAUGE,
        "The server's certificate; the value is always 1.",
        ("subject", "issuer", "serial", "fingerprint_sha256", "key", "signature"),
    ),
    Metric("mail_tls_ocsp_stapled", GAUGE, "Whether the server sent an OCSP response along: 1 or 0."),
    Metric(
        "mail_tls_ocsp_next_update_timestamp_seconds",
        GAUGE,
        "When the OCSP response that the server sent is due to be renewed, by the authority that signed it.",
    ),
    Metric(
        "mail_starttls_offered",
        GAUGE,
        "Whether the server offered STARTTLS: 1 or 0; only for endpoints that are to use it.",
    ),
    Metric("mail_smtp_size_limit_bytes", GAUGE, "SMTP: the largest message that the server takes, by its EHLO."),
    Metric("mail_mailbox_messages", GAUGE, "Messages in the mailbox.", ("mailbox",)),
    Metric("mail_mailbox_unseen_messages", GAUGE, "Messages in the mailbox that nobody has seen.", ("mailbox",)),
    Metric("mail_mailbox_size_bytes", GAUGE, "Size of the mailbox.", ("mailbox",)),
    Metric("mail_mailbox_quota_used_bytes", GAUGE, "What the mailbox's quota root has used up.", ("mailbox",)),
    Metric("mail_mailbox_quota_limit_bytes", GAUGE, "What the mailbox's quota root may use.", ("mailbox",)),
)
"""Metrics with series for each endpoint."""

EXPORTER_METRICS = (
    Metric(
        "mail_oauth2_token_expiry_timestamp_seconds",
        GAUGE,
        "When the access token in use expires; absent while there is none, or its server does not say.",
        ("credentials",),
    ),
    Metric("mail_oauth2_token_requests_total", COUNTER, "Requests for access tokens.", ("credentials", "outcome")),
    Metric(
        "mail_exporter_build_info",
        GAUGE,
        "What this exporter is made of; the value is always 1.",
        ("version", "python_version", "openssl_version"),
    ),
    Metric(
        "mail_exporter_config_last_reload_successful",
        GAUGE,
        "Whether the configuration could be loaded when it last was: 1 or 0.",
    ),
    Metric(
        "mail_exporter_config_last_reload_success_timestamp_seconds",
        GAUGE,
        "When the configuration was last loaded successfully.",
    ),
    Metric("mail_exporter_endpoints", GAUGE, "Endpoints that this process probes.", ("protocol",)),
    Metric("mail_exporter_shard", GAUGE, "Which shard this process is, counted from 0."),
    Metric("mail_exporter_total_shards", GAUGE, "How many shards share the configured endpoints."),
    Metric("mail_exporter_probes_in_flight", GAUGE, "Probes that are running."),
    Metric("mail_exporter_probe_start_delay_seconds", HISTOGRAM, "How much later than scheduled probes were started."),
    Metric("mail_exporter_probes_skipped_total", COUNTER, "Probes that were due but not started.", ("reason",)),
    Metric(
        "mail_exporter_event_loop_lag_seconds",
        HISTOGRAM,
        "How late the event loop ran what was due; where the kernel stamps no packets, latencies may be so much off.",
    ),
    Metric("mail_exporter_scrape_duration_seconds", HISTOGRAM, "How long it took to produce /metrics."),
    Metric(
        "mail_exporter_web_config_last_reload_successful",
        GAUGE,
        "Whether the web configuration could be used when it last changed: 1 or 0; absent without one.",
    ),
    Metric(
        "mail_exporter_log_lines_dropped_total",
        COUNTER,
        "Log lines that nobody read in time, or that could not be written.",
    ),
    Metric(
        "mail_exporter_task_failures_total",
        COUNTER,
        "How often something that runs all the time failed and was begun anew; the log says why.",
        ("task",),
    ),
)
"""Metrics of the exporter itself, and of what it does for several endpoints together."""


def label_names(metrics: Iterable[Metric] = ENDPOINT_METRICS) -> frozenset[str]:
    """Every label that these metrics have of their own: what configured labels may not be called."""
    further = {label for metric in metrics for label in metric.labels}
    return frozenset({*ENDPOINT_LABELS, ADDRESS_LABEL, "le", *further})
