"""One bad file for each message, which begins with the lines and messages that it must meet with."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from exporter.config.files import MAX_FILE_BYTES
from exporter.config.load import load
from exporter.config.problems import ConfigurationError

FOLDER = Path(__file__).parent / "bad_configs"


def problems_of(path: Path) -> list[str]:
    with pytest.raises(ConfigurationError) as raised:
        load(path)
    return [str(problem) for problem in raised.value.problems]


@pytest.mark.parametrize("file", sorted(FOLDER.iterdir()), ids=lambda file: file.stem)
def test_a_bad_file_meets_with_exactly_its_messages(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = re.findall(r"^#! (\d+: .*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
    monkeypatch.chdir(FOLDER)
    # Files named by a configuration are shown with the directory, which is not the same everywhere.
    shown = [
        problem.replace(f"{FOLDER}/", "").replace(f'"{FOLDER}"', '"."') for problem in problems_of(Path(file.name))
    ]
    assert [f"{file.name}:{message}" for message in expected] == shown
    assert expected


def test_beside_a_file_that_cannot_be_read_a_bad_file_has_no_other_problems(tmp_path: Path) -> None:
    gone = tmp_path / "gone.yaml"
    for file in FOLDER.iterdir():
        with pytest.raises(ConfigurationError) as raised:
            load(file, gone)
        assert {str(problem) for problem in raised.value.problems if problem.file != str(gone)} <= {*problems_of(file)}


def test_no_message_repeats_a_password() -> None:
    for file in FOLDER.iterdir():
        assert "hunter2" not in "".join(problems_of(file))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "nowhere.yaml"
    assert [f"{file}:1: there is no such file; name a configuration file"] == problems_of(file)


def test_a_directory_is_named(tmp_path: Path) -> None:
    assert [f"{tmp_path}:1: is a directory; name a file in it"] == problems_of(tmp_path)


def test_an_unreadable_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "secret.yaml"

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)  # the user who runs the tests may be allowed to read everything
    assert [f"{file}:1: cannot be read (Permission denied); name a file that this user may read"] == problems_of(file)


def test_an_empty_file_is_answered_with_the_least_to_write(tmp_path: Path) -> None:
    file = tmp_path / "empty.yaml"
    file.touch()
    message = "the configuration is empty; write at least endpoints: [{url: imaps://mail.example.com}]"
    assert [f"{file}:1: {message}"] == problems_of(file)


def test_octets_that_are_not_utf_8_are_shown_with_their_line(tmp_path: Path) -> None:
    file = tmp_path / "latin1.yaml"
    file.write_bytes(b"endpoints:\n  - url: imaps://mail.example.com\n    mailbox: Entw\xfcrfe\n")
    assert [f"{file}:3: the octet 0xfc is not UTF-8; save the file as UTF-8 text"] == problems_of(file)


@pytest.mark.parametrize(
    "content", [b"\x7fELF\x02\x01\x01\0", b"\x89PNG\r\n\x1a\n", b"\x1f\x8b\x08\0", b"\xff\xfee\0n\0d\0"]
)
def test_a_file_of_another_kind_is_one_problem(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "binary"
    file.write_bytes(content * 100)
    assert 1 == len(problems_of(file))


def test_a_file_that_is_too_large_is_not_read_to_its_end(tmp_path: Path) -> None:
    file = tmp_path / "large.yaml"
    with file.open("wb") as large:
        large.truncate(MAX_FILE_BYTES + 1)
    assert [f"{file}:1: is larger than {MAX_FILE_BYTES} bytes; name a configuration file"] == problems_of(file)


def test_a_path_with_nul_is_a_problem_like_others() -> None:
    assert ["a\0b:1: cannot be read (embedded null byte); name a file that this user may read"] == problems_of(
        Path("a\0b")
    )


def test_every_problem_of_a_file_is_reported_in_one_go_and_in_the_order_of_lines(tmp_path: Path) -> None:
    file = tmp_path / "many.yaml"
    file.write_text(
        """\
defaults:
  interval: 60
  labels: {job: x}
credentials:
  monitor: {username: monitor}
endpoints:
  - url: imaps://mail.example.com/INBOX
    intervall: 5s
    interval: 5s
    timeout: 10s
    credentials: moniter
    tls: {ca_file: nowhere.pem, verfy: no}
  - host: mail example
    protocol: imap
    mechanism: plain
dns: {timeout: 1h}
global: {}
""",
        encoding="utf-8",
    )
    places = [problem.removeprefix(f"{file}:").split(": ")[:2] for problem in problems_of(file)]
    assert [
        ["2", "defaults.interval"],
        ["3", "defaults.labels.job"],
        ["5", "credentials.monitor"],
        ["7", "url"],
        ["8", "intervall"],
        ["10", "timeout"],
        ["11", "credentials"],
        ["12", "tls.ca_file"],
        ["12", "tls.verfy"],
        ["13", "host"],
        ["15", "mechanism"],
        ["16", "dns.timeout"],
        ["17", "global"],
    ] == places
