"""A moment of the store as text, for Prometheus: in slices that are quick to make.

This module knows only the formats. Each metric's row has its name and where its value comes from. The writer in
prometheus_client needs 9 us a line without a pause: four seconds for ten thousand endpoints, which would distort every
latency measured meanwhile. Here a scrape is an iterator, and its caller lets probes run between two slices.

Both formats write samples alike, so that a series does not change when another format is negotiated; they differ in the
lines about a family, and in the exemplars that only OpenMetrics has. A family without a sample is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import Enum

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from exporter.metrics.endpoint_state import EndpointState
from exporter.metrics.rows.blackbox import BLACKBOX_METRICS, Probed
from exporter.metrics.rows.domain_rows import DOMAIN_METRICS, FOLLOWED_METRICS
from exporter.metrics.rows.endpoint_metrics import ENDPOINT_METRICS
from exporter.metrics.rows.exporter_metrics import EXPORTER_METRICS
from exporter.metrics.rows.flow_rows import FLOW_METRICS
from exporter.metrics.rows.metric import Metric, MetricType, Of, SampleReader
from exporter.metrics.store import Snapshot

SLICE_SIZE = 64 * 1024
"""Characters after which a slice ends: half a millisecond's work or less, on one core of 2020."""

SLICE_VISITS = 1024
"""Looks at an endpoint's state after which a slice ends, whether or not they found something to write."""

BATCH = 64
"""Endpoints that are written between two looks at these bounds."""

_PROBE_METRICS = tuple(
    [metric for metric in ENDPOINT_METRICS if metric.type is MetricType.GAUGE and not metric.of_schedule]
)
"""The metrics of a single probe. It has no counters, because there is no earlier value, and no schedule. The state of
logins is left out because it is shared with scheduled probes."""

_END = "# EOF\n"


class Format(Enum):
    """The formats that Prometheus can be answered in; the value is the content type."""

    TEXT = "text/plain; version=0.0.4; charset=utf-8"
    OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


def process_collectors() -> CollectorRegistry:
    """prometheus_client's metrics of the process and of Python, in a registry of their own."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


def expose(snapshot: Snapshot, form: Format, process: CollectorRegistry | None = None) -> Iterator[bytes]:
    """All of `/metrics`.

    Args:
        snapshot: The moment to show.
        form: How.
        process: Metrics to add that are not the store's; `None` for none.

    Yields:
        Slices, the next of which is made when it is asked for. One may be empty.
    """
    yield from _endpoints(snapshot.endpoints, form)
    yield _whole(FLOW_METRICS, snapshot.flows, form).encode()
    yield _whole(DOMAIN_METRICS, snapshot.domains, form).encode()
    yield _whole(FOLLOWED_METRICS, snapshot.followed, form).encode()
    yield _whole(EXPORTER_METRICS, (snapshot.exporter,), form).encode()
    if process is not None:
        yield _process(process, form).encode()
    if form is Format.OPENMETRICS:
        yield _END.encode()


def expose_probe(states: tuple[EndpointState, ...], probed: Probed, form: Format) -> bytes:
    """All of what `/probe` answers.

    Args:
        states: The states of the probed endpoints, with this one probe and no earlier ones.
        probed: Its result.
        form: How.
    """
    blackbox = _whole(BLACKBOX_METRICS, (probed,), form)
    end = _END if form is Format.OPENMETRICS else ""
    return b"".join([blackbox.encode(), *_endpoints(states, form, _PROBE_METRICS), end.encode()])


def _endpoints(
    states: tuple[EndpointState, ...], form: Format, metrics: Sequence[Metric[EndpointState]] = ENDPOINT_METRICS
) -> Iterator[bytes]:
    pending: list[str] = []
    size = visits = 0
    for metric in metrics:
        read = _reader(metric, form)
        heading = _heading(metric, form)
        for start in range(0, len(states), BATCH):
            lines = read(metric, states[start : start + BATCH])
            if lines:
                pending += (heading, lines)
                heading = ""
                size += len(lines)
            visits += BATCH
            if size >= SLICE_SIZE or visits >= SLICE_VISITS:
                yield "".join(pending).encode()
                pending.clear()
                size = visits = 0
    yield "".join(pending).encode()


def _whole(metrics: Sequence[Metric[Of]], owners: Sequence[Of], form: Format) -> str:
    """All metrics of what there are few of."""
    return "".join(
        [_heading(metric, form) + lines for metric in metrics if (lines := _reader(metric, form)(metric, owners))]
    )


def _reader(metric: Metric[Of], form: Format) -> SampleReader[Of]:
    return metric.exemplars if form is Format.OPENMETRICS and metric.exemplars is not None else metric.read


def _process(registry: CollectorRegistry, form: Format) -> str:
    if form is Format.TEXT:
        return generate_latest(registry).decode()
    text: bytes = generate_openmetrics(registry)  # type: ignore[no-untyped-call]  # the library has not typed it
    return text.decode().removesuffix(_END)


def _heading(metric: Metric[Of], form: Format) -> str:
    if form is Format.TEXT:
        return f"# HELP {metric.name} {metric.help}\n# TYPE {metric.name} {metric.type}\n"
    unit = f"# UNIT {metric.family} {metric.unit}\n" if metric.unit else ""
    return f"# HELP {metric.family} {metric.help}\n# TYPE {metric.family} {metric.type}\n{unit}"
