from __future__ import annotations

import pytest

from exporter.flows.messages.headers import MAX_FIELDS, decoded, read_headers


def test_fields_are_unfolded_and_found_in_any_case() -> None:
    headers = read_headers(b"Subject: one\r\n two\r\nsubject: three\r\nX-Other: 4\r\n\r\nSubject: body\r\n")
    assert ["one two", "three"] == headers.all("SUBJECT")
    assert "4" == headers.first("x-other")
    assert headers.first("absent") is None


def test_bare_line_ends_are_read_too() -> None:
    assert ["b c"] == read_headers(b"A: b\n c\n\nA: no\n").all("a")


def test_what_is_no_field_is_left_out() -> None:
    headers = read_headers(b"From somebody\r\n: empty\r\nB\xc3\xa4: x\r\nno field\r\nC: d\r\n")
    assert (("c", "d"),) == headers.fields


def test_hostile_octets_become_a_printable_line() -> None:
    value = read_headers(b"A: \xff\x00\x1b[31m\xc3\xa4\r\n").first("A")
    assert "\ufffd\ufffd\ufffd[31mä" == value


def test_a_bomb_of_fields_is_cut() -> None:
    assert MAX_FIELDS == len(read_headers(b"A: b\r\n" * 100_000).fields)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("plain", "plain"),
        ("=?utf-8?B?YsO8cm8=?=", "büro"),
        ("=?iso-8859-1?Q?b=FCro?= fertig", "büro fertig"),
        ("=?unknown-8?Q?b=FCro?=", "=?unknown-8?Q?b=FCro?="),
        ("=?utf-8?B?!!!?=", ""),
        ("=?utf-8?Q?a=0Ab?=", "a\ufffdb"),
    ],
)
def test_encoded_words_are_decoded_where_they_can_be(written: str, expected: str) -> None:
    assert expected == decoded(written)
