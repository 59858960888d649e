"""A configuration that is kept in several files."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from exporter.config.load import load, parse
from exporter.config.problems import ConfigurationError
from exporter.config.subprocess_loader import load_in_subprocess
from exporter.config.values.secret_sources import FileSecret

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    monkeypatch.chdir(tmp_path)

    def write(name: str, text: str) -> Path:
        file = Path(name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    return write


def problems(*patterns: str | Path) -> list[str]:
    with pytest.raises(ConfigurationError) as raised:
        load(*patterns)
    return [str(problem) for problem in raised.value.problems]


def test_lists_are_joined_in_the_order_of_the_files_names(write: Write) -> None:
    write("b.yaml", "endpoints: [{url: imaps://b}]")
    write("a.yaml", "endpoints: [{url: imaps://a1}, {url: imaps://a2}]")
    configuration = load("b.yaml", "a.yaml")

    assert ["imaps://a1", "imaps://a2", "imaps://b"] == [endpoint.name for endpoint in configuration.endpoints]
    assert ("a.yaml", "b.yaml") == configuration.files


def test_sections_that_are_mappings_are_joined_by_their_keys(write: Write) -> None:
    write("a.yaml", "defaults: {interval: 30s}\ncredentials: {m: {username: m, password_env: PATH}}\n")
    write("b.yaml", "defaults: {timeout: 7s, credentials: m}\nendpoints: [{url: imaps://h}]\n")
    (endpoint,) = load("a.yaml", "b.yaml").endpoints

    assert (30.0, 7.0) == (endpoint.interval, endpoint.timeout)
    assert endpoint.credentials is not None


def test_a_key_that_stands_in_two_files_names_both_places(write: Write) -> None:
    write("a.yaml", "defaults:\n  interval: 30s\ndns: {timeout: 1s}\nendpoints: [{url: imaps://h}]\n")
    write("b.yaml", "\ncredentials: {}\ndefaults: {interval: 30s}\n")
    write("c.yaml", "dns: [1]\n")

    assert [
        "b.yaml:3: defaults.interval: is already set at a.yaml:2; leave one of the two out",
        "c.yaml:1: dns: is already set at a.yaml:3; leave one of the two out",
    ] == problems("a.yaml", "b.yaml", "c.yaml")


def test_two_endpoints_of_one_name_name_both_places(write: Write) -> None:
    write("a.yaml", "endpoints:\n  - {url: imaps://h}\n  - {name: x, url: imaps://i}\n")
    write("b.yaml", "endpoints:\n  - {name: x, url: imaps://j}\n  - {name: x, url: imaps://k}\n")

    assert [
        'b.yaml:2: name: "x" is the name of the endpoint at a.yaml:3 too; write a name for one of them',
        'b.yaml:3: name: "x" is the name of the endpoint at a.yaml:3 too; write a name for one of them',
    ] == problems("a.yaml", "b.yaml")


def test_problems_are_told_of_the_file_and_line_that_they_stand_at(write: Write) -> None:
    write("a.yaml", "endpoints: [{url: imaps://h, intervall: 5s}]\n")
    write("b.yaml", "modules:\n  m: {url: 'ftp://'}\nendpoints:\n\n  - {url: imaps://i, timeout: 5}\n")
    write("c.yaml", "modules:\n  n: {url: imaps://, speed: 1}\n")

    found = [problem.partition(": ")[0] for problem in problems("a.yaml", "b.yaml", "c.yaml")]
    assert ["a.yaml:1", "b.yaml:2", "b.yaml:5", "c.yaml:2"] == found


def test_a_file_that_cannot_be_read_hides_no_problem_of_another_and_causes_none(write: Write) -> None:
    write("a.yaml", "endpoints:\n  - {url: imaps://h, intervall: 5s}\n  - {url: imaps://i, credentials: of-broken}\n")
    write("b.yaml", "defaults: {timeout: 5}\nflows:\n  - {name: f, receive: {endpoint: of-broken}, give_up: x}\n")
    write("broken.yaml", "endpoints: [\n")

    assert [
        'a.yaml:2: intervall: unknown key; did you mean "interval"?',
        'b.yaml:1: defaults.timeout: "5" is not a duration; write 5s',
        'b.yaml:3: give_up: "x" is not a duration; write it like 500ms, 30s, 1m30s or 1h',
        "broken.yaml:1: not valid YAML: did not find expected node content; check indentation, quotes and brackets",
        "gone.yaml:1: there is no such file; name a configuration file",
    ] == problems("a.yaml", "b.yaml", "broken.yaml", "gone.yaml")


def test_relative_paths_begin_at_the_file_that_names_them(write: Write, tmp_path: Path) -> None:
    write("one/a.yaml", "credentials: {m: {username: m, password_file: secret}}\ndefaults: {tls: {ca_file: ca.pem}}\n")
    write("two/b.yaml", "endpoints: [{url: imaps://h, credentials: m}, {url: imaps://i, tls: {ca_file: ca.pem}}]\n")
    for directory in ("one", "two"):
        trustme.CA().cert_pem.write_to_path(tmp_path / directory / "ca.pem")
    first, second = load("one/a.yaml", "two/b.yaml").endpoints

    assert first.credentials is not None
    assert FileSecret(tmp_path / "one/secret") == first.credentials.password
    assert (tmp_path / "one/ca.pem", tmp_path / "two/ca.pem") == (first.tls.ca_file, second.tls.ca_file)


def test_a_pattern_stands_for_the_files_that_match_it(write: Write) -> None:
    for name in ("10-a", "20-b"):
        write(f"conf.d/{name}.yaml", f"endpoints: [{{url: imaps://{name}}}]")
    write("conf.d/other.txt", "no configuration")
    write("conf.d/30-directory.yaml/file", "")
    named = load("conf.d/*.yaml", "conf.d/10-a.yaml").endpoints

    assert ["imaps://10-a", "imaps://20-b"] == [endpoint.name for endpoint in named]
    assert named == load_in_subprocess("conf.d/*.yaml").endpoints


def test_a_file_that_is_called_like_a_pattern_is_that_file(write: Write) -> None:
    write("a[1].yaml", "endpoints: [{url: imaps://h}]")

    assert ("a[1].yaml",) == load("a[1].yaml").files


def test_patterns_that_match_nothing_are_problems(write: Write) -> None:
    write("a.yaml", "endpoints: [{url: imaps://h}]")

    message = "no file matches this pattern; name a configuration file"
    assert [f"*.yml:1: {message}", f"nowhere/*:1: {message}"] == problems("nowhere/*", "a.yaml", "*.yml")


@pytest.mark.parametrize(
    "subject", ["modules: {imaps: {url: 'imaps://', allowed_targets: [h]}}", "endpoints: [{url: imaps://h}]"]
)
def test_one_subject_is_a_configuration(subject: str) -> None:
    assert ("f",) == parse(subject, "f").files


def test_keys_at_the_top_that_begin_with_x_are_a_home_for_anchors() -> None:
    text = "x-slow: &slow {interval: 5m}\nx-any: [1, {2: 3}]\nendpoints: [{url: imaps://h, <<: *slow}]\n"

    assert 300.0 == parse(text, "f").endpoints[0].interval


def test_an_alias_stays_what_it_stands_for_when_more_is_added_to_it(write: Write) -> None:
    write(
        "a.yaml",
        "defaults: &d {interval: 30s}\nendpoints: [{<<: *d, name: n, host: h, protocol: imap}]\n",
    )
    write("b.yaml", "defaults: {labels: {a: b}}\n")

    assert {"a": "b"} == dict(load("a.yaml", "b.yaml").endpoints[0].labels)


@pytest.mark.parametrize("read", [load, load_in_subprocess])
def test_standard_input_is_one_of_the_files(write: Write, read: Callable[..., object]) -> None:
    write("b.yaml", "credentials: {m: {username: u, password_env: PATH}}")
    content = b"endpoints: [{url: imaps://h, credentials: m}]"
    given = content if read is load_in_subprocess else lambda: content
    configuration = read("-", "b.yaml", standard_input=given)

    assert configuration == load("b.yaml", "-", standard_input=lambda: content)
    assert ("<stdin>", "b.yaml") == getattr(configuration, "files", None)


def test_check_reads_its_files_and_standard_input_as_one_configuration(write: Write) -> None:
    write("a.yaml", "credentials: {m: {username: u, password_env: PATH}}")
    command = [sys.executable, "-m", "exporter", "check", "a.yaml", "-"]
    good = subprocess.run(
        command, input="endpoints: [{url: imaps://h, credentials: m}]", capture_output=True, text=True, check=False
    )
    bad = subprocess.run(
        command, input="\nendpoints: [{url: imaps://h, credentials: n}]", capture_output=True, text=True, check=False
    )

    assert (0, "<stdin>, a.yaml: 1 endpoint, no problems\n", "") == (good.returncode, good.stdout, good.stderr)
    assert 1 == bad.returncode
    assert bad.stderr.startswith("<stdin>:2: credentials: ")


def test_unused_credentials_deserve_a_look() -> None:
    text = "credentials:\n  m: {username: u, password_env: PATH}\n  n: {username: u, password_env: PATH}\n"
    text += "modules: {x: {url: 'imaps://h', credentials: n, allowed_targets: [h]}}\n"

    message = "credentials.m: nobody logs in with these; name them at an endpoint, or leave them out"
    assert [f"f:2: {message}"] == [str(warning) for warning in parse(text, "f").warnings]


def test_a_mailbox_of_the_defaults_deserves_a_look_where_nobody_can_log_in() -> None:
    text = "defaults: {mailbox: INBOX}\nendpoints: [{url: imaps://h}, {url: smtp://h}]\n"

    message = "is looked at only by endpoints with credentials, and one has none; write credentials there"
    assert [f"f:1: defaults.mailbox: {message}"] == [str(warning) for warning in parse(text, "f").warnings]


@pytest.mark.parametrize(
    ("written", "cut"),
    [
        ("abc #def", True),
        ("abc\t#def", True),
        ("abc#def", False),
        ("'abc #def'", False),
        ('"abc" #def', False),
        ("abc", False),
    ],
)
def test_a_password_that_a_comment_cuts_short_deserves_a_look(written: str, cut: bool) -> None:
    text = f"credentials:\n  m: {{\n    username: u, # who\n    password: {written}\n  }}\n"
    text += "endpoints: [{url: imaps://h, credentials: m}]\n"
    found = [str(warning) for warning in parse(text, "f").warnings if "comment" in warning.message]

    message = "password: what follows # is a comment; write quotes around a password that holds it"
    assert [f"f:4: {message}"] * cut == found
    assert "def" not in "".join(found)


def test_a_pattern_that_matches_nothing_does_not_hide_a_missing_file(write: Write) -> None:
    write("a.yaml", "endpoints: [{url: imaps://h}]")

    assert ["*.yml", "missing.yaml"] == [
        problem.partition(":")[0] for problem in problems("*.yml", "a.yaml", "missing.yaml")
    ]
