from __future__ import annotations

import asyncio
import threading

import pytest
from structlog.testing import capture_logs

from exporter.config.problems import ConfigurationError, Problem
from exporter.reloading import Reloader

BAD = (Problem("mail.yaml", 3, "unknown key"), Problem("mail.yaml", 7, "no such credentials"))


class Source:
    """A configuration that can be changed, spoilt and read slowly."""

    def __init__(self) -> None:
        self.content: str | None = "one"
        self.loads = 0
        self.threads: set[str] = set()
        self.begun = threading.Event()
        self.gate = threading.Event()
        self.gate.set()
        self.applied: list[str] = []
        self.failures: list[tuple[Problem, ...]] = []
        self.reloader = Reloader(self.load, self.applied.append, self.failures.append)

    async def loading(self) -> None:
        """Until a load is under way."""
        await asyncio.to_thread(self.begun.wait, 10)

    def load(self) -> str:
        self.loads += 1
        self.threads.add(threading.current_thread().name)
        content = self.content
        self.begun.set()
        self.gate.wait(10)
        if content is None:
            raise ConfigurationError(BAD)
        return content


async def test_a_good_configuration_is_put_in_force() -> None:
    source = Source()

    assert () == await source.reloader.reload()
    assert ["one"] == source.applied


async def test_a_bad_one_changes_nothing_and_every_problem_is_told_and_logged() -> None:
    source = Source()
    source.content = None

    with capture_logs() as logs:
        problems = await source.reloader.reload()

    assert problems == BAD
    assert [] == source.applied
    assert source.failures == [BAD]
    assert [(3, "unknown key"), (7, "no such credentials")] == [(line["line"], line["problem"]) for line in logs]


async def test_files_are_not_read_on_the_event_loop() -> None:
    source = Source()

    await source.reloader.reload()

    assert threading.current_thread().name not in source.threads


async def test_all_who_ask_while_one_is_under_way_share_the_next() -> None:
    source = Source()
    source.gate.clear()
    first = asyncio.create_task(source.reloader.reload())
    await source.loading()
    others = [asyncio.create_task(source.reloader.reload()) for _ in range(20)]
    await asyncio.sleep(0)
    source.content = "two"
    source.gate.set()
    await asyncio.gather(first, *others)

    assert 2 == source.loads
    assert ["one", "two"] == source.applied


async def test_who_asks_is_answered_by_a_load_that_began_afterwards() -> None:
    source = Source()
    source.gate.clear()
    early = asyncio.create_task(source.reloader.reload())
    await source.loading()
    source.content = None
    late = asyncio.create_task(source.reloader.reload())
    await asyncio.sleep(0)
    source.gate.set()

    assert () == await early
    assert await late == BAD


async def test_one_who_gives_up_does_not_take_the_reload_from_the_others() -> None:
    source = Source()
    source.gate.clear()
    impatient = asyncio.create_task(source.reloader.reload())
    patient = asyncio.create_task(source.reloader.reload())
    await asyncio.sleep(0)
    impatient.cancel()
    with pytest.raises(asyncio.CancelledError):
        await impatient
    source.gate.set()

    assert () == await patient
    assert ["one"] == source.applied


async def test_a_reload_that_is_under_way_at_the_end_puts_nothing_in_force() -> None:
    source = Source()
    source.gate.clear()
    reload = asyncio.create_task(source.reloader.reload())
    await source.loading()
    closing = asyncio.create_task(source.reloader.close())
    await asyncio.sleep(0)
    source.gate.set()
    await closing

    assert () == await reload
    assert [] == source.applied
    assert () == await source.reloader.reload()
    assert 1 == source.loads


@pytest.mark.parametrize("error", [OSError(24, "Too many open files"), RuntimeError("can't start new thread")])
async def test_anything_else_that_goes_wrong_is_a_failed_reload_and_the_next_one_works(error: Exception) -> None:
    source = Source()

    def broken() -> str:
        raise error

    source.reloader._load = broken
    with capture_logs() as logs:
        problems = await source.reloader.reload()

    assert [("configuration", 1)] == [(problem.file, problem.line) for problem in problems]
    assert str(error) in problems[0].message
    assert source.failures == [problems]
    assert ["error"] == [line["log_level"] for line in logs]
    source.reloader._load = source.load
    assert () == await source.reloader.reload()
    assert ["one"] == source.applied
