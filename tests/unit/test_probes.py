"""The proof that no credential left is worth something: it finds those that do."""

from __future__ import annotations

from base64 import b64encode

import pytest

from tests.probes import PASSWORD, USERNAME, credentials_in


@pytest.mark.parametrize("before", range(6))
@pytest.mark.parametrize("after", range(6))
def test_a_password_is_found_wherever_in_a_base64_message_it_stands(before: int, after: int) -> None:
    message = bytes(before) + PASSWORD.encode() + bytes(after)

    assert 1 <= len(credentials_in(b"AUTH PLAIN " + b64encode(message) + b"\r\n"))
    assert PASSWORD.encode() in credentials_in(b"PASS " + message)


@pytest.mark.parametrize("name", [USERNAME, f"\0{USERNAME}"])
def test_a_username_is_found_too(name: str) -> None:
    assert credentials_in(b64encode(name.encode()))
    assert {USERNAME.encode()} == credentials_in(name.encode())


def test_nothing_is_found_where_there_is_nothing() -> None:
    assert set() == credentials_in(b"EHLO [127.0.0.1]\r\nAUTH PLAIN " + b64encode(b"\0another\0password"))
