"""Replies of SMTP: how they are read, and what it is when none comes."""

from __future__ import annotations

import pytest

from exporter.model import FailureReason
from exporter.protocol.dialogue import MAX_REPLY_LINES, Replied
from exporter.protocol.errands.recipient import ask_about_recipient
from exporter.protocol.smtp import Reply, command, read_reply, refusal
from tests.protocol.player import Circumstances, Cut, every_cut, play
from tests.protocol.samples import login
from tests.protocol.smtp_client import TRAILING, asked, client


class TestReply:
    @every_cut
    @pytest.mark.parametrize(
        ("script", "reply"),
        [
            (b"250 Ok\r\n", Reply(250, (b"Ok",))),
            (b"250\r\n", Reply(250, (b"",))),
            (b"250 \r\n", Reply(250, (b"",))),
            (b"250-\r\n250\r\n", Reply(250, (b"", b""))),
            (b"250-first\r\n250-second\r\n250 third\r\n", Reply(250, (b"first", b"second", b"third"))),
            (b"550 a bare LF ends a line too\n", Reply(550, (b"a bare LF ends a line too",))),
            (b"571 more than RFC 5321 allows\r\n", Reply(571, (b"more than RFC 5321 allows",))),
            (b"220 caf\xe9 \r and \7\r\n", Reply(220, (b"caf\xe9 \r and \7",))),
            (b"250-one\r\n250-X\0Y\r\n250 PIPELINING\r\n", Reply(250, (b"one", b"X\0Y", b"PIPELINING"))),
        ],
    )
    def test_a_reply_is_read_to_its_last_line_and_no_further(self, script: bytes, reply: Reply, cut: Cut) -> None:
        played = play(read_reply(), script + TRAILING, cut)

        assert reply == played.value
        assert [Replied(reply.code)] == played.learnt
        assert TRAILING == played.unread

    @every_cut
    @pytest.mark.parametrize(
        "line",
        [
            b"",
            b"Ok",
            b"25",
            b"2500 Ok",
            b"250_Ok",
            b" 250 Ok",
            b"150 preliminary replies are FTP's",
            b"650 Ok",
            b"HTTP/1.1 400 Bad Request",
            b"SSH-2.0-OpenSSH_9.2p1",
            b"+OK Dovecot ready.",
            b"\x15\x03\x03\x00\x02\x02\x50",
            b"\0250 Ok",
            "٢٢٠ digits of another script".encode(),
        ],
    )
    def test_anything_else_is_a_protocol_error_that_quotes_it(self, line: bytes, cut: Cut) -> None:
        played = play(read_reply(), line + b"\r\n" + TRAILING, cut)

        assert played.error is not None
        assert FailureReason.PROTOCOL_ERROR == played.error.reason
        assert played.error.detail.isprintable()
        assert played.error.detail.startswith('not a line of an SMTP reply: "')
        assert not played.error.in_step
        assert TRAILING == played.unread

    def test_lines_of_one_reply_have_one_code(self) -> None:
        played = play(read_reply(), b"250-first\r\n550 second\r\n")

        assert played.error is not None
        assert FailureReason.PROTOCOL_ERROR == played.error.reason
        assert 'the reply began with 250 and goes on with "550 second"' == played.error.detail

    def test_a_reply_may_be_long_but_not_endless(self) -> None:
        longest = b"250-more\r\n" * (MAX_REPLY_LINES - 1)

        assert MAX_REPLY_LINES == len(play(read_reply(), longest + b"250 enough\r\n").value.lines)
        assert (None, FailureReason.RESPONSE_TOO_LARGE) == play(read_reply(), longest + b"250-more\r\n250 \r\n").failure

    def test_a_detail_shortens_and_escapes_what_the_server_said(self) -> None:
        assert '"250 bell \\x07"' == str(Reply(250, (b"bell \a",)))
        assert '"250 ' + 156 * "x" + '..."' == str(Reply(250, (500 * b"x", 500 * b"y")))

    @every_cut
    @pytest.mark.parametrize(
        "shutdown",
        [
            b"421 4.4.2 mail.example.com Error: timeout exceeded\r\n",
            b"421-4.7.0 Try again later, closing connection.\r\n421 4.7.0  gsmtp\r\n",
            b"421 4.3.2 Service not available, closing transmission channel\r\n",
        ],
    )
    def test_421_may_answer_anything_and_leaves_nobody_to_say_goodbye_to(self, shutdown: bytes, cut: Cut) -> None:
        played = play(command(b"NOOP"), shutdown, cut)

        assert played.error is not None
        assert FailureReason.SERVER_BUSY == played.error.reason
        assert played.error.detail.startswith('the server closes the connection with "421 4.')
        assert not played.error.in_step


class TestSilence:
    """Octets that lie unread before the next command would be taken for the reply to it."""

    def test_is_broken_by_a_second_reply_before_it_is_taken_for_that_of_the_recipient(self) -> None:
        # MAIL is answered twice and RCPT by 550: that is neither a success nor an open relay.
        for expected in ((), (550, 554)):
            surroundings = Circumstances(unread={1: b"250 2.1.0 Ok\r\n"})
            dialogue = ask_about_recipient(client(), "", "nobody@example.com", expected)

            played = play(dialogue, b"250 2.1.0 Ok\r\n550 no\r\n", circumstances=surroundings)

            assert (None, FailureReason.PROTOCOL_ERROR) == played.failure
            assert 'the server says what nobody asked for: "250 2.1.0 Ok"' == str(played.error)
            assert [b"MAIL FROM:<>"] == played.sent

    @pytest.mark.parametrize("goodbye", [b"421 4.4.2 timeout\r\n", b"421-4.4.2 time\r\n421 4.4.2 timeout\r\n"])
    def test_is_broken_by_a_goodbye_that_is_said_so(self, goodbye: bytes) -> None:
        played = play(client().ask_capabilities(), b"", circumstances=Circumstances(unread={0: goodbye}))

        assert (None, FailureReason.SERVER_BUSY) == played.failure
        assert str(played.error).startswith('the server closes the connection with "421 4.4.2 time')
        assert [] == played.sent

    def test_is_kept_before_a_login(self) -> None:
        smtp, _ = asked(b"250-a\r\n250 AUTH PLAIN\r\n")

        played = play(
            smtp.log_in(login(), encrypted=True), b"", circumstances=Circumstances(unread={0: b"235 fine\r\n"})
        )

        assert (None, FailureReason.PROTOCOL_ERROR) == played.failure
        assert [] == played.sent

    def test_is_not_waited_for_by_a_goodbye(self) -> None:
        played = play(client().quit(), b"221 bye\r\n", circumstances=Circumstances(unread={0: b"250 what\r\n"}))

        assert [b"QUIT"] == played.sent


def test_a_goodbye_within_a_reply_is_a_goodbye() -> None:
    _, played = asked(b"250-mail.example.com\r\n421 4.3.2 shutting down\r\n")

    assert (None, FailureReason.SERVER_BUSY) == played.failure
    assert 'the server closes the connection with "421 4.3.2 shutting down"' == str(played.error)


@pytest.mark.parametrize(
    ("script", "context"),
    [(b"450 not now\r\n", "EHLO is"), (b"500 what?\r\n550 no\r\n", "EHLO and HELO are")],
)
def test_what_was_not_said_is_not_said_to_be_answered(script: bytes, context: str) -> None:
    _, played = asked(script)

    assert str(played.error).startswith(f"{context} answered with ")


def test_capabilities_beyond_measure_are_too_large_a_response() -> None:
    _, played = asked(b"".join(b"250-X%d %s\r\n" % (number, b"y" * 500) for number in range(40)) + b"250 HELP\r\n")

    assert (None, FailureReason.RESPONSE_TOO_LARGE) == played.failure


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (399, FailureReason.PROTOCOL_ERROR),
        (400, FailureReason.SERVER_BUSY),
        (499, FailureReason.SERVER_BUSY),
        (500, FailureReason.AUTH_REJECTED),
    ],
)
def test_a_refusal_is_told_by_the_first_digit(code: int, reason: FailureReason) -> None:
    assert reason == refusal(FailureReason.AUTH_REJECTED, "MAIL is answered with", Reply(code, (b"no",))).reason
