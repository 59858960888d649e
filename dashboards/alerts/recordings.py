"""Availability and latency of each endpoint over several windows.

Availability is the share of an endpoint's probes that succeeded. It comes from the counters, because a gauge that is
scraped every second probe sees only every second one. Prometheus adds 1 for a failure only if it saw the counter
before, and a counter of failures begins with the first one; so the rules count successes, which are there from the
start. An endpoint that is probed by Prometheus itself (`/probe`) has no counters: each scrape is a probe, and the gauge
has them all.

Latency is the median of the last probes' durations. It is taken from the gauge: a histogram knows durations only to its
buckets, and nothing where probes are rare. The median ignores the few probes that ran into their timeout, as a
baseline should.

Every label of the endpoint is kept, so what users have added is there in the alerts.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from dashboards.alerts.rule import Recording
from dashboards.promql import Scope

RESOLUTION: Final = "1m"
"""How often counters are looked at where there are no recordings: as often as the rules record them."""


class Window(StrEnum):
    """How far back, as Prometheus writes durations."""

    FIVE_MINUTES = "5m"
    HALF_HOUR = "30m"
    HOUR = "1h"
    SIX_HOURS = "6h"
    MONTH = "30d"


def probes(metric: Scope) -> Recording:
    """An endpoint's probes since its process started."""
    raw = metric("mail_probes_total")
    return Recording("endpoint:mail_probes:sum", raw, raw)


def successes(metric: Scope) -> Recording:
    """Those of them that succeeded."""
    finished = metric("mail_probes_total")
    failed = f"sum without (reason, phase) ({metric('mail_probe_failures_total')})"
    raw = f"{finished} - ({failed} or {finished} * 0)"
    return Recording("endpoint:mail_probe_successes:sum", raw, raw)


def availability(metric: Scope, window: Window) -> Recording:
    """The share of the window's probes that succeeded, between 0 and 1; of the last one if there was none."""
    name = _availability_name(window)
    recorded = _share(metric, window, successes(metric).name, probes(metric).name, over=f"[{window}]")
    of_scratch = f"[{window}:{RESOLUTION}]"
    raw = _share(metric, window, f"({successes(metric).from_scratch})", probes(metric).from_scratch, over=of_scratch)
    by_the_hour = f"avg_over_time({_availability_name(Window.HOUR)}[{window}])"
    return Recording(name, by_the_hour if window is Window.MONTH else recorded, raw)


def mixed(metric: Scope) -> Recording:
    """1 where some of the last five minutes' probes succeeded and some did not, else 0."""
    recent = availability(metric, Window.FIVE_MINUTES)
    name, raw = (f"({one} > bool 0) * ({one} < bool 1)" for one in (recent.name, f"({recent.from_scratch})"))
    return Recording("endpoint:mail_probe_success:mixed5m", name, f"({raw})")


def latency(metric: Scope, window: Window) -> Recording:
    """The median duration in the window, in seconds; over a month the median of the hours' medians."""
    raw = f"quantile_over_time(0.5, {metric('mail_probe_last_duration_seconds')}[{window}])"
    by_the_hour = f"quantile_over_time(0.5, {_latency_name(Window.HOUR)}[{window}])"
    return Recording(_latency_name(window), by_the_hour if window is Window.MONTH else raw, raw)


def _share(metric: Scope, window: Window, succeeded: str, finished: str, *, over: str) -> str:
    of_probes = f"increase({succeeded}{over}) / (increase({finished}{over}) > 0)"
    return f"{of_probes} or avg_over_time({metric('mail_probe_success')}[{window}])"


def _availability_name(window: Window) -> str:
    return f"endpoint:mail_probe_success:avg{window}"


def _latency_name(window: Window) -> str:
    return f"endpoint:mail_probe_last_duration_seconds:median{window}"
