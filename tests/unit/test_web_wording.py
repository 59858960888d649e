from __future__ import annotations

import pytest

from exporter.web import wording
from exporter.web.wording import DAY


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0.00 ms"),
        (0.000_42, "0.42 ms"),
        (0.012_34, "12.3 ms"),
        (0.282_974, "283 ms"),
        (0.999_9, "1000 ms"),
        (1.234, "1.23 s"),
        (15.0, "15.0 s"),
        (59.9, "59.9 s"),
        (125.4, "2 min 5 s"),
    ],
)
def test_a_duration_has_three_digits(seconds: float, text: str) -> None:
    assert text == wording.duration(seconds)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.5, "500 ms"), (1.5, "1.5 s"), (15.0, "15 s"), (60.0, "1 min"), (90.0, "1 min 30 s"), (86_400.0, "24 h")],
)
def test_a_chosen_period_is_written_in_full(seconds: float, text: str) -> None:
    assert text == wording.period(seconds)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5.0, "just now"),
        (0.4, "just now"),
        (12.7, "12 s ago"),
        (60.0, "1 min ago"),
        (3 * 3600.0, "3 h ago"),
        (47 * 3600.0, "47 h ago"),
        (3 * DAY, "3 days ago"),
    ],
)
def test_an_age_is_counted_in_the_largest_unit_that_says_enough(seconds: float, text: str) -> None:
    assert text == wording.age(seconds)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (83.5 * DAY, "83 days"),
        (2 * DAY, "2 days"),
        (30 * 3600.0, "30 h"),
        (600.0, "10 min"),
        (0.0, "expired 1 s ago"),
        (-3.2 * DAY, "expired 3 days ago"),
    ],
)
def test_validity_is_what_is_left(seconds: float, text: str) -> None:
    assert text == wording.validity(seconds)


def test_a_moment_is_a_date_and_time_in_utc() -> None:
    assert "2026-09-21 14:13:20 UTC" == wording.moment(1_790_000_000.0)


@pytest.mark.parametrize("at", [1e18, -1e18, float("inf")])
def test_a_moment_beyond_the_calendar_is_still_told(at: float) -> None:
    assert wording.moment(at).endswith("s since 1970")


@pytest.mark.parametrize(
    ("figure", "text"), [(0, "0 B"), (512, "512 B"), (1024, "1.0 KiB"), (52_428_800, "50.0 MiB"), (2**50, "1024.0 TiB")]
)
def test_a_size_is_in_binary_units(figure: int, text: str) -> None:
    assert text == wording.size(figure)
