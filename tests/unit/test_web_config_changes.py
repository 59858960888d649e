from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import trustme
from structlog.testing import capture_logs

from exporter.web.policy.policy_file import PolicyFile
from tests.unit.web_configuring import HASH, TLS, renew, write


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def directory(tmp_path: Path, authority: trustme.CA) -> Path:
    """With server.crt, server.key and ca.crt."""
    renew(tmp_path, authority)
    authority.cert_pem.write_to_path(tmp_path / "ca.crt")
    return tmp_path


def test_nothing_is_read_again_while_nothing_changes(directory: Path) -> None:
    file = PolicyFile(write(directory, TLS))

    assert [None, None] == [file.refresh(), file.refresh()]


def test_new_users_are_read(directory: Path) -> None:
    file = PolicyFile(write(directory, f"{TLS}basic_auth_users: {{alice: {HASH}}}\n"))
    write(directory, f"{TLS}basic_auth_users: {{carol: {HASH}}}\n")

    with capture_logs() as logs:
        assert file.refresh()
    assert ["carol"] == list(file.policy.config.users)
    assert [("web configuration reloaded", "info")] == [(line["event"], line["log_level"]) for line in logs]


def test_a_new_certificate_is_read(directory: Path, authority: trustme.CA) -> None:
    file = PolicyFile(write(directory, TLS))
    before = file.policy.context
    renew(directory, authority)

    assert file.refresh()
    assert before is not file.policy.context


def test_a_certificate_without_its_key_waits_for_it(directory: Path, authority: trustme.CA) -> None:
    """As between the two steps of a renewal."""
    file = PolicyFile(write(directory, TLS))
    before = file.policy
    issued = authority.issue_cert("localhost")
    issued.private_key_pem.write_to_path(directory / "server.key")

    with capture_logs() as logs:
        assert not file.refresh()
    assert before is file.policy
    assert [(3, "error")] == [(line["line"], line["log_level"]) for line in logs]
    assert "belongs to another certificate" in logs[0]["problem"]

    issued.cert_chain_pems[0].write_to_path(directory / "server.crt")
    assert file.refresh()


def test_a_file_that_goes_away_while_it_is_read_leaves_the_old_one_in_force(
    directory: Path, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = PolicyFile(write(directory, TLS))
    before = file.policy
    renew(directory, authority)

    def gone(*_: object, **__: object) -> None:
        raise FileNotFoundError(2, "No such file or directory")

    with monkeypatch.context() as patched, capture_logs() as logs:
        patched.setattr(ssl.SSLContext, "load_cert_chain", gone)
        assert not file.refresh()

    assert before is file.policy
    assert ["tls_server_config: one of its files cannot be read (No such file or directory); put it back"] == [
        line["problem"] for line in logs
    ]


def test_a_secret_that_is_swapped_by_its_symlink_is_read(directory: Path, authority: trustme.CA) -> None:
    for version in ("1", "2"):
        (directory / version).mkdir()
        renew(directory / version, authority)
    (directory / "data").symlink_to("1")
    text = "tls_server_config: {cert_file: data/server.crt, key_file: data/server.key}\n"
    file = PolicyFile(write(directory, text))

    (directory / "new").symlink_to("2")
    (directory / "new").replace(directory / "data")

    assert file.refresh()


def test_a_bad_file_is_logged_once_and_the_old_one_stays(directory: Path) -> None:
    file = PolicyFile(write(directory, TLS))
    before = file.policy
    write(directory, f"{TLS}rate_limt: {{}}\nbasic_auth_users: {{alice: hunter2}}\n")

    with capture_logs() as logs:
        assert [False, None] == [file.refresh(), file.refresh()]
    assert before is file.policy
    assert [("web configuration not reloaded", 4), ("web configuration not reloaded", 5)] == [
        (line["event"], line["line"]) for line in logs
    ]
    assert "hunter2" not in str(logs)


def test_a_file_that_is_gone_leaves_the_old_one_in_force(directory: Path) -> None:
    file = PolicyFile(write(directory, TLS))
    before = file.policy
    (directory / "web.yml").unlink()

    with capture_logs():
        assert not file.refresh()
    assert before is file.policy


def test_a_file_that_names_what_is_not_there_yet_is_read_once_it_is(directory: Path) -> None:
    file = PolicyFile(write(directory, TLS))
    write(directory, TLS.replace("server.", "later."))
    with capture_logs():
        assert not file.refresh()

    (directory / "server.key").rename(directory / "later.key")
    (directory / "server.crt").rename(directory / "later.crt")

    assert file.refresh()


@pytest.mark.parametrize(("before", "after"), [(TLS, ""), ("", TLS)])
def test_tls_does_not_come_or_go_while_the_program_runs(directory: Path, before: str, after: str) -> None:
    file = PolicyFile(write(directory, before))
    policy = file.policy
    write(directory, after)

    with capture_logs() as logs:
        assert not file.refresh()
    assert policy is file.policy
    assert ["tls_server_config comes or goes only with a restart; what was in force stays so"] == [
        line["problem"] for line in logs
    ]
