"""Work that is shared by all who want it at the same time."""

from __future__ import annotations

import asyncio

import pytest

from exporter.single_flight import SingleFlight


class Work:
    """Something that takes as long as the test wants, and counts how often it is begun."""

    def __init__(self, error: Exception | None = None) -> None:
        self.begun = 0
        self.may_end = asyncio.Event()
        self._error = error

    async def __call__(self) -> int:
        self.begun += 1
        await self.may_end.wait()
        if self._error is not None:
            raise self._error
        return self.begun


async def test_all_who_want_the_same_at_the_same_time_share_it() -> None:
    flights, work = SingleFlight[str, int](), Work()
    asked = [asyncio.create_task(flights.join("a", work)) for _ in range(3)]
    await asyncio.sleep(0)
    work.may_end.set()

    assert [1, 1, 1] == await asyncio.gather(*asked)


async def test_who_comes_afterwards_has_it_done_anew() -> None:
    flights, work = SingleFlight[str, int](), Work()
    work.may_end.set()

    assert [1, 2] == [await flights.join("a", work), await flights.join("a", work)]


async def test_other_work_is_done_beside_it() -> None:
    flights, one, other = SingleFlight[str, int](), Work(), Work()
    other.may_end.set()
    waiting = asyncio.create_task(flights.join("a", one))

    assert 1 == await flights.join("b", other)
    one.may_end.set()
    assert 1 == await waiting


async def test_one_who_gives_up_does_not_end_it_for_the_others() -> None:
    flights, work = SingleFlight[str, int](), Work()
    hasty, patient = (asyncio.create_task(flights.join("a", work)) for _ in range(2))
    await asyncio.sleep(0)
    hasty.cancel()
    work.may_end.set()

    assert 1 == await patient


async def test_a_failure_is_everybody_s_and_not_remembered() -> None:
    flights, work = SingleFlight[str, int](), Work(ValueError("no"))
    work.may_end.set()

    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            await flights.join("a", work)
    assert 2 == work.begun


async def test_a_failure_that_nobody_waits_for_is_nobody_s() -> None:
    flights, work = SingleFlight[str, int](), Work(ValueError("no"))
    flight = flights.begin("a", work)
    work.may_end.set()

    await asyncio.wait([flight])


async def test_at_the_end_all_that_is_under_way_ends() -> None:
    flights, work = SingleFlight[str, int](), Work()
    waiting = asyncio.create_task(flights.join("a", work))
    await asyncio.sleep(0)

    await flights.close()

    with pytest.raises(asyncio.CancelledError):
        await waiting
