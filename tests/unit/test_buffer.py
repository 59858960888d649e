from __future__ import annotations

import pytest

from exporter.net.buffer import MAX_CONVERSATION, OverflowingError, ReceiveBuffer


def holding(data: bytes) -> ReceiveBuffer:
    buffer = ReceiveBuffer()
    buffer.feed(data)
    return buffer


@pytest.mark.parametrize(
    ("data", "line", "rest"),
    [
        (b"220 ready\r\n", b"220 ready", b""),
        (b"220 ready\n", b"220 ready", b""),
        (b"\r\n", b"", b""),
        (b"\n", b"", b""),
        (b"first\r\nsecond\r\n", b"first", b"second\r\n"),
        (b"a\rb\r\r\nc", b"a\rb\r", b"c"),
        (b"nul \0 and \xff\r\n", b"nul \0 and \xff", b""),
    ],
)
def test_a_line_ends_with_lf_and_a_cr_before_it_belongs_to_the_ending(data: bytes, line: bytes, rest: bytes) -> None:
    buffer = holding(data)

    assert line == buffer.take_line(100)
    assert len(rest) == len(buffer)
    assert rest == buffer.take_all()


@pytest.mark.parametrize("data", [b"", b"220 ready", b"220 ready\r"])
def test_an_incomplete_line_stays_where_it_is(data: bytes) -> None:
    buffer = holding(data)

    assert buffer.take_line(100) is None
    assert data == buffer.take_all()


def test_a_line_may_come_octet_by_octet() -> None:
    buffer = ReceiveBuffer()
    for octet in b"220 ready\r":
        buffer.feed(bytes([octet]))
        assert buffer.take_line(100) is None
    buffer.feed(b"\n")

    assert b"220 ready" == buffer.take_line(100)


def test_a_line_may_be_as_long_as_the_limit_and_no_longer() -> None:
    assert 10 * b"x" == holding(10 * b"x" + b"\n").take_line(10)
    with pytest.raises(OverflowingError, match="a line of more than 10 octets"):
        holding(11 * b"x" + b"\n").take_line(10)


def test_a_line_that_is_too_long_is_found_before_it_ends() -> None:
    assert holding(10 * b"x").take_line(10) is None
    with pytest.raises(OverflowingError, match="a line of more than 10 octets"):
        holding(11 * b"x").take_line(10)


def test_a_count_is_taken_when_all_of_it_is_there() -> None:
    buffer = holding(b"ab")

    assert buffer.take_exactly(3) is None
    buffer.feed(b"c\r\nrest\r\n")
    assert b"abc" == buffer.take_exactly(3)
    assert b"" == buffer.take_exactly(0)
    assert b"" == buffer.take_line(100)
    assert b"rest" == buffer.take_line(100)


def test_a_line_is_found_again_after_a_count_cut_into_what_was_searched() -> None:
    buffer = holding(b"12345678")
    assert buffer.take_line(100) is None

    assert b"1234" == buffer.take_exactly(4)
    buffer.feed(b"\n")

    assert b"5678" == buffer.take_line(100)


def test_a_short_line_is_found_behind_one_that_came_in_pieces() -> None:
    buffer = holding(b"12345678")
    assert buffer.take_line(100) is None
    buffer.feed(b"9\na\nb\n")

    assert [b"123456789", b"a", b"b", None] == [buffer.take_line(100) for _ in range(4)]


def test_what_was_searched_before_everything_was_taken_is_forgotten() -> None:
    buffer = holding(b"12345678")
    assert buffer.take_line(100) is None
    buffer.take_all()

    buffer.feed(b"a\nb\n")

    assert b"a" == buffer.take_line(100)


def test_a_conversation_may_be_as_long_as_its_cap_and_no_longer() -> None:
    buffer = ReceiveBuffer()
    for _ in range(MAX_CONVERSATION // 4096):
        buffer.feed(4095 * b"x" + b"\n")
        buffer.take_line(8192)
    assert 0 == len(buffer)

    with pytest.raises(OverflowingError, match=f"more than {MAX_CONVERSATION} octets in one conversation"):
        buffer.feed(b"x")
