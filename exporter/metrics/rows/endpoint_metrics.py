"""The metrics of endpoints except those of TLS: one row each, with the function that reads its values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from exporter.metrics.endpoint_state import ADDRESS_LABEL, ENDPOINT_LABELS, EndpointState
from exporter.metrics.histogram import PROBE_BUCKETS
from exporter.metrics.label_text import escaped, label_pairs
from exporter.metrics.record import MARK, Record
from exporter.metrics.rows.metric import (
    COUNTER,
    HISTOGRAM,
    Metric,
    SampleReader,
    TextSamples,
    count,
    flag,
    one,
    seconds,
    several,
    spread,
    timestamp,
)
from exporter.metrics.rows.tls_metrics import TLS_METRICS
from exporter.model import Encryption, FailureReason, Label, MailboxFacts, Phase


def of_record(read: Callable[[Record], str | None]) -> SampleReader[EndpointState]:
    """One series for each endpoint, once it was probed."""

    def write(metric: Metric[EndpointState], states: Sequence[EndpointState]) -> str:
        name = metric.name
        return "".join(
            [
                f"{name}{{{state.labels}}} {value}\n"
                for state in states
                if (record := state.latest) is not None and (value := read(record)) is not None
            ]
        )

    return write


def prepared(read: Callable[[Record], str]) -> SampleReader[EndpointState]:
    """Lines that were written when the probe ended. Only each `MARK` is replaced now."""

    def write(metric: Metric[EndpointState], states: Sequence[EndpointState]) -> str:
        name = metric.name
        return "".join(
            [
                read(record).replace(MARK, f"{name}{{{state.labels},")
                for state in states
                if (record := state.latest) is not None
            ]
        )

    return write


_PHASE_PAIRS = {phase: label_pairs([("phase", phase.value)]) for phase in Phase}


def _ip_protocol(record: Record) -> str | None:
    return None if record.facts.address is None else "6" if ":" in record.facts.address else "4"


def _starttls_offered(state: EndpointState) -> str | None:
    if state.latest is None or state.endpoint.encryption not in (Encryption.STARTTLS, Encryption.OPPORTUNISTIC):
        return None
    return flag(state.latest.facts.starttls_offered)


def _info(state: EndpointState) -> TextSamples:
    endpoint = state.endpoint
    pairs = (
        f'host="{escaped(endpoint.host)}",port="{endpoint.port}",encryption="{endpoint.encryption.value}",'
        f'provider="{escaped(endpoint.provider or "")}"'
    )
    if endpoint.priority is not None:
        pairs += f',priority="{endpoint.priority}"'
    return [(pairs, "1")]


def _failure_pairs(reason: FailureReason, phase: Phase) -> str:
    return label_pairs([("reason", reason.value), ("phase", phase.value)])


def _failures(state: EndpointState) -> TextSamples:
    if not state.failures:
        return ()
    return [(_failure_pairs(reason, phase), str(count)) for (reason, phase), count in state.failures.items()]


def _failures_with_exemplars(state: EndpointState) -> TextSamples:
    """OpenMetrics 1.0 4.6.1: the exemplar is the last failure of each kind, if it is still kept and so has a page."""
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


def _failure(state: EndpointState) -> TextSamples:
    if state.latest is None or state.latest.failure is None:
        return ()
    return [(_failure_pairs(state.latest.failure.reason, state.latest.failure.phase), "1")]


def _reply_codes(state: EndpointState) -> TextSamples:
    if state.latest is None:
        return ()
    return [(_PHASE_PAIRS[phase], str(code)) for phase, code in state.latest.facts.reply_codes or ()]


def _auth_success(state: EndpointState) -> TextSamples:
    if state.last_login is None:
        return ()
    mechanism, accepted = state.last_login
    return [(f'mechanism="{mechanism.value}"', "1" if accepted else "0")]


def _backoff(state: EndpointState) -> str | None:
    return None if state.endpoint.credentials is None else seconds(state.held_back)


def _of_mailbox(read: Callable[[MailboxFacts], int | None]) -> Callable[[EndpointState], TextSamples]:
    """A value of the mailbox, if the last probe opened one and the server gave the value."""

    def samples(state: EndpointState) -> TextSamples:
        if state.latest is None or state.latest.facts.mailbox is None:
            return ()
        figure = read(state.latest.facts.mailbox)
        return () if figure is None else [(label_pairs([("mailbox", state.latest.facts.mailbox.name)]), str(figure))]

    return samples


ENDPOINT_METRICS: tuple[Metric[EndpointState], ...] = (
    Metric(
        "mail_endpoint_info",
        "What the endpoint is, and from which preset; the value is always 1.",
        several(_info),
        ("host", "port", "encryption", "provider", "priority"),
    ),
    Metric(
        "mail_endpoint_interval_seconds",
        "How often the endpoint is probed.",
        one(lambda state: f"{state.endpoint.interval:g}"),
        of_schedule=True,
    ),
    Metric(
        "mail_probe_success",
        "Whether the last probe succeeded: 1 or 0.",
        of_record(lambda record: "0" if record.failure else "1"),
    ),
    Metric(
        "mail_probe_last_duration_seconds",
        "How long server and network took in the last probe. "
        "If the connection was refused or closed, this includes the time until then.",
        of_record(lambda record: seconds(record.duration)),
    ),
    Metric(
        "mail_probe_last_phase_duration_seconds",
        "How long server and network took in each phase of the last probe; phases that were not reached are absent. "
        "If the connection was refused or closed, this includes the time until then.",
        prepared(lambda record: record.phase_lines),
        ("phase",),
    ),
    Metric(
        "mail_probe_last_run_timestamp_seconds",
        "When the last probe ended.",
        of_record(lambda record: timestamp(record.ended_at)),
    ),
    Metric(
        "mail_probe_last_success_timestamp_seconds",
        "When the last successful probe ended.",
        one(lambda state: timestamp(state.last_success_at)),
    ),
    Metric(
        "mail_probe_duration_seconds",
        "How long server and network took, in successful and failed probes.",
        spread(PROBE_BUCKETS, lambda state: state.durations),
        type=HISTOGRAM,
    ),
    Metric("mail_probes_total", "Probes finished.", one(lambda state: str(state.probes)), type=COUNTER),
    Metric(
        "mail_probe_failures_total",
        "Probes failed; a reason and phase is absent until it has happened.",
        several(_failures),
        ("reason", "phase"),
        exemplars=several(_failures_with_exemplars),
        type=COUNTER,
    ),
    Metric(
        "mail_probe_failure_info",
        "Why the last probe failed; absent if it succeeded, else 1.",
        several(_failure),
        ("reason", "phase"),
    ),
    Metric(
        "mail_probe_last_reply_code",
        "SMTP: the last reply code in each phase of the last probe.",
        several(_reply_codes),
        ("phase",),
    ),
    Metric("mail_probe_ip_protocol", "The IP version that the last probe used: 4 or 6.", of_record(_ip_protocol)),
    Metric(
        "mail_auth_success",
        "Whether the server accepted the last login that was tried: 1 or 0; absent before the first.",
        several(_auth_success),
        ("mechanism",),
    ),
    Metric(
        "mail_auth_backoff_seconds",
        "Time until a refused login is tried again, 0 if none is paused; only for endpoints that log in.",
        one(_backoff),
        of_schedule=True,
    ),
    *TLS_METRICS,
    Metric(
        "mail_starttls_offered",
        "Whether the server offered STARTTLS: 1 or 0; only for endpoints that are configured to use it.",
        one(_starttls_offered),
    ),
    Metric(
        "mail_smtp_size_limit_bytes",
        "SMTP: the largest message that the server accepts, from its reply to EHLO.",
        of_record(lambda record: count(record.facts.size_limit)),
    ),
    Metric(
        "mail_mailbox_messages",
        "Messages in the mailbox.",
        several(_of_mailbox(lambda mailbox: mailbox.messages)),
        ("mailbox",),
    ),
    Metric(
        "mail_mailbox_unseen_messages",
        "Messages in the mailbox that nobody has seen.",
        several(_of_mailbox(lambda mailbox: mailbox.unseen)),
        ("mailbox",),
    ),
    Metric(
        "mail_mailbox_size_bytes",
        "Size of the mailbox.",
        several(_of_mailbox(lambda mailbox: mailbox.size)),
        ("mailbox",),
    ),
    Metric(
        "mail_mailbox_quota_used_bytes",
        "Used part of the quota of the mailbox's quota root.",
        several(_of_mailbox(lambda mailbox: mailbox.quota_used)),
        ("mailbox",),
    ),
    Metric(
        "mail_mailbox_quota_limit_bytes",
        "Limit of the quota of the mailbox's quota root.",
        several(_of_mailbox(lambda mailbox: mailbox.quota_limit)),
        ("mailbox",),
    ),
    Metric(
        "mail_mailbox_readable",
        "Whether the newest messages can all be read: 1 or 0.",
        several(_of_mailbox(lambda mailbox: None if mailbox.unreadable is None else int(not mailbox.unreadable))),
        ("mailbox",),
    ),
    Metric(
        "mail_mailbox_unreadable_messages",
        "Number of the newest messages that cannot be read.",
        several(_of_mailbox(lambda mailbox: mailbox.unreadable)),
        ("mailbox",),
    ),
)
"""Metrics with series for each endpoint."""


def label_names(metrics: Iterable[Metric[EndpointState]] = ENDPOINT_METRICS) -> frozenset[str]:
    """All labels of these metrics. Configured labels may not have these names."""
    further = {label for metric in metrics for label in metric.labels}
    return frozenset({*ENDPOINT_LABELS, ADDRESS_LABEL, Label.LE, *further})
