from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise

import pytest
from structlog.testing import capture_logs

from exporter.model import Encryption, Endpoint, Limits, LongTask, Protocol, SkipReason
from exporter.schedule.job import JUDGEMENTS, LANES, Job
from exporter.schedule.scheduler import Scheduler
from tests import virtual_time


def endpoint(name: str, host: str = "", interval: float = 10.0) -> Endpoint:
    return Endpoint(name, Protocol.IMAP, host or f"{name}.example.com", 993, Encryption.TLS, interval=interval)


class Diary:
    """Probes that take a known time, and what the scheduler said of them."""

    def __init__(self, takes: float = 0.0) -> None:
        self.takes = takes
        self.starts: list[tuple[str, float]] = []
        self.delays: list[float] = []
        self.skips: Counter[SkipReason] = Counter()
        self.under_way: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self.failures: list[LongTask] = []

    async def probe(self, endpoint: Endpoint) -> None:
        self.starts.append((endpoint.name, asyncio.get_running_loop().time()))
        for key in ("all", endpoint.host):
            self.under_way[key] += 1
            self.most[key] = max(self.most[key], self.under_way[key])
        try:
            await asyncio.sleep(self.takes)
        finally:
            self.under_way["all"] -= 1
            self.under_way[endpoint.host] -= 1

    def started(self, delay: float) -> None:
        self.delays.append(delay)

    def skipped(self, reason: SkipReason) -> None:
        self.skips[reason] += 1

    def in_flight(self, count: int) -> None:
        self.most["in flight"] = max(self.most["in flight"], count)

    def failed(self, task: LongTask) -> None:
        self.failures.append(task)


def keep(diary: Diary, endpoints: list[Endpoint], limits: Limits, seconds: float) -> Diary:
    """Keep a schedule for a while."""

    async def scenario() -> Diary:
        scheduler = Scheduler(diary.probe, diary)
        scheduler.limit(limits)
        scheduler.exchange([], endpoints)
        await asyncio.sleep(seconds)
        scheduler.stop()
        assert await scheduler.drain(1e6)
        return diary

    return virtual_time.run(scenario())


def test_each_endpoint_is_probed_once_an_interval() -> None:
    diary = keep(Diary(), [endpoint("a", interval=10), endpoint("b", interval=60)], Limits(), 600)

    counts = Counter(name for name, _ in diary.starts)
    assert {"a": 60, "b": 10} == dict(counts)
    assert Counter() == diary.skips


def test_probes_start_when_they_are_due() -> None:
    diary = keep(Diary(takes=3), [endpoint(f"e{n}") for n in range(50)], Limits(), 100)

    assert 500 == len(diary.delays)
    assert 0.0 == pytest.approx(max(diary.delays), abs=1e-6)


def test_a_probe_does_not_overlap_its_predecessor_but_is_skipped_and_counted() -> None:
    diary = keep(Diary(takes=25), [endpoint("slow", interval=10)], Limits(), 100)

    starts = [at for _, at in diary.starts]
    assert 1 == diary.most["slow.example.com"]
    assert 4 == len(starts)
    assert 6 == diary.skips[SkipReason.OVERLAP]
    assert all(later - earlier == pytest.approx(30) for earlier, later in pairwise(starts))


def test_no_more_probes_run_at_once_than_the_limit_and_the_rest_start_later() -> None:
    diary = keep(Diary(takes=1), [endpoint(f"e{n}") for n in range(40)], Limits(concurrent_probes=5), 100)

    assert 5 == diary.most["all"] == diary.most["in flight"]
    assert Counter() == diary.skips
    assert 400 == len(diary.starts)
    assert max(diary.delays) > 0


def test_no_more_probes_talk_to_one_host_than_the_limit_and_other_hosts_do_not_wait() -> None:
    crowd = [endpoint(f"crowd{n}", "crowded.example.com") for n in range(20)]
    diary = keep(Diary(takes=2), [*crowd, endpoint("alone")], Limits(connections_per_host=4), 100)

    alone = [at for name, at in diary.starts if name == "alone"]
    assert 4 == diary.most["crowded.example.com"]
    assert 10 == len(alone)
    assert all(later - earlier == pytest.approx(10) for earlier, later in pairwise(alone))


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (Limits(concurrent_probes=1), SkipReason.CONCURRENCY),
        (Limits(connections_per_host=1), SkipReason.HOST),
    ],
)
def test_a_turn_that_is_over_before_there_was_room_is_counted_by_its_reason(limits: Limits, reason: SkipReason) -> None:
    endpoints = [endpoint(f"e{n}", "one.example.com") for n in range(10)]
    diary = keep(Diary(takes=5), endpoints, limits, 200)

    assert {reason} == set(diary.skips) - {SkipReason.OVERLAP}
    # Twice as much is asked for as there is room for: what is not started is counted, and nothing is lost.
    assert pytest.approx(200, abs=12) == len(diary.starts) + sum(diary.skips.values())


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


def test_a_run_that_breaks_is_reported_and_has_its_next_turn() -> None:
    class Broken(Diary):
        async def probe(self, endpoint: Endpoint) -> None:
            await super().probe(endpoint)
            raise MemoryError

    diary = Broken()
    with capture_logs() as logs:
        keep(diary, [endpoint("a")], Limits(), 30)

    assert 3 == len(diary.starts)
    assert [LongTask.SCHEDULE] * 3 == diary.failures
    assert ["schedule"] * 3 == [line["task"] for line in logs]


def test_jobs_of_one_lane_are_bounded_by_it_and_keep_no_probe_waiting() -> None:
    under_way: Counter[str] = Counter()
    most: Counter[str] = Counter()
    diary = Diary()

    async def judge() -> None:
        under_way["judgements"] += 1
        most["judgements"] = max(most["judgements"], under_way["judgements"])
        await asyncio.sleep(20)
        under_way["judgements"] -= 1

    async def run(item: Endpoint | Job) -> None:
        await (item.run() if isinstance(item, Job) else diary.probe(item))

    async def scenario() -> None:
        scheduler = Scheduler[Endpoint | Job](run, diary)
        scheduler.limit(Limits(concurrent_probes=10, connections_per_host=1))
        jobs = [Job((JUDGEMENTS, f"domain{n}"), 3600.0, judge, (JUDGEMENTS,)) for n in range(12)]
        scheduler.exchange([], [*jobs, endpoint("a")])
        await asyncio.sleep(100)
        scheduler.stop()
        await scheduler.cancel()

    virtual_time.run(scenario())
    assert LANES[JUDGEMENTS] == most["judgements"]
    assert 10 == len(diary.starts)
    assert Counter() == diary.skips


def test_waiting_probes_are_served_fairly() -> None:
    endpoints = [endpoint(f"e{n}", "one.example.com") for n in range(10)]
    diary = keep(Diary(takes=5), endpoints, Limits(connections_per_host=1), 1000)

    counts = Counter(name for name, _ in diary.starts)
    assert 10 == len(counts)
    assert max(counts.values()) <= 2 * min(counts.values())


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


def addresses(count: int) -> list[Endpoint]:
    """An endpoint of ten seconds as it is probed at several addresses."""
    return [replace(endpoint("mx"), only_address=f"192.0.2.{number}") for number in range(1, count + 1)]


def test_the_addresses_of_a_host_share_its_limit() -> None:
    diary = keep(Diary(takes=3), addresses(8), Limits(connections_per_host=2), 200)

    assert 2 == diary.most["mx.example.com"]
    # Two at a time for three seconds each are not quite 7 of 8 in ten seconds; the rest is skipped and counted.
    assert 200 / 3 * 2 == pytest.approx(len(diary.starts), abs=8)
    assert 160 == pytest.approx(len(diary.starts) + diary.skips.total(), abs=8)


def test_an_address_has_its_turns_whatever_the_others_do() -> None:
    diary = keep(Diary(takes=9), addresses(4), Limits(), 100)

    assert 40 == len(diary.starts)
    assert Counter() == diary.skips


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


def test_whatever_one_turn_meets_with_the_others_are_taken() -> None:
    class Broken(Diary):
        def started(self, delay: float) -> None:
            super().started(delay)
            if len(self.delays) == 3:
                raise MemoryError

    diary = Broken()
    with capture_logs() as logs:
        keep(diary, [endpoint(f"e{number}") for number in range(10)], Limits(), 100)

    assert [LongTask.SCHEDULE] == diary.failures
    assert ["schedule"] == [line["task"] for line in logs]
    assert 99 == len(diary.starts)


def test_it_is_quiet_between_probes_and_not_during_one() -> None:
    diary = Diary(takes=1.0)

    async def scenario() -> list[tuple[bool, bool]]:
        scheduler = Scheduler(diary.probe, diary)
        scheduler.limit(Limits())
        scheduler.exchange([], [endpoint("e")])
        loop = asyncio.get_running_loop()
        seen = []
        while len(diary.starts) < 2:
            await asyncio.sleep(0.5)
            seen.append((scheduler.is_quiet(1.0), bool(diary.under_way["all"])))
        assert not scheduler.is_quiet(1e6)
        scheduler.stop()
        assert loop.time() < 30
        return seen

    seen = virtual_time.run(scenario())
    assert any(quiet for quiet, _ in seen)
    assert not any(quiet and running for quiet, running in seen)


@dataclass(frozen=True)
class Round:
    """Something to run that is not an endpoint."""

    key: tuple[str, str]
    hosts: tuple[str, ...]
    interval: float = 10.0
    first_within: float = 60.0


def test_whatever_has_a_key_an_interval_and_hosts_is_run_when_all_its_hosts_have_room() -> None:
    under_way: Counter[str] = Counter()
    most: Counter[str] = Counter()

    async def run(item: Round) -> None:
        for host in item.hosts:
            under_way[host] += 1
            most[host] = max(most[host], under_way[host])
        await asyncio.sleep(3)
        under_way.subtract(item.hosts)

    async def scenario() -> None:
        diary = Diary()
        scheduler = Scheduler(run, diary)
        items = [
            Round(("flow", str(number)), ("from.example.com", f"to{number % 2}.example.com")) for number in range(6)
        ]
        scheduler.limit(Limits(connections_per_host=2))
        scheduler.exchange([], items)
        await asyncio.sleep(100)
        scheduler.stop()
        assert await scheduler.drain(1e6)
        assert len(diary.delays) > 50

    virtual_time.run(scenario())
    assert {"from.example.com": 2, "to0.example.com": 2, "to1.example.com": 2} == dict(most)
