from __future__ import annotations

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from exporter.net.buffer import OverflowingError, ReceiveBuffer

LIMIT = 40

octets = st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b"a", b"word ", b"\0", b"\xff" * 30]), max_size=40).map(
    b"".join
)


@st.composite
def pieces(draw: st.DrawFn) -> list[bytes]:
    """Octets as they may arrive: cut anywhere, also between CR and LF, and now and then nothing at all."""
    data = draw(octets)
    places = sorted(draw(st.lists(st.integers(0, len(data)), max_size=8)))
    return [data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)]


def read_lines(arriving: list[bytes]) -> Iterator[bytes | None]:
    """The lines, read as early as can be; `None` where one was too long, and then no more."""
    buffer = ReceiveBuffer()
    for piece in arriving:
        buffer.feed(piece)
        try:
            while (line := buffer.take_line(LIMIT)) is not None:
                yield line
        except OverflowingError:
            yield None
            return


def split(data: bytes) -> list[bytes | None]:
    """The same, said as simply as can be."""
    *complete, rest = data.split(b"\n")
    found: list[bytes | None] = []
    for line in complete:
        if len(line) > LIMIT:
            return [*found, None]
        found.append(line.removesuffix(b"\r"))
    return [*found, None] if len(rest) > LIMIT else found


@given(arriving=pieces())
def test_lines_do_not_depend_on_the_pieces_in_which_they_arrive(arriving: list[bytes]) -> None:
    assert split(b"".join(arriving)) == list(read_lines(arriving))


@given(arriving=pieces(), wants=st.lists(st.integers(0, 50) | st.none(), max_size=20))
def test_lines_and_counts_in_any_order_lose_and_invent_nothing(arriving: list[bytes], wants: list[int | None]) -> None:
    buffer, left, coming = ReceiveBuffer(), b"".join(arriving), iter(arriving)

    for want in wants:
        while (got := buffer.take_line(10_000) if want is None else buffer.take_exactly(want)) is None:
            piece = next(coming, None)
            if piece is None:
                break
            buffer.feed(piece)
        if got is None:
            break
        expected = left.partition(b"\n")[0].removesuffix(b"\r") if want is None else left[:want]
        assert expected == got
        left = left.partition(b"\n")[2] if want is None else left[want:]

    assert left == buffer.take_all() + b"".join(coming)
    assert 0 == len(buffer)
