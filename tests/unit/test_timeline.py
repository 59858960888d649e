from __future__ import annotations

import pytest

from exporter.metrics.history.timeline import LENGTH, SLOT_SECONDS, Slot, Timeline, slot_number
from tests.unit.results import DAY, NOON

NOW = slot_number(NOON)


def timeline(*probes: tuple[float, bool]) -> Timeline:
    made = Timeline()
    for slot, failed in probes:
        made = made.noted(NOON + slot * SLOT_SECONDS, failed=failed)
    return made


def test_a_half_hour_is_good_bad_or_some_of_each() -> None:
    made = timeline((0, False), (0, False), (1, True), (2, True), (2, False), (4, False))

    assert [Slot.UNKNOWN, Slot.GOOD, Slot.BAD, Slot.MIXED, Slot.UNKNOWN, Slot.GOOD, Slot.UNKNOWN] == made.slots(
        NOW + 5, 7
    )


def test_nothing_is_known_of_one_without_probes() -> None:
    assert [Slot.UNKNOWN] * 3 == Timeline().slots(NOW, 3)


def test_it_can_be_looked_at_from_before_its_end() -> None:
    assert [Slot.GOOD] == timeline((0, False), (9, True)).slots(NOW, 1)


@pytest.mark.parametrize("away", [LENGTH, -LENGTH, 10**9, -(10**9)])
def test_of_far_before_or_after_nothing_is_known(away: int) -> None:
    assert [Slot.UNKNOWN] * 2 == timeline((0, True)).slots(NOW + away, 2)


def test_it_goes_back_ninety_days_and_takes_a_kibibyte() -> None:
    made = timeline((0, True), *((number, False) for number in range(1, LENGTH + 1)))

    assert [Slot.GOOD] * LENGTH == made.slots(NOW + LENGTH, LENGTH)
    assert 90 * DAY == LENGTH * SLOT_SECONDS
    assert 1080 == (made.bits.bit_length() + 7) // 8


def test_a_clock_that_was_set_back_loses_nothing() -> None:
    made = timeline((5, False), (2, True))

    assert [Slot.BAD, Slot.UNKNOWN, Slot.UNKNOWN, Slot.GOOD] == made.slots(NOW + 5, 4)
    assert made is made.noted(NOON - 91 * DAY, failed=True)


def test_a_clock_of_another_century_takes_no_memory() -> None:
    made = timeline((0, True)).noted(NOON + 100 * 365 * DAY, failed=False)

    assert 1 == made.bits


def test_it_is_the_same_object_while_nothing_changes() -> None:
    made = timeline((0, False))

    assert made is made.noted(NOON, failed=False)


def test_it_is_written_as_run_lengths_and_read_again() -> None:
    made = timeline(*((number, False) for number in range(96)), (96, True), (98, True), (98, False), (99, False))

    assert "96+1-1.1~1+" == str(made)
    assert made == Timeline.parse(str(made), made.newest)
    assert Timeline() == Timeline.parse("", 7)


@pytest.mark.parametrize(
    "text", ["+", "1", "4321+", "2000+2000-2000+", "1+1", "1?", " 1+", "1+\n", "٣+", "-1+", "1e3+"]
)
def test_what_was_not_written_is_not_read(text: str) -> None:
    with pytest.raises(ValueError, match="timeline"):
        Timeline.parse(text, NOW)
