from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise

import pytest
from structlog.testing import capture_logs

from exporter.model import Endpoint, Limits, LongTask, SkipReason
from exporter.schedule.job import JUDGEMENTS, LANES, Connections, Job, uncounted
from exporter.schedule.scheduler import Scheduler
from tests import virtual_time
from tests.unit.scheduling import Diary, addresses, endpoint


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

    async def judge(_: Connections) -> None:
        under_way["judgements"] += 1
        most["judgements"] = max(most["judgements"], under_way["judgements"])
        await asyncio.sleep(20)
        under_way["judgements"] -= 1

    async def run(item: Endpoint | Job) -> None:
        await (item.run(uncounted) if isinstance(item, Job) else diary.probe(item))

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


def test_connections_of_a_running_job_count_at_their_host_and_wait_for_room() -> None:
    diary = Diary(takes=2)
    crowd = [endpoint(f"crowd{n}", "mx.example.com") for n in range(8)]

    async def judge(connection: Connections) -> None:
        async def shake() -> None:
            async with connection("mx.example.com"):
                await diary.probe(endpoint("judged", "mx.example.com"))

        # One that is given up while it waits, or just as it may begin, takes nobody's place.
        given_up = [asyncio.create_task(shake()) for _ in range(4)]
        asyncio.get_running_loop().call_later(3, lambda: [task.cancel() for task in given_up])
        await asyncio.gather(*(shake() for _ in range(6)))

    async def scenario() -> None:
        async def run(item: Endpoint | Job) -> None:
            await (item.run(scheduler.connection) if isinstance(item, Job) else diary.probe(item))

        scheduler = Scheduler[Endpoint | Job](run, diary)
        scheduler.limit(Limits(connections_per_host=2))
        scheduler.exchange([], [Job((JUDGEMENTS, "domain"), 50.0, judge, (JUDGEMENTS,)), *crowd])
        await asyncio.sleep(200)
        assert 2 == diary.most["mx.example.com"]
        scheduler.limit(Limits(connections_per_host=40))
        await asyncio.sleep(100)
        assert 14 >= diary.most["mx.example.com"] > 2
        scheduler.stop()
        await scheduler.cancel()

    virtual_time.run(scenario())
    starts = [name for name, at in diary.starts if at < 200]
    assert 4 * 6 <= starts.count("judged") <= 4 * 10
    # Nobody starves: the eight others have their turns as well, about as often.
    assert starts.count("crowd0") > 10


def test_waiting_probes_are_served_fairly() -> None:
    endpoints = [endpoint(f"e{n}", "one.example.com") for n in range(10)]
    diary = keep(Diary(takes=5), endpoints, Limits(connections_per_host=1), 1000)

    counts = Counter(name for name, _ in diary.starts)
    assert 10 == len(counts)
    assert max(counts.values()) <= 2 * min(counts.values())


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


def test_whatever_one_turn_meets_with_the_others_are_taken() -> None:
    class Broken(Diary):
        def observe_start_delay(self, seconds: float) -> None:
            super().observe_start_delay(seconds)
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
