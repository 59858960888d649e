"""Responses of POP3: how they are read, and what it is when none comes."""

from __future__ import annotations

import pytest

from exporter.model import FailureReason, Protocol
from exporter.protocol.dialogue import MAX_REPLY_LINES
from exporter.protocol.errands.mailbox import look_at_maildrop
from exporter.protocol.pop3 import Pop3, Response, command, read_lines, read_response
from tests.protocol.player import Circumstances, Cut, every_cut, play
from tests.protocol.pop3_client import TRAILING
from tests.protocol.samples import endpoint


class TestResponse:
    @every_cut
    @pytest.mark.parametrize(
        ("line", "response", "code"),
        [
            (b"+OK", Response(positive=True, text=b""), ""),
            (b"+OK ", Response(positive=True, text=b""), ""),
            (b"+OK 2 320", Response(positive=True, text=b"2 320"), ""),
            (b"+OK\tready", Response(positive=True, text=b"ready"), ""),
            (b"-ERR", Response(positive=False, text=b""), ""),
            (b"-ERR: no such command", Response(positive=False, text=b": no such command"), ""),
            (b"-ERR [IN-USE] locked", Response(False, b"[IN-USE] locked"), "IN-USE"),
            (b"-ERR [sys/temp] later", Response(False, b"[sys/temp] later"), "SYS/TEMP"),
            (b"-ERR [SYS/TEMP]", Response(False, b"[SYS/TEMP]"), "SYS/TEMP"),
            (b"-ERR said [AUTH] too late", Response(False, b"said [AUTH] too late"), ""),
            (b"-ERR [half a code", Response(False, b"[half a code"), ""),
            (b"-ERR [] no code", Response(False, b"[] no code"), ""),
            (b"-ERR [\xff\1]", Response(False, b"[\xff\1]"), "\\XFF\\X01"),
        ],
    )
    def test_is_a_status_indicator_a_code_and_text(self, line: bytes, response: Response, code: str, cut: Cut) -> None:
        played = play(read_response(), line + b"\r\n" + TRAILING, cut)

        assert response == played.value
        assert code == played.value.code
        assert TRAILING == played.unread

    @every_cut
    @pytest.mark.parametrize(
        "line",
        [
            b"",
            b"OK",
            b"+OKAY",
            b"-ERROR",
            b"+ok ready",
            b" +OK",
            b"+ ",
            b"* OK IMAP4rev1 ready",
            b"220 mail.example.com ESMTP",
            b"HTTP/1.1 400 Bad Request",
            b"\x15\x03\x03\x00\x02\x02\x50",
        ],
    )
    def test_anything_else_is_a_protocol_error_that_quotes_it(self, line: bytes, cut: Cut) -> None:
        played = play(read_response(), line + b"\r\n" + TRAILING, cut)

        assert played.error is not None
        assert FailureReason.PROTOCOL_ERROR == played.error.reason
        assert played.error.detail.isprintable()
        assert played.error.detail.startswith('not a response of POP3: "')
        assert not played.error.in_step
        assert TRAILING == played.unread

    @every_cut
    @pytest.mark.parametrize(
        ("script", "lines"),
        [
            (b".\r\n", ()),
            (b"one\r\n\r\n two\r\n.\r\n", (b"one", b"", b" two")),
            (b"..\r\n..two\r\n.three\r\n.\r\n", (b".", b".two", b"three")),
            (b"bare\n.\n", (b"bare",)),
        ],
    )
    def test_of_several_lines_ends_with_a_dot_and_has_doubled_dots_undone(
        self, script: bytes, lines: tuple[bytes, ...], cut: Cut
    ) -> None:
        played = play(read_lines(), script + TRAILING, cut)

        assert lines == played.value
        assert TRAILING == played.unread

    def test_of_several_lines_may_be_long_but_not_endless(self) -> None:
        longest = b"X\r\n" * MAX_REPLY_LINES

        assert MAX_REPLY_LINES == len(play(read_lines(), longest + b".\r\n").value)
        assert (None, FailureReason.RESPONSE_TOO_LARGE) == play(read_lines(), longest + b"X\r\n.\r\n").failure

    def test_is_waited_for_after_a_command(self) -> None:
        played = play(command(b"NOOP"), b"+OK\r\n" + TRAILING)

        assert [b"NOOP"] == played.sent
        assert TRAILING == played.unread


class TestSilence:
    """Octets that lie unread before the next command would be taken for the response to it."""

    @pytest.mark.parametrize("unread", [b"+OK\r\n", b"-ERR\r\n", b"-ERR what?\r\n", b"+OK again\r\n.\r\n", b"half"])
    def test_is_broken_by_a_second_response(self, unread: bytes) -> None:
        played = play(command(b"STAT"), b"+OK 1 2\r\n", circumstances=Circumstances(unread={0: unread}))

        assert (None, FailureReason.PROTOCOL_ERROR) == played.failure
        assert str(played.error).startswith("the server says what nobody asked for: ")
        assert [] == played.sent

    def test_is_broken_by_a_goodbye_that_is_said_so(self) -> None:
        goodbye = b"-ERR [SYS/TEMP] going down\r\n"

        played = play(command(b"STAT"), b"", circumstances=Circumstances(unread={0: goodbye}))

        assert (None, FailureReason.SERVER_BUSY) == played.failure
        assert 'the server closes the connection with "-ERR [SYS/TEMP] going down"' == str(played.error)
        assert played.error is not None
        assert not played.error.in_step


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (b"-ERR Server Unavailable. 15", FailureReason.SERVER_BUSY),
        (b"-ERR [SYS/PERM] Server Unavailable", FailureReason.MAILBOX_UNAVAILABLE),
        (b"-ERR no", FailureReason.MAILBOX_UNAVAILABLE),
    ],
)
def test_a_busy_server_has_no_damaged_maildrop(words: bytes, reason: FailureReason) -> None:
    played = play(look_at_maildrop(Pop3(endpoint(Protocol.POP3), "probe.example.com")), words + b"\r\n")

    assert (None, reason) == played.failure


def test_white_space_at_the_end_of_a_line_means_nothing() -> None:
    pop3 = Pop3(endpoint(Protocol.POP3), "probe.example.com")

    played = play(pop3.ask_capabilities(), b"+OK\r\r\nSTLS\r\r\nSASL\tPLAIN  LOGIN \r\r\n.\r\r\n")

    assert played.error is None
    assert ("STLS", "SASL PLAIN LOGIN") == pop3.capabilities
    assert pop3.offers_starttls()
