from __future__ import annotations

from dataclasses import replace

import pytest

from exporter.metrics.endpoint_state import advance, unprobed
from exporter.metrics.exposition import Format, expose_probe
from exporter.metrics.record import Shared
from exporter.metrics.rows.blackbox import Probed
from exporter.metrics.rows.endpoint_metrics import ENDPOINT_METRICS
from exporter.metrics.rows.metric import MetricType
from exporter.model import CertificateProblem, Endpoint, FailureReason, Phase, ProbeResult
from tests.unit.results import DAY, NOON, certificate, endpoint, failure, spans, success, tls
from tests.unit.scraping import families, samples, value

NAME = "imaps://mail.example.com"


def probed(*results: ProbeResult, form: Format = Format.TEXT, of: Endpoint | None = None) -> str:
    target = of or endpoint(NAME)
    states = tuple(advance(unprobed(target), result, Shared()) for result in results)
    return expose_probe(states, Probed(results), form).decode()


@pytest.mark.parametrize("form", Format, ids=lambda form: form.name.lower())
def test_every_figure_has_its_name_with_us_and_its_name_with_blackbox_exporter(form: Format) -> None:
    found = samples(probed(success(NAME), form=form), form)

    assert {
        "probe_success": 1.0,
        "probe_duration_seconds": 0.282974,
        "probe_dns_lookup_time_seconds": 0.001204,
        "probe_ip_protocol": 4.0,
        "probe_ssl_earliest_cert_expiry": NOON + 60 * DAY,
    } == {name: figure for (name, labels), figure in found.items() if name.startswith("probe_") and not labels}
    assert 1.0 == value(found, "probe_tls_version_info", version="TLS 1.3")
    assert 1.0 == value(found, "mail_probe_success", endpoint=NAME, protocol="imap")
    assert NOON + 60 * DAY == value(found, "mail_tls_certificate_not_after_timestamp_seconds", endpoint=NAME)
    assert 0.088404 == value(found, "mail_probe_last_phase_duration_seconds", endpoint=NAME, phase="auth")


def test_it_begins_as_blackbox_exporter_s_users_expect() -> None:
    assert probed(success(NAME)).startswith("""\
# HELP probe_success Whether the probe succeeded: 1 or 0.
# TYPE probe_success gauge
probe_success 1
# HELP probe_duration_seconds How long the probe took.
# TYPE probe_duration_seconds gauge
probe_duration_seconds 0.282974
""")


def test_what_was_not_reached_is_absent_and_never_0() -> None:
    refused = failure(FailureReason.CONNECT_REFUSED, Phase.CONNECT, NAME)
    found = samples(probed(replace(refused, spans=spans((Phase.CONNECT, 0.001)))))

    assert {"probe_success", "probe_duration_seconds"} == {name for name, _ in found if name.startswith("probe_")}
    assert 0.0 == value(found, "probe_success")
    assert 1.0 == value(found, "mail_probe_failure_info", reason="connect_refused", phase="connect")


def test_the_expiry_of_a_certificate_that_is_not_verified_is_told() -> None:
    expired = tls(CertificateProblem.EXPIRED, leaf=certificate(not_after=NOON - DAY))
    found = samples(probed(failure(FailureReason.TLS_CERTIFICATE_EXPIRED, Phase.TLS, NAME, tls=expired)))

    assert NOON - DAY == value(found, "probe_ssl_earliest_cert_expiry")


def test_what_a_single_probe_cannot_say_is_left_out() -> None:
    said = {family.name for family in families(probed(success(NAME)))}
    counts = {metric.family for metric in ENDPOINT_METRICS if metric.type is not MetricType.GAUGE}

    assert {"mail_probes", "mail_probe_duration_seconds"} < counts
    assert not said & (counts | {"mail_endpoint_interval_seconds"})


def test_of_several_addresses_all_must_be_well() -> None:
    bad = failure(FailureReason.TIMEOUT, Phase.GREETING, NAME, address="2001:db8::25")
    found = samples(expose_probe((), Probed((bad, success(NAME))), Format.TEXT).decode())

    assert (0.0, 6.0) == (value(found, "probe_success"), value(found, "probe_ip_protocol"))


def test_openmetrics_ends_as_it_must() -> None:
    assert probed(success(NAME), form=Format.OPENMETRICS).endswith("\n# EOF\n")
    assert "# EOF" not in probed(success(NAME))
