from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import pytest

from exporter.net.readiness import Readiness, Wait


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    near, far = socket.socketpair()
    with near, far:
        near.setblocking(False)
        far.setblocking(False)
        yield near, far


Pair = tuple[socket.socket, socket.socket]


async def test_a_task_goes_on_in_the_callback_that_reports_the_socket(pair: Pair) -> None:
    near, far = pair
    loop, order = asyncio.get_running_loop(), list[str]()
    readiness = Readiness(near.fileno())

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


async def test_one_socket_can_be_waited_for_again_and_again_in_both_directions(pair: Pair) -> None:
    near, far = pair
    readiness = Readiness(near.fileno())
    for octet in (b"1", b"2", b"3"):
        await readiness.of(Wait.WRITE)
        near.send(octet)
        far.send(far.recv(1))
        await readiness.of(Wait.READ)
        assert octet == near.recv(1)
    readiness.close()


async def test_the_end_of_a_connection_is_something_to_read(pair: Pair) -> None:
    near, far = pair
    readiness = Readiness(near.fileno())
    far.close()

    await readiness.of(Wait.READ)

    assert b"" == near.recv(1)
    readiness.close()


async def test_a_wait_can_time_out_and_be_begun_anew(pair: Pair) -> None:
    near, far = pair
    readiness = Readiness(near.fileno())

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.001):
            await readiness.of(Wait.READ)
    far.send(b"late")
    await readiness.of(Wait.READ)

    assert b"late" == near.recv(10)
    readiness.close()


async def test_a_wait_can_be_cancelled_in_the_turn_in_which_the_socket_is_ready(pair: Pair) -> None:
    near, far = pair
    readiness = Readiness(near.fileno())
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


async def test_a_task_that_fails_when_it_goes_on_fails_like_any_other(pair: Pair) -> None:
    near, far = pair
    readiness = Readiness(near.fileno())

    async def wait() -> None:
        await readiness.of(Wait.READ)
        raise ZeroDivisionError

    far.send(b"x")
    with pytest.raises(ZeroDivisionError):
        await asyncio.create_task(wait())
    readiness.close()


async def test_octets_that_nobody_waits_for_are_reported_once_and_stay(pair: Pair) -> None:
    near, far = pair
    readiness = Readiness(near.fileno())
    far.send(b"a")
    await readiness.of(Wait.READ)

    await asyncio.sleep(0)
    await asyncio.sleep(0)
    watched = readiness._watched
    await readiness.of(Wait.READ)

    assert watched is None
    assert b"a" == near.recv(10)
    readiness.close()


async def test_tasks_take_it_for_a_future(pair: Pair) -> None:
    near, far = pair
    readiness = Readiness(near.fileno())
    far.send(b"x")

    async def wait() -> bytes:
        await readiness.of(Wait.READ)
        return near.recv(1)

    assert asyncio.isfuture(readiness)
    # The implementation in Python, which the one in C stands in for, holds futures to the same interface.
    assert b"x" == await asyncio.tasks._PyTask(wait())  # type: ignore[attr-defined]  # not in the type stubs
    readiness.close()
