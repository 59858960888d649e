"""The status page's content as JSON: field names, units and what is null. docs/api.md describes it.

It turns values of the store into plain dictionaries. Field names are an interface:
one may be added, but neither renamed nor removed. Times are Unix timestamps in seconds, durations seconds, sizes bytes;
what is not known is null.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import fields
from types import MappingProxyType
from typing import Any, Final

from exporter.metrics.endpoint_state import EndpointState, Health
from exporter.metrics.history import KeptFailure
from exporter.metrics.record import Record, unfold
from exporter.model import CertificateFacts, Facts, Failure, MailboxFacts, ProbeResult, TlsFacts, TranscriptLine
from exporter.web.survey import Expiry, Survey

JsonObject = dict[str, Any]

ENDPOINTS_AT_ONCE = 10
"""In a slice of the list: about a millisecond's work."""


def endpoint_list(survey: Survey, now: float) -> Iterator[bytes]:
    """The answer to `/api/v1/endpoints`, in slices."""
    first = survey.first_expiry
    summary = {
        **{health.value: count for health, count in survey.counts.items()},
        "first_certificate_expiry": None if first is None else _expiry(first),
        "expired_certificates": survey.expired,
        "reasons": dict(survey.reasons),
    }
    yield f'{{"generated_at": {json.dumps(now)}, "summary": {json.dumps(summary)}, "endpoints": ['.encode()
    separator = "\n"
    for start in range(0, len(survey.selected), ENDPOINTS_AT_ONCE):
        objects = [json.dumps(endpoint_summary(state)) for state in survey.selected[start : start + ENDPOINTS_AT_ONCE]]
        yield (separator + ",\n".join(objects)).encode()
        separator = ",\n"
    yield b"\n]}\n"


def _expiry(expiry: Expiry) -> JsonObject:
    endpoint = expiry.endpoint
    return {"endpoint": endpoint.name, "address": endpoint.only_address, "not_after": expiry.at}


def endpoint_detail(state: EndpointState, others: Sequence[EndpointState], now: float) -> Iterator[bytes]:
    """The answer to `/api/v1/endpoints/NAME`, in one slice.

    Args:
        state: What is asked for.
        others: All the addresses of the endpoint, where each has a state.
        now: Unix timestamp.
    """
    name = state.endpoint.name
    answer = {
        "generated_at": now,
        **endpoint_summary(state),
        "addresses": [{"address": each.endpoint.only_address, "state": each.health} for each in others] or None,
        "last_probe": _detailed(state.latest, name),
        "last_failure": None if state.last_failed is None else _kept(state.last_failed, name),
        **_past(state),
    }
    yield f"{json.dumps(answer, indent=1)}\n".encode()


def _past(state: EndpointState) -> JsonObject:
    history = state.history
    return {
        "history": [
            {
                "ended_at": attempt.ended_at,
                "duration_seconds": attempt.duration,
                "reason": attempt.reason,
                "phase": attempt.phase,
            }
            for attempt in state.attempts
        ],
        "failures_kept": [
            {"id": kept.id, "ended_at": kept.ended_at, "failure": _failure(kept.failure)} for kept in history.failures
        ],
        "state_changes": [
            {"at": turn.at, "state": Health.UP if turn.reason is None else Health.FAILING}
            | {"reason": turn.reason, "phase": turn.phase}
            for turn in history.turns
        ],
        "server_changes": [
            {"at": change.at, "what": change.fact, "before": change.before, "after": change.after}
            for change in history.changes
        ],
        "half_hours": {"newest": history.timeline.newest, "runs": str(history.timeline)},
    }


def endpoint_summary(state: EndpointState) -> JsonObject:
    """What the list tells of an endpoint."""
    endpoint = state.endpoint
    return {
        "name": endpoint.name,
        "address": endpoint.only_address,
        "protocol": endpoint.protocol,
        "host": endpoint.host,
        "port": endpoint.port,
        "encryption": endpoint.encryption,
        "priority": endpoint.priority,
        "remark": endpoint.remark or None,
        "interval_seconds": endpoint.interval,
        "timeout_seconds": endpoint.timeout,
        "labels": dict(endpoint.labels),
        "state": state.health,
        "probes": state.probes,
        "failures": [
            {"reason": reason, "phase": phase, "count": count} for (reason, phase), count in state.failures.items()
        ],
        "last_success_at": state.last_success_at,
        "since": state.history.since,
        "probes_in_a_row": state.history.streak,
        "flapping": state.flaps,
        "last_probe": None if state.latest is None else _outcome(unfold(state.latest, endpoint.name, transcript=False)),
    }


def failure_detail(state: EndpointState, kept: KeptFailure, now: float) -> Iterator[bytes]:
    """The answer to `/api/v1/endpoints/NAME/failures/ID`, in one slice."""
    endpoint = state.endpoint
    answer = {
        "generated_at": now,
        "endpoint": endpoint.name,
        "address": endpoint.only_address,
        **_kept(kept, endpoint.name),
    }
    yield f"{json.dumps(answer, indent=1)}\n".encode()


def _kept(kept: KeptFailure, name: str) -> JsonObject:
    return {"id": kept.id, **probe_document(kept.result(name))}


def _detailed(record: Record | None, name: str) -> JsonObject | None:
    return None if record is None else probe_document(unfold(record, name))


def probe_document(result: ProbeResult) -> JsonObject:
    """A result with all that takes room; what `mail-exporter probe --json` prints is the same."""
    outcome = _outcome(result)
    if result.facts.tls is not None:
        outcome["tls"]["chain"] = [_written(certificate) for certificate in result.facts.tls.chain]
        outcome["tls"]["verified_chain"] = [_written(certificate) for certificate in result.facts.tls.verified_chain]
    return {
        **outcome,
        "capabilities": None if result.facts.capabilities is None else list(result.facts.capabilities),
        "transcript": [_line(line) for line in result.transcript],
    }


def _outcome(result: ProbeResult) -> JsonObject:
    return {
        "success": result.failure is None,
        "failure": _failure(result.failure),
        "started_at": result.started_at,
        "ended_at": result.ended_at,
        "duration_seconds": result.duration,
        "phases": [
            {"phase": span.phase, "start_seconds": span.start, "duration_seconds": span.duration}
            for span in result.spans
        ],
        "login_paused": result.login_paused,
        **_written(result.facts, without=_LARGE),
    }


_LARGE: Final = frozenset({"capabilities"})
"""Facts that lists leave out."""

_UNITS: Final[Mapping[str, str]] = MappingProxyType(
    {each: f"{each}_bytes" for each in ("size", "size_limit", "quota_used", "quota_limit")}
)
"""Names of fields that say their unit here."""


def _written(facts: Facts | MailboxFacts | CertificateFacts, without: Collection[str] = ()) -> JsonObject:
    """Each field under its own name, so that a new one needs nothing here."""
    return {
        _UNITS.get(field.name, field.name): _FORMS.get(field.name, _as_it_is)(getattr(facts, field.name))
        for field in fields(facts)
        if field.name not in without
    }


def _as_it_is(value: Any) -> Any:
    return value


def _failure(failure: Failure | None) -> JsonObject | None:
    if failure is None:
        return None
    return {"reason": failure.reason, "phase": failure.phase, "detail": failure.detail}


def _tls(tls: TlsFacts | None) -> JsonObject | None:
    if tls is None:
        return None
    return {
        "version": tls.version,
        "cipher": tls.cipher,
        "group": tls.group,
        "verified": tls.verified,
        "problems": list(tls.problems),
        "detail": tls.detail,
        "ocsp_stapled": tls.ocsp_stapled,
        "ocsp_status": tls.ocsp_status,
        "ocsp_next_update": tls.ocsp_next_update,
        "certificate_not_before": tls.chain[0].not_before if tls.chain else None,
        "certificate_not_after": tls.chain[0].not_after if tls.chain else None,
        "chain_not_after": tls.chain_not_after,
        "verified_chain_not_after": tls.verified_chain_not_after,
    }


_FORMS: Final[Mapping[str, Callable[[Any], Any]]] = MappingProxyType(
    {
        "tls": _tls,
        "mailbox": lambda mailbox: None if mailbox is None else _written(mailbox),
        "reply_codes": lambda codes: dict(codes or ()),
    }
)
"""Fields that hold more than one value."""


def _line(line: TranscriptLine) -> JsonObject:
    return {"at_seconds": line.at, "direction": line.direction.name.lower(), "text": line.text}
