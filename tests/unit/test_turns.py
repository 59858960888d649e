"""What lay in the kernel while nobody looked, and what we did ourselves, is not counted as the other side's latency."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.net import turns as module
from exporter.net.stream import Stream
from exporter.net.turns import Turns, ask_for_stamps, connected, receive
from tests.servers.programs import wait_until

LOOPBACK = "127.0.0.1"
HELD_UP = 0.2


class Clock:
    """`time.perf_counter` and `time.time`, which pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(module, "time", made)
    return made


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


class TestTurns:
    def test_while_the_other_side_is_at_it_nothing_is_ours(self, clock: Clock) -> None:
        turns = Turns()
        clock.now += 1

        assert 0.0 == turns.behind()

    def test_from_the_moment_when_something_came_time_is_ours(self, clock: Clock) -> None:
        turns = Turns()
        clock.now += 1
        turns.noticed(0.25)
        assert 0.25 == turns.behind()
        clock.now += 0.5
        assert 0.75 == turns.behind()

    def test_until_we_answer(self, clock: Clock) -> None:
        turns = Turns()
        clock.now += 1
        turns.noticed(0.25)
        clock.now += 0.5
        turns.answered()
        turns.waiting()
        clock.now += 10

        assert 0.75 == turns.behind()

    def test_all_our_turns_add_up(self, clock: Clock) -> None:
        turns = Turns()
        for lateness in (0.25, 0.0, 0.5):
            clock.now += 1
            turns.noticed(lateness)
            turns.answered()
            turns.waiting()

        assert 0.75 == turns.behind()

    def test_a_greeting_is_on_its_way_while_the_connection_is_not_yet_noticed(self, clock: Clock) -> None:
        turns = Turns()
        clock.now += 1
        turns.noticed(0.75)
        turns.waiting()
        assert 0.0 == turns.behind()
        # It came a quarter of a second after the connection.
        turns.noticed(0.5)

        assert 0.5 == turns.behind()

    def test_what_we_do_after_our_last_words_is_not_the_other_side_s_time_unless_it_is_at_work(
        self, clock: Clock
    ) -> None:
        turns = Turns()
        turns.answered()
        # The certificate is judged once the handshake is over; the greeting is on its way, or waits for our hello.
        clock.now += 0.5
        assert 0.5 == turns.behind()
        turns.waiting()
        assert 0.0 == turns.behind()
        turns.noticed(0.25)
        assert 0.25 == turns.behind()

        turns.answered()
        clock.now += 0.5
        turns.answered()
        assert 0.75 == turns.behind()

    def test_nothing_came_before_it_was_waited_for(self, clock: Clock) -> None:
        turns = Turns()
        clock.now += 1
        turns.answered()
        turns.waiting()
        clock.now += 0.125
        # Said before we had asked, as nobody should; or the system's clock was set meanwhile.
        turns.noticed(3600.0)

        assert 0.125 == turns.behind()

    def test_a_clock_that_was_set_back_makes_nobody_early(self, clock: Clock) -> None:
        turns = Turns()
        clock.now += 1
        turns.noticed(-3600.0)

        assert 0.0 == turns.behind()

    @given(
        st.lists(st.tuples(st.floats(0, 10), st.sampled_from(["noticed", "answered", "waiting"]), st.floats(-1, 20)))
    )
    def test_the_other_side_s_time_never_runs_backwards_from_turn_to_turn(
        self, steps: list[tuple[float, str, float]]
    ) -> None:
        clock = Clock()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "time", clock)
            turns, stamps = Turns(), [clock.now]
            for passes, what, lateness in steps:
                clock.now += passes
                if what == "noticed":
                    turns.noticed(lateness)
                    stamps.append(clock.now - turns.behind())
                elif what == "answered":
                    turns.answered()
                    stamps.append(clock.now - turns.behind())
                else:
                    turns.waiting()

        assert all(after - before > -1e-9 for before, after in pairwise(stamps))
        assert stamps[-1] <= clock.now


class TestStamps:
    def test_they_tell_for_how_long_octets_have_lain_here(
        self, pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        near, far = pair
        far.send(b"hello")
        wait_until(lambda: near.recv(5, socket.MSG_PEEK) == b"hello", what="it is there")
        monkeypatch.setattr(time, "time", lambda now=time.time: now() + 3600.0)

        assert b"hello" == receive(near, 100, socket.MSG_PEEK)[0]
        octets, seconds = receive(near, 100)
        assert b"hello" == octets
        assert 3600.0 <= seconds < 3660.0

    def test_the_newest_of_what_came_counts(self, pair: tuple[socket.socket, socket.socket]) -> None:
        near, far = pair
        far.send(b"first")
        between = time.time()
        far.send(b"second")
        wait_until(lambda: near.recv(100, socket.MSG_PEEK) == b"firstsecond", what="both are there")
        octets, seconds = receive(near, 100)

        assert b"firstsecond" == octets
        assert time.time() - seconds >= between

    def test_the_end_of_a_connection_has_none(self, pair: tuple[socket.socket, socket.socket]) -> None:
        near, far = pair
        far.close()

        assert (b"", 0.0) == receive(near, 100)

    def test_without_them_nothing_is_late(self) -> None:
        near, far = socket.socketpair()
        with near, far:
            far.send(b"hello")

            assert (b"hello", 0.0) == receive(near, 100)

    def test_a_system_that_has_none_says_so(self) -> None:
        sock = socket.socket()
        sock.close()

        assert not ask_for_stamps(sock)

    def test_a_connection_tells_its_round_trip(self, pair: tuple[socket.socket, socket.socket]) -> None:
        near, _ = pair

        assert 59.0 < connected(near, 60.0) < 60.0

    def test_what_is_no_connection_tells_none(self) -> None:
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

    settled = stream.turns.behind()

    def hold_up() -> None:
        assert answered.wait(10)
        time.sleep(HELD_UP)

    asyncio.get_running_loop().call_soon(hold_up)
    assert b"250 yes" == await stream.read_line(100)
    late = stream.turns.behind() - settled
    stream.close()
    await asyncio.to_thread(server.join)

    assert late >= HELD_UP
