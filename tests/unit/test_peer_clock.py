"""What lay in the kernel while nobody looked, and what we did ourselves, is not counted as the other side's latency."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.net import peer_clock as module
from exporter.net.peer_clock import PeerClock


class Clock:
    """`time.perf_counter`, which passes when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(module, "time", made)
    return made


class TestPeerClock:
    def test_while_the_other_side_is_at_it_nothing_is_ours(self, clock: Clock) -> None:
        peer = PeerClock()
        clock.now += 1

        assert 0.0 == peer.behind()

    def test_from_the_moment_when_something_came_time_is_ours(self, clock: Clock) -> None:
        peer = PeerClock()
        clock.now += 1
        peer.noticed(clock.now - 0.25)
        assert 0.25 == peer.behind()
        clock.now += 0.5
        assert 0.75 == peer.behind()

    def test_until_we_answer(self, clock: Clock) -> None:
        peer = PeerClock()
        clock.now += 1
        peer.noticed(clock.now - 0.25)
        clock.now += 0.5
        peer.answering()
        peer.waiting()
        clock.now += 10

        assert 0.75 == peer.behind()

    def test_all_our_turns_add_up(self, clock: Clock) -> None:
        peer = PeerClock()
        for lateness in (0.25, 0.0, 0.5):
            clock.now += 1
            peer.noticed(clock.now - lateness)
            peer.answering()
            peer.waiting()

        assert 0.75 == peer.behind()

    def test_a_greeting_is_on_its_way_while_the_connection_is_not_yet_noticed(self, clock: Clock) -> None:
        peer = PeerClock()
        clock.now += 1
        peer.noticed(clock.now - 0.75)
        peer.waiting()
        assert 0.0 == peer.behind()
        # It came a quarter of a second after the connection.
        peer.noticed(clock.now - 0.5)

        assert 0.5 == peer.behind()

    def test_what_we_do_after_our_last_words_is_not_the_other_side_s_time_unless_it_is_at_work(
        self, clock: Clock
    ) -> None:
        peer = PeerClock()
        peer.answering()
        # The certificate is judged once the handshake is over; the greeting is on its way, or waits for our hello.
        clock.now += 0.5
        assert 0.5 == peer.behind()
        peer.waiting()
        assert 0.0 == peer.behind()
        peer.noticed(clock.now - 0.25)
        assert 0.25 == peer.behind()

        peer.answering()
        clock.now += 0.5
        peer.answering()
        assert 0.75 == peer.behind()

    def test_what_is_said_to_have_come_before_our_last_words_is_not_believed(self, clock: Clock) -> None:
        peer = PeerClock()
        clock.now += 1
        peer.noticed(clock.now)
        peer.answering()
        settled = peer.behind()
        peer.waiting()
        clock.now += 0.125
        # A stamp that is too early would make an answer of it that took no time. All of the time counts.
        peer.noticed(clock.now - 0.25)

        assert settled == peer.behind()

    def test_what_is_said_to_come_in_the_future_is_not_believed(self, clock: Clock) -> None:
        peer = PeerClock()
        clock.now += 1
        peer.noticed(clock.now + 3600.0)

        assert 0.0 == peer.behind()

    def test_of_what_nobody_can_tell_when_it_came_all_the_time_until_now_counts(self, clock: Clock) -> None:
        peer = PeerClock()
        clock.now += 1
        peer.noticed(None)
        assert 0.0 == peer.behind()
        clock.now += 0.5

        assert 0.5 == peer.behind()

    @given(
        st.lists(st.tuples(st.floats(0, 10), st.sampled_from(["noticed", "answering", "waiting"]), st.floats(-1, 20)))
    )
    def test_the_other_side_s_time_never_runs_backwards_from_turn_to_turn(
        self, steps: list[tuple[float, str, float]]
    ) -> None:
        clock = Clock()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "time", clock)
            peer, stamps = PeerClock(), [clock.now]
            for passes, what, lateness in steps:
                clock.now += passes
                if what == "noticed":
                    peer.noticed(clock.now - lateness)
                    stamps.append(clock.now - peer.behind())
                elif what == "answering":
                    peer.answering()
                    stamps.append(clock.now - peer.behind())
                else:
                    peer.waiting()

        assert all(after - before > -1e-9 for before, after in pairwise(stamps))
        assert stamps[-1] <= clock.now
