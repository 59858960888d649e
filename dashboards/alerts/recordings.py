"""Availability and latency of each endpoint over several windows.

Availability is the share of the time in which the last probe had succeeded, and latency the median of the probes'
durations. Both are taken from the gauges, not from the counters: a counter of failures begins with its first failure,
which no rate sees, and a histogram knows durations only to its buckets, and nothing where probes are rare. The median
is deaf to the few probes that ran into their timeout, which is what a baseline should be.

Every label of the endpoint is kept, so whatever users have added is there in the alerts.
"""

from __future__ import annotations

from enum import StrEnum

from dashboards.alerts.rule import Recording
from dashboards.promql import Scope


class Window(StrEnum):
    """How far back, as Prometheus writes durations."""

    FIVE_MINUTES = "5m"
    HALF_HOUR = "30m"
    HOUR = "1h"
    SIX_HOURS = "6h"
    MONTH = "30d"


def availability(metric: Scope, window: Window) -> Recording:
    """The share of the window, between 0 and 1, in which the last probe had succeeded."""
    raw = f"avg_over_time({metric('mail_probe_success')}[{window}])"
    by_the_hour = f"avg_over_time({_availability_name(Window.HOUR)}[{window}])"
    return Recording(_availability_name(window), by_the_hour if window is Window.MONTH else raw, raw)


def latency(metric: Scope, window: Window) -> Recording:
    """The median duration in the window, in seconds; over a month the median of the hours' medians."""
    raw = f"quantile_over_time(0.5, {metric('mail_probe_last_duration_seconds')}[{window}])"
    by_the_hour = f"quantile_over_time(0.5, {_latency_name(Window.HOUR)}[{window}])"
    return Recording(_latency_name(window), by_the_hour if window is Window.MONTH else raw, raw)


def _availability_name(window: Window) -> str:
    return f"endpoint:mail_probe_success:avg{window}"


def _latency_name(window: Window) -> str:
    return f"endpoint:mail_probe_last_duration_seconds:median{window}"
