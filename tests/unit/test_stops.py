"""A process that stood still knows it, whichever comes first: a look, or a result that needs judging."""

from __future__ import annotations

from exporter.schedule.stops import STANDSTILL, Stops
from tests.clock import Clock


def test_a_process_that_runs_did_not_stand_still() -> None:
    clock = Clock(1000.0)
    stops = Stops(clock)
    begun = stops.now()
    for _ in range(100):
        clock.now += 0.25
        assert 0.0 == stops.beat()

    assert not stops.since(begun)


def test_a_standstill_is_told_once_with_its_length() -> None:
    clock = Clock(1000.0)
    stops = Stops(clock)
    clock.now += 60.0

    assert 60.0 == stops.beat()
    assert 0.0 == stops.beat()


def test_what_was_begun_before_a_standstill_was_under_way_in_it_and_nothing_else() -> None:
    clock = Clock(1000.0)
    stops = Stops(clock)
    before = stops.now()
    clock.now += STANDSTILL
    # Nobody has noticed yet: the result comes first.
    assert stops.since(before)
    after = stops.now()
    clock.now += 1.0

    assert stops.since(before)
    assert not stops.since(after)
