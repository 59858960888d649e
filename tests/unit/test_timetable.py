from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.model import Encryption, Endpoint, Protocol
from exporter.schedule.timetable import Timetable, fraction


def endpoint(name: str, interval: float = 60.0) -> Endpoint:
    return Endpoint(name, Protocol.IMAP, "mail.example.com", 993, Encryption.TLS, interval=interval)


def turns(timetable: Timetable[Endpoint], until: float) -> list[tuple[str, float]]:
    """Every turn up to a time, taken the moment it is due."""
    taken = []
    while (at := timetable.next_at()) is not None and at <= until:
        due = timetable.pop(at)
        assert due is not None
        taken.append((due.item.name, due.at))
    return taken


def test_an_empty_timetable_has_nothing_due() -> None:
    timetable = Timetable[Endpoint]()

    assert timetable.next_at() is None
    assert timetable.pop(1e9) is None


def test_nothing_is_due_before_its_time() -> None:
    timetable = Timetable[Endpoint]()
    timetable.exchange([], [endpoint("a")], now=0.0)

    assert timetable.pop(fraction("a") * 60 - 0.001) is None


def test_an_endpoint_is_due_once_an_interval_at_its_own_point() -> None:
    timetable = Timetable[Endpoint]()
    timetable.exchange([], [endpoint("a", 10.0)], now=100.0)

    offset = 100.0 + fraction("a") * 10
    assert [pytest.approx(offset + 10 * n) for n in range(5)] == [at for _, at in turns(timetable, offset + 45)]


def test_a_long_interval_does_not_put_off_the_first_probe() -> None:
    timetable = Timetable[Endpoint]()
    timetable.exchange([], [endpoint("daily", 86400.0)], now=0.0)

    first, second = turns(timetable, 2 * 86400.0)
    assert first[1] <= 60.0
    assert 86400.0 == pytest.approx(second[1] - first[1])


def test_starts_are_spread_evenly_over_the_interval() -> None:
    timetable = Timetable[Endpoint]()
    timetable.exchange([], [endpoint(f"endpoint-{n}") for n in range(6000)], now=0.0)

    per_second = [0] * 60
    for _, at in turns(timetable, 60.0):
        per_second[int(at)] += 1
    # 100 on average; a fair spread of 6000 over 60 stays within five standard deviations of it.
    assert min(per_second) > 50
    assert max(per_second) < 150


def test_the_spread_is_the_same_in_every_process() -> None:
    assert [0.6415, 0.5354] == [round(fraction(name), 4) for name in ("imaps://mail.example.com", "a")]


def test_a_reload_keeps_the_turns_of_those_that_stay() -> None:
    timetable = Timetable[Endpoint]()
    timetable.exchange([], [endpoint("stays"), endpoint("goes")], now=0.0)
    before = dict(turns(timetable, 60.0))

    timetable.exchange([endpoint("goes")], [endpoint("stays"), endpoint("comes")], now=61.0)

    after = dict(turns(timetable, 121.0))
    assert {"stays", "comes"} == after.keys()
    assert before["stays"] + 60 == pytest.approx(after["stays"])


def test_a_changed_interval_takes_effect_at_once() -> None:
    timetable = Timetable[Endpoint]()
    timetable.exchange([], [endpoint("a", 3600.0)], now=0.0)
    turns(timetable, 60.0)

    timetable.exchange([], [endpoint("a", 10.0)], now=61.0)

    first = turns(timetable, 71.0)[0]
    assert 61.0 <= first[1] <= 71.0


def test_turns_that_nobody_asked_for_are_passed_over_and_counted() -> None:
    timetable = Timetable[Endpoint]()
    timetable.exchange([], [endpoint("a", 10.0)], now=0.0)
    offset = fraction("a") * 10

    due = timetable.pop(offset + 35.0)

    assert due is not None
    assert 3 == due.missed
    assert offset + 30.0 == pytest.approx(due.at)
    assert offset + 40.0 == pytest.approx(timetable.next_at())


def test_an_exchange_leaves_the_turns_of_all_others_alone() -> None:
    timetable = Timetable[Endpoint]()
    timetable.exchange([], [endpoint("stays"), endpoint("goes")], now=0.0)

    timetable.exchange([endpoint("goes")], [endpoint("comes")], now=10.0)

    first = dict(reversed(turns(timetable, 300.0)))
    assert {"stays": fraction("stays") * 60, "comes": 10 + fraction("comes") * 60} == pytest.approx(first)


def test_what_goes_and_comes_back_has_one_turn_an_interval() -> None:
    timetable = Timetable[Endpoint]()
    timetable.exchange([], [endpoint("a", 10.0)], now=0.0)
    for now in (1.0, 2.0, 3.0):
        timetable.exchange([endpoint("a", 10.0)], [endpoint("a", 10.0)], now)

    offset = 3.0 + fraction("a") * 10
    assert [pytest.approx(offset + 10 * n) for n in range(5)] == [at for _, at in turns(timetable, offset + 45)]


def test_when_the_last_one_goes_nothing_is_due() -> None:
    timetable = Timetable[Endpoint]()
    timetable.exchange([], [endpoint("a")], now=0.0)

    timetable.exchange([endpoint("a")], [], now=1.0)

    assert timetable.next_at() is None
    assert timetable.pop(1e9) is None


def test_the_addresses_of_one_endpoint_are_spread_over_the_interval() -> None:
    timetable = Timetable[Endpoint]()
    addresses = [replace(endpoint("a"), only_address=f"192.0.2.{n}") for n in range(200)]
    timetable.exchange([], addresses, now=0.0)

    starts = [at for _, at in turns(timetable, 60.0)]
    assert 200 == len(starts)
    assert 20 < sum(at < 15 for at in starts) < 80


@given(st.text())
def test_every_name_has_its_fraction(name: str) -> None:
    assert 0.0 <= fraction(name) < 1.0
