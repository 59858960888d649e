from __future__ import annotations

import asyncio
import select
import socket
from collections.abc import AsyncIterator, Iterator
from functools import partial

import pytest

from exporter.net.readiness import MOST_AT_ONCE, LoopWatch, Poller, Readiness, Wait, Watch, best_watch


@pytest.fixture(params=[LoopWatch, Poller])
async def watch(request: pytest.FixtureRequest) -> AsyncIterator[Watch]:
    watch: Watch = request.param()
    yield watch
    watch.close()


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    near, far = socket.socketpair()
    with near, far:
        near.setblocking(False)
        far.setblocking(False)
        yield near, far


Pair = tuple[socket.socket, socket.socket]


async def test_a_task_goes_on_in_the_callback_that_reports_the_socket(watch: Watch, pair: Pair) -> None:
    near, far = pair
    loop, order = asyncio.get_running_loop(), list[str]()
    readiness = Readiness(near.fileno(), watch)

    async def wait() -> None:
        await readiness.of(Wait.READ)
        order.append(f"read {near.recv(10)!r}")

    def send() -> None:
        far.send(b"x")
        # Both are for the next turn of the loop: the report of the socket, and after it this.
        loop.call_soon(lambda: loop.call_soon(order.append, "the turn after"))

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    loop.call_soon(send)
    await task
    await asyncio.sleep(0)
    readiness.close()

    assert ["read b'x'", "the turn after"] == order


async def test_one_socket_can_be_waited_for_again_and_again_in_both_directions(watch: Watch, pair: Pair) -> None:
    near, far = pair
    readiness = Readiness(near.fileno(), watch)
    for octet in (b"1", b"2", b"3"):
        await readiness.of(Wait.WRITE)
        near.send(octet)
        far.send(far.recv(1))
        await readiness.of(Wait.READ)
        assert octet == near.recv(1)
    readiness.close()


async def test_the_end_of_a_connection_is_something_to_read(watch: Watch, pair: Pair) -> None:
    near, far = pair
    readiness = Readiness(near.fileno(), watch)
    far.close()

    await readiness.of(Wait.READ)

    assert b"" == near.recv(1)
    readiness.close()


async def test_a_wait_can_time_out_and_be_begun_anew(watch: Watch, pair: Pair) -> None:
    near, far = pair
    readiness = Readiness(near.fileno(), watch)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.001):
            await readiness.of(Wait.READ)
    far.send(b"late")
    await readiness.of(Wait.READ)

    assert b"late" == near.recv(10)
    readiness.close()


async def test_a_wait_can_be_cancelled_in_the_turn_in_which_the_socket_is_ready(watch: Watch, pair: Pair) -> None:
    near, far = pair
    readiness = Readiness(near.fileno(), watch)
    went_on = 0

    async def wait() -> None:
        nonlocal went_on
        try:
            await readiness.of(Wait.READ)
        finally:
            went_on += 1

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    far.send(b"x")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0)

    assert 1 == went_on
    assert b"x" == near.recv(1)
    readiness.close()


async def test_a_task_that_fails_when_it_goes_on_fails_like_any_other(watch: Watch, pair: Pair) -> None:
    near, far = pair
    readiness = Readiness(near.fileno(), watch)

    async def wait() -> None:
        await readiness.of(Wait.READ)
        raise ZeroDivisionError

    far.send(b"x")
    with pytest.raises(ZeroDivisionError):
        await asyncio.create_task(wait())
    readiness.close()


async def test_octets_that_nobody_waits_for_are_reported_once_and_stay(watch: Watch, pair: Pair) -> None:
    near, far = pair
    readiness = Readiness(near.fileno(), watch)
    far.send(b"a")
    await readiness.of(Wait.READ)

    await asyncio.sleep(0)
    await asyncio.sleep(0)
    watched = readiness._watched
    await readiness.of(Wait.READ)

    assert watched is None
    assert b"a" == near.recv(10)
    readiness.close()


async def test_tasks_take_it_for_a_future(watch: Watch, pair: Pair) -> None:
    near, far = pair
    readiness = Readiness(near.fileno(), watch)
    far.send(b"x")

    async def wait() -> bytes:
        await readiness.of(Wait.READ)
        return near.recv(1)

    assert asyncio.isfuture(readiness)
    # The implementation in Python, which the one in C stands in for, holds futures to the same interface.
    assert b"x" == await asyncio.tasks._PyTask(wait())  # type: ignore[attr-defined]  # not in the type stubs
    readiness.close()


@pytest.mark.skipif(not hasattr(select, "epoll"), reason="there is no epoll here")
class TestPoller:
    async def test_it_is_what_this_system_does_best(self) -> None:
        watch = best_watch()

        assert isinstance(watch, Poller)
        watch.close()

    async def test_a_socket_that_takes_the_place_of_another_is_not_reported_in_its_stead(self) -> None:
        watch = Poller()
        pairs = [socket.socketpair() for _ in range(2)]
        opened: list[socket.socket] = []
        reported: list[str] = []

        def take_the_place_of(other: int) -> None:
            """Both are ready in this very turn; the other's number goes to a socket that is not."""
            if opened:
                return
            number = pairs[other][0].fileno()
            watch.change(number, Wait.READ, None, lambda: None)
            pairs[other][0].close()
            opened.extend(socket.socketpair())
            assert number == opened[0].fileno()
            watch.change(number, None, Wait.READ, lambda: reported.append("the new one"))

        for own, other in ((0, 1), (1, 0)):
            watch.change(pairs[own][0].fileno(), None, Wait.READ, partial(take_the_place_of, other))
            pairs[own][1].send(b"x")
        for _ in range(3):
            await asyncio.sleep(0)
        watch.close()
        for one in (*opened, *(one for pair in pairs for one in pair)):
            one.close()

        assert opened
        assert [] == reported

    async def test_many_sockets_leave_the_loop_to_others_in_between(self) -> None:
        watch = Poller()
        pairs = [socket.socketpair() for _ in range(3 * MOST_AT_ONCE)]
        reported: list[int] = []

        async def wait(number: int) -> None:
            await Readiness(pairs[number][0].fileno(), watch).of(Wait.READ)
            pairs[number][0].recv(1)
            reported.append(number)

        tasks = [asyncio.create_task(wait(number)) for number in range(len(pairs))]
        await asyncio.sleep(0)
        for _, far in pairs:
            far.send(b"x")
        seen = []
        while len(reported) < len(pairs):
            await asyncio.sleep(0)
            seen.append(len(reported))
        await asyncio.gather(*tasks)
        watch.close()
        for one in (one for pair in pairs for one in pair):
            one.close()

        assert [MOST_AT_ONCE, 2 * MOST_AT_ONCE, 3 * MOST_AT_ONCE] == [count for count in dict.fromkeys(seen) if count]

    async def test_a_connection_may_outlive_it(self) -> None:
        watch = Poller()
        near, far = socket.socketpair()
        readiness = Readiness(near.fileno(), watch)
        far.send(b"x")
        await readiness.of(Wait.READ)

        watch.close()
        readiness.close()

        assert b"x" == near.recv(1)
        near.close()
        far.close()
