from __future__ import annotations

import pytest

from exporter.flows.messages import matching
from exporter.flows.messages.dates import internal_date
from exporter.flows.messages.headers import read_headers
from exporter.flows.messages.matching import MAX_COMMENTS, MAX_FIELDS, literal, matches
from exporter.model import Awaited

REPORT = b"From: Backup <backup@db1.example.com>\r\nSubject: Nightly backup finished on db1\r\n\r\n"


@pytest.mark.parametrize(
    ("sender", "subject", "expected"),
    [
        ("backup@*.example.com", "*finished*", True),
        ("BACKUP@*.EXAMPLE.com", "*FINISHED*", True),
        (None, None, True),
        ("backup@db?.example.com", None, True),
        ("backup@db1.example.com", None, True),
        ("backup@db2.example.com", None, False),
        ("backup@*", "finished*", False),
        (None, "Nightly*db?", True),
        (None, "*", True),
        (None, "", False),
        ("Backup*", None, True),
        (None, "[N]ightly*", False),
        (None, "Nightly*on*db1", True),
        (None, "*n*db1", True),
        (None, "*nn", False),
        (None, "*???db1", True),
        (None, "Nightly?backup*", True),
        (None, "Nightly??backup*", False),
        (None, "*db1*", True),
        (None, "*db1?", False),
        (None, "*xnightly*", False),
    ],
)
def test_sender_and_subject_are_matched_by_patterns(sender: str | None, subject: str | None, expected: bool) -> None:
    assert expected is matches(read_headers(REPORT), Awaited(60, sender, subject))


def test_an_encoded_subject_is_decoded_first() -> None:
    headers = read_headers(b"From: a@b.c\r\nSubject: =?utf-8?B?YsO8cm8gZmVydGln?=\r\n\r\n")
    assert matches(headers, Awaited(60, None, "büro*"))


def test_a_pattern_full_of_stars_is_cheap() -> None:
    headers = read_headers(b"Subject: " + b"a" * 1000 + b"\r\n\r\n")
    assert not matches(headers, Awaited(60, None, "*a" * 200 + "b"))


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"From:\r\n",
        b"From: <<<>>>,,,\r\n",
        b"From: \xff\x00@\r\n",
        b"From: " + b"(" * 900,
        b"From: " + b"(a " * 300 + b"a@b.c",
        b"From: " + b"<" * 900,
        b"From: " + b"[" * 900,
    ],
)
def test_a_header_without_what_is_asked_for_matches_nothing(octets: bytes) -> None:
    assert not matches(read_headers(octets), Awaited(60, "a@b.c", None))


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [("backup@*.example.com", ".example.com"), ("*finished*", "finished"), ("*", None), (None, None), ("*ü*ab", "ab")],
)
def test_the_longest_piece_is_what_a_server_is_asked_for(pattern: str | None, expected: str | None) -> None:
    assert expected == literal(pattern)


@pytest.mark.parametrize(("subject", "expected"), [("*", True), ("", True), ("?*", False)])
def test_a_message_without_a_subject_has_an_empty_one(subject: str, expected: bool) -> None:
    assert expected is matches(read_headers(b"From: a@b.c\r\n\r\n"), Awaited(60, None, subject))


@pytest.mark.parametrize(("before", "expected"), [(MAX_FIELDS - 1, True), (MAX_FIELDS, False)])
def test_the_first_senders_count(before: int, expected: bool) -> None:
    octets = b"From: x@y.z\r\n" * before + b"From: a@b.c\r\n\r\n"
    assert expected is matches(read_headers(octets), Awaited(60, "a@b.c", None))


@pytest.mark.parametrize(
    ("text", "expected"),
    [("aaab", True), ("aab", True), ("ab", False), ("aabaab", True), ("aabb", False), ("xab", False)],
)
def test_a_star_gives_way_one_character_at_a_time(text: str, expected: bool) -> None:
    headers = read_headers(f"Subject: {text}\r\n\r\n".encode())
    assert expected is matches(headers, Awaited(60, None, "*aab"))


def test_comments_are_no_matter_as_long_as_they_are_few() -> None:
    for count, expected in ((MAX_COMMENTS, True), (MAX_COMMENTS + 1, False)):
        octets = b"From: a@b.c " + b"(x)" * count + b"\r\n\r\n"
        assert expected is matches(read_headers(octets), Awaited(60, "a@b.c", None))


def test_a_sender_that_breaks_the_library_is_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(_: list[str]) -> list[tuple[str, str]]:
        raise IndexError("as Python's parser did again and again")

    monkeypatch.setattr(matching, "getaddresses", breaks)
    assert not matches(read_headers(REPORT), Awaited(60, "*", None))
    assert matches(read_headers(REPORT), Awaited(60, None, None))


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (" 2-Jan-1970 00:00:00 +0000", 86400.0),
        ("01-Jan-1970 02:00:00 +0200", 0.0),
        ("01-Jan-1970 00:00:00", None),
        ("32-Jan-1970 00:00:00 +0000", None),
        ("", None),
        ("x" * 10_000, None),
    ],
)
def test_an_internal_date_is_read_or_none(written: str, expected: float | None) -> None:
    assert expected == internal_date(written)
