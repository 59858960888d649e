"""When packets came, by the kernel's word, and when that word is not taken."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from exporter.net import stamps as module
from exporter.net.stamps import Arrivals, ask_for_stamps, connected, receive
from exporter.net.stream import Stream
from tests.servers.programs import wait_until

LOOPBACK = "127.0.0.1"
HELD_UP = 0.2


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two ends of a TCP connection; what comes at the first is stamped."""
    with socket.create_server((LOOPBACK, 0)) as listener, socket.socket() as near:
        if not ask_for_stamps(near):
            pytest.skip("this system does not tell when packets come")
        near.connect(listener.getsockname())
        far, _ = listener.accept()
        with closing(far):

            def stamped() -> bool:
                far.send(b"x")
                _, ancillary, _, _ = near.recvmsg(1, 64)
                return bool(ancillary)

            # The first to ask for stamps has to wait for them: the kernel begins to take them in its own time.
            wait_until(stamped, what="packets are stamped")
            yield near, far


def lie_for_a_while(near: socket.socket, far: socket.socket, seconds: float = 0.02) -> tuple[float, float]:
    """Something comes, and lies in the kernel; between which two points in time it came."""
    before = time.perf_counter()
    far.send(b"hello")
    wait_until(lambda: near.recv(5, socket.MSG_PEEK) == b"hello", what="it is there")
    after = time.perf_counter()
    wait_until(lambda: time.perf_counter() - after > seconds, what="it has lain there")
    return before, after


def test_they_tell_when_octets_came(pair: tuple[socket.socket, socket.socket]) -> None:
    near, far = pair
    arrivals = Arrivals(near)
    before, after = lie_for_a_while(near, far)
    octets, came_at = arrivals.receive(100)

    assert b"hello" == octets
    assert came_at is not None
    # Two clocks are compared.
    assert before - 0.001 <= came_at <= after + 0.001


def test_they_tell_for_how_long_octets_have_lain_here(
    pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    near, far = pair
    lie_for_a_while(near, far, 0.0)
    monkeypatch.setattr(time, "time", lambda now=time.time: now() + 3600.0)
    octets, seconds = receive(near, 100)

    assert b"hello" == octets
    assert 3600.0 <= seconds < 3660.0


def test_the_newest_of_what_came_counts(pair: tuple[socket.socket, socket.socket]) -> None:
    near, far = pair
    far.send(b"first")
    between = time.time()
    far.send(b"second")
    wait_until(lambda: near.recv(100, socket.MSG_PEEK) == b"firstsecond", what="both are there")
    octets, seconds = receive(near, 100)

    assert b"firstsecond" == octets
    assert time.time() - seconds >= between


@pytest.mark.parametrize("step", [3600.0, -3600.0, 0.002, -0.002])
def test_nothing_is_told_if_the_clock_was_set_while_we_waited(
    pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch, step: float
) -> None:
    near, far = pair
    arrivals = Arrivals(near)
    lie_for_a_while(near, far)
    monkeypatch.setattr(time, "time", lambda now=time.time: now() + step)

    assert (b"hello", None) == arrivals.receive(100)


def test_nothing_is_told_if_packets_came_out_of_order(
    pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    near, far = pair
    arrivals = Arrivals(near)
    disorder = iter([1, 1])

    class Told:
        size = module._DISORDER.size

        def unpack(self, _: bytes) -> tuple[int]:
            return (next(disorder),)

    monkeypatch.setattr(module, "_DISORDER", Told())
    lie_for_a_while(near, far)
    assert (b"hello", None) == arrivals.receive(100)
    lie_for_a_while(near, far)
    assert arrivals.receive(100)[1] is not None


def test_a_kernel_that_does_not_count_disorder_is_not_believed(
    pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    near, far = pair
    arrivals = Arrivals(near)
    monkeypatch.setattr(module, "_DISORDER", struct.Struct("=1020xI"))
    lie_for_a_while(near, far)

    assert (b"hello", None) == arrivals.receive(100)


def test_the_end_of_a_connection_has_none(pair: tuple[socket.socket, socket.socket]) -> None:
    near, far = pair
    far.close()

    assert (b"", None) == Arrivals(near).receive(100)
    assert (b"", 0.0) == receive(near, 100)


def test_without_them_nothing_is_told() -> None:
    near, far = socket.socketpair()
    with near, far:
        far.send(b"hello")

        assert (b"hello", None) == Arrivals(near).receive(100)


def test_a_system_that_has_none_says_so() -> None:
    sock = socket.socket()
    sock.close()

    assert not ask_for_stamps(sock)


def test_a_connection_tells_its_round_trip(pair: tuple[socket.socket, socket.socket]) -> None:
    near, _ = pair

    assert 59.0 < connected(near, 60.0) < 60.0


def test_what_is_no_connection_tells_none() -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        assert 0.0 == connected(sock, 60.0)


@pytest.mark.usefixtures("pair")
async def test_a_loop_that_is_held_up_does_not_make_a_server_slow() -> None:
    answered = threading.Event()

    def serve() -> None:
        with listener, listener.accept()[0] as client:
            client.recv(100)
            client.send(b"250 yes\r\n")
            answered.set()
            client.recv(100)

    listener = socket.create_server((LOOPBACK, 0))
    server = threading.Thread(target=serve)
    server.start()
    stream = await Stream.connect(LOOPBACK, listener.getsockname()[1])
    await stream.send(b"NOOP\r\n")

    settled = stream.peer_clock.behind()

    def hold_up() -> None:
        assert answered.wait(10)
        time.sleep(HELD_UP)

    asyncio.get_running_loop().call_soon(hold_up)
    assert b"250 yes" == await stream.read_line(100)
    late = stream.peer_clock.behind() - settled
    stream.close()
    await asyncio.to_thread(server.join)

    assert late >= HELD_UP
