from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable

import pytest

from exporter.model import FailureReason, Mechanism
from exporter.protocol.dialogue import DialogueError
from exporter.protocol.sasl import mechanisms
from exporter.protocol.sasl.sasl_exchange import Complaint, Mechanics, Respond, SaslAttempt
from tests.protocol.mechanics import attempt, said

Make = Callable[[SaslAttempt], Mechanics]

TOKEN = b"vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg=="
"""Of RFC 7628 section 4.1."""

ERROR = b'{"status":"invalid_token","scope":"example_scope"}'


class TestPlain:
    def test_says_it_all_at_once(self) -> None:
        # The example of RFC 4616 section 4, without an authorisation identity.
        mechanics = mechanisms.plain(attempt(Mechanism.PLAIN, "tim", b"tanstaaftanstaaf"))

        assert [Respond(b"\0tim\0tanstaaftanstaaf", final=True)] == said(mechanics)

    def test_has_nothing_to_add(self) -> None:
        mechanics = mechanisms.plain(attempt(Mechanism.PLAIN, "tim", b"tanstaaf"))

        with pytest.raises(StopIteration):
            said(mechanics, [b""])

    def test_sends_a_name_in_utf_8_and_the_password_as_it_is(self) -> None:
        # RFC 4616 section 2: the server prepares them.
        mechanics = mechanisms.plain(attempt(Mechanism.PLAIN, "jörg", "Ⅸ".encode()))

        assert [Respond(b"\0j\xc3\xb6rg\0\xe2\x85\xa8", final=True)] == said(mechanics)

    @pytest.mark.parametrize(("username", "password"), [("a\0b", b"c"), ("a", b"b\0c")])
    def test_cannot_carry_nul(self, username: str, password: bytes) -> None:
        with pytest.raises(DialogueError, match="the login holds a NUL octet, which PLAIN cannot carry") as raised:
            said(mechanisms.plain(attempt(Mechanism.PLAIN, username, password)))

        assert FailureReason.SECRET_UNREADABLE == raised.value.reason


class TestLogin:
    def test_says_the_name_and_then_the_password_whatever_the_prompts(self) -> None:
        mechanics = mechanisms.login(attempt(Mechanism.LOGIN, "tim", b"tanstaaf"))

        assert [Respond(None), Respond(b"tim"), Respond(b"tanstaaf", final=True)] == said(
            mechanics, [b"Password:", b""]
        )


class TestCramMd5:
    def test_keys_the_challenge_with_the_password(self) -> None:
        # The example of RFC 2195 section 2.
        mechanics = mechanisms.cram_md5(attempt(Mechanism.CRAM_MD5, "tim", b"tanstaaftanstaaf"))

        responses = said(mechanics, [b"<1896.697170952@postoffice.reston.mci.net>"])

        assert [Respond(None), Respond(b"tim b913a602c7eda7a495b4e6e7334d3890", final=True)] == responses

    @pytest.mark.parametrize("password", [b"", b"\0", bytes(range(256))])
    def test_takes_any_password(self, password: bytes) -> None:
        _, response = said(mechanisms.cram_md5(attempt(Mechanism.CRAM_MD5, "tim", password)), [b""])

        assert 4 + 32 == len(response.octets or b"")


class TestExternal:
    @pytest.mark.parametrize("username", ["", "tim", "jörg"])
    def test_says_only_who(self, username: str) -> None:
        mechanics = mechanisms.external(attempt(Mechanism.EXTERNAL, username, b""))

        assert [Respond(username.encode(), final=True)] == said(mechanics)

    def test_cannot_carry_nul(self) -> None:
        with pytest.raises(DialogueError, match="the login holds a NUL octet, which EXTERNAL cannot carry"):
            said(mechanisms.external(attempt(Mechanism.EXTERNAL, "t\0m", b"")))


class TestXoauth2:
    def test_says_name_and_token(self) -> None:
        # The example of Google's documentation of the protocol.
        mechanics = mechanisms.xoauth2(
            attempt(Mechanism.XOAUTH2, "someuser@example.com", b"ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg")
        )

        (response,) = said(mechanics)

        assert response.final
        assert (
            b"dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxb"
            b"VRjMk52YjNSbGNrQmhkSFJoZG1semRHRXVZMjl0Q2cBAQ=="
        ) == b64encode(response.octets or b"")

    def test_answers_an_error_with_nothing(self) -> None:
        mechanics = mechanisms.xoauth2(attempt(Mechanism.XOAUTH2, "user", TOKEN))

        assert Respond(b"", complaint=Complaint(ERROR)) == said(mechanics, [ERROR])[-1]


class TestOauthbearer:
    def test_says_name_place_and_token(self) -> None:
        # The example of RFC 7628 section 4.1.
        (response,) = said(mechanisms.oauthbearer(attempt(Mechanism.OAUTHBEARER, "user@example.com", TOKEN)))

        assert response.final
        assert (
            b"bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9MTQzAWF1dGg9QmVhcmVyI"
            b"HZGOWRmdDRxbVRjMk52YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB"
        ) == b64encode(response.octets or b"")

    def test_escapes_what_separates(self) -> None:
        # RFC 5801 section 4, saslname.
        (response,) = said(mechanisms.oauthbearer(attempt(Mechanism.OAUTHBEARER, "a=b,c", TOKEN)))

        assert (response.octets or b"").startswith(b"n,a=a=3Db=2Cc,\1host=")

    def test_answers_an_error_with_one_separator(self) -> None:
        # RFC 7628 section 4.3: "AQ==" in base64.
        mechanics = mechanisms.oauthbearer(attempt(Mechanism.OAUTHBEARER, "user", TOKEN))

        assert Respond(b64decode(b"AQ=="), complaint=Complaint(ERROR)) == said(mechanics, [ERROR])[-1]


@pytest.mark.parametrize(
    ("mechanism", "make"),
    [
        (Mechanism.XOAUTH2, mechanisms.xoauth2),
        (Mechanism.OAUTHBEARER, mechanisms.oauthbearer),
    ],
)
class TestBearers:
    def test_do_not_repeat_a_token_that_the_server_repeats(self, mechanism: Mechanism, make: Make) -> None:
        *_, response = said(make(attempt(mechanism, "user", TOKEN)), [b'{"token":"' + TOKEN + b'"}'])

        assert Complaint(b'{"token":"<redacted>"}') == response.complaint

    @pytest.mark.parametrize("octet", [b"\0", b"\1", b"\r", b"\n"])
    def test_cannot_carry_what_would_break_out_of_its_place(
        self, mechanism: Mechanism, make: Make, octet: bytes
    ) -> None:
        with pytest.raises(DialogueError, match=f"username holds a control character, which {mechanism} cannot"):
            said(make(attempt(mechanism, f"user{octet.decode()}auth=Bearer x", TOKEN)))
        with pytest.raises(DialogueError, match=f"characters other than printable ASCII, which {mechanism} cannot"):
            said(make(attempt(mechanism, "user", TOKEN + octet)))

    @pytest.mark.parametrize("token", [b"", b" ", b"to ken", "tökén".encode(), b"\x7f"])
    def test_take_only_a_token(self, mechanism: Mechanism, make: Make, token: bytes) -> None:
        with pytest.raises(DialogueError, match="the access token is empty or contains") as raised:
            said(make(attempt(mechanism, "user", token)))

        assert FailureReason.SECRET_UNREADABLE is raised.value.reason
