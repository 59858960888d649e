from __future__ import annotations

import pytest

from exporter.model import FailureReason
from exporter.protocol.dialogue import (
    MAX_QUOTE,
    DialogueError,
    ProtocolError,
    ResponseTooLargeError,
    keywords,
    printable,
    quoted,
)


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        (b"220 mail.example.com", "220 mail.example.com"),
        (b"", ""),
        (b"a\r\nb\tc\0d", "a\\x0d\\x0ab\\x09c\\x00d"),
        (b"\x1b[2J\x7f", "\\x1b[2J\\x7f"),
        (
            "é Сервер перевантажений 服务器忙 مشغول שגיאה ระบบ".encode(),
            "é Сервер перевантажений 服务器忙 مشغول שגיאה ระบบ",
        ),
        ("a\u202eb".encode(), "a\\xe2\\x80\\xaeb"),  # turns the line around
        ("a\u200bb\u2066\ufeff".encode(), "a\\xe2\\x80\\x8bb\\xe2\\x81\\xa6\\xef\\xbb\\xbf"),  # cannot be seen
        ("a\u0301\u0301".encode(), "a\\xcc\\x81\\xcc\\x81"),  # stack up
        ("\u2028\ue000\U0010ffff".encode(), "\\xe2\\x80\\xa8\\xee\\x80\\x80\\xf4\\x8f\\xbf\\xbf"),
        (b"f\xfcr \xc3\xa9 \xed\xa0\x80 \xc0\xaf", "f\\xfcr é \\xed\\xa0\\x80 \\xc0\\xaf"),
    ],
)
def test_hostile_octets_become_one_line_that_is_harmless(octets: bytes, text: str) -> None:
    assert text == printable(octets)


def test_a_quote_is_shortened() -> None:
    assert '"short"' == quoted(b"short")
    assert '"' + MAX_QUOTE * "x" + '"' == quoted(MAX_QUOTE * b"x")
    assert '"' + MAX_QUOTE * "x" + '..."' == quoted((MAX_QUOTE + 1) * b"x")
    assert '"' + MAX_QUOTE * "\N{SNOWMAN}" + '..."' == quoted((MAX_QUOTE + 1) * "\N{SNOWMAN}".encode())
    assert MAX_QUOTE + 5 == len(quoted(8192 * b"\xff"))


def test_capabilities_are_found_by_keyword_whatever_their_case_and_lines() -> None:
    announced = ["SIZE 100", "auth plain", "AUTH  LOGIN XOAUTH2 ", "", "  ", "STARTTLS"]

    expected = {"SIZE": ["100"], "AUTH": ["PLAIN", "LOGIN", "XOAUTH2"], "STARTTLS": []}
    assert expected == keywords(announced)


def test_an_error_says_whether_a_goodbye_would_be_understood() -> None:
    assert DialogueError(FailureReason.COMMAND_REFUSED, "no").in_step
    assert not ProtocolError("what?").in_step
    assert not ResponseTooLargeError("enough").in_step
