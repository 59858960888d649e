"""What a probe says of its phases, against packets captured at its own interface, over a wire with troubles.

The rule is that of docs/decisions/009: never less than the capture shows from the leaving of our last word to the
coming of the other side's, but for a millisecond. Meanwhile the probe's own event loop is held up again and again, so
that most answers lie in the kernel before they are noticed. How long it is held up is measured, and no figure may be
longer than the truth by more than that: so the test holds on a machine that does much else.
"""

from __future__ import annotations

from statistics import median

import pytest

from exporter.model import Encryption, Phase
from tests.servers.troubles import Comparison, Trouble, Trust, Way, compared, trusted

TOO_LITTLE = 0.001
"""Seconds by which a figure may be less than the truth."""

TOO_MUCH = 0.001
"""Seconds by which half of the figures may be more, where nothing goes wrong on the wire."""

HELD_UP_AT_MOST = 2
"""How often the loop is held up in one turn: before our words leave, and after theirs have come."""

WAYS = [
    ("smtp", Encryption.TLS),
    ("smtp", Encryption.STARTTLS),
    ("imap", Encryption.TLS),
    ("imap", Encryption.STARTTLS),
    ("pop3", Encryption.NONE),
    ("pop3", Encryption.TLS),
    ("pop3", Encryption.STARTTLS),
]


@pytest.fixture(scope="module")
def trust(tmp_path_factory: pytest.TempPathFactory) -> Trust:
    return trusted(tmp_path_factory.mktemp("wire"))


def assert_honest(found: Comparison) -> None:
    """Hold every figure to the rule."""
    at_a_time = HELD_UP_AT_MOST * found.held_up
    figures = {str(phase): (figure, at_a_time * found.turns[phase]) for phase, figure in found.phases.items()}
    figures["total"] = found.total, at_a_time * sum(found.turns.values())
    wrong = {
        name: f"{figure.said:.6f} said, {figure.true:.6f} true, {more:.6f} more allowed"
        for name, (figure, more) in figures.items()
        if not figure.true - TOO_LITTLE <= figure.said <= figure.true + TOO_LITTLE + more
    }
    assert {} == wrong


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize(
    "trouble",
    [
        pytest.param((0, 0, None), id="the greeting or the first flight of TLS begins with a loss"),
        pytest.param((1, 0, None), id="the second reply begins with a loss"),
        pytest.param((1, 1, None), id="a loss in the middle"),
        pytest.param((1, 0, 0.05), id="the second reply begins late"),
    ],
)
def test_a_phase_is_never_said_to_be_shorter_than_it_was(
    trust: Trust, way: Way, trouble: tuple[int, int, float | None]
) -> None:
    assert_honest(compared(trust, way, Trouble(*trouble)))


def test_nor_is_it_said_to_be_longer_where_nothing_goes_wrong(trust: Trust) -> None:
    more: list[float] = []
    for way in WAYS:
        found = compared(trust, way, None)
        assert_honest(found)
        more += [figure.said - figure.true for figure in found.phases.values()]

    assert median(more) <= TOO_MUCH


def test_nor_if_the_same_segment_is_lost_again_and_again(trust: Trust) -> None:
    found = compared(trust, ("smtp", Encryption.STARTTLS), Trouble(3, 0, times=3))

    assert_honest(found)
    # It is sent again after 0.2 s, 0.4 s and 0.8 s.
    assert found.phases[Phase.TLS].said > 0.5


def test_nor_if_our_own_words_are_lost(trust: Trust) -> None:
    assert_honest(compared(trust, ("imap", Encryption.TLS), Trouble(2, 0, ours=True)))
