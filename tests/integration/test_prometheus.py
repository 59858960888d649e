"""Debian's Prometheus scrapes the running daemon, and is asked what people will ask it."""

from __future__ import annotations

import time

import pytest

from tests.servers.exporter import StartExporter
from tests.servers.mail import ALICE, MailServers
from tests.servers.programs import LOOPBACK, free_ports, wait_until
from tests.servers.prometheus import StartPrometheus

DAYS_LEFT = "(mail_tls_certificate_not_after_timestamp_seconds - time()) / 86400"
MEDIAN = "histogram_quantile(0.5, sum by (endpoint, le) (rate(mail_probe_duration_seconds_bucket[30s])))"


def test_prometheus_answers_what_people_ask(
    mail: MailServers, start_exporter: StartExporter, start_prometheus: StartPrometheus
) -> None:
    exporter = start_exporter(
        f"""
credentials:
  alice: {{username: "{ALICE.username}", password: '{ALICE.password}'}}
defaults: {{interval: 3s, credentials: alice, tls: {{ca_file: "{mail.authority.file}"}}}}
endpoints:
  - {{name: imaps, url: "imaps://{LOOPBACK}:{mail.dovecot.imaps}", labels: {{site: north}}}}
  - {{name: pop3, url: "pop3://{LOOPBACK}:{mail.dovecot.pop3}"}}
  - {{name: submission, url: "submission://{LOOPBACK}:{mail.postfix.submission}"}}
  - {{name: nobody, url: "imaps://{LOOPBACK}:{free_ports(1)[0]}"}}
"""
    )
    prometheus = start_prometheus(exporter)

    def medians() -> dict[str, float] | None:
        found = {one.labels["endpoint"]: one.value for one in prometheus.query(MEDIAN) if one.value == one.value}
        return found if len(found) == 4 else None

    durations = wait_until(medians, what="Prometheus has two scrapes of every histogram", within=60)
    success = {one.labels["endpoint"]: one for one in prometheus.query("mail_probe_success")}
    days_left = {one.labels["endpoint"]: one.value for one in prometheus.query(DAYS_LEFT)}
    failures = prometheus.query("mail_probe_failure_info")
    expected_days = (mail.identity.certificate.not_valid_after_utc.timestamp() - time.time()) / 86400

    assert {"imaps": 1, "pop3": 1, "submission": 1, "nobody": 0} == {name: one.value for name, one in success.items()}
    assert "north" == success["imaps"].labels["site"]
    assert "mail" == success["imaps"].labels["job"]
    assert {"imaps", "pop3", "submission"} == days_left.keys()
    assert all(days == pytest.approx(expected_days, abs=0.01) for days in days_left.values())
    assert all(0 < duration < 3 for duration in durations.values())
    assert [("nobody", "connect_refused", "connect")] == [
        (one.labels["endpoint"], one.labels["reason"], one.labels["phase"]) for one in failures
    ]
    assert [1.0] == [one.value for one in prometheus.query("up")]
