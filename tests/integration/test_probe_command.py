"""`mail-exporter probe`: one probe now, for people and for scripts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.servers.exporter import run_command
from tests.servers.mail import ALICE, HOSTNAME, MailServers
from tests.servers.programs import LOOPBACK, free_ports


@pytest.fixture
def configuration(mail: MailServers, tmp_path: Path) -> Path:
    (tmp_path / "right").write_text(f"{ALICE.password}\n")
    (tmp_path / "wrong").write_text("not-the-right-one\n")
    file = tmp_path / "mail-exporter.yaml"
    file.write_text(
        f"""
credentials:
  right: {{username: "{ALICE.username}", password_file: right}}
  wrong: {{username: "forgetful1@example.test", password_file: wrong}}
  none: {{username: "{ALICE.username}", password_file: absent}}
defaults: {{tls: {{ca_file: "{mail.authority.file}"}}}}
endpoints:
  - {{name: good, url: "imap://{LOOPBACK}:{mail.dovecot.imap}", credentials: right, mailbox: INBOX}}
  - {{name: bad, url: "imap://{LOOPBACK}:{mail.dovecot.imap}", credentials: wrong}}
  - {{name: no-secret, url: "imap://{LOOPBACK}:{mail.dovecot.imap}", credentials: none}}
"""
    )
    return file


def test_a_probe_that_succeeds_exits_0_and_shows_its_phases(configuration: Path) -> None:
    ended = run_command("probe", "good", f"--config.file={configuration}")

    assert 0 == ended.returncode, ended
    for phase in ("dns", "connect", "greeting", "capability", "starttls", "tls", "auth", "check", "quit"):
        assert phase in ended.stdout
    assert HOSTNAME in ended.stdout
    assert ALICE.password not in ended.stdout + ended.stderr


def test_a_probe_that_fails_exits_1_and_shows_why(configuration: Path) -> None:
    ended = run_command("probe", "bad", f"--config.file={configuration}")

    assert 1 == ended.returncode
    assert "auth_rejected" in ended.stdout
    assert "AUTHENTICATIONFAILED" in ended.stdout, "the line that caused it"
    assert "not-the-right-one" not in ended.stdout + ended.stderr


def test_a_secret_that_cannot_be_read_exits_3_and_fails_only_the_login(configuration: Path) -> None:
    ended = run_command("probe", "no-secret", f"--config.file={configuration}", "--json")
    result = json.loads(ended.stdout)

    assert 3 == ended.returncode
    assert "secret_unreadable" == result["failure"]["reason"]
    assert "absent" in result["failure"]["detail"]
    assert [] == result["tls"]["problems"]


def test_the_result_as_json_has_what_the_waterfall_shows(configuration: Path, mail: MailServers) -> None:
    ended = run_command("probe", "good", f"--config.file={configuration}", "--json")
    result = json.loads(ended.stdout)

    assert 0 == ended.returncode
    assert result["failure"] is None
    assert "good" == result["endpoint"]
    assert result["mailbox"]["messages"] == mail.figures(ALICE).messages
    assert result["tls"]["chain"][0]["not_after"] == mail.identity.certificate.not_valid_after_utc.timestamp()
    assert ALICE.password not in ended.stdout + ended.stderr


def test_several_targets_are_shown_side_by_side_and_as_json_line_by_line(configuration: Path) -> None:
    ended = run_command("probe", "good", "bad", f"--config.file={configuration}")
    lines = run_command("probe", "good", "bad", f"--config.file={configuration}", "--json").stdout.splitlines()

    assert 1 == ended.returncode
    assert {"good": True, "bad": False} == {each["endpoint"]: each["success"] for each in map(json.loads, lines)}
    assert ended.stdout.splitlines()[-1].endswith("#auth_rejected")


def test_many_rounds_do_not_try_a_rejected_login_again(configuration: Path) -> None:
    ended = run_command("probe", "bad", f"--config.file={configuration}", "--json", "--repeat=3", "--interval=10ms")
    *probes, statistics = map(json.loads, ended.stdout.splitlines())

    assert 1 == ended.returncode
    assert [False, True, True] == [each["login_paused"] for each in probes]
    assert ("statistics", 3, 0) == (statistics["type"], statistics["probes"], statistics["succeeded"])


def test_a_url_needs_no_configuration() -> None:
    (port,) = free_ports(1)

    ended = run_command("probe", f"imaps://{LOOPBACK}:{port}")

    assert 1 == ended.returncode
    assert "connect_refused" in ended.stdout


@pytest.mark.parametrize(
    "target", ["http://mail.example.test", "imaps://user:secret@mail.example.test", "imaps://two words"]
)
def test_what_is_no_target_is_refused_before_anything_is_sent(target: str) -> None:
    ended = run_command("probe", target)

    assert ended.returncode in {1, 2}
    assert ended.stderr
    assert "secret" not in ended.stderr + ended.stdout
    assert "Traceback" not in ended.stderr
