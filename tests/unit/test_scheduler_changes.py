from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

import pytest

from exporter.model import Limits, SkipReason
from exporter.schedule.scheduler import Scheduler
from tests import virtual_time
from tests.unit.scheduling import Diary, addresses, endpoint


def test_what_comes_in_the_place_of_one_that_waits_waits_with_it() -> None:
    diary = Diary(takes=30)

    async def scenario() -> None:
        scheduler = Scheduler(diary.probe, diary)
        scheduler.limit(Limits(connections_per_host=1))
        scheduler.exchange([], [endpoint("a", "one.example.com"), endpoint("b", "one.example.com")])
        await asyncio.sleep(15)
        waiting = {"a", "b"} - {name for name, _ in diary.starts}
        scheduler.exchange([], [endpoint(name, "two.example.com") for name in waiting])
        await asyncio.sleep(0)
        assert 1 == diary.under_way["two.example.com"]
        scheduler.stop()
        await scheduler.cancel()

    virtual_time.run(scenario())


def test_endpoints_that_are_replaced_while_they_wait_are_not_probed() -> None:
    diary = Diary(takes=50)

    async def scenario() -> None:
        scheduler = Scheduler(diary.probe, diary)
        scheduler.limit(Limits(connections_per_host=1))
        old = [endpoint(f"old{n}", "one.example.com") for n in range(5)]
        scheduler.exchange([], old)
        await asyncio.sleep(20)
        assert 1 == len(diary.starts)
        scheduler.exchange(old, [endpoint("new", "one.example.com")])
        await asyncio.sleep(100)
        scheduler.stop()
        await scheduler.drain(100)

    virtual_time.run(scenario())
    assert {"new"} == {name for name, _ in diary.starts[1:]}
    assert 1 == diary.most["one.example.com"]


def test_a_raised_limit_lets_those_that_wait_start() -> None:
    diary = Diary(takes=1000)

    async def scenario() -> None:
        scheduler = Scheduler(diary.probe, diary)
        endpoints = [endpoint(f"e{n}") for n in range(8)]
        scheduler.limit(Limits(concurrent_probes=2))
        scheduler.exchange([], endpoints)
        await asyncio.sleep(15)
        assert 2 == len(diary.starts)
        scheduler.limit(Limits(concurrent_probes=8))
        await asyncio.sleep(0)
        assert 8 == diary.under_way["all"]
        scheduler.stop()
        await scheduler.cancel()

    virtual_time.run(scenario())


def test_a_stopped_scheduler_starts_nothing_and_waits_for_what_is_under_way() -> None:
    diary = Diary(takes=5)

    async def scenario() -> tuple[bool, bool]:
        scheduler = Scheduler(diary.probe, diary)
        scheduler.limit(Limits(concurrent_probes=3))
        scheduler.exchange([], [endpoint(f"e{n}") for n in range(20)])
        await asyncio.sleep(8)
        scheduler.stop()
        started = len(diary.starts)
        in_time = await scheduler.drain(0.001)
        at_last = await scheduler.drain(60)
        await asyncio.sleep(60)
        assert started == len(diary.starts)
        return in_time, at_last

    assert (False, True) == virtual_time.run(scenario())


def test_cancelling_ends_what_is_under_way_where_it_stands() -> None:
    diary = Diary(takes=1e6)

    async def scenario() -> None:
        scheduler = Scheduler(diary.probe, diary)
        scheduler.limit(Limits())
        scheduler.exchange([], [endpoint(f"e{n}") for n in range(5)])
        await asyncio.sleep(10)
        assert 5 == diary.under_way["all"]
        scheduler.stop()
        await scheduler.cancel()
        assert 0 == diary.under_way["all"]

    virtual_time.run(scenario())


def test_turns_passed_over_while_the_process_slept_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    diary = Diary()

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        scheduler = Scheduler(diary.probe, diary)
        scheduler.limit(Limits())
        scheduler.exchange([], [endpoint("a", interval=10)])
        await asyncio.sleep(15)
        awake: Callable[[], float] = loop.time
        monkeypatch.setattr(loop, "time", lambda: awake() + 100)
        await asyncio.sleep(15)
        scheduler.stop()
        await scheduler.drain(1)

    virtual_time.run(scenario())
    assert diary.skips[SkipReason.LATE] in (9, 10)


def test_what_goes_is_probed_no_more_and_what_comes_has_its_turns() -> None:
    diary = Diary()

    async def scenario() -> None:
        scheduler = Scheduler(diary.probe, diary)
        scheduler.limit(Limits())
        scheduler.exchange([], [endpoint("goes"), endpoint("stays")])
        await asyncio.sleep(50)
        scheduler.exchange([endpoint("goes")], [endpoint("comes")])
        await asyncio.sleep(100)
        scheduler.stop()

    virtual_time.run(scenario())
    assert {"goes": 5, "stays": 15, "comes": 10} == dict(Counter(name for name, _ in diary.starts))


@pytest.mark.parametrize("limits", [Limits(connections_per_host=1), Limits(concurrent_probes=1)])
def test_what_goes_while_it_waits_is_not_started(limits: Limits) -> None:
    diary = Diary(takes=1000)
    probed = addresses(3)

    async def scenario() -> None:
        scheduler = Scheduler(diary.probe, diary)
        scheduler.limit(limits)
        scheduler.exchange([], probed)
        await asyncio.sleep(10)
        scheduler.exchange(probed, [endpoint("comes", "mx.example.com")])
        await asyncio.sleep(5000)
        scheduler.stop()

    virtual_time.run(scenario())
    assert 1 == sum(name == "mx" for name, _ in diary.starts)
    assert diary.starts[1:]


def test_after_a_standstill_starts_are_spread_anew_and_counted_as_missed() -> None:
    """As SIGSTOP and SIGCONT a minute later do it: everything that was due is due at once."""
    diary = Diary()
    names = [f"e{number}" for number in range(100)]

    async def scenario() -> float:
        scheduler = Scheduler(diary.probe, diary)
        scheduler.limit(Limits())
        scheduler.exchange([], [endpoint(name) for name in names])
        await asyncio.sleep(100)
        diary.starts.clear()
        loop = asyncio.get_running_loop()
        assert isinstance(loop, virtual_time.VirtualTimeLoop)
        loop.stand_still(60.0)
        resumed = loop.time()
        await asyncio.sleep(10.0)
        scheduler.stop()
        return resumed

    resumed = virtual_time.run(scenario())
    assert sorted(names) == sorted(name for name, _ in diary.starts)
    seconds = Counter(int(at - resumed) for _, at in diary.starts)
    assert set(range(10)) == set(seconds)
    assert max(seconds.values()) < 25
    assert 600 == diary.skips[SkipReason.LATE]


def test_a_moment_s_delay_is_no_standstill() -> None:
    diary = Diary()

    async def scenario() -> None:
        scheduler = Scheduler(diary.probe, diary)
        scheduler.limit(Limits())
        scheduler.exchange([], [endpoint(f"e{number}") for number in range(10)])
        await asyncio.sleep(100)
        loop = asyncio.get_running_loop()
        assert isinstance(loop, virtual_time.VirtualTimeLoop)
        loop.stand_still(1.0)
        await asyncio.sleep(100)
        scheduler.stop()

    virtual_time.run(scenario())
    assert 0 == diary.skips[SkipReason.LATE]
