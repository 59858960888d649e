"""Whether ten thousand endpoints are probed when they are due, and what of a core that takes, while Prometheus scrapes.

The peer has no schedule of its own: it is asked over HTTP for as many of the same dialogues, and compared by CPU time.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

from benchmarks.blackbox import ask_at, blackbox_running, cpu_told, probe_url
from benchmarks.daemon import daemon, installed, logging_in
from benchmarks.dialogues import IMAPS
from benchmarks.lab import Lab
from benchmarks.mailserver import Delays, MailServer, mail_server
from benchmarks.peers import Peer, find_blackbox
from benchmarks.populations import configuration
from benchmarks.processes import cpu_seconds
from benchmarks.report import Bound, Report, Row
from tests.servers.exporter import Exporter, Metrics
from tests.servers.fetching import fetch

DELAYS: Final = Delays(greeting=0.005, tls=0.005, capability=0.005, auth=0.02, quit=0.005)
"""As of a server nearby: probes are under way side by side."""

SCRAPED_EVERY: Final = 15.0
"""Seconds, as in Prometheus' example configuration."""

AS_PROMETHEUS: Final[Mapping[str, str]] = {
    "Accept": "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
    "Accept-Encoding": "gzip",
}

CPU_BOUND: Final = Bound(35.0)
DELAY_BOUND: Final = Bound(100.0)

_SUCCEEDED: Final = re.compile(r"^mail_probe_success\{.*\} 1$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Effort:
    """How long to look at how many endpoints.

    Attributes:
        interval: Seconds; also how long it takes until all have been probed.
        seconds: To look at, after that.
        peer_seconds: For which the peer is asked.
    """

    endpoints: int
    interval: int
    seconds: float
    peer_seconds: float

    @property
    def rate(self) -> float:
        """Probes a second."""
        return self.endpoints / self.interval


@dataclass(frozen=True, slots=True)
class Moment:
    """What the daemon says of itself, and the kernel of it.

    Attributes:
        at: On a monotonic clock.
        cpu: Seconds, all told.
        delays: How late probes were started: cumulative counts by upper bound in seconds.
        lags: Likewise, how late the event loop was.
        skipped: Probes.
    """

    at: float
    cpu: float
    delays: Mapping[float, float]
    lags: Mapping[float, float]
    skipped: float


def measure(lab: Lab) -> Report:
    """Probes ten thousand endpoints every minute, for four minutes."""
    effort = lab.amount(Effort(10_000, 60, 180.0, 60.0), Effort(20, 1, 2.0, 1.0))
    peer = find_blackbox()
    with mail_server(lab.directory, DELAYS) as server, installed():
        begin, end = _ours(lab.directory, server, effort)
        theirs = {} if peer is None else {peer.name: _theirs(lab.directory, peer, server, effort)}
    delays, lags = _since(begin.delays, end.delays), _since(begin.lags, end.lags)
    case = f"{effort.endpoints:,} endpoints every {effort.interval} s, IMAPS and a login"
    cpu = 100 * (end.cpu - begin.cpu) / (end.at - begin.at)
    return Report(
        "schedule",
        "probing on time",
        (
            Row(case, "CPU", "% of one core", cpu, theirs, (CPU_BOUND,)),
            Row(case, "start delay, median", "ms", 1e3 * quantile(0.5, delays)),
            Row(case, "start delay, 99th percentile", "ms", 1e3 * quantile(0.99, delays), bounds=(DELAY_BOUND,)),
            Row(case, "event loop lag, 99th percentile", "ms", 1e3 * quantile(0.99, lags)),
        ),
        _remarks(effort, delays, peer),
    )


def _since(before: Mapping[float, float], after: Mapping[float, float]) -> Mapping[float, float]:
    return {bound: count - before[bound] for bound, count in after.items()}


def quantile(share: float, buckets: Mapping[float, float]) -> float:
    """As PromQL's `histogram_quantile`: as if observations were spread evenly between the bounds of a bucket.

    Args:
        share: From 0 to 1.
        buckets: Cumulative counts by upper bound, ascending; the last is infinite.
    """
    wanted = share * max(buckets.values())
    for (lower, fewer), (upper, count) in pairwise([(0.0, 0.0), *buckets.items()]):
        if count >= wanted and count > fewer:
            return lower if upper == float("inf") else lower + (upper - lower) * (wanted - fewer) / (count - fewer)
    return float("nan")


def _remarks(effort: Effort, delays: Mapping[float, float], peer: Peer | None) -> tuple[str, ...]:
    started = max(delays.values())
    return (
        (
            f"In {effort.seconds:g} s after the first {effort.interval} s, {started:,.0f} probes were started and none "
            f"was skipped, while /metrics was read every {SCRAPED_EVERY:g} s as Prometheus does."
        ),
        "Delays and lags are told by the daemon's own histograms: between the bounds of these they are interpolated.",
        "The hosts are written as addresses, so that no names are looked up.",
        "blackbox_exporter is not here."
        if peer is None
        else f"{peer.name} has no schedule: it is asked over HTTP for the same dialogue as often, evenly spread.",
    )


def _ours(directory: Path, server: MailServer, effort: Effort) -> tuple[Moment, Moment]:
    """The moments at the beginning and at the end of what is looked at."""
    sections = logging_in(directory, server, effort.interval)
    text = configuration(effort.endpoints, f"imaps://{server.address('imaps')}", sections)
    with daemon(directory / "schedule.yaml", text) as exporter:
        _scrape_for(exporter, effort.interval + 1)
        begin = _moment(exporter)
        _scrape_for(exporter, effort.seconds)
        end = _moment(exporter)
        succeeded = len(_SUCCEEDED.findall(exporter.text()))
    if succeeded != effort.endpoints or end.skipped:
        raise RuntimeError(f"{succeeded} of {effort.endpoints} probes succeeded, {end.skipped:.0f} were skipped")
    return begin, end


def _scrape_for(exporter: Exporter, seconds: float) -> None:
    """Reads `/metrics` now and then, until so many seconds have gone by."""
    end = time.monotonic() + seconds
    while True:
        begun = time.monotonic()
        fetch(f"{exporter.url}/metrics", AS_PROMETHEUS)
        rest = end - time.monotonic()
        if rest <= SCRAPED_EVERY:
            break
        time.sleep(begun + SCRAPED_EVERY - time.monotonic())
    time.sleep(max(rest, 0.0))


def _moment(exporter: Exporter) -> Moment:
    lines = exporter.text().splitlines(keepends=True)
    own = Metrics.parse("".join(line for line in lines if line.startswith("mail_exporter_")))
    return Moment(
        at=time.monotonic(),
        cpu=cpu_seconds(exporter.process.pid),
        delays=_buckets(own, "mail_exporter_probe_start_delay_seconds"),
        lags=_buckets(own, "mail_exporter_event_loop_lag_seconds"),
        skipped=sum(count for (name, _), count in own.series.items() if name == "mail_exporter_probes_skipped_total"),
    )


def _buckets(metrics: Metrics, histogram: str) -> dict[float, float]:
    bounds = sorted((labels["le"] for labels in metrics.find(f"{histogram}_bucket")), key=float)
    return {float(bound): metrics.value(f"{histogram}_bucket", le=bound) for bound in bounds}


def _theirs(directory: Path, peer: Peer, server: MailServer, effort: Effort) -> float:
    """The peer's CPU time by its own account, in percent of one core."""
    with blackbox_running(directory, peer, {"imaps": IMAPS.module(server)}) as address:
        cpu, begun = cpu_told(address), time.monotonic()
        url = probe_url(address, "imaps", server.address("imaps"))
        asked = ask_at(effort.rate, url, seconds=effort.peer_seconds, warm_up=0)
        cpu, elapsed = cpu_told(address) - cpu, time.monotonic() - begun
    if asked.failed:
        raise RuntimeError(f"{asked.failed} probes of {peer.name} failed")
    return 100 * cpu / elapsed
