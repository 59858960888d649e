from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64encode
from urllib.parse import quote, quote_plus

from hypothesis import given
from hypothesis import strategies as st

from exporter.protocol.redaction import BLOT, MIN_HIDDEN, blotted, forms_of, may_hold

SECRETS = st.text(st.characters(exclude_categories=["Cs"]), min_size=6, max_size=30).filter(
    lambda text: len(set(text)) > 3 and not set(text) & set("<redacted>")
)


@given(SECRETS, st.binary(max_size=7), st.binary(max_size=7))
def test_a_secret_is_found_in_every_form(text: str, before: bytes, after: bytes) -> None:
    secret = text.encode()
    forms = forms_of(secret)
    for repeated in (
        secret,
        b64encode(secret),
        urlsafe_b64encode(secret),
        quote(secret, safe="").encode(),
        quote_plus(secret).encode(),
        json.dumps(text).encode(),
    ):
        said = b"you said " + repeated + b" to me"
        assert BLOT in blotted(said, forms)
        assert secret not in blotted(said, forms)
    assert BLOT in blotted(b64encode(before + secret + after), forms)


@given(st.binary(max_size=12), st.binary(max_size=5), st.binary(max_size=5))
def test_no_form_of_a_secret_escapes_the_quick_look(secret: bytes, before: bytes, after: bytes) -> None:
    assert all(may_hold(before + form + after, secret) for form in forms_of(secret))


def test_the_quick_look_passes_what_servers_usually_say() -> None:
    said = b"* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] ready\na1 OK Logged in\n* BYE Logging out\na2 OK Done."

    assert not may_hold(said, b"correct horse battery staple")
    assert not may_hold(said, "Прощай, оружие-7!".encode())


def test_what_is_too_short_to_tell_from_other_words_is_left_alone() -> None:
    assert () == forms_of(b"no")
    assert all(len(form) >= MIN_HIDDEN for form in forms_of(b"nope!"))


def test_nothing_of_a_long_form_is_left_by_a_short_one_within_it() -> None:
    secret = b"a b c d e"
    assert BLOT == blotted(quote_plus(secret).encode(), forms_of(secret))
    assert BLOT == blotted(b64encode(secret), forms_of(secret))


def test_words_without_a_secret_stay_as_they_are() -> None:
    words = b"535 5.7.8 Error: authentication failed"
    assert words == blotted(words, forms_of(b"correct horse battery staple"))
