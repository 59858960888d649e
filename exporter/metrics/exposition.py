"""A moment of the store as text, for Prometheus: in slices that are quick to make.

The formats only; which figures there are is the subject of `families`. prometheus_client's own writer holds the
interpreter for 9 us a line, which is four seconds for ten thousand endpoints and would show in every latency measured
meanwhile. Here a scrape is an iterator, and whoever runs it gives way to the probes between two slices.

Both formats write samples alike, so that a series does not change when another format is negotiated; they differ in the
lines about a family, and in the exemplars that only OpenMetrics has. A family without a sample is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from enum import Enum

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from exporter.metrics.blackbox import BLACKBOX, BLACKBOX_METRICS, Probed
from exporter.metrics.catalogue import ENDPOINT_METRICS, EXPORTER_METRICS, Metric, MetricType
from exporter.metrics.endpoint_state import EndpointState
from exporter.metrics.families import (
    EXPORTER,
    EXPORTER_HISTOGRAMS,
    HISTOGRAMS,
    OF_ENDPOINT,
    OF_LOGIN,
    OF_RECORD,
    OF_TLS,
    PREPARED,
    SEVERAL,
    WITH_EXEMPLARS,
    Samples,
    seconds,
)
from exporter.metrics.flow_rows import FLOW_ROWS
from exporter.metrics.flow_state import FlowState
from exporter.metrics.histogram import PROBE_BUCKETS, Histogram
from exporter.metrics.record import MARK, Record
from exporter.metrics.store import NONE_HELD_BACK, ExporterState, HeldBack, Snapshot
from exporter.model import TlsFacts

SLICE_SIZE = 64 * 1024
"""Characters after which a slice ends: half a millisecond's work or less, on one core of 2020."""

SLICE_VISITS = 1024
"""Looks at an endpoint's state after which a slice ends, whether or not they found something to write."""

BATCH = 64
"""Endpoints that are written between two looks at these bounds."""

_PROBE_METRICS = tuple(
    metric
    for metric in ENDPOINT_METRICS
    if metric.type is MetricType.GAUGE and metric.name not in {"mail_endpoint_interval_seconds", *OF_LOGIN}
)
"""What can be said of a single probe: no counts, for there is nothing that they would go on from, no schedule, and
nothing of logins of its own, which it shares with the probes on schedule."""

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
    yield from _endpoints(snapshot.endpoints, form, held_back=snapshot.held_back)
    yield _flows(snapshot.flows, form).encode()
    yield _exporter(snapshot.exporter, form).encode()
    if process is not None:
        yield _process(process, form).encode()
    if form is Format.OPENMETRICS:
        yield _END.encode()


def expose_probe(states: tuple[EndpointState, ...], probed: Probed, form: Format) -> bytes:
    """All of what `/probe` answers.

    Args:
        states: Of what was probed, with this one probe and none before.
        probed: What came of it.
        form: How.
    """
    blackbox = "".join(
        [
            _heading(metric, form) + lines
            for metric in BLACKBOX_METRICS
            if (lines := _samples(metric.name, BLACKBOX[metric.name](probed)))
        ]
    )
    end = _END if form is Format.OPENMETRICS else ""
    return b"".join([blackbox.encode(), *_endpoints(states, form, _PROBE_METRICS), end.encode()])


def _endpoints(
    states: tuple[EndpointState, ...],
    form: Format,
    metrics: Sequence[Metric] = ENDPOINT_METRICS,
    held_back: HeldBack = NONE_HELD_BACK,
) -> Iterator[bytes]:
    pending: list[str] = []
    size = visits = 0
    further = _EXEMPLAR_WRITERS if form is Format.OPENMETRICS else {}
    writers = {**_WRITERS, **further, **{name: _of_login(name, read, held_back) for name, read in OF_LOGIN.items()}}
    for metric in metrics:
        write = writers[metric.name]
        heading = _heading(metric, form)
        for start in range(0, len(states), BATCH):
            lines = write(states[start : start + BATCH])
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


def _flows(states: Sequence[FlowState], form: Format) -> str:
    text: list[str] = []
    for row in FLOW_ROWS:
        name = row.metric.name
        if row.metric.type is MetricType.HISTOGRAM:
            lines = "".join([_histogram(name, state.labels, state.durations) for state in states if state.sends])
        else:
            lines = "".join(
                [
                    f"{name}{{{state.labels}{',' if pairs else ''}{pairs}}} {value}\n"
                    for state in states
                    for pairs, value in row.read(state)
                ]
            )
        if lines:
            text += (_heading(row.metric, form), lines)
    return "".join(text)


def _exporter(state: ExporterState, form: Format) -> str:
    text: list[str] = []
    for metric in EXPORTER_METRICS:
        if metric.type is MetricType.HISTOGRAM:
            lines = _histogram(metric.name, "", EXPORTER_HISTOGRAMS[metric.name](state))
        else:
            lines = _samples(metric.name, EXPORTER[metric.name](state))
        if lines:
            text += (_heading(metric, form), lines)
    return "".join(text)


def _process(registry: CollectorRegistry, form: Format) -> str:
    if form is Format.TEXT:
        return generate_latest(registry).decode()
    text: bytes = generate_openmetrics(registry)  # type: ignore[no-untyped-call]  # the library has not typed it
    return text.decode().removesuffix(_END)


def _heading(metric: Metric, form: Format) -> str:
    if form is Format.TEXT:
        return f"# HELP {metric.name} {metric.help}\n# TYPE {metric.name} {metric.type}\n"
    unit = f"# UNIT {metric.family} {metric.unit}\n" if metric.unit else ""
    return f"# HELP {metric.family} {metric.help}\n# TYPE {metric.family} {metric.type}\n{unit}"


def _samples(name: str, samples: Samples) -> str:
    return "".join([f"{name}{{{pairs}}} {value}\n" if pairs else f"{name} {value}\n" for pairs, value in samples])


def _bounds(bounds: tuple[float, ...]) -> tuple[str, ...]:
    """The values of `le`: as floats, which OpenMetrics demands and the older format allows."""
    return (*map(repr, bounds), "+Inf")


def _histogram(name: str, labels: str, histogram: Histogram) -> str:
    before = f"{labels}," if labels else ""
    braces = f"{{{labels}}}" if labels else ""
    buckets = "".join(
        [
            f'{name}_bucket{{{before}le="{bound}"}} {count}\n'
            for bound, count in zip(_bounds(histogram.bounds), histogram.counts, strict=True)
        ]
    )
    return f"{buckets}{name}_sum{braces} {seconds(histogram.sum)}\n{name}_count{braces} {histogram.count}\n"


Writer = Callable[[Sequence[EndpointState]], str]
"""Writes the lines of one metric for some endpoints: of each any number, or none."""


def _of_endpoint(name: str, read: Callable[[EndpointState], str | None]) -> Writer:
    def write(states: Sequence[EndpointState]) -> str:
        return "".join(
            [f"{name}{{{state.labels}}} {value}\n" for state in states if (value := read(state)) is not None]
        )

    return write


def _of_login(name: str, read: Callable[[EndpointState, HeldBack], str | None], held_back: HeldBack) -> Writer:
    return _of_endpoint(name, lambda state: read(state, held_back))


def _of_record(name: str, read: Callable[[Record], str | None]) -> Writer:
    def write(states: Sequence[EndpointState]) -> str:
        return "".join(
            [
                f"{name}{{{state.labels}}} {value}\n"
                for state in states
                if (record := state.latest) is not None and (value := read(record)) is not None
            ]
        )

    return write


def _of_tls(name: str, read: Callable[[TlsFacts], str | None]) -> Writer:
    def write(states: Sequence[EndpointState]) -> str:
        return "".join(
            [
                f"{name}{{{state.labels}}} {value}\n"
                for state in states
                if (record := state.latest) is not None
                and (tls := record.tls) is not None
                and (value := read(tls)) is not None
            ]
        )

    return write


def _several(name: str, read: Callable[[EndpointState], Samples]) -> Writer:
    def write(states: Sequence[EndpointState]) -> str:
        return "".join(
            [f"{name}{{{state.labels},{pairs}}} {value}\n" for state in states for pairs, value in read(state)]
        )

    return write


def _prepared(name: str, read: Callable[[Record], str]) -> Writer:
    def write(states: Sequence[EndpointState]) -> str:
        return "".join(
            [
                read(record).replace(MARK, f"{name}{{{state.labels},")
                for state in states
                if (record := state.latest) is not None
            ]
        )

    return write


def _endpoint_histogram(name: str, read: Callable[[EndpointState], Histogram]) -> Writer:
    """Fifteen lines for each of ten thousand endpoints: all the text between labels and figures is made once."""
    pieces = [f'{name}_bucket{{%s,le="{bound}"}} %d\n' for bound in _bounds(PROBE_BUCKETS)]
    template = "".join([*pieces, f"{name}_sum{{%s}} %s\n", f"{name}_count{{%s}} %d\n"])
    figures = 2 * (len(pieces) + 2)

    def write_one(state: EndpointState) -> str:
        histogram = read(state)
        counts = histogram.counts
        filled: list[object] = [state.labels] * figures
        filled[1::2] = (*counts, seconds(histogram.sum), counts[-1])
        return template % tuple(filled)

    def write(states: Sequence[EndpointState]) -> str:
        return "".join([write_one(state) for state in states])

    return write


_WRITERS: dict[str, Writer] = {
    **{name: _of_endpoint(name, read) for name, read in OF_ENDPOINT.items()},
    **{name: _of_record(name, read) for name, read in OF_RECORD.items()},
    **{name: _of_tls(name, read) for name, read in OF_TLS.items()},
    **{name: _several(name, read) for name, read in SEVERAL.items()},
    **{name: _prepared(name, read) for name, read in PREPARED.items()},
    **{name: _endpoint_histogram(name, read) for name, read in HISTOGRAMS.items()},
}

_EXEMPLAR_WRITERS: dict[str, Writer] = {name: _several(name, read) for name, read in WITH_EXEMPLARS.items()}
