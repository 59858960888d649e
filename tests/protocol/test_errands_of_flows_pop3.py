from __future__ import annotations

from collections.abc import Callable

import pytest

from exporter.model import FailureReason, Protocol
from exporter.protocol.dialogue import MAX_LINE, Dialogue
from exporter.protocol.errands.maildrop import (
    MAX_KEPT,
    MAX_NEWEST,
    MAX_TEXT_LINES,
    Listed,
    fetch_header,
    fetch_whole,
    list_newest,
    remove_and_leave,
    size_of,
)
from exporter.protocol.pop3 import Pop3
from tests.protocol.player import Cut, every_cut, play
from tests.protocol.samples import endpoint


def client() -> Pop3:
    return Pop3(endpoint(Protocol.POP3), "probe.example.com")


@every_cut
def test_the_newest_that_are_not_known_are_listed(cut: Cut) -> None:
    script = b"+OK 3 ccc\r\n+OK 2 bbb\r\n+OK 1 aaa\r\n"
    played = play(list_newest(client(), 3, {"bbb"}), script, cut)
    assert [b"UIDL 3", b"UIDL 2", b"UIDL 1"] == played.sent
    assert [Listed(3, "ccc"), Listed(1, "aaa")] == played.value


def test_a_large_maildrop_costs_no_more_than_a_small_one() -> None:
    script = b"".join(b"+OK %d u%d\r\n" % (number, number) for number in range(100_000, 99_950, -1))
    played = play(list_newest(client(), 100_000, ()), script)
    assert MAX_NEWEST == len(played.value) == len(played.sent)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"-ERR unknown command\r\n", FailureReason.COMMAND_REFUSED),
        (b"-ERR [SYS/TEMP] later\r\n", FailureReason.SERVER_BUSY),
        (b"+OK\r\n", FailureReason.PROTOCOL_ERROR),
        (b"+OK 2 other\r\n", FailureReason.PROTOCOL_ERROR),
        (b"+OK 1 " + b"x" * 71 + b"\r\n", FailureReason.PROTOCOL_ERROR),
    ],
)
def test_a_server_without_uidl_is_a_failure(answer: bytes, reason: FailureReason) -> None:
    played = play(list_newest(client(), 1, ()), answer)
    assert played.error is not None
    assert reason is played.error.reason


@every_cut
def test_a_header_and_a_message_are_fetched_without_their_dots(cut: Cut) -> None:
    played = play(fetch_header(client(), 5), b"+OK\r\nA: b\r\n\r\n.\r\n", cut)
    assert ([b"TOP 5 0"], b"A: b\r\n\r\n") == (played.sent, played.value)
    played = play(fetch_whole(client(), 5), b"+OK\r\nA: b\r\n\r\n..dot\r\n.\r\n", cut)
    assert ([b"RETR 5"], b"A: b\r\n\r\n.dot\r\n") == (played.sent, played.value)


@every_cut
@pytest.mark.parametrize("length", [MAX_LINE - 1, MAX_LINE, MAX_LINE + 1, 3 * MAX_LINE])
def test_a_line_of_any_length_is_read_and_only_dots_that_begin_lines_have_a_meaning(length: int, cut: Cut) -> None:
    line = b"a" * MAX_LINE + b"." * length
    script = b"+OK\r\n" + line + b"\r\n..\r\n.\r\n"
    assert line + b"\r\n.\r\n" == play(fetch_whole(client(), 5), script, cut).value


def test_a_bomb_of_a_header_is_read_past_and_not_kept() -> None:
    script = b"+OK\r\n" + (b"A: " + b"b" * 97 + b"\r\n") * 5000 + b".\r\n"
    assert MAX_KEPT == len(play(fetch_header(client(), 5), script).value)


def test_a_header_without_an_end_is_a_failure() -> None:
    played = play(fetch_header(client(), 5), b"+OK\r\n" + b"A: b\r\n" * (MAX_TEXT_LINES + 1))
    assert played.error is not None
    assert FailureReason.RESPONSE_TOO_LARGE is played.error.reason


def test_the_size_is_asked_for_alone() -> None:
    assert 1234 == play(size_of(client(), 5), b"+OK 5 1234\r\n").value
    played = play(size_of(client(), 5), b"-ERR no such message\r\n")
    assert played.error is not None


def test_what_is_removed_is_gone_when_quit_is_answered() -> None:
    pop3 = client()
    played = play(remove_and_leave(pop3, (5, 7)), b"+OK\r\n+OK\r\n+OK bye\r\n")
    assert [b"DELE 5", b"DELE 7", b"QUIT"] == played.sent
    assert None is played.error
    assert [] == play(pop3.quit(), b"").sent


@pytest.mark.parametrize("script", [b"-ERR locked\r\n", b"+OK\r\n-ERR some not removed\r\n"])
def test_a_refused_removal_is_a_failure(script: bytes) -> None:
    played = play(remove_and_leave(client(), (5,)), script)
    assert played.error is not None
    assert FailureReason.COMMAND_REFUSED is played.error.reason


@pytest.mark.parametrize("fetch", [fetch_header, fetch_whole])
def test_a_message_that_is_refused_is_a_refusal(fetch: Callable[[Pop3, int], Dialogue[bytes]]) -> None:
    played = play(fetch(client(), 1), b"-ERR no such message\r\n")
    assert played.error is not None
    assert FailureReason.COMMAND_REFUSED is played.error.reason
