from __future__ import annotations

import os
import pickle
import traceback
from pathlib import Path

import pytest

from exporter.config.values.secret_sources import (
    MAX_SECRET_BYTES,
    EnvSecret,
    FileSecret,
    InlineSecret,
    SecretUnreadable,
)
from exporter.model import Secret, SecretSource

PASSWORD = "correct horse battery staple"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "password"


@pytest.mark.parametrize(
    ("content", "secret"),
    [
        (b"hunter2", b"hunter2"),
        (b"hunter2\n", b"hunter2"),
        (b"hunter2\r\n", b"hunter2"),
        (b"hunter2\n\n", b"hunter2\n"),
        (b"hunter2\r\n\r\n", b"hunter2\r\n"),
        (b"hunter2\r", b"hunter2\r"),
        (b" hunter2 \n", b" hunter2 "),
        (b"\xff\x00\x80", b"\xff\x00\x80"),
        (b"\r\r\n", b"\r"),
    ],
)
def test_a_file_loses_one_newline_and_no_other_byte(file: Path, content: bytes, secret: bytes) -> None:
    file.write_bytes(content)
    assert secret == FileSecret(file).read().reveal()


def test_a_rotated_file_is_read_anew(file: Path) -> None:
    source = FileSecret(file)
    file.write_bytes(b"old")
    assert b"old" == source.read().reveal()
    file.write_bytes(b"new")
    assert b"new" == source.read().reveal()


@pytest.mark.parametrize("content", [b"", b"\n", b"\r\n"])
def test_an_empty_file_is_unreadable(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(SecretUnreadable) as raised:
        FileSecret(file).read()
    assert f"the secret file '{file}' is empty" == str(raised.value)


def test_a_missing_file_is_unreadable(file: Path) -> None:
    with pytest.raises(SecretUnreadable) as raised:
        FileSecret(file).read()
    assert f"the secret file '{file}' cannot be read: No such file or directory" == str(raised.value)


def test_a_directory_is_unreadable(tmp_path: Path) -> None:
    with pytest.raises(SecretUnreadable) as raised:
        FileSecret(tmp_path).read()
    assert f"the secret file '{tmp_path}' cannot be read: Is a directory" == str(raised.value)


def test_a_named_pipe_is_unreadable_and_does_not_keep_us_waiting(file: Path) -> None:
    os.mkfifo(file)
    with pytest.raises(SecretUnreadable, match="is not a regular file"):
        FileSecret(file).read()


def test_a_file_behind_a_symlink_is_read(file: Path, tmp_path: Path) -> None:
    file.write_bytes(b"hunter2")
    link = tmp_path / "link"
    link.symlink_to(file)
    assert b"hunter2" == FileSecret(link).read().reveal()


def test_a_file_as_large_as_allowed_is_read_and_a_larger_one_is_not(file: Path) -> None:
    file.write_bytes(b"x" * MAX_SECRET_BYTES)
    assert b"x" * MAX_SECRET_BYTES == FileSecret(file).read().reveal()
    file.write_bytes(b"x" * (MAX_SECRET_BYTES + 1))
    with pytest.raises(SecretUnreadable, match="is larger than the 65536 bytes"):
        FileSecret(file).read()


def test_a_path_with_a_line_break_stays_on_one_line_of_the_message(tmp_path: Path) -> None:
    with pytest.raises(SecretUnreadable) as raised:
        FileSecret(tmp_path / "a\nb").read()
    assert "\n" not in str(raised.value)


def test_an_environment_variable_is_read_at_the_moment_of_use(monkeypatch: pytest.MonkeyPatch) -> None:
    source = EnvSecret("MAIL_PASSWORD")
    monkeypatch.setenv("MAIL_PASSWORD", "hunter2\n")
    assert b"hunter2" == source.read().reveal()
    monkeypatch.setenv("MAIL_PASSWORD", "h\u00fcnter3")
    assert "h\u00fcnter3".encode() == source.read().reveal()


def test_a_variable_that_is_not_set_or_empty_is_unreadable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MAIL_PASSWORD", raising=False)
    with pytest.raises(SecretUnreadable) as raised:
        EnvSecret("MAIL_PASSWORD").read()
    assert "the environment variable 'MAIL_PASSWORD' is not set" == str(raised.value)
    monkeypatch.setenv("MAIL_PASSWORD", "")
    with pytest.raises(SecretUnreadable, match="'MAIL_PASSWORD' is empty"):
        EnvSecret("MAIL_PASSWORD").read()


def test_an_inline_secret_is_itself() -> None:
    assert Secret(b"hunter2") == InlineSecret(Secret(b"hunter2")).read()


def test_an_empty_inline_secret_is_unreadable() -> None:
    with pytest.raises(SecretUnreadable, match="the secret in the configuration is empty"):
        InlineSecret(Secret(b"")).read()


def test_no_representation_of_a_source_shows_the_secret(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text(PASSWORD)
    monkeypatch.setenv("MAIL_PASSWORD", PASSWORD)
    sources: list[SecretSource] = [
        FileSecret(file),
        EnvSecret("MAIL_PASSWORD"),
        InlineSecret(Secret(PASSWORD.encode())),
    ]
    for source in sources:
        shown = f"{source} {source!r} {source:} {source.read()} {source.read()!r} {[source.read()]}"
        assert PASSWORD not in shown


def test_a_secret_is_not_pickled() -> None:
    with pytest.raises(TypeError, match="a secret is not pickled"):
        pickle.dumps(InlineSecret(Secret(PASSWORD.encode())))


def test_the_operating_system_s_error_is_said_once_in_a_traceback(file: Path) -> None:
    with pytest.raises(SecretUnreadable) as raised:
        FileSecret(file).read()
    assert 1 == "".join(traceback.format_exception(raised.value)).count("No such file or directory")


def test_unreadable_secrets_are_caught_as_the_errors_of_the_operating_system_they_stand_for() -> None:
    assert issubclass(SecretUnreadable, OSError)


@pytest.mark.parametrize(("mode", "exposed"), [(0o600, False), (0o640, False), (0o644, True), (0o604, True)])
def test_a_file_that_every_user_may_read_is_exposed(file: Path, mode: int, exposed: bool) -> None:
    file.touch()
    file.chmod(mode)
    assert exposed is FileSecret(file).exposed()


def test_whether_a_missing_file_is_exposed_is_not_known(file: Path) -> None:
    with pytest.raises(FileNotFoundError):
        FileSecret(file).exposed()
