from __future__ import annotations

import pytest

from exporter.protocol.sasl.saslprep import prepared


@pytest.mark.parametrize(
    ("typed", "sent"),
    [
        # RFC 4013 section 3.
        ("I\u00adX", "IX"),
        ("user", "user"),
        ("USER", "USER"),
        ("\u00aa", "a"),
        ("\u2168", "IX"),
        # RFC 4013 section 2.1: other spaces are the space.
        ("a\u00a0b\u3000c", "a b c"),
        # RFC 4013 section 2.2: two ways to type one letter.
        ("ko\u0308ln", "köln"),
        # RFC 3454 section 6: right to left, from end to end.
        ("\u0627\u0628", "\u0627\u0628"),
        ("\u06271\u0628", "\u06271\u0628"),
    ],
)
def test_what_can_be_typed_in_several_ways_is_sent_in_one(typed: str, sent: str) -> None:
    assert sent.encode() == prepared(typed.encode())


@pytest.mark.parametrize(
    "typed",
    [
        b"\xff\xfe not UTF-8 \xe2\x82",
        # RFC 4013 section 3: prohibited, and mixed directions.
        b"\x07",
        "\u06271".encode(),
        "\u0627a\u0628".encode(),
        # RFC 4013 section 2.3: a control character, private use, a tag; 2.5: unassigned in Unicode 3.2, as emoji are.
        "ö\x7f".encode(),
        "\ue000".encode(),
        "\U000e0041".encode(),
        "grinning \U0001f600".encode(),
        # Nothing would be left.
        "\u00ad".encode(),
        b"",
        bytes(range(128)),
    ],
)
def test_what_has_no_form_is_sent_as_it_is(typed: bytes) -> None:
    assert typed == prepared(typed)
