from __future__ import annotations

import json
import time
from base64 import b64encode
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.model import Secret, TokenOutcome
from exporter.protocol.oauth2 import (
    MAX_DETAIL,
    MAX_LIFETIME,
    TokenAnswer,
    TokenError,
    token_answer,
)

NOON = 1_756_728_000.0
"""2025-09-01 12:00:00 UTC."""


def answered(status: int = 200, *, hidden: tuple[bytes, ...] = (), **document: Any) -> TokenAnswer:
    return token_answer(status, None, json.dumps(document).encode(), tuple(map(Secret, hidden)), NOON)


def test_a_token_comes_with_its_lifetime_and_maybe_another_refresh_token() -> None:
    answer = answered(access_token="t", token_type="bearer", expires_in=3599, refresh_token="r", scope="a b", x=[1])

    assert TokenAnswer(Secret(b"t"), 3599.0, Secret(b"r")) == answer


@pytest.mark.parametrize("renewed", ["", "\ud800", "\N{SNOWMAN}", "a\nb", 7, None])
def test_what_cannot_be_a_refresh_token_does_not_take_the_old_one_s_place(renewed: Any) -> None:
    assert answered(access_token="t", refresh_token=renewed).refresh_token is None


@pytest.mark.parametrize("filling", [" ", ".", ". ", "Trace ID"])
def test_an_explanation_without_end_is_read_in_no_time(filling: str) -> None:
    began = time.process_time()
    with pytest.raises(TokenError):
        answered(400, error="invalid_grant", error_description=filling * (60_000 // len(filling)) + "x")

    assert time.process_time() - began < 1.0


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("3600", 3600.0),
        (1.5, 1.5),
        (10**18, MAX_LIFETIME),
        (0, None),
        (-1, None),
        (True, None),
        (None, None),
        ("soon", None),
        ([3600], None),
        (float("inf"), None),
        (float("nan"), None),
        ("9" * 5000, None),
    ],
)
def test_a_lifetime_is_a_number_or_not_known(written: Any, expected: float | None) -> None:
    assert expected == answered(access_token="t", token_type="Bearer", expires_in=written).lifetime


def test_a_token_without_a_type_is_taken_for_a_bearer_s() -> None:
    assert Secret(b"t") == answered(access_token="t").access_token


def failed(status: int, body: bytes, hidden: tuple[bytes, ...] = (), retry_after: str | None = None) -> TokenError:
    with pytest.raises(TokenError) as raised:
        token_answer(status, retry_after, body, tuple(map(Secret, hidden)), NOON)
    return raised.value


@pytest.mark.parametrize(
    ("status", "body", "outcome", "detail"),
    [
        (
            401,
            (
                b'{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided. Ensure '
                b"the secret being sent in the request is the client secret value, not the client secret ID. Trace ID: "
                b'0e5d1c4b Correlation ID: 9f1c Timestamp: 2026-05-01 10:00:00Z","error_codes":[7000215]}'
            ),
            TokenOutcome.REFUSED,
            (
                "the token endpoint refuses: invalid_client: AADSTS7000215: Invalid client secret provided. Ensure the "
                "secret being sent in the request is the client secret value, not the client secret ID"
            ),
        ),
        (
            400,
            b'{"error": "invalid_grant", "error_description": "Token has been expired or revoked."}',
            TokenOutcome.REFUSED,
            "the token endpoint refuses: invalid_grant: Token has been expired or revoked.",
        ),
        (400, b'{"error": "invalid_scope"}', TokenOutcome.REFUSED, "the token endpoint refuses: invalid_scope"),
        (200, b'{"error": "own\\nword"}', TokenOutcome.REFUSED, "the token endpoint refuses: own word"),
        (
            503,
            b'{"error": "temporarily_unavailable", "error_description": "AADSTS90033: A transient error occurred."}',
            TokenOutcome.UNAVAILABLE,
            "the token endpoint refuses: temporarily_unavailable: AADSTS90033: A transient error occurred.",
        ),
        (
            400,
            b'{"error": "temporarily_unavailable"}',
            TokenOutcome.UNAVAILABLE,
            "the token endpoint refuses: temporarily_unavailable",
        ),
        (
            502,
            b"<html>Bad gateway</html>",
            TokenOutcome.UNAVAILABLE,
            "the token endpoint answers HTTP 502 with something other than JSON",
        ),
        (429, b"", TokenOutcome.UNAVAILABLE, "the token endpoint answers HTTP 429 with something other than JSON"),
        (302, b"", TokenOutcome.INVALID, "the token endpoint answers HTTP 302 with something other than JSON"),
        (200, b"[]", TokenOutcome.INVALID, "the token endpoint answers HTTP 200 with something other than JSON"),
        (
            200,
            b"[" * 100_000,
            TokenOutcome.INVALID,
            "the token endpoint answers HTTP 200 with something other than JSON",
        ),
        (200, b"{}", TokenOutcome.INVALID, "the token endpoint answers HTTP 200 without a token"),
        (200, b'{"access_token": 7}', TokenOutcome.INVALID, "the token endpoint answers HTTP 200 without a token"),
        (500, b'{"error": 7}', TokenOutcome.UNAVAILABLE, "the token endpoint answers HTTP 500 without a token"),
        (
            200,
            b'{"access_token": "a b"}',
            TokenOutcome.INVALID,
            "the token endpoint gives something other than a bearer token",
        ),
        (
            200,
            b'{"access_token": "t", "token_type": "mac"}',
            TokenOutcome.INVALID,
            "the token endpoint gives something other than a bearer token",
        ),
    ],
)
def test_a_failure_says_what_kind_it_is_and_why(status: int, body: bytes, outcome: TokenOutcome, detail: str) -> None:
    error = failed(status, body)
    assert (outcome, detail) == (error.outcome, error.detail)


@pytest.mark.parametrize(("written", "expected"), [("120", 120.0), ("-5", None), (None, None)])
def test_the_wish_to_be_left_alone_is_kept_where_it_is_a_number(written: str | None, expected: float | None) -> None:
    assert expected == failed(429, b"", retry_after=written).retry_after


SECRET = b'hunter2/+"~secret \xc3\xbc'


@pytest.mark.parametrize(
    "repeated",
    [
        SECRET.decode(),
        b64encode(SECRET).decode(),
        b64encode(b"id:" + SECRET).decode(),
        b64encode(b"\0id\0" + SECRET).decode(),
        quote(SECRET, safe=""),
        quote(SECRET, safe="").lower(),
        json.dumps(SECRET.decode()),
    ],
)
def test_what_the_server_repeats_of_a_secret_is_not_shown(repeated: str) -> None:
    body = json.dumps({"error": "invalid_client", "error_description": f"bad secret {repeated}!"}).encode()
    detail = failed(401, body, hidden=(SECRET,)).detail

    assert detail.startswith("the token endpoint refuses: invalid_client: bad secret ")
    assert "<redacted>" in detail
    assert "hunter2" not in detail
    assert b64encode(SECRET).decode()[4:12] not in detail


def test_a_secret_that_reaches_beyond_what_is_kept_is_not_shown_in_part() -> None:
    secret = b"s" * 50
    body = json.dumps({"error": "e", "error_description": "x" * (MAX_DETAIL - 20) + secret.decode()}).encode()

    assert "sss" not in failed(400, body, hidden=(secret,)).detail


def test_a_long_explanation_is_cut() -> None:
    body = json.dumps({"error": "e", "error_description": "x" * 50_000}).encode()

    assert len(failed(400, body).detail) < MAX_DETAIL + 50


def made_of(status: int, body: bytes) -> TokenAnswer | TokenError:
    try:
        return token_answer(status, "7", body, (Secret(b"hunter2"),), NOON)
    except TokenError as error:
        return error


def is_sound(made: TokenAnswer | TokenError) -> bool:
    if isinstance(made, TokenError):
        return made.detail.isprintable()
    return bool(made.access_token.reveal()) and (made.lifetime is None or 0 < made.lifetime <= MAX_LIFETIME)


@given(st.integers(100, 599), st.binary(max_size=300))
def test_whatever_comes_is_a_token_or_an_error(status: int, body: bytes) -> None:
    assert is_sound(made_of(status, body))


ANYTHING = st.recursive(
    # JSON can spell half a surrogate pair, which is not text.
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


KEYS = (
    "access_token",
    "token_type",
    "expires_in",
    "expires_at",
    "refresh_token",
    "scope",
    "error",
    "error_description",
)


@given(st.integers(100, 599), st.dictionaries(st.sampled_from(KEYS), ANYTHING))
def test_whatever_json_comes_is_a_token_or_an_error(status: int, document: dict[str, Any]) -> None:
    assert is_sound(made_of(status, json.dumps(document).encode()))


@pytest.mark.parametrize(
    ("document", "detail"),
    [
        (
            {"error": {"code": 403, "message": "Not yours", "status": "PERMISSION_DENIED"}},
            "PERMISSION_DENIED: Not yours",
        ),
        ({"error": {"code": "invalid_grant", "message": "it is gone"}}, "invalid_grant: it is gone"),
        ({"error": {"code": 401}}, "401"),
        ({"error": {"message": "no"}}, "error: no"),
        ({"error": {}}, "error"),
        ({"error": {"status": ["x"], "message": {"a": 1}}}, "error"),
        ({"error": {"message": "hunter2 is wrong"}}, "error: <redacted> is wrong"),
    ],
)
def test_an_error_that_is_an_object_explains_itself_too(document: dict[str, Any], detail: str) -> None:
    error = failed(403, json.dumps(document).encode(), (b"hunter2",))

    assert TokenOutcome.REFUSED is error.outcome
    assert f"the token endpoint refuses: {detail}" == error.detail


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("Mon, 01 Sep 2025 12:02:00 GMT", 120.0),
        ("Monday, 01-Sep-25 12:02:00 GMT", 120.0),
        ("Mon Sep  1 12:02:00 2025", 120.0),
        (" 120 ", 120.0),
        ("Mon, 01 Sep 2025 11:00:00 GMT", 0.0),
        ("Mon, 99 Sep 2025 11:00:00 GMT", None),
        ("soon", None),
        ("9" * 500, None),
        ("-1", None),
        ("", None),
    ],
)
def test_the_time_to_wait_may_be_a_date(written: str, seconds: float | None) -> None:
    assert seconds == failed(429, b"", retry_after=written).retry_after


def test_a_long_explanation_with_secrets_is_shown_by_its_beginning() -> None:
    description = "AADSTS7: " + "hunter2 is wrong, " * 5000

    error = failed(
        401, json.dumps({"error": "invalid_client", "error_description": description}).encode(), (b"hunter2",)
    )

    assert error.detail.startswith(
        "the token endpoint refuses: invalid_client: AADSTS7: <redacted> is wrong, <redacted>"
    )
