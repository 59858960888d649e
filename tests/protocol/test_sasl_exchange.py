from __future__ import annotations

from base64 import b64encode

import pytest

from exporter.model import Facts, FailureReason, Mechanism
from exporter.protocol.dialogue import DialogueError, ProtocolError
from exporter.protocol.sasl.sasl_exchange import (
    Complaint,
    Exchange,
    Mechanics,
    Respond,
    decoded_challenge,
    initial_argument,
)
from tests.protocol.player import play


def client_first() -> Mechanics:
    """A mechanism that begins, and answers one challenge, or a complaint."""
    challenge = yield Respond(b"first")
    if challenge == b"no":
        yield Respond(b"as you like", complaint=Complaint(challenge, FailureReason.AUTH_UNAVAILABLE))
    else:
        yield Respond(b"you said " + challenge, final=True)


def server_first() -> Mechanics:
    """A mechanism that lets the server begin, and then says nothing, once."""
    yield Respond(None)
    yield Respond(b"", final=True)


def exchange(mechanics: Mechanics) -> Exchange:
    return Exchange(Mechanism.PLAIN, mechanics)


@pytest.mark.parametrize(
    ("room", "sent"),
    [(len("AUTH PLAIN Zmlyc3Q=\r\n"), b"AUTH PLAIN Zmlyc3Q="), (20, b"AUTH PLAIN"), (0, b"AUTH PLAIN")],
)
def test_the_initial_response_stands_in_the_command_if_it_fits(room: int, sent: bytes) -> None:
    played = play(exchange(client_first()).begin("AUTH", room), b"")

    assert [sent] == played.sent
    assert [Facts(auth_mechanism=Mechanism.PLAIN, auth_success=False)] == played.learnt
    assert ["AUTH PLAIN <redacted>" if b"Zm" in sent else "AUTH PLAIN"] == played.shown


@pytest.mark.parametrize("challenge", [b"", b" ", b"go ahead", b"Z28="])
def test_what_did_not_fit_is_sent_when_it_is_asked_for(challenge: bytes) -> None:
    run = exchange(client_first())
    play(run.begin("AUTH", 0), b"")

    played = play(run.respond(challenge), b"")

    assert [b64encode(b"first")] == played.sent == played.secret


def test_a_server_that_begins_is_waited_for() -> None:
    run = exchange(server_first())

    assert [b"AUTH PLAIN"] == play(run.begin("AUTH", 512), b"").sent
    assert [b""] == play(run.respond(b"VXNlcm5hbWU6"), b"").sent
    run.finish()


def test_every_response_is_secret_and_in_base64() -> None:
    run = exchange(client_first())
    play(run.begin("AUTH", 512), b"")

    played = play(run.respond(b64encode(b"go")), b"")

    assert [b64encode(b"you said go")] == played.secret
    assert ["<redacted>"] == played.shown


def test_a_challenge_too_many_is_a_protocol_error() -> None:
    run = exchange(server_first())
    play(run.begin("AUTH", 0), b"")
    play(run.respond(b""), b"")

    played = play(run.respond(b""), b"")

    assert "the server asks for more than PLAIN has to say" == str(played.error)


def test_a_login_is_taken_only_when_all_has_been_said() -> None:
    run = exchange(client_first())
    for step in (run.begin("AUTH", 0), run.respond(b"")):
        play(step, b"")
        with pytest.raises(ProtocolError, match="takes the login before PLAIN has come to its end"):
            run.finish()

    play(run.respond(b"Z28="), b"")
    run.finish()


def test_a_final_response_that_still_waits_was_not_sent() -> None:
    def one_message() -> Mechanics:
        yield Respond(b"all", final=True)

    run = exchange(one_message())
    play(run.begin("AUTH", 0), b"")
    with pytest.raises(ProtocolError, match="takes the login before"):
        run.finish()

    play(run.respond(b""), b"")
    run.finish()


class TestComplaint:
    def test_explains_the_refusal_that_follows(self) -> None:
        run = exchange(client_first())
        play(run.begin("AUTH", 512), b"")
        play(run.respond(b64encode(b"no")), b"")

        error = run.explained(DialogueError(FailureReason.AUTH_REJECTED, "refused", in_step=False))

        assert (FailureReason.AUTH_UNAVAILABLE, 'refused; the server explains "no"', False) == (
            error.reason,
            error.detail,
            error.in_step,
        )

    def test_rules_out_that_the_login_is_taken_after_it(self) -> None:
        run = exchange(client_first())
        play(run.begin("AUTH", 512), b"")
        play(run.respond(b64encode(b"no")), b"")

        with pytest.raises(ProtocolError, match="takes the login before"):
            run.finish()

    def test_that_is_absent_explains_nothing(self) -> None:
        error = exchange(client_first()).explained(DialogueError(FailureReason.AUTH_REJECTED, "refused"))

        assert (FailureReason.AUTH_REJECTED, "refused") == (error.reason, error.detail)

    @pytest.mark.parametrize("words", [b"", 5000 * b"x", bytes(range(256))])
    def test_of_any_octets_is_shown_bounded_and_printable(self, words: bytes) -> None:
        def complaining() -> Mechanics:
            challenge = yield Respond(b"")
            yield Respond(b"", complaint=Complaint(challenge))

        run = exchange(complaining())
        play(run.begin("AUTH", 512), b"")
        play(run.respond(b64encode(words)), b"")

        detail = run.explained(DialogueError(FailureReason.AUTH_REJECTED, "refused")).detail

        assert 1000 > len(detail)
        assert detail.isprintable()
        assert detail.isprintable()


def test_an_empty_initial_response_is_an_equals_sign() -> None:
    assert b"=" == initial_argument(b"")
    assert b"AA==" == initial_argument(b"\0")


@pytest.mark.parametrize(
    ("text", "challenge"), [(b"", b""), (b" ", b""), (b"VXNlcm5hbWU6", b"Username:"), (b"AA== ", b"\0")]
)
def test_a_challenge_is_base64(text: bytes, challenge: bytes) -> None:
    assert challenge == decoded_challenge(text)


@pytest.mark.parametrize("text", [b"Username:", b"=", b"A", b"AA=", b"AA==AA==", b"A A=", b"\xff\x00", b"go ahead"])
def test_a_challenge_that_is_not_base64_is_a_protocol_error_that_quotes_it(text: bytes) -> None:
    with pytest.raises(ProtocolError, match=r"the server's challenge is not base64: \".+\"") as raised:
        decoded_challenge(text)

    assert raised.value.detail.isprintable()
