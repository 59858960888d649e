from __future__ import annotations

import gc
import sys
from collections.abc import Iterator

import pytest

from exporter.interpreter import SWITCH_INTERVAL, favour_the_loop, settle, uncollected


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    interval, thresholds, callbacks = sys.getswitchinterval(), gc.get_threshold(), gc.callbacks[:]
    yield
    gc.callbacks[:] = callbacks
    gc.set_threshold(*thresholds)
    gc.unfreeze()
    sys.setswitchinterval(interval)


def test_a_thread_that_computes_gives_way_to_the_loop_soon() -> None:
    favour_the_loop()

    assert pytest.approx(SWITCH_INTERVAL) == sys.getswitchinterval()


def test_what_outlives_two_looks_of_the_collector_is_not_looked_through_again() -> None:
    favour_the_loop()
    kept = [[number] for number in range(1000)]
    gc.collect(0)
    gc.collect(1)

    assert gc.get_freeze_count() >= len(kept)
    assert all(each is not kept for each in gc.get_objects())


def test_it_can_be_asked_for_twice() -> None:
    favour_the_loop()
    before = len(gc.callbacks)
    favour_the_loop()

    assert before == len(gc.callbacks)


def test_what_has_settled_is_not_looked_through_again() -> None:
    kept = [[number] for number in range(1000)]
    settle()

    assert gc.get_freeze_count() >= len(kept)
    assert all(each is not kept for each in gc.get_objects())


def test_what_has_settled_is_freed_all_the_same_when_nothing_refers_to_it() -> None:
    kept = [[number] for number in range(1000)]
    settle()
    before = gc.get_freeze_count()
    del kept

    assert before - gc.get_freeze_count() >= 1000


def test_nothing_is_collected_while_much_is_made_and_then_it_is_again() -> None:
    with uncollected():
        assert not gc.isenabled()
        kept = [[number] for number in range(1000)]

    assert gc.isenabled()
    assert all(each is not kept for each in gc.get_objects())


def test_a_failure_does_not_leave_the_collector_off() -> None:
    with pytest.raises(ZeroDivisionError), uncollected():
        raise ZeroDivisionError

    assert gc.isenabled()
