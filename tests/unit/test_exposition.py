from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace

import pytest

from exporter.metrics.endpoint_state import ENDPOINT_LABELS
from exporter.metrics.exposition import SLICE_SIZE, Format, expose, process_collectors
from exporter.metrics.label_text import VALUE_LIMIT
from exporter.metrics.rows.endpoint_metrics import ENDPOINT_METRICS
from exporter.metrics.store import Snapshot, Store
from exporter.model import (
    CertificateProblem,
    Encryption,
    FailureReason,
    MailboxFacts,
    Phase,
    Protocol,
    SkipReason,
)
from tests.unit.exposing import BUILD, FORMATS, MONITOR, NAME, scraped, snapshot_of
from tests.unit.results import DAY, NOON, certificate, endpoint, failure, success, tls
from tests.unit.scraping import exposed, families, samples, series, value


def rich_snapshot() -> Snapshot:
    """Endpoints of every kind, and an exporter of which everything is known."""
    store = Store(BUILD)
    store.exporter.configure_tokens(["contoso"])
    store.exporter.token_held("contoso", NOON + 3600)
    store.configure(
        [
            endpoint("up", Protocol.SMTP, labels={"team": "mail"}, credentials=MONITOR, provider="gmail", priority=10),
            endpoint("failing"),
            endpoint("waiting", Protocol.POP3),
            endpoint('odd "name"\\\n', Protocol.IMAP),
        ]
    )
    store.record(success("up"))
    bad = tls(CertificateProblem.EXPIRED, CertificateProblem.NAME_MISMATCH, group=None)
    store.record(failure(FailureReason.TLS_CERTIFICATE_EXPIRED, Phase.TLS, "failing", tls=bad))
    store.record(success('odd "name"\\\n', tls=tls(leaf=certificate('CN=a "quoted" \\, name\n\x00\x1b[31m\ud800'))))
    store.exporter.reloaded(successful=True, at=NOON)
    store.exporter.observe_lag(0.001)
    store.exporter.skipped(SkipReason.OVERLAP)
    return store.snapshot()


def test_a_waiting_endpoint_is_written_as_prometheus_text() -> None:
    text = exposed(snapshot_of())

    labels = f'endpoint="{NAME}",protocol="imap"'
    assert text.startswith(f"""\
# HELP mail_endpoint_info What the endpoint is, and from which preset; the value is always 1.
# TYPE mail_endpoint_info gauge
mail_endpoint_info{{{labels},host="mail.example.com",port="993",encryption="tls",provider=""}} 1
# HELP mail_endpoint_interval_seconds How often the endpoint is probed.
# TYPE mail_endpoint_interval_seconds gauge
mail_endpoint_interval_seconds{{{labels}}} 60
# HELP mail_probe_duration_seconds How long server and network took, in successful and failed probes.
# TYPE mail_probe_duration_seconds histogram
mail_probe_duration_seconds_bucket{{{labels},le="0.005"}} 0
""")
    assert (
        f"""\
mail_probe_duration_seconds_bucket{{{labels},le="30.0"}} 0
mail_probe_duration_seconds_bucket{{{labels},le="+Inf"}} 0
mail_probe_duration_seconds_sum{{{labels}}} 0.000000
mail_probe_duration_seconds_count{{{labels}}} 0
# HELP mail_probes_total Probes finished.
# TYPE mail_probes_total counter
mail_probes_total{{{labels}}} 0
# HELP mail_exporter_build_info"""
        in text
    )


def test_openmetrics_names_units_and_families_and_ends_with_its_mark() -> None:
    text = exposed(snapshot_of(), Format.OPENMETRICS)

    assert "# TYPE mail_probes counter\n" in text
    assert 'mail_probes_total{endpoint="' in text
    assert "# UNIT mail_probe_duration_seconds seconds\n" in text
    assert text.endswith("\n# EOF\n")


def test_both_formats_hold_the_same_samples() -> None:
    snapshot = rich_snapshot()

    text, openmetrics = (samples(exposed(snapshot, form), form) for form in Format)

    assert text == openmetrics


@FORMATS
def test_two_scrapes_of_a_moment_are_alike_to_the_byte(form: Format) -> None:
    snapshot = rich_snapshot()

    assert exposed(snapshot, form) == exposed(snapshot, form)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_promtool_has_no_complaint() -> None:
    text = b"".join(expose(rich_snapshot(), Format.TEXT, process_collectors()))

    checked = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, check=False)

    assert (b"", b"", 0) == (checked.stdout, checked.stderr, checked.returncode)


@FORMATS
def test_the_process_and_python_are_shown_too(form: Format) -> None:
    text = b"".join(expose(snapshot_of(), form, process_collectors())).decode()

    read = samples(text, form)
    assert (value(read, "process_resident_memory_bytes") or 0.0) > 1_000_000
    assert 1.0 == value(read, "python_info")
    assert (value(read, "process_cpu_seconds_total") or 0.0) > 0.0


def test_a_success_shows_all_that_was_learnt() -> None:
    read = scraped(success(NAME), of=endpoint(NAME, encryption=Encryption.STARTTLS))

    assert 1.0 == value(read, "mail_probe_success")
    assert 0.282974 == value(read, "mail_probe_last_duration_seconds")
    assert 0.088404 == value(read, "mail_probe_last_phase_duration_seconds", phase="auth")
    assert 0.037635 == value(read, "mail_probe_last_phase_duration_seconds", phase="capability")
    assert value(read, "mail_probe_last_run_timestamp_seconds") == NOON + 0.283
    assert value(read, "mail_probe_last_success_timestamp_seconds") == NOON + 0.283
    assert 1.0 == value(read, "mail_probes_total")
    assert 0.0 == value(read, "mail_probe_duration_seconds_bucket", le="0.25")
    assert 1.0 == value(read, "mail_probe_duration_seconds_bucket", le="0.5")
    assert 0.282974 == value(read, "mail_probe_duration_seconds_sum")
    assert 235.0 == value(read, "mail_probe_last_reply_code", phase="auth")
    assert 4.0 == value(read, "mail_probe_ip_protocol")
    assert 1.0 == value(read, "mail_auth_success", mechanism="PLAIN")
    assert value(read, "mail_tls_certificate_not_before_timestamp_seconds") == NOON - 30 * DAY
    assert value(read, "mail_tls_certificate_not_after_timestamp_seconds") == NOON + 60 * DAY
    assert 1.0 == value(read, "mail_tls_verified")
    assert 1.0 == value(read, "mail_tls_info", version="TLSv1.3", cipher="TLS_AES_256_GCM_SHA384", group="x25519")
    assert 1.0 == value(read, "mail_tls_certificate_info", subject="CN=mail.example.com", key="EC P-256")
    assert 0.0 == value(read, "mail_tls_ocsp_stapled")
    assert 1.0 == value(read, "mail_starttls_offered")
    assert 52_428_800.0 == value(read, "mail_smtp_size_limit_bytes")
    assert 42.0 == value(read, "mail_mailbox_messages", mailbox="INBOX")
    assert 3.0 == value(read, "mail_mailbox_unseen_messages", mailbox="INBOX")
    assert 123_456.0 == value(read, "mail_mailbox_size_bytes", mailbox="INBOX")
    assert 10_240.0 == value(read, "mail_mailbox_quota_used_bytes", mailbox="INBOX")
    assert 1_048_576.0 == value(read, "mail_mailbox_quota_limit_bytes", mailbox="INBOX")
    assert {} == series(read, "mail_probe_failure_info")
    assert {} == series(read, "mail_tls_verification_error_info")


def test_what_a_failed_probe_did_not_learn_is_absent() -> None:
    read = scraped(failure(FailureReason.CONNECT_REFUSED, Phase.CONNECT, NAME))

    known = {
        "mail_endpoint_info",
        "mail_endpoint_interval_seconds",
        "mail_probe_success",
        "mail_probe_last_duration_seconds",
        "mail_probe_last_phase_duration_seconds",
        "mail_probe_last_run_timestamp_seconds",
        "mail_probe_duration_seconds_bucket",
        "mail_probe_duration_seconds_sum",
        "mail_probe_duration_seconds_count",
        "mail_probes_total",
        "mail_probe_failures_total",
        "mail_probe_failure_info",
    }
    assert known == {name for name, labels in read if ("endpoint", NAME) in labels}
    assert 0.0 == value(read, "mail_probe_success")


def test_a_failure_is_told_until_the_next_success_and_counted_for_ever() -> None:
    failed = failure(FailureReason.AUTH_REJECTED, Phase.AUTH, NAME)

    during, after = scraped(failed), scraped(failed, success(NAME))

    assert 1.0 == value(during, "mail_probe_failure_info", reason="auth_rejected", phase="auth")
    assert 1.0 == value(during, "mail_probe_failures_total", reason="auth_rejected", phase="auth")
    assert {} == series(after, "mail_probe_failure_info")
    assert 1.0 == value(after, "mail_probe_failures_total", reason="auth_rejected", phase="auth")


def test_openmetrics_leads_to_the_last_failure_of_each_kind_that_is_still_kept() -> None:
    kinds = [(FailureReason.TIMEOUT, Phase.TLS), *20 * [(FailureReason.CONNECT_REFUSED, Phase.CONNECT)]]
    results = [failure(*kind, started_at=NOON + number, duration=0.125) for number, kind in enumerate(kinds)]
    moment = snapshot_of(*results)

    def counters(form: Format) -> list[str]:
        return [line for line in exposed(moment, form).splitlines() if line.startswith("mail_probe_failures_total{")]

    labels = f'mail_probe_failures_total{{endpoint="{NAME}",protocol="imap"'
    plain = [
        f'{labels},reason="timeout",phase="tls"}} 1',
        f'{labels},reason="connect_refused",phase="connect"}} 20',
    ]
    assert plain == counters(Format.TEXT)
    # The first failure is no longer kept, so nothing leads to it.
    exemplar = f' # {{failure_id="20260921T141340.125Z"}} 1 {NOON + 20.125:.3f}'
    assert [plain[0], plain[1] + exemplar] == counters(Format.OPENMETRICS)


def test_the_time_of_the_last_success_stays_while_probes_fail() -> None:
    failed = failure(FailureReason.TIMEOUT, Phase.GREETING, NAME, started_at=NOON + 60)

    read = scraped(success(NAME), failed)

    assert value(read, "mail_probe_last_success_timestamp_seconds") == NOON + 0.283
    assert value(read, "mail_probe_last_run_timestamp_seconds") == NOON + 60.02


@pytest.mark.parametrize(("address", "version"), [("192.0.2.25", 4.0), ("2001:db8::25", 6.0), (None, None)])
def test_the_ip_version_is_that_of_the_address(address: str | None, version: float | None) -> None:
    assert version == value(scraped(success(NAME, address=address)), "mail_probe_ip_protocol")


def test_a_mailbox_shows_only_what_the_server_told() -> None:
    read = scraped(success(NAME, mailbox=MailboxFacts('Möbel & "Co"', messages=0)))

    assert 0.0 == value(read, "mail_mailbox_messages", mailbox='Möbel & "Co"')
    assert {} == series(read, "mail_mailbox_unseen_messages")
    assert {} == series(read, "mail_mailbox_quota_used_bytes")


def test_a_value_from_a_server_is_shortened() -> None:
    read = scraped(success(NAME, tls=tls(leaf=certificate("A" * 10_000))))

    (labels,) = series(read, "mail_tls_certificate_info")
    assert "A" * (VALUE_LIMIT - 1) + "…" == dict(labels)["subject"]


def test_a_name_from_the_configuration_is_not_shortened() -> None:
    name = "n" * 1000

    assert 1.0 == value(scraped(success(name), of=endpoint(name)), "mail_probe_success", endpoint=name)


def test_configured_labels_are_on_every_series_of_the_endpoint() -> None:
    read = scraped(success(NAME), of=endpoint(NAME, labels={"team": "mail", "site": "Köln"}))

    assert all({("team", "mail"), ("site", "Köln")} <= labels for name, labels in read if ("endpoint", NAME) in labels)


def test_every_metric_of_the_catalogue_can_be_seen_with_its_labels_and_no_others() -> None:
    store = Store(BUILD)
    store.configure([endpoint(NAME, encryption=Encryption.STARTTLS, credentials=MONITOR, priority=10)])
    facts = replace(tls(CertificateProblem.NAME_MISMATCH), ocsp_next_update=NOON, verified_chain=tls().chain)
    store.record(success(NAME))
    failed = failure(FailureReason.TLS_NAME_MISMATCH, Phase.TLS).failure
    mailbox = MailboxFacts("INBOX", messages=1, unseen=1, size=1, quota_used=1, quota_limit=1, unreadable=0)
    store.record(success(NAME, failure=failed, tls=facts, mailbox=mailbox))

    seen = {
        sample.name.removesuffix("_bucket"): set(sample.labels) - {*ENDPOINT_LABELS, "le"}
        for family in families(exposed(store.snapshot()))
        for sample in family.samples
        if "endpoint" in sample.labels and not sample.name.endswith(("_sum", "_count"))
    }

    assert {metric.name: set(metric.labels) for metric in ENDPOINT_METRICS} == seen


def test_an_endpoint_that_was_removed_leaves_at_once() -> None:
    store = Store(BUILD)
    store.configure([endpoint(NAME), endpoint("other")])
    store.record(success(NAME))

    store.configure([endpoint("other")])

    assert NAME not in exposed(store.snapshot())


def test_the_exporter_shows_itself() -> None:
    store = Store(BUILD)
    store.configure([endpoint(NAME)])
    store.exporter.reloaded(successful=True, at=NOON)
    store.exporter.reloaded(successful=False, at=NOON + 60)
    store.exporter.skipped(SkipReason.CONCURRENCY)
    store.exporter.observe_start_delay(0.002)
    store.exporter.set_in_flight(3)
    store.exporter.set_shard(1, 4)

    read = samples(exposed(store.snapshot()))

    assert 1.0 == value(read, "mail_exporter_build_info", version="1.2.3", openssl_version="3.5.4")
    assert 0.0 == value(read, "mail_exporter_config_last_reload_successful")
    assert value(read, "mail_exporter_config_last_reload_success_timestamp_seconds") == NOON
    assert 1.0 == value(read, "mail_exporter_endpoints", protocol="imap")
    assert 0.0 == value(read, "mail_exporter_endpoints", protocol="pop3")
    assert 1.0 == value(read, "mail_exporter_shard")
    assert 4.0 == value(read, "mail_exporter_total_shards")
    assert 3.0 == value(read, "mail_exporter_probes_in_flight")
    assert 1.0 == value(read, "mail_exporter_probes_skipped_total", reason="concurrency")
    assert 0.0 == value(read, "mail_exporter_probes_skipped_total", reason="host")
    assert 1.0 == value(read, "mail_exporter_probe_start_delay_seconds_bucket", le="0.0025")
    assert 1.0 == value(read, "mail_exporter_probe_start_delay_seconds_count")


def test_reloads_are_absent_until_there_was_one() -> None:
    read = scraped()

    assert {} == series(read, "mail_exporter_config_last_reload_successful")
    assert {} == series(read, "mail_exporter_config_last_reload_success_timestamp_seconds")


def test_many_endpoints_come_in_slices_that_are_quick_to_make() -> None:
    store = Store(BUILD)
    names = [f"submission://mail-{number}.example.com" for number in range(2000)]
    store.configure([endpoint(name, Protocol.SMTP) for name in names])
    for name in names:
        store.record(success(name))

    slices = list(expose(store.snapshot(), Format.TEXT))

    assert max(map(len, slices)) < 3 * SLICE_SIZE
    assert b"".join(slices).count(b"\nmail_probe_success{") == len(names)


def test_endpoints_without_a_figure_do_not_make_a_slice_long() -> None:
    """What is looked at and found unknown takes time too."""
    store = Store(BUILD)
    store.configure([endpoint(f"waiting {number}") for number in range(10_000)])

    slices = list(expose(store.snapshot(), Format.TEXT))

    assert slices.count(b"") > len(ENDPOINT_METRICS)
