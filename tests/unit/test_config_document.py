from __future__ import annotations

import pytest
import yaml

from exporter.config import document
from exporter.config.document import is_unusable, read_document
from exporter.config.problems import ConfigurationError


@pytest.mark.parametrize(
    "written",
    [
        "007",
        "1:30",
        "no",
        "on",
        "1e3",
        "0x1f",
        "2026-11-23",
        ".nan",
        "-5",
        "=",
        '"null"',
        "'~'",
        "!!str null",
        "!!int 5",
    ],
)
def test_every_scalar_is_the_text_that_was_written(written: str) -> None:
    text = written.removeprefix("!!str ").removeprefix("!!int ").strip("\"'")
    assert {"key": text} == read_document(f"key: {written}\n", "f").root


@pytest.mark.parametrize("written", ["", "~", "null", "Null", "NULL"])
def test_a_key_without_value_has_none(written: str) -> None:
    assert {"key": None} == read_document(f"key: {written}\n", "f").root


def test_keys_are_text_too() -> None:
    assert {"on": "a", "1": "b"} == read_document("{on: a, 1: b}", "f").root


@pytest.mark.parametrize("text", ["", "\n", "# nothing\n", "---\n", "---\n...\n"])
def test_a_file_without_content_is_none(text: str) -> None:
    assert read_document(text, "f").root is None


def test_values_are_found_at_their_lines() -> None:
    read = read_document("a:\n  b: [1,\n    2]\n  c:\n    - d: 3\n      e: 4\n    - 5\nf: 6\n", "f")
    lines = {
        (): 1,
        ("a",): 1,
        ("a", "b"): 2,
        ("a", "b", 0): 2,
        ("a", "b", 1): 3,
        ("a", "c"): 4,
        ("a", "c", 0): 5,
        ("a", "c", 0, "e"): 6,
        ("a", "c", 1): 7,
        ("f",): 8,
    }
    assert lines == {location: read.line(location) for location in lines}


def test_what_is_not_there_is_found_at_the_last_line_on_the_way() -> None:
    read = read_document("a: 1\nb:\n  - c: 2\n", "f")
    for missing in [("b", 0, "d"), ("b", 7), ("b", "c"), ("b", 0, "c", "d", 1)]:
        assert (3 if missing[:2] == ("b", 0) else 2) == read.line(missing)


def test_an_alias_stands_for_its_anchor_and_keeps_the_lines_of_where_it_was_written() -> None:
    read = read_document("a: &a {b: 1}\nc: *a\n", "f")
    assert {"a": {"b": "1"}, "c": {"b": "1"}} == read.root
    assert (2, 1) == (read.line(("c",)), read.line(("c", "b")))


def test_a_merge_key_adds_what_is_not_set_and_the_first_of_several_wins() -> None:
    read = read_document("a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc:\n  <<: [*a, *b]\n  x: 3\n", "f")
    assert isinstance(read.root, dict)
    assert {"x": "3", "y": "1", "z": "2"} == read.root["c"]
    assert (5, 1, 2) == (read.line(("c", "x")), read.line(("c", "y")), read.line(("c", "z")))


def test_a_quoted_merge_key_is_a_key() -> None:
    assert {"<<": {"a": "1"}} == read_document("'<<': {a: 1}", "f").root


def test_problems_that_leave_the_rest_readable_are_all_reported() -> None:
    read = read_document("a: 1\na: 2\nb: !x 3\nc: *d\n? [e]\n: f\n", "f")
    assert [2, 3, 4, 5] == [problem.line for problem in read.problems]


def test_problems_before_a_syntax_error_are_reported_with_it() -> None:
    with pytest.raises(ConfigurationError) as raised:
        read_document("a: 1\na: 2\nb: [\n", "f")
    assert [2, 3] == [problem.line for problem in raised.value.problems]


def test_an_alias_to_what_it_stands_in_is_refused() -> None:
    read = read_document("a: &a [*a]\n", "f")
    assert ["f:1"] == [str(problem)[:3] for problem in read.problems]
    assert {"a": [""]} == read.root
    assert is_unusable(read.root, ("a", 0))


def test_aliases_are_counted_as_if_they_were_written_out(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "a: &a [x, x]\nb: [*a, *a]\n"
    # The mapping, two keys, the list of three, the list of two aliases, and what each of those stands for.
    nodes = 1 + 2 + 3 + 3 + 2 * 3
    monkeypatch.setattr(document, "MAX_NODES", nodes)
    assert {"a": ["x", "x"], "b": [["x", "x"], ["x", "x"]]} == read_document(text, "f").root
    monkeypatch.setattr(document, "MAX_NODES", nodes - 1)
    with pytest.raises(ConfigurationError, match="f:2: has more than 14 values once its aliases"):
        read_document(text, "f")


@pytest.mark.parametrize(
    "secret", ["*hunter2", "!hunter2", "!x!hunter2 y", "&hunter2 x: [", "%hunter2", "@hunter2", '"hunter2']
)
def test_what_may_be_a_password_is_not_repeated(secret: str) -> None:
    try:
        problems = read_document(f"password: {secret}\n", "f").problems
    except ConfigurationError as error:
        problems = error.problems
    assert problems
    assert not any("hunter2" in str(problem) for problem in problems)


@pytest.mark.parametrize("character", ["\0", "\x07", "\x1b", "\x7f", "\ud800", "\ufffe", "\uffff"])
def test_characters_that_yaml_does_not_allow_are_named_with_their_line(character: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        read_document(f"a: 1\nb: {character}\n", "f")
    expected = (
        f"f:2: contains the character U+{ord(character):04X}, which YAML does not allow; save it as plain UTF-8 text"
    )
    assert expected == str(raised.value)


def test_the_parser_written_in_python_serves_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "_LOADER", yaml.SafeLoader)
    read = read_document("a: &a {b: 1}\nc:\n  <<: *a\n  d: [~, 'x']\n", "f")
    assert {"a": {"b": "1"}, "c": {"b": "1", "d": [None, "x"]}} == read.root
    with pytest.raises(ConfigurationError, match="f:2: not valid YAML: "):
        read_document("a: 1\nb: [1\n", "f")


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n", "\x85", "\u2028", "\u2029"])
def test_every_line_end_of_yaml_is_one(end: str) -> None:
    """One before a secret once was an IndexError."""
    document = read_document(f"{end}client_secret: a{end}password: b #c{end}", "f")
    assert {"client_secret": "a", "password": "b"} == document.root
    assert read_document(f"{end}client_secret:", "f").root == {"client_secret": None}
