from __future__ import annotations

from dataclasses import replace

import pytest

from exporter.flows.messages import signature
from exporter.flows.messages.signature import TOKEN_LENGTH, MessageToken
from exporter.model import Secret

KEY = Secret(b"0123456789abcdef")
OTHER_KEY = Secret(b"0123456789abcdeg")
TOKEN = MessageToken(signature.mark("office-to-gmail"), 17_000_000_001, 1_700_000_000.123)


def test_a_token_says_what_was_signed() -> None:
    assert TOKEN == signature.verify(signature.sign(TOKEN, KEY), KEY)


def test_a_token_is_lower_case_letters_and_digits_of_a_known_length() -> None:
    text = signature.sign(TOKEN, KEY)
    assert TOKEN_LENGTH == len(text) == 56
    assert set(text) <= set("abcdefghijklmnopqrstuvwxyz234567")


def test_letter_case_means_nothing() -> None:
    assert TOKEN == signature.verify(signature.sign(TOKEN, KEY).upper(), KEY)


def test_another_key_does_not_know_it() -> None:
    assert signature.verify(signature.sign(TOKEN, KEY), OTHER_KEY) is None


def test_no_character_can_be_changed() -> None:
    text = signature.sign(TOKEN, KEY)
    for at, character in enumerate(text):
        changed = text[:at] + ("a" if character != "a" else "b") + text[at + 1 :]
        assert signature.verify(changed, KEY) is None, at


@pytest.mark.parametrize("text", ["", "a", "a" * 55, "a" * 56, "a" * 57, "1" * 56, "ü" * 56, "a" * 54 + "=="])
def test_what_is_no_token_is_none(text: str) -> None:
    assert signature.verify(text, KEY) is None


def test_flows_and_mx_hosts_have_marks_of_their_own() -> None:
    marks = {signature.mark("a"), signature.mark("b"), signature.mark("a", "mx1"), signature.mark("a", "mx2")}
    assert 4 == len(marks)


def test_a_token_is_found_in_a_message_id() -> None:
    text = signature.sign(TOKEN, KEY).encode()
    assert TOKEN == signature.find(b"Message-ID: <" + text + b"@example.com>", KEY)


def test_a_token_within_a_longer_word_is_none() -> None:
    text = signature.sign(TOKEN, KEY).encode()
    assert signature.find(b"x" + text, KEY) is None
    assert signature.find(text + b"7", KEY) is None


def test_imitations_before_it_do_not_hide_it() -> None:
    forged = signature.sign(replace(TOKEN, sequence=1), OTHER_KEY).encode()
    assert TOKEN == signature.find(forged + b" " + signature.sign(TOKEN, KEY).encode(), KEY)


def test_a_text_full_of_imitations_costs_no_more_than_a_few() -> None:
    forged = signature.sign(TOKEN, OTHER_KEY).encode() + b" "
    text = forged * signature.MAX_CANDIDATES + signature.sign(TOKEN, KEY).encode()
    assert signature.find(text, KEY) is None
