"""Where the figures of each metric come from: a table from its name to a function of the state.

An endpoint's function gives the value of its one series, or the label pairs and value of each of its several; a figure
that is not known is absent, never 0. Everything here runs for ten thousand endpoints in one scrape, which is why values
are text already and label pairs that are the same for all are made once. What a metric means stands in `catalogue`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from exporter.metrics.endpoint_state import EndpointState
from exporter.metrics.histogram import Histogram
from exporter.metrics.labels import escaped, foreign, label_pairs
from exporter.metrics.record import Record
from exporter.metrics.store import ExporterState, HeldBack
from exporter.model import (
    CertificateProblem,
    Encryption,
    FailureReason,
    MailboxFacts,
    Phase,
    TlsFacts,
)

Samples = Sequence[tuple[str, str]]
"""Of each series: label pairs as they stand between the braces, and the value."""


def seconds(value: float) -> str:
    """A duration to the microsecond: more is noise, and takes three times as long to write."""
    return f"{value:.6f}"


def timestamp(value: float) -> str:
    """A Unix timestamp to the millisecond."""
    return f"{value:.3f}"


def _flag(value: bool | None) -> str | None:
    return None if value is None else "1" if value else "0"


def _ip_protocol(record: Record) -> str | None:
    return None if record.address is None else "6" if ":" in record.address else "4"


def _moment(at: float | None) -> str | None:
    return None if at is None else timestamp(at)


def _starttls_offered(state: EndpointState) -> str | None:
    if state.latest is None or state.endpoint.encryption not in (Encryption.STARTTLS, Encryption.OPPORTUNISTIC):
        return None
    return _flag(state.latest.starttls_offered)


OF_ENDPOINT: Mapping[str, Callable[[EndpointState], str | None]] = MappingProxyType(
    {
        "mail_endpoint_interval_seconds": lambda state: f"{state.endpoint.interval:g}",
        "mail_probe_last_success_timestamp_seconds": lambda state: (
            None if state.last_success_at is None else timestamp(state.last_success_at)
        ),
        "mail_probes_total": lambda state: str(state.probes),
        "mail_starttls_offered": _starttls_offered,
    }
)
"""Metrics with one series for each endpoint, which has the endpoint's labels and no others."""

OF_RECORD: Mapping[str, Callable[[Record], str | None]] = MappingProxyType(
    {
        "mail_probe_success": lambda record: "0" if record.failure else "1",
        "mail_probe_last_duration_seconds": lambda record: seconds(record.duration),
        "mail_probe_last_run_timestamp_seconds": lambda record: timestamp(record.ended_at),
        "mail_probe_ip_protocol": _ip_protocol,
        "mail_tls_chain_not_after_timestamp_seconds": lambda record: _moment(record.chain_not_after),
        "mail_tls_verified_chain_not_after_timestamp_seconds": lambda record: _moment(record.verified_chain_not_after),
        "mail_smtp_size_limit_bytes": lambda record: None if record.size_limit is None else str(record.size_limit),
    }
)
"""Likewise; known once there is a result."""

OF_TLS: Mapping[str, Callable[[TlsFacts], str | None]] = MappingProxyType(
    {
        "mail_tls_certificate_not_before_timestamp_seconds": lambda tls: (
            _moment(tls.chain[0].not_before) if tls.chain else None
        ),
        "mail_tls_certificate_not_after_timestamp_seconds": lambda tls: (
            _moment(tls.chain[0].not_after) if tls.chain else None
        ),
        "mail_tls_verified": lambda tls: _flag(tls.verified),
        "mail_tls_ocsp_stapled": lambda tls: _flag(tls.ocsp_stapled),
        "mail_tls_ocsp_next_update_timestamp_seconds": lambda tls: _moment(tls.ocsp_next_update),
    }
)
"""Likewise; known once the last probe completed a handshake."""


def _backoff(state: EndpointState, held_back: HeldBack) -> str | None:
    credentials, host = state.endpoint.credentials, state.endpoint.host
    if credentials is None:
        return None
    username = credentials.username
    shared, own = (
        held_back.get((username, host, None), 0.0),
        held_back.get((username, host, state.endpoint.series), 0.0),
    )
    return seconds(max(shared, own))


OF_LOGIN: Mapping[str, Callable[[EndpointState, HeldBack], str | None]] = MappingProxyType(
    {"mail_auth_backoff_seconds": _backoff}
)
"""Likewise; known for endpoints that log in."""


_PHASE_PAIRS = {phase: label_pairs([("phase", phase.value)]) for phase in Phase}
_ERROR_PAIRS = {problem: label_pairs([("error", problem.value)]) for problem in CertificateProblem}


def _failure_pairs(reason: FailureReason, phase: Phase) -> str:
    return label_pairs([("reason", reason.value), ("phase", phase.value)])


def _info(state: EndpointState) -> Samples:
    endpoint = state.endpoint
    pairs = (
        f'host="{escaped(endpoint.host)}",port="{endpoint.port}",encryption="{endpoint.encryption.value}",'
        f'provider="{escaped(endpoint.provider or "")}"'
    )
    return [(pairs, "1")]


def _failures(state: EndpointState) -> Samples:
    if not state.failures:
        return ()
    return [(_failure_pairs(reason, phase), str(count)) for (reason, phase), count in state.failures.items()]


def _failures_with_exemplars(state: EndpointState) -> Samples:
    """OpenMetrics 1.0 4.6.1: of each kind the last failure, if it is still kept, so that its page can be looked at."""
    if not state.failures:
        return ()
    kept = {}
    for each in state.history.failures:
        if each.failure is not None:
            kept[each.failure.reason, each.failure.phase] = each
    return [
        (
            _failure_pairs(*kind),
            f'{count} # {{failure_id="{kept[kind].id}"}} 1 {timestamp(kept[kind].ended_at)}'
            if kind in kept
            else str(count),
        )
        for kind, count in state.failures.items()
    ]


def _failure(state: EndpointState) -> Samples:
    if state.latest is None or state.latest.failure is None:
        return ()
    return [(_failure_pairs(state.latest.failure.reason, state.latest.failure.phase), "1")]


def _reply_codes(state: EndpointState) -> Samples:
    if state.latest is None:
        return ()
    return [(_PHASE_PAIRS[phase], str(code)) for phase, code in state.latest.reply_codes]


def _auth_success(state: EndpointState) -> Samples:
    if state.last_login is None:
        return ()
    mechanism, accepted = state.last_login
    return [(f'mechanism="{mechanism.value}"', "1" if accepted else "0")]


def _problems(state: EndpointState) -> Samples:
    if state.latest is None or state.latest.tls is None:
        return ()
    return [(_ERROR_PAIRS[problem], "1") for problem in dict.fromkeys(state.latest.tls.problems)]


def _session(state: EndpointState) -> Samples:
    if state.latest is None or state.latest.tls is None:
        return ()
    tls = state.latest.tls
    group = foreign(tls.group or "")
    return [(f'version="{foreign(tls.version)}",cipher="{foreign(tls.cipher)}",group="{group}"', "1")]


def _leaf(state: EndpointState) -> Samples:
    if state.latest is None or state.latest.tls is None or not state.latest.tls.chain:
        return ()
    leaf = state.latest.tls.chain[0]
    pairs = (
        f'subject="{foreign(leaf.subject)}",issuer="{foreign(leaf.issuer)}",serial="{foreign(leaf.serial)}",'
        f'fingerprint_sha256="{foreign(leaf.fingerprint_sha256)}",key="{foreign(leaf.key)}",'
        f'signature="{foreign(leaf.signature)}"'
    )
    return [(pairs, "1")]


def _of_mailbox(read: Callable[[MailboxFacts], int | None]) -> Callable[[EndpointState], Samples]:
    """A figure that is known if the last probe looked at a mailbox and the server told."""

    def samples(state: EndpointState) -> Samples:
        if state.latest is None or state.latest.mailbox is None:
            return ()
        figure = read(state.latest.mailbox)
        return () if figure is None else [(label_pairs([("mailbox", state.latest.mailbox.name)]), str(figure))]

    return samples


SEVERAL: Mapping[str, Callable[[EndpointState], Samples]] = MappingProxyType(
    {
        "mail_endpoint_info": _info,
        "mail_probe_failures_total": _failures,
        "mail_probe_failure_info": _failure,
        "mail_probe_last_reply_code": _reply_codes,
        "mail_auth_success": _auth_success,
        "mail_tls_verification_error_info": _problems,
        "mail_tls_info": _session,
        "mail_tls_certificate_info": _leaf,
        "mail_mailbox_messages": _of_mailbox(lambda mailbox: mailbox.messages),
        "mail_mailbox_unseen_messages": _of_mailbox(lambda mailbox: mailbox.unseen),
        "mail_mailbox_size_bytes": _of_mailbox(lambda mailbox: mailbox.size),
        "mail_mailbox_quota_used_bytes": _of_mailbox(lambda mailbox: mailbox.quota_used),
        "mail_mailbox_quota_limit_bytes": _of_mailbox(lambda mailbox: mailbox.quota_limit),
    }
)
"""Metrics whose series have further labels; an endpoint has any number of them."""

WITH_EXEMPLARS: Mapping[str, Callable[[EndpointState], Samples]] = MappingProxyType(
    {"mail_probe_failures_total": _failures_with_exemplars}
)
"""What OpenMetrics says more of; Prometheus' text format has no exemplars."""

PREPARED: Mapping[str, Callable[[Record], str]] = MappingProxyType(
    {
        "mail_probe_last_phase_duration_seconds": lambda record: record.phase_lines,
    }
)
"""Metrics whose lines were written when the probe ended, but for what stands at each `MARK`."""

HISTOGRAMS: Mapping[str, Callable[[EndpointState], Histogram]] = MappingProxyType(
    {
        "mail_probe_duration_seconds": lambda state: state.durations,
    }
)
"""Metrics with a histogram for each endpoint."""


def _unlabelled(value: str | None) -> Samples:
    return () if value is None else (("", value),)


EXPORTER: Mapping[str, Callable[[ExporterState], Samples]] = MappingProxyType(
    {
        "mail_oauth2_token_expiry_timestamp_seconds": lambda exporter: [
            (label_pairs([("credentials", name)]), timestamp(state.expires_at))
            for name, state in exporter.tokens.items()
            if state.expires_at is not None
        ],
        "mail_oauth2_token_requests_total": lambda exporter: [
            (label_pairs([("credentials", name), ("outcome", outcome.value)]), str(count))
            for name, state in exporter.tokens.items()
            for outcome, count in state.requests.items()
        ],
        "mail_exporter_build_info": lambda exporter: [
            (
                label_pairs(
                    [
                        ("version", exporter.build.version),
                        ("python_version", exporter.build.python_version),
                        ("openssl_version", exporter.build.openssl_version),
                    ]
                ),
                "1",
            )
        ],
        "mail_exporter_config_last_reload_successful": lambda exporter: _unlabelled(_flag(exporter.reload_successful)),
        "mail_exporter_config_last_reload_success_timestamp_seconds": lambda exporter: _unlabelled(
            None if exporter.reloaded_at is None else timestamp(exporter.reloaded_at)
        ),
        "mail_exporter_endpoints": lambda exporter: [
            (label_pairs([("protocol", protocol.value)]), str(count)) for protocol, count in exporter.endpoints.items()
        ],
        "mail_exporter_shard": lambda exporter: _unlabelled(str(exporter.shard)),
        "mail_exporter_total_shards": lambda exporter: _unlabelled(str(exporter.total_shards)),
        "mail_exporter_probes_in_flight": lambda exporter: _unlabelled(str(exporter.probes_in_flight)),
        "mail_exporter_probes_skipped_total": lambda exporter: [
            (label_pairs([("reason", reason.value)]), str(count)) for reason, count in exporter.skipped.items()
        ],
        "mail_exporter_web_config_last_reload_successful": lambda exporter: _unlabelled(
            _flag(exporter.web_config_successful)
        ),
        "mail_exporter_log_lines_dropped_total": lambda exporter: _unlabelled(str(exporter.log_lines_dropped)),
        "mail_exporter_task_failures_total": lambda exporter: [
            (label_pairs([("task", task.value)]), str(count)) for task, count in exporter.task_failures.items()
        ],
    }
)
"""Metrics of the exporter itself."""

EXPORTER_HISTOGRAMS: Mapping[str, Callable[[ExporterState], Histogram]] = MappingProxyType(
    {
        "mail_exporter_probe_start_delay_seconds": lambda exporter: exporter.start_delay,
        "mail_exporter_event_loop_lag_seconds": lambda exporter: exporter.lag,
        "mail_exporter_scrape_duration_seconds": lambda exporter: exporter.scrapes,
    }
)
"""Histograms of the exporter itself."""
