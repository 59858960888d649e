from __future__ import annotations

import pytest

from exporter.metrics.histogram import DELAY_BUCKETS, PROBE_BUCKETS, SCRAPE_BUCKETS, Histogram


@pytest.mark.parametrize("bounds", [PROBE_BUCKETS, DELAY_BUCKETS, SCRAPE_BUCKETS])
def test_an_empty_histogram_has_seen_nothing_in_any_bucket(bounds: tuple[float, ...]) -> None:
    histogram = Histogram.empty(bounds)

    assert (0,) * (len(bounds) + 1) == histogram.counts
    assert 0 == histogram.count
    assert 0.0 == histogram.sum


def test_an_observation_counts_in_every_bucket_from_its_own_upwards() -> None:
    histogram = Histogram.empty(PROBE_BUCKETS).observe(0.3)

    assert (0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1) == histogram.counts


def test_a_bound_is_inclusive() -> None:
    histogram = Histogram.empty(PROBE_BUCKETS).observe(PROBE_BUCKETS[0])

    assert 1 == histogram.counts[0]


def test_what_is_beyond_the_last_bound_counts_only_in_all() -> None:
    histogram = Histogram.empty(PROBE_BUCKETS).observe(31.0)

    assert (*([0] * len(PROBE_BUCKETS)), 1) == histogram.counts


def test_observations_add_up() -> None:
    histogram = Histogram.empty(PROBE_BUCKETS).observe(0.001).observe(0.002).observe(4.0)

    assert 2 == histogram.counts[0]
    assert 3 == histogram.count
    assert pytest.approx(4.003) == histogram.sum


def test_a_clock_that_was_set_back_counts_as_no_time() -> None:
    histogram = Histogram.empty(DELAY_BUCKETS).observe(-5.0)

    assert 1 == histogram.counts[0]
    assert 0.0 == histogram.sum


def test_to_observe_changes_no_histogram_that_somebody_holds() -> None:
    held = Histogram.empty(PROBE_BUCKETS)

    held.observe(1.0)

    assert 0 == held.count


@pytest.mark.parametrize("bounds", [PROBE_BUCKETS, DELAY_BUCKETS, SCRAPE_BUCKETS])
def test_bounds_ascend(bounds: tuple[float, ...]) -> None:
    assert sorted(set(bounds)) == list(bounds)
