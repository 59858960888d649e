"""Whatever probes return, prometheus_client's parsers read back just what the results say."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.metrics.exporter_state import BuildInfo
from exporter.metrics.exposition import Format
from exporter.metrics.histogram import PROBE_BUCKETS
from exporter.metrics.label_text import VALUE_LIMIT
from exporter.metrics.record import Shared, fold, unfold
from exporter.metrics.store import Store
from exporter.model import (
    CertificateFacts,
    CertificateProblem,
    Direction,
    Encryption,
    Endpoint,
    Facts,
    Failure,
    FailureReason,
    MailboxFacts,
    Mechanism,
    Phase,
    ProbeResult,
    Protocol,
    Span,
    TlsFacts,
    TranscriptLine,
)
from tests.unit.scraping import Samples, exposed, samples

Sample = tuple[str, dict[str, str], float]

ANYTHING = st.characters(codec=None)
HOSTILE = st.text(ANYTHING, max_size=12) | st.text(ANYTHING, min_size=250, max_size=260)
"""Any code points at all, half surrogate pairs included; short, or about as long as a label may be."""
SECONDS = st.floats(0.0, 86_400.0)
MOMENTS = st.floats(-62_135_596_800.0, 253_402_300_799.0)
"""From the year 1 to 9999, which is what a certificate can say."""
COUNTS = st.none() | st.integers(0, 2**63)
NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1, max_size=30)

CERTIFICATES = st.builds(
    CertificateFacts,
    subject=HOSTILE,
    issuer=HOSTILE,
    serial=st.text("0123456789abcdef", max_size=600),
    not_before=MOMENTS,
    not_after=MOMENTS,
    names=st.lists(HOSTILE, max_size=2).map(tuple),
    fingerprint_sha256=st.text("0123456789abcdef", min_size=64, max_size=64),
    public_key_sha256=st.text("0123456789abcdef", min_size=64, max_size=64),
    key=HOSTILE,
    signature=HOSTILE,
)
TLS = st.builds(
    TlsFacts,
    version=HOSTILE,
    cipher=HOSTILE,
    group=st.none() | HOSTILE,
    chain=st.lists(CERTIFICATES, max_size=3).map(tuple),
    problems=st.lists(st.sampled_from(CertificateProblem), unique=True).map(tuple),
    detail=HOSTILE,
    ocsp_stapled=st.booleans(),
    ocsp_next_update=st.none() | MOMENTS,
)
MAILBOXES = st.builds(
    MailboxFacts, name=NAMES, messages=COUNTS, unseen=COUNTS, size=COUNTS, quota_used=COUNTS, quota_limit=COUNTS
)
PRINTABLE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=60)


@st.composite
def results(draw: st.DrawFn) -> ProbeResult:
    login = draw(st.none() | st.tuples(st.sampled_from(Mechanism), st.booleans()))
    return ProbeResult(
        endpoint="overwritten",
        started_at=draw(st.floats(0.0, 4e9)),
        duration=draw(SECONDS),
        own_time=draw(SECONDS),
        spans=tuple(draw(st.lists(st.builds(Span, st.sampled_from(Phase), SECONDS, SECONDS), max_size=12))),
        failure=draw(st.none() | st.builds(Failure, st.sampled_from(FailureReason), st.sampled_from(Phase), PRINTABLE)),
        facts=Facts(
            address=draw(st.none() | st.ip_addresses().map(str)),
            tls=draw(st.none() | TLS),
            starttls_offered=draw(st.none() | st.booleans()),
            capabilities=draw(st.none() | st.lists(PRINTABLE.filter(bool), max_size=5).map(tuple)),
            auth_mechanism=login and login[0],
            auth_success=login and login[1],
            reply_codes=tuple(draw(st.dictionaries(st.sampled_from(Phase), st.integers(200, 599))).items()) or None,
            size_limit=draw(COUNTS),
            mailbox=draw(st.none() | MAILBOXES),
        ),
        transcript=tuple(
            TranscriptLine(number / 64, direction, text)
            for number, (direction, text) in enumerate(
                draw(st.lists(st.tuples(st.sampled_from(Direction), PRINTABLE), max_size=60))
            )
        ),
    )


@st.composite
def scenes(draw: st.DrawFn) -> list[tuple[Endpoint, list[ProbeResult]]]:
    names = draw(st.lists(NAMES, max_size=3, unique=True))
    return [
        (
            Endpoint(
                name=name,
                protocol=draw(st.sampled_from(Protocol)),
                host="mail.example.com",
                port=draw(st.integers(1, 65535)),
                encryption=draw(st.sampled_from(Encryption)),
                interval=float(draw(st.integers(1, 86_400))),
                labels=draw(st.dictionaries(st.sampled_from(["team", "site"]), NAMES)),
                provider=draw(st.sampled_from([None, "gmail"])),
            ),
            [replace(result, endpoint=name) for result in draw(st.lists(results(), max_size=3))],
        )
        for name in names
    ]


def shown(text: str, limit: int | None = VALUE_LIMIT) -> str:
    """A label value as the document promises it."""
    cut = text if limit is None or len(text) <= limit else f"{text[: limit - 1]}…"
    return re.sub("[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff]", "\ufffd", cut)


def expected(endpoint: Endpoint, probes: Sequence[ProbeResult]) -> Iterator[Sample]:
    """What Prometheus is to see of an endpoint, said as plainly as can be."""
    yield (
        "mail_endpoint_info",
        {
            "host": endpoint.host,
            "port": str(endpoint.port),
            "encryption": endpoint.encryption,
            "provider": endpoint.provider or "",
        },
        1.0,
    )
    yield "mail_endpoint_interval_seconds", {}, endpoint.interval
    yield "mail_probes_total", {}, len(probes)
    counts = [sum(1 for probe in probes if probe.duration <= bound) for bound in (*PROBE_BUCKETS, float("inf"))]
    for bound, count in zip((*map(str, PROBE_BUCKETS), "+Inf"), counts, strict=True):
        yield "mail_probe_duration_seconds_bucket", {"le": bound}, count
    yield "mail_probe_duration_seconds_sum", {}, [*accumulate((p.duration for p in probes), initial=0.0)][-1]
    yield "mail_probe_duration_seconds_count", {}, len(probes)
    failures = [(probe.failure.reason, probe.failure.phase) for probe in probes if probe.failure]
    for reason, phase in set(failures):
        yield "mail_probe_failures_total", {"reason": reason, "phase": phase}, failures.count((reason, phase))
    for probe in [probe for probe in probes if not probe.failure][-1:]:
        yield "mail_probe_last_success_timestamp_seconds", {}, probe.ended_at
    for login in [probe for probe in probes if probe.facts.auth_success is not None][-1:]:
        yield "mail_auth_success", {"mechanism": str(login.facts.auth_mechanism)}, bool(login.facts.auth_success)
    for probe in probes[-1:]:
        yield from expected_of_last(endpoint, probe)


def expected_of_last(endpoint: Endpoint, probe: ProbeResult) -> Iterator[Sample]:
    yield "mail_probe_success", {}, probe.failure is None
    yield "mail_probe_last_duration_seconds", {}, probe.duration
    yield "mail_probe_last_run_timestamp_seconds", {}, probe.ended_at
    for phase, seconds in probe.phase_durations.items():
        yield "mail_probe_last_phase_duration_seconds", {"phase": phase}, seconds
    if probe.failure:
        yield "mail_probe_failure_info", {"reason": probe.failure.reason, "phase": probe.failure.phase}, 1.0
    facts = probe.facts
    for phase, code in facts.reply_codes or ():
        yield "mail_probe_last_reply_code", {"phase": phase}, code
    if facts.address:
        yield "mail_probe_ip_protocol", {}, 6 if ":" in facts.address else 4
    if facts.starttls_offered is not None and endpoint.encryption in {Encryption.STARTTLS, Encryption.OPPORTUNISTIC}:
        yield "mail_starttls_offered", {}, facts.starttls_offered
    if facts.size_limit is not None:
        yield "mail_smtp_size_limit_bytes", {}, facts.size_limit
    if facts.mailbox:
        yield from expected_of_mailbox(facts.mailbox)
    if facts.tls:
        yield from expected_of_tls(facts.tls)


def expected_of_mailbox(mailbox: MailboxFacts) -> Iterator[Sample]:
    figures = {
        "mail_mailbox_messages": mailbox.messages,
        "mail_mailbox_unseen_messages": mailbox.unseen,
        "mail_mailbox_size_bytes": mailbox.size,
        "mail_mailbox_quota_used_bytes": mailbox.quota_used,
        "mail_mailbox_quota_limit_bytes": mailbox.quota_limit,
    }
    for name, figure in figures.items():
        if figure is not None:
            yield name, {"mailbox": shown(mailbox.name, None)}, figure


def expected_of_tls(tls: TlsFacts) -> Iterator[Sample]:
    session = {"version": shown(tls.version), "cipher": shown(tls.cipher), "group": shown(tls.group or "")}
    yield "mail_tls_info", session, 1.0
    yield "mail_tls_verified", {}, tls.verified
    yield "mail_tls_ocsp_stapled", {}, tls.ocsp_stapled
    if tls.ocsp_next_update is not None:
        yield "mail_tls_ocsp_next_update_timestamp_seconds", {}, tls.ocsp_next_update
    for problem in tls.problems:
        yield "mail_tls_verification_error_info", {"error": problem}, 1.0
    if tls.verified_chain_not_after is not None:
        yield "mail_tls_verified_chain_not_after_timestamp_seconds", {}, tls.verified_chain_not_after
    for leaf in tls.chain[:1]:
        if leaf.not_before is not None:
            yield "mail_tls_certificate_not_before_timestamp_seconds", {}, leaf.not_before
        if leaf.not_after is not None:
            yield "mail_tls_certificate_not_after_timestamp_seconds", {}, leaf.not_after
        ends = [each.not_after for each in tls.chain if each.not_after is not None]
        if ends:
            yield "mail_tls_chain_not_after_timestamp_seconds", {}, min(ends)
        texts = ("subject", "issuer", "serial", "fingerprint_sha256", "key", "signature")
        yield "mail_tls_certificate_info", {name: shown(getattr(leaf, name)) for name in texts}, 1.0


@pytest.mark.parametrize("form", Format, ids=lambda form: form.name.lower())
@given(scene=scenes())
def test_what_was_learnt_is_what_prometheus_reads(
    form: Format, scene: list[tuple[Endpoint, list[ProbeResult]]]
) -> None:
    store = Store(BuildInfo("1", "3", "3"))
    store.configure([endpoint for endpoint, _ in scene])
    wanted: Samples = {}
    for endpoint, probes in scene:
        for probe in probes:
            store.record(probe)
        own = {"endpoint": endpoint.name, "protocol": endpoint.protocol, **endpoint.labels}
        for name, labels, figure in expected(endpoint, probes):
            wanted[name, frozenset({**own, **labels}.items())] = float(figure)

    read = samples(exposed(store.snapshot(), form), form)

    seen = {key: value for key, value in read.items() if not key[0].startswith("mail_exporter_")}
    assert wanted.keys() == seen.keys()
    assert {key: pytest.approx(value, abs=precision(key[0])) for key, value in wanted.items()} == seen


def precision(name: str) -> float:
    """Half of the last digit that is written, and a little for the rounding of sums."""
    return 5.1e-4 if name.endswith("_timestamp_seconds") else 5.1e-7


@given(result=results(), before=st.none() | results())
def test_a_folded_result_comes_back_as_it_was(result: ProbeResult, before: ProbeResult | None) -> None:
    shared = Shared()
    previous = None if before is None else fold(before, None, shared)

    assert result == unfold(fold(result, previous, shared), result.endpoint)
