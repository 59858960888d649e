from __future__ import annotations

import pytest

from exporter.model import FailureReason, Protocol
from exporter.protocol.errands.hand_over import Submission, hand_over
from exporter.protocol.smtp import Smtp
from tests.protocol.player import Cut, Played, every_cut, play, whole
from tests.protocol.samples import endpoint

MESSAGE = b"Subject: x\r\n\r\n.dot\r\n..two\r\nlast\r\n"
STUFFED = b"Subject: x\r\n\r\n..dot\r\n...two\r\nlast\r\n.\r\n"
ACCEPTING = b"250 ok\r\n250 ok\r\n354 go on\r\n250 2.0.0 queued as 1\r\n"


def client(*capabilities: bytes) -> Smtp:
    smtp = Smtp(endpoint(Protocol.SMTP), "probe.example.com")
    lines = [b"mail.example.com", *capabilities]
    reply = b"".join(b"250-" + line + b"\r\n" for line in lines[:-1]) + b"250 " + lines[-1] + b"\r\n"
    play(smtp.ask_capabilities(), reply)
    return smtp


def handed_over(
    script: bytes,
    *capabilities: bytes,
    sender: str = "a@example.com",
    recipient: str = "b@example.net",
    octets: bytes = MESSAGE,
    cut: Cut = whole,
) -> Played:
    return play(hand_over(client(*capabilities), sender, recipient, octets), script, cut)


def outcome(played: Played) -> tuple[bool, str, int]:
    assert isinstance(played.value, Submission)
    return played.value.accepted, played.value.stage, played.value.reply.code


@every_cut
def test_a_message_is_handed_over_and_the_last_reply_is_what_counts(cut: Cut) -> None:
    played = handed_over(ACCEPTING, cut=cut)
    assert (True, "the message", 250) == outcome(played)
    assert [b"MAIL FROM:<a@example.com>", b"RCPT TO:<b@example.net>", b"DATA", STUFFED] == played.sent
    assert [] == played.secret
    assert f"<{len(STUFFED)} octets>" == played.shown[-1]


@pytest.mark.parametrize(
    ("octets", "sent"),
    [
        (b".\r\n", b"..\r\n.\r\n"),
        (b"a\n.\nb", b"a\r\n..\r\nb\r\n.\r\n"),
        (b"a\r.b\r\n", b"a\r\n..b\r\n.\r\n"),
        (b"a\r\n\n.\r\nb\r\n", b"a\r\n\r\n..\r\nb\r\n.\r\n"),
    ],
)
def test_no_line_can_end_the_message_early(octets: bytes, sent: bytes) -> None:
    assert sent == handed_over(ACCEPTING, octets=octets).sent[-1]


@pytest.mark.parametrize(
    ("capabilities", "octets", "parameters"),
    [
        ((), MESSAGE, b""),
        ((b"SIZE 1000",), MESSAGE, b" SIZE=33"),
        ((b"SIZE",), MESSAGE, b" SIZE=33"),
        ((b"8BITMIME",), MESSAGE, b""),
        ((b"8BITMIME",), "ü\r\n".encode(), b" BODY=8BITMIME"),
        ((), "ü\r\n".encode(), b""),
        ((b"SIZE 1000", b"8BITMIME"), "ü\r\n".encode(), b" SIZE=4 BODY=8BITMIME"),
    ],
)
def test_parameters_are_sent_where_the_server_knows_them(
    capabilities: tuple[bytes, ...], octets: bytes, parameters: bytes
) -> None:
    played = handed_over(ACCEPTING, *capabilities, octets=octets)
    assert b"MAIL FROM:<a@example.com>" + parameters == played.sent[0]


def test_an_international_address_needs_smtputf8() -> None:
    played = handed_over(ACCEPTING, b"SMTPUTF8", b"8BITMIME", sender="ü@example.com")
    assert "MAIL FROM:<ü@example.com> BODY=8BITMIME SMTPUTF8".encode() == played.sent[0]
    played = handed_over(ACCEPTING, b"8BITMIME", recipient="ü@example.com")
    assert played.error is not None
    assert FailureReason.CAPABILITY_MISSING is played.error.reason
    assert [] == played.sent


@pytest.mark.parametrize("code", [b"500", b"502"])
def test_without_data_the_message_goes_in_one_chunk(code: bytes) -> None:
    script = b"250 ok\r\n250 ok\r\n" + code + b" no DATA\r\n250 taken\r\n"
    played = handed_over(script, b"CHUNKING")
    assert (True, "the message", 250) == outcome(played)
    assert [b"BDAT 33 LAST", MESSAGE] == played.sent[-2:]


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        (b"550 5.7.1 no\r\n", (False, "MAIL", 550)),
        (b"452 4.3.1 no room\r\n", (False, "MAIL", 452)),
        (b"250 ok\r\n550 5.1.1 unknown\r\n", (False, "RCPT", 550)),
        (b"250 ok\r\n450 4.2.0 greylisted\r\n", (False, "RCPT", 450)),
        (b"250 ok\r\n251 will forward\r\n354 go\r\n250 ok\r\n", (True, "the message", 250)),
        (b"250 ok\r\n252 cannot verify\r\n354 go\r\n299 ok\r\n", (True, "the message", 299)),
        (b"400 later\r\n", (False, "MAIL", 400)),
        (b"250 ok\r\n250 ok\r\n451 4.7.1 later\r\n", (False, "DATA", 451)),
        (b"250 ok\r\n250 ok\r\n502 no DATA\r\n", (False, "DATA", 502)),
        (b"250 ok\r\n250 ok\r\n354 go\r\n554 5.7.1 spam\r\n", (False, "the message", 554)),
        (b"250 ok\r\n250 ok\r\n354 go\r\n452-4.3.1 no\r\n452 room\r\n", (False, "the message", 452)),
    ],
)
def test_a_refusal_is_a_value_that_says_of_what(script: bytes, expected: tuple[bool, str, int]) -> None:
    assert expected == outcome(handed_over(script))


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (b"250 ok\r\n421 4.3.2 shutting down\r\n", FailureReason.SERVER_BUSY),
        (b"354 what\r\n", FailureReason.PROTOCOL_ERROR),
        (b"250 ok\r\n354 what\r\n", FailureReason.PROTOCOL_ERROR),
        (b"250 ok\r\n253 what\r\n", FailureReason.PROTOCOL_ERROR),
        (b"250 ok\r\n249 what\r\n", FailureReason.PROTOCOL_ERROR),
        (b"399 what\r\n", FailureReason.PROTOCOL_ERROR),
        (b"250 ok\r\n250 ok\r\n354 go\r\n300 what\r\n", FailureReason.PROTOCOL_ERROR),
        (b"250 ok\r\n250 ok\r\n354 go\r\n199 what\r\n", FailureReason.PROTOCOL_ERROR),
        (b"250 ok\r\n250 ok\r\n250 what\r\n", FailureReason.PROTOCOL_ERROR),
        (b"nonsense\r\n", FailureReason.PROTOCOL_ERROR),
    ],
)
def test_a_server_that_hangs_up_or_talks_nonsense_is_a_failure(script: bytes, reason: FailureReason) -> None:
    played = handed_over(script)
    assert played.error is not None
    assert reason is played.error.reason


def test_a_refused_transaction_is_dropped_before_the_goodbye() -> None:
    smtp = client()
    play(hand_over(smtp, "a@example.com", "b@example.net", MESSAGE), b"250 ok\r\n550 no\r\n")
    assert [b"RSET", b"QUIT"] == play(smtp.quit(), b"250 ok\r\n221 bye\r\n").sent
    smtp = client()
    play(hand_over(smtp, "a@example.com", "b@example.net", MESSAGE), ACCEPTING)
    assert [b"QUIT"] == play(smtp.quit(), b"221 bye\r\n").sent
