from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Iterator

import pytest

from exporter.interpreter import PATIENCE, SWITCH_INTERVAL, WORTH_IT, Housekeeping, favour_the_loop, settle, uncollected


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    interval, thresholds = sys.getswitchinterval(), gc.get_threshold()
    yield
    gc.set_threshold(*thresholds)
    gc.unfreeze()
    sys.setswitchinterval(interval)


def test_a_thread_that_computes_gives_way_to_the_loop_soon() -> None:
    favour_the_loop()

    assert pytest.approx(SWITCH_INTERVAL) == sys.getswitchinterval()


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

    assert gc.isenabled()


def test_a_failure_does_not_leave_the_collector_off() -> None:
    with pytest.raises(ZeroDivisionError), uncollected():
        raise ZeroDivisionError

    assert gc.isenabled()


class Cycle:
    """Garbage that only the collector finds."""

    def __init__(self) -> None:
        self.itself = self


def outlive() -> weakref.ref[Cycle]:
    """A cycle that is old when it becomes garbage: no look at new objects finds it."""
    cycle = Cycle()
    gc.collect(0)
    gc.collect(1)
    return weakref.ref(cycle)


def test_old_garbage_is_not_kept_for_ever_where_it_is_never_quiet() -> None:
    favour_the_loop()
    settle()
    seen = outlive()
    kept: list[object] = []
    while seen() is not None and len(kept) < 1_000_000:
        # Never between two steps of this loop, where `seen` has just handed the cycle out (Python 3.13): after it.
        kept.extend([] for _ in range(1000))

    assert seen() is None


@pytest.mark.parametrize("quiet", [True, False])
def test_a_quiet_moment_is_used_to_look_at_everything(*, quiet: bool) -> None:
    favour_the_loop()
    settle()
    seen = outlive()
    for _ in range(WORTH_IT):
        gc.collect(1)
    Housekeeping(lambda _: quiet).consider()

    assert quiet is (seen() is None)


def test_nothing_is_looked_at_where_it_is_not_worth_it() -> None:
    def quiet(seconds: float) -> bool:
        raise AssertionError(seconds)

    favour_the_loop()
    settle()
    Housekeeping(quiet).consider()


@pytest.mark.parametrize(("quiet", "looks"), [(True, 1), (False, PATIENCE)])
def test_what_was_taken_for_what_stays_is_looked_through_after_a_reload(*, quiet: bool, looks: int) -> None:
    favour_the_loop()
    seen = outlive()
    gc.freeze()
    housekeeping = Housekeeping(lambda _: quiet)
    housekeeping.unsettle()
    for _ in range(looks - 1):
        housekeeping.consider()
    assert seen() is not None
    housekeeping.consider()

    assert seen() is None
    assert gc.get_freeze_count() > 0
