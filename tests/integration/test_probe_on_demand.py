"""/probe of the running daemon against Dovecot and Postfix: with a login, with a wrong one, and for endpoints."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.servers.exporter import Exporter, Metrics, StartExporter, exporter_running
from tests.servers.fetching import fetch
from tests.servers.mail import ALICE, ALICES_MESSAGES, MailServers
from tests.servers.programs import LOOPBACK, wait_until

STRANGER = "stranger-on-demand@example.test"


@pytest.fixture(scope="module")
def exporter(mail: MailServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    directory = tmp_path_factory.mktemp("on-demand")
    (directory / "password").write_text(f"{ALICE.password}\n")
    file = directory / "mail-exporter.yaml"
    file.write_text(
        f"""
credentials:
  alice: {{username: "{ALICE.username}", password_file: password}}
  stranger: {{username: "{STRANGER}", password: "wrong-and-secret"}}
defaults: {{tls: {{ca_file: "{mail.authority.file}"}}, labels: {{site: north}}}}
endpoints:
  - {{name: submission, url: "submission://{LOOPBACK}:{mail.postfix.submission}", credentials: alice, interval: 1h}}
modules:
  imaps: {{url: imaps://, credentials: alice, mailbox: INBOX, allowed_targets: [{LOOPBACK}]}}
  stranger: {{url: imaps://, credentials: stranger, allowed_targets: [{LOOPBACK}]}}
  silent: {{url: imap://, encryption: none}}
"""
    )
    with exporter_running(file) as running:
        yield running


def probe(exporter: Exporter, query: str, timeout: str | None = None) -> str:
    headers = {} if timeout is None else {"X-Prometheus-Scrape-Timeout-Seconds": timeout}
    answer = fetch(f"{exporter.url}/probe?{query}", headers)
    assert 200 == answer.status, answer
    return answer.body.decode()


def test_a_module_logs_in_and_looks_around(exporter: Exporter, mail: MailServers) -> None:
    target = f"{LOOPBACK}:{mail.dovecot.imaps}"
    metrics = Metrics.parse(probe(exporter, f"module=imaps&target={target}"))

    labels = {"endpoint": f"imaps://{target}", "protocol": "imap", "site": "north"}
    assert 1 == metrics.value("probe_success")
    assert 1 == metrics.value("mail_auth_success", **labels)
    assert metrics.value("mail_mailbox_messages", mailbox="INBOX", **labels) == ALICES_MESSAGES
    assert 1 == metrics.value("mail_tls_verified", **labels)


def test_a_configured_endpoint_is_probed_now_and_its_figures_on_schedule_stay(exporter: Exporter) -> None:
    before = exporter.metrics().value("mail_probes_total", endpoint="submission")

    metrics, *_ = [Metrics.parse(probe(exporter, "endpoint=submission")) for _ in range(2)]

    assert 1 == metrics.value("mail_probe_success", endpoint="submission", protocol="smtp")
    assert 235 == metrics.value("mail_probe_last_reply_code", endpoint="submission", phase="auth")
    # Its first probe on schedule may come meanwhile.
    assert exporter.metrics().value("mail_probes_total", endpoint="submission") <= before + 1


def test_debug_shows_the_conversation_without_the_password(exporter: Exporter, mail: MailServers) -> None:
    text = probe(exporter, f"module=imaps&target={LOOPBACK}:{mail.dovecot.imaps}&debug=true")

    assert "The probe succeeded." in text
    assert "EXAMINE" in text
    assert "LOGOUT" in text
    assert ALICE.password not in text


def test_a_rejected_login_is_left_alone_for_a_while_on_demand_too(exporter: Exporter, mail: MailServers) -> None:
    query = f"module=stranger&target={LOOPBACK}:{mail.dovecot.imaps}"

    first = probe(exporter, f"{query}&debug=true")
    second = probe(exporter, f"{query}&debug=true")

    assert [True, False] == [" > " in text and "AUTHENTICATE" in text for text in (first, second)]
    assert "login paused so that the account is not locked" in second
    assert 1 == Metrics.parse(probe(exporter, query)).value(
        "mail_probe_failure_info", reason="auth_rejected", phase="auth"
    )
    assert "wrong-and-secret" not in first + second


def test_the_answer_is_there_in_time_although_the_server_is_silent(exporter: Exporter) -> None:
    with closing(socket.create_server((LOOPBACK, 0))) as silent:
        begun = time.monotonic()
        text = probe(exporter, f"module=silent&target={LOOPBACK}:{silent.getsockname()[1]}", timeout="1.5")
        took = time.monotonic() - begun

    # Without the header it would be 15 s.
    assert 1.0 <= took < 10.0
    assert 1 == Metrics.parse(text).value("mail_probe_failure_info", reason="timeout", phase="greeting")


def test_modules_come_and_go_with_a_reload(start_exporter: StartExporter) -> None:
    endpoint = f"endpoints: [{{url: 'imaps://{LOOPBACK}:1', interval: 1h, timeout: 1s}}]\n"
    exporter = start_exporter(f"{endpoint}modules: {{old: {{url: imaps://}}}}\n")
    file = exporter.log.with_suffix(".yaml")

    def status(module: str) -> int:
        return fetch(f"{exporter.url}/probe?module={module}&target={LOOPBACK}:1").status

    assert (200, 400) == (status("old"), status("new"))
    file.write_text(f"{endpoint}modules: {{new: {{url: imaps://}}}}\n")
    exporter.process.send_signal(signal.SIGHUP)

    wait_until(lambda: status("new") == 200, what="the new module is in force")
    assert 400 == status("old")
