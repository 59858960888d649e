from __future__ import annotations

import html
import json
from base64 import b32encode, b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from struct import iter_unpack
from time import thread_time
from typing import Final
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.protocol.imap_command import mailbox
from exporter.protocol.redaction import (
    BLOT,
    MAX_CLEAN,
    MAX_LOOKED_AT,
    MAX_SEARCHED,
    MIN_HIDDEN,
    Redactor,
    blotted,
    blotted_where_cut,
)

SECRETS = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=8, max_size=30).filter(
    lambda text: len(set(text)) > 3 and not set(text) & set("<redacted>")
)


def split(octets: bytes, between: bytes) -> bytes:
    """The octets in two halves."""
    return octets[:9] + between + octets[9:]


def units(text: str) -> Iterator[int]:
    """The text in UTF-16."""
    return (unit for (unit,) in iter_unpack(">H", text.encode("utf-16-be")))


CLOTHES: Final[dict[str, Callable[[str], bytes]]] = {
    "as it is": str.encode,
    "in capitals": lambda text: text.upper().encode(),
    "in small letters": lambda text: text.lower().encode(),
    "in hex": lambda text: text.encode().hex().encode(),
    "in hex with capitals": lambda text: text.encode().hex().upper().encode(),
    "in hex with spaces": lambda text: text.encode().hex(" ").encode(),
    "in hex with colons": lambda text: text.encode().hex(":").encode(),
    "as an array": lambda text: ", ".join(f"0x{octet:02x}" for octet in text.encode()).encode(),
    "in a URL": lambda text: quote(text, safe="").encode(),
    "in a URL with small letters": lambda text: "".join(f"%{octet:02x}" for octet in text.encode()).encode(),
    "in a form": lambda text: quote_plus(text).encode(),
    "in a URL twice": lambda text: quote(quote(text, safe=""), safe="").encode(),
    "in quoted-printable": lambda text: "".join(f"={octet:02X}" for octet in text.encode()).encode(),
    "in HTML": lambda text: html.escape(text).encode(),
    "in decimal HTML": lambda text: "".join(f"&#{ord(each)};" for each in text).encode(),
    "in hexadecimal HTML": lambda text: "".join(f"&#x{ord(each):X};" for each in text).encode(),
    "in JSON": lambda text: json.dumps(text)[1:-1].encode(),
    "in Python": lambda text: "".join(f"\\x{octet:02x}" for octet in text.encode()).encode(),
    "in base64": lambda text: b64encode(text.encode()),
    "in url-safe base64": lambda text: urlsafe_b64encode(text.encode()),
    "in base64 behind one": lambda text: b64encode(b"a" + text.encode() + b"yz"),
    "in base64 behind two": lambda text: b64encode(b"ab" + text.encode() + b"z"),
    "in base64 over two lines": lambda text: b64encode(text.encode())[:9] + b"\r\n" + b64encode(text.encode())[9:],
    "in JavaScript": lambda text: "".join(f"\\u{{{ord(each):x}}}" for each in text).encode(),
    "as escape() has it": lambda text: b"".join(b"%%u%04X" % unit for unit in units(text)),
    "in octal": lambda text: "".join(f"\\{octet:03o}" for octet in text.encode()).encode(),
    "in UTF-16": lambda text: text.encode("utf-16-le") if text.isascii() else text.encode(),
    "in hex over two lines of a reply": lambda text: split(text.encode().hex().encode(), b"\n535-5.7.8 "),
    "in base64 over two lines of a reply": lambda text: split(b64encode(text.encode()), b"\r\n250-"),
    "in base32": lambda text: b32encode(text.encode()),
    "in base32 with small letters behind three": lambda text: b32encode(b"abc" + text.encode() + b"z").lower(),
    "backwards": lambda text: text[::-1].encode(),
    "in base64 twice": lambda text: b64encode(b64encode(text.encode())),
    "in base64 twice behind one": lambda text: b64encode(b"a" + b64encode(b"\0user\0" + text.encode())),
    "in UTF-7": lambda text: text.encode("utf-7"),
    "in UTF-7 throughout": lambda text: b"+" + b64encode(text.encode("utf-16-be")).rstrip(b"=") + b"-",
    "as a mailbox is called": lambda text: mailbox(text, in_utf8=False)[1:-1],
    "in quotes": lambda text: b'"' + text.replace("\\", "\\\\").replace('"', '\\"').encode() + b'"',
    "with a space between all": lambda text: " ".join(text).encode(),
}


@pytest.mark.parametrize("dressed", CLOTHES.values(), ids=CLOTHES.keys())
@pytest.mark.parametrize("secret", ["correct horse & battery", "p@ss<w>0rd+/=", "Tr0ub4dor3", "Прощай, оружие-7!"])
def test_a_secret_is_found_in_all_clothes(dressed: Callable[[str], bytes], secret: str) -> None:
    said = b"250 you said " + dressed(secret) + b", didn't you?\n250 and that is that"
    redactor = Redactor([secret.encode()])

    assert redactor.may_hold(said)
    shown = redactor.blotted(said)
    assert BLOT in shown
    assert shown.endswith(b", didn't you?\n250 and that is that")
    # Nothing is left to undress. What base64 shares with what is around says less than two octets.
    assert not redactor.may_hold(shown)


@pytest.mark.parametrize(
    "said",
    [
        b"535-5.7.8 correct ho\n535 5.7.8 rse staple",
        b"250-correct ho\n250-rse st\n250 aple",
        b"* OK correct ho\n* NO rse staple",
        b"+OK correct ho\n-ERR rse staple",
        b"correct ho\nrse staple",
        b"CORRECT HO\n250 RSE STAPLE",
    ],
)
def test_a_secret_that_is_split_over_lines_is_found(said: bytes) -> None:
    shown = Redactor([b"correct horse staple"]).blotted(said)

    assert said.count(b"\n") == shown.count(b"\n")
    assert all(BLOT in line for line in shown.split(b"\n"))
    assert not any(rest in shown.lower() for rest in (b"correct", b"horse", b"rse", b"staple", b"aple"))


@settings(derandomize=True)
@given(SECRETS, st.sampled_from(list(CLOTHES.values())), st.binary(max_size=7), st.binary(max_size=7))
def test_no_secret_in_any_clothes_escapes_the_quick_look(
    text: str, dressed: Callable[[str], bytes], before: bytes, after: bytes
) -> None:
    redactor = Redactor([text.encode()])
    said = before + b" " + dressed(text) + b" " + after

    # Other letter case of what is not ASCII may be another text, and then another secret.
    if text.isascii() or dressed(text).isascii() or dressed(text) == text.encode():
        assert redactor.may_hold(said) or len(text.encode().translate(None, b" \t\r\n\"'\\=:;,.-_<>+")) < MIN_HIDDEN


@given(st.binary(max_size=300), st.lists(st.binary(max_size=12), max_size=3))
def test_whatever_is_said_is_shown_or_blotted_out_and_keeps_its_lines(said: bytes, secrets: list[bytes]) -> None:
    redactor = Redactor(secrets)

    shown = redactor.blotted(said)

    assert said.count(b"\n") == shown.count(b"\n")
    assert redactor.may_hold(said) or said == shown


def test_the_quick_look_passes_what_servers_usually_say() -> None:
    said = b"* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] ready\na1 OK Logged in\n* BYE Logging out\na2 OK Done."

    assert not Redactor([b"correct horse battery staple", "Прощай, оружие-7!".encode()]).may_hold(said)


def test_what_was_searched_is_known_again_by_identity() -> None:
    redactor = Redactor([b"correct horse"])
    pairs = [([number], [number]) for number in range(MAX_CLEAN)]
    for one, other in pairs:
        redactor.remember_clean(one, other)

    assert all(redactor.is_clean(one, other) for one, other in pairs)
    one, other = pairs[0]
    assert not redactor.is_clean(list(one), other)
    assert not redactor.is_clean(other, one)
    assert not Redactor([b"correct horse"]).is_clean(one, other)

    redactor.remember_clean([], [])
    assert [False, *[True] * (MAX_CLEAN - 1)] == [redactor.is_clean(one, other) for one, other in pairs]


def test_what_is_too_short_to_tell_from_other_words_is_left_alone() -> None:
    assert not Redactor([b"no", b""]).may_hold(b"no, no")
    assert Redactor([b"nope!"]).may_hold(b"no, nope!")


def test_what_is_too_long_to_look_through_loses_the_lines_that_may_hold_a_secret() -> None:
    said = b"a line\n" * (MAX_SEARCHED // 7 + 1) + b"my CORRECT%20HORSE\nand\n250-correct ho\n250 rse\nthe end"

    shown = Redactor([b"correct horse"]).blotted(said).split(b"\n")

    assert [b"a line", BLOT, b"and", BLOT, BLOT, b"the end"] == shown[-6:]
    assert {b"a line"} == set(shown[:-5])


def test_what_is_far_too_long_is_not_shown_at_all() -> None:
    said = b"a line\n" * MAX_LOOKED_AT + b"correct horse"

    assert {BLOT} == set(Redactor([b"correct horse"]).blotted(said).split(b"\n"))


@pytest.mark.parametrize("said", [b"%70" * 400_000, b"&#112;" * 200_000, b"\n250 " * 200_000, b"cor" * 400_000])
def test_a_server_cannot_make_the_search_take_long(said: bytes) -> None:
    begun = thread_time()

    Redactor([b"correct horse"]).blotted(said)
    Redactor([b"correct horse"]).blotted(said[: MAX_SEARCHED - 20] + b"correct horse")

    assert 2 > thread_time() - begun


def test_an_escape_of_nothing_stays_as_it_is() -> None:
    said = b"&#9999999; &nonsense; &#x110000; \\ud800 correct horse"

    assert said.replace(b"correct horse", BLOT) == Redactor([b"correct horse"]).blotted(said)


def test_words_without_a_secret_stay_as_they_are() -> None:
    words = b"535 5.7.8 Error: authentication failed"
    assert words == Redactor([b"correct horse battery staple"]).blotted(words)


def test_text_is_cleared_like_octets() -> None:
    assert "CN=<redacted>,O=é" == Redactor([b"correct horse"]).text("CN=CORRECT HORSE,O=é")


def test_the_beginning_of_a_secret_is_not_shown_where_a_quote_was_cut() -> None:
    assert b'it says "a <redacted>..."' == blotted_where_cut(b'it says "a correct..."', [b"correct horse"])
    # Of a form that only ends alike, and of another's words, nothing is the secret's.
    assert b'it says "a horse..."' == blotted_where_cut(b'it says "a horse..."', [b"correct horse", b"battery"])


@pytest.mark.parametrize(
    ("secret", "said"),
    [
        ("correct \U0001f40e battery", rb"it was correct \ud83d\udc0e battery here"),
        ("correct\vhorse\abattery", rb"it was correct\vhorse\abattery here"),
    ],
)
def test_what_json_writes_with_two_units_or_with_a_letter_is_found(secret: str, said: bytes) -> None:
    assert b"it was <redacted> here" == Redactor([secret.encode()]).blotted(said)


def test_single_forms_are_looked_for_as_they_are() -> None:
    assert b"a <redacted> b" == blotted(b"a xyz b", [b"xyz"])
