from __future__ import annotations

import pytest

from exporter.model import FailureReason, Mechanism
from exporter.protocol import sasl
from exporter.protocol.dialogue import DialogueError, ProtocolError
from tests.protocol.samples import login


class TestPlain:
    def test_says_it_all_at_once(self) -> None:
        # The example of RFC 4616 section 4, without an authorisation identity.
        exchange = sasl.Plain(login(username="tim", password=b"tanstaaftanstaaf"))

        assert b"\0tim\0tanstaaftanstaaf" == exchange.initial_response()

    def test_has_nothing_to_add(self) -> None:
        with pytest.raises(ProtocolError, match="more than PLAIN has to say"):
            sasl.Plain(login()).respond(b"")

    def test_sends_a_name_in_utf_8(self) -> None:
        exchange = sasl.Plain(login(username="jörg", password="köln".encode()))

        assert b"\0j\xc3\xb6rg\0k\xc3\xb6ln" == exchange.initial_response()

    @pytest.mark.parametrize(("username", "password"), [("a\0b", b"c"), ("a", b"b\0c")])
    def test_cannot_carry_nul(self, username: str, password: bytes) -> None:
        with pytest.raises(DialogueError, match="the login holds a NUL octet, which PLAIN cannot carry") as raised:
            sasl.Plain(login(username=username, password=password))

        assert FailureReason.SECRET_UNREADABLE == raised.value.reason


class TestLogin:
    def test_says_the_name_and_then_the_password_whatever_the_prompts(self) -> None:
        exchange = sasl.LoginExchange(login(username="tim", password=b"tanstaaf"))

        assert exchange.initial_response() is None
        assert [b"tim", b"tanstaaf"] == [exchange.respond(b"Password:"), exchange.respond(b"")]

    def test_has_no_third_answer(self) -> None:
        exchange = sasl.LoginExchange(login())
        exchange.respond(b"Username:")
        exchange.respond(b"Password:")

        with pytest.raises(ProtocolError, match="more than LOGIN has to say"):
            exchange.respond(b"Token:")

    def test_is_not_over_before_the_password_was_asked_for(self) -> None:
        exchange = sasl.LoginExchange(login())
        exchange.respond(b"Username:")
        with pytest.raises(ProtocolError, match="takes the login before it has asked for the password"):
            exchange.finish()

        exchange.respond(b"Password:")
        exchange.finish()


def test_every_exchange_is_known_by_its_mechanism() -> None:
    assert list(sasl.EXCHANGES) == [make(login()).mechanism for make in sasl.EXCHANGES.values()]


@pytest.mark.parametrize(
    ("wanted", "offered", "chosen"),
    [
        (Mechanism.AUTO, ["LOGIN", "PLAIN"], Mechanism.PLAIN),
        (Mechanism.AUTO, ["login"], Mechanism.LOGIN),
        (Mechanism.AUTO, ["NTLM"], None),
        (Mechanism.AUTO, ["AUTO"], None),
        (Mechanism.AUTO, [], None),
        (Mechanism.LOGIN, ["LOGIN", "PLAIN"], Mechanism.LOGIN),
        (Mechanism.LOGIN, ["PLAIN"], None),
        # A server may announce any word; there is no SASL mechanism of that name.
        (Mechanism.USERPASS, ["USERPASS"], None),
    ],
)
def test_the_mechanism_is_the_preferred_of_those_offered_and_wanted(
    wanted: Mechanism, offered: list[str], chosen: Mechanism | None
) -> None:
    assert chosen == sasl.choose(wanted, offered)


def test_a_protocol_can_have_a_preference_of_its_own() -> None:
    preference = (Mechanism.LOGIN, Mechanism.USERPASS, Mechanism.PLAIN)

    assert Mechanism.USERPASS == sasl.choose(Mechanism.AUTO, ["PLAIN", "USERPASS"], preference)
    assert Mechanism.PLAIN == sasl.choose(Mechanism.PLAIN, ["PLAIN", "USERPASS"], preference)


def test_a_long_offer_is_shortened_in_the_detail() -> None:
    error = sasl.not_offered(Mechanism.PLAIN, [f"X-MECHANISM-{number}" for number in range(100_000)])

    assert FailureReason.AUTH_MECHANISM_NOT_OFFERED == error.reason
    assert 300 > len(error.detail)


def test_an_empty_initial_response_is_an_equals_sign() -> None:
    assert b"=" == sasl.initial_argument(b"")
    assert b"AA==" == sasl.initial_argument(b"\0")


@pytest.mark.parametrize(
    ("text", "challenge"), [(b"", b""), (b" ", b""), (b"VXNlcm5hbWU6", b"Username:"), (b"AA== ", b"\0")]
)
def test_a_challenge_is_base64(text: bytes, challenge: bytes) -> None:
    assert challenge == sasl.decoded_challenge(text)


@pytest.mark.parametrize("text", [b"Username:", b"=", b"A", b"AA=", b"AA==AA==", b"A A=", b"\xff\x00", b"go ahead"])
def test_a_challenge_that_is_not_base64_is_a_protocol_error_that_quotes_it(text: bytes) -> None:
    with pytest.raises(ProtocolError, match=r"the server's challenge is not base64: \".+\"") as raised:
        sasl.decoded_challenge(text)

    assert raised.value.detail.isascii()
