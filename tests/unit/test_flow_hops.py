from __future__ import annotations

import time

import pytest

from exporter.flows.messages.dates import date_of_arrival
from exporter.flows.messages.headers import read_headers
from exporter.flows.messages.hops import MAX_HOPS, read_hops
from exporter.model import Arrival, Hop
from tests.unit.flow_samples import NOW, arrived


def test_the_servers_on_the_way_are_told_in_their_order() -> None:
    hops = read_hops(read_headers(arrived()), NOW, 5.0)
    assert (
        Hop("relay.example.com", "client", NOW + 1, 1.0, clocks_differ=False),
        Hop("mx.example.net", "relay.example.com", NOW + 4, 3.0, clocks_differ=False),
    ) == hops
    assert 3.0 == Arrival("INBOX", hops).slowest_hop


@pytest.mark.parametrize("hour", [b"21", b"23"])
def test_a_clock_an_hour_off_is_shown_as_such_and_is_no_delay(hour: bytes) -> None:
    message = arrived().replace(b"22:13:24", hour + b":13:24")
    first, second = read_hops(read_headers(message), NOW, 5.0)
    assert (False, 1.0) == (first.clocks_differ, first.delay)
    assert second.clocks_differ
    assert 3540 < abs(second.delay or 0) < 3660
    assert 1.0 == Arrival("INBOX", (first, second)).slowest_hop


@pytest.mark.parametrize(
    ("written", "ahead"),
    [(b"+0000", 0), (b"+0200", -7200), (b"-0500", 18000), (b"-0000", 0), (b"GMT", 0), (b"EST", 18000), (b"", 0)],
)
def test_a_time_counts_by_its_zone_and_as_utc_without_one(
    written: bytes, ahead: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RFC 5322 3.3: -0000 is a time in UTC of a server that says nothing of where it is."""
    message = arrived().replace(b"22:13:24 +0000", b"22:13:24 " + written)
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        hops = read_hops(read_headers(message), NOW, 5.0)
    finally:
        monkeypatch.undo()
        time.tzset()
    assert NOW + 4 + ahead == hops[-1].at


@pytest.mark.parametrize("between", ["22:43:22 +0000", "22:13:22", "nonsense", "21:43:20 +0000"])
def test_what_a_server_with_a_wrong_clock_took_counts_for_the_next(between: str) -> None:
    middle = f"Received: from relay.example.com by middle.test; Tue, 14 Nov 2023 {between}\r\n"
    first, _, rest = arrived().partition(b"Received: from client")
    hops = read_hops(read_headers(first + middle.encode() + b"Received: from client" + rest), NOW, 5.0)
    assert (3, False) == (len(hops), hops[-1].clocks_differ)
    assert (2.0 if between == "22:13:22" else 3.0) == hops[-1].delay
    assert (hops[-1].delay or 0) <= (Arrival("INBOX", hops).slowest_hop or 0)


def test_a_second_of_difference_is_no_delay_and_no_fault() -> None:
    message = arrived().replace(b"22:13:21", b"22:13:19")
    assert (0.0, False) == (
        (hop := read_hops(read_headers(message), NOW, 5.0)[0]).delay,
        hop.clocks_differ,
    )


@pytest.mark.parametrize(
    "field", [b"Received: nonsense", b"Received: by x; Tue, 99 Nov 2023 22:13:24 +0000", b"Received: ; ", b"Received:"]
)
def test_a_time_that_cannot_be_read_leaves_the_delays_beside_it_unknown(field: bytes) -> None:
    hops = read_hops(read_headers(field + b"\r\n" + arrived()), NOW, 5.0)
    assert (None, None) == (hops[-1].at, hops[-1].delay)
    assert 3 == len(hops)


def test_what_servers_write_into_comments_is_not_read() -> None:
    field = b"Received: from a.test (HELO by b.test (seen by (c.test; 1 Jan 2020))) (by d.test) by e.test (; now);"
    message = field + b" Tue, 14 Nov 2023 22:13:24 +0000\r\n\r\n"
    (hop,) = read_hops(read_headers(message), NOW, 5.0)
    assert ("e.test", "a.test", NOW + 4) == (hop.by, hop.source, hop.at)


def test_a_loop_is_cut() -> None:
    octets = b"Received: by x; Tue, 14 Nov 2023 22:13:24 +0000\r\n" * 400
    assert MAX_HOPS == len(read_hops(read_headers(octets), NOW, 5.0))


def test_a_message_without_received_fields_has_no_hops() -> None:
    assert () == read_hops(read_headers(b"A: b\r\n\r\n"), NOW, 5.0)
    assert Arrival("INBOX").slowest_hop is None


@pytest.mark.parametrize(
    ("second", "delay", "differ"),
    [(17, -3.0, True), (18, 0.0, False), (26, 6.0, False), (27, 7.0, False), (28, 8.0, True)],
)
def test_clocks_differ_where_our_own_rules_the_delay_out(second: int, delay: float, differ: bool) -> None:
    """The message took five seconds by our clock, and began at 22:13:20; two seconds are tolerated."""
    message = b"Received: by x; Tue, 14 Nov 2023 22:13:%d +0000\r\n\r\n" % second
    (hop,) = read_hops(read_headers(message), NOW, 5.0)
    assert (delay, differ) == (hop.delay, hop.clocks_differ)


def test_the_time_of_arrival_is_the_last_that_can_be_read() -> None:
    assert NOW + 4 == date_of_arrival(read_headers(b"Received: by x; nonsense\r\n" + arrived()))
    assert date_of_arrival(read_headers(b"Subject: x\r\n\r\n")) is None
