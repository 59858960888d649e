"""A metric is one row with a name, a help text, a reader, which writes its lines, and labels. It is a gauge by default.

The rows are in `endpoint_metrics`, `tls_metrics`, `flow_rows`, `domain_rows` and `exporter_metrics`, in the order of
`/metrics`. This module has the kinds of readers. A reader must be fast, because one scrape may cover ten thousand
endpoints, so values are text already. An unknown value is absent, never 0.

Dashboards and alerts depend on the names: a row may be added, but not renamed or removed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeAlias, TypeVar, overload
from typing import Protocol as Interface

from exporter.metrics.histogram import Histogram
from exporter.metrics.label_text import label_pairs

Samples: TypeAlias = Iterable[tuple[tuple[str, ...], str]]
"""Series: the values of the row's labels, in their order, and the value."""

TextSamples: TypeAlias = Iterable[tuple[str, str]]
"""Series of endpoints, which are many: pairs of labels, as written between the braces, and the value."""


class Labelled(Interface):
    """An object with series, which knows the labels that they share."""

    @property
    def labels(self) -> str:
        """The labels as written between the braces; empty if there are none."""


Of = TypeVar("Of")
Owner = TypeVar("Owner", bound=Labelled)
Key = TypeVar("Key", bound=str)

SampleReader: TypeAlias = Callable[["Metric[Of]", Sequence[Of]], str]
"""Writes the lines of a metric, given the objects that may have it."""


_NAME = "\0"
"""A placeholder for a metric's name in templates."""


class MetricType(StrEnum):
    """The types of metrics that are used here."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Unit(StrEnum):
    """Base units. A metric's name ends with its unit, and OpenMetrics repeats it in a separate line."""

    SECONDS = "seconds"
    BYTES = "bytes"


@dataclass(frozen=True, slots=True)
class Metric(Generic[Of]):
    """The definition of one metric.

    Attributes:
        name: The name as Prometheus stores it. Counters have the suffix `_total`.
        help: One line of plain text. It has no backslashes or quotes, so that no format needs to escape it.
        read: Writes its lines.
        labels: The labels of its series besides those that all series of their owner have.
        exemplars: Writes its lines for OpenMetrics, with exemplars; `None` if it has none.
        of_schedule: Whether it is about the schedule and the state that its probes share, so that a single probe cannot
            have it.
    """

    name: str
    help: str
    read: SampleReader[Of]
    labels: tuple[str, ...] = ()
    type: MetricType = MetricType.GAUGE
    exemplars: SampleReader[Of] | None = None
    of_schedule: bool = False

    @property
    def family(self) -> str:
        """The name in OpenMetrics' metadata, without the suffix of counters."""
        return self.name.removesuffix("_total") if self.type is MetricType.COUNTER else self.name

    @property
    def unit(self) -> Unit | None:
        """The unit; `None` for counts, flags and information."""
        return next((unit for unit in Unit if self.family.endswith(f"_{unit}")), None)


COUNTER, HISTOGRAM = MetricType.COUNTER, MetricType.HISTOGRAM


def one(read: Callable[[Owner], str | None]) -> SampleReader[Owner]:
    """One series for each owner, with only the owner's labels."""

    def write(metric: Metric[Owner], owners: Sequence[Owner]) -> str:
        name = metric.name
        return "".join(
            [f"{name}{{{owner.labels}}} {value}\n" for owner in owners if (value := read(owner)) is not None]
        )

    return write


def several(read: Callable[[Owner], TextSamples]) -> SampleReader[Owner]:
    """Any number of series for each owner, with further labels, which are text already."""

    def write(metric: Metric[Owner], owners: Sequence[Owner]) -> str:
        name = metric.name
        return "".join(
            [f"{name}{{{owner.labels},{pairs}}} {value}\n" for owner in owners for pairs, value in read(owner)]
        )

    return write


def further(read: Callable[[Owner], Samples]) -> SampleReader[Owner]:
    """Any number of series for each owner, with the row's labels besides the owner's."""

    def write(metric: Metric[Owner], owners: Sequence[Owner]) -> str:
        return "".join([_line(metric, owner.labels, *sample) for owner in owners for sample in read(owner)])

    return write


def spread(bounds: tuple[float, ...], read: Callable[[Owner], Histogram]) -> SampleReader[Owner]:
    """A histogram for each owner. It has many lines, so the text between labels and values is prepared once."""
    buckets = [f'{_NAME}_bucket{{%s,le="{bound}"}} %d\n' for bound in _written(bounds)]
    template = "".join([*buckets, f"{_NAME}_sum{{%s}} %s\n", f"{_NAME}_count{{%s}} %d\n"])
    figures = 2 * (len(buckets) + 2)

    def filled(owner: Owner) -> tuple[object, ...]:
        histogram = read(owner)
        counts = histogram.counts
        values: list[object] = [owner.labels] * figures
        values[1::2] = (*counts, seconds(histogram.sum), counts[-1])
        return tuple(values)

    def write(metric: Metric[Owner], owners: Sequence[Owner]) -> str:
        named = template.replace(_NAME, metric.name)
        return "".join([named % filled(owner) for owner in owners])

    return write


def alone(read: Callable[[Of], str | None]) -> SampleReader[Of]:
    """A single series without labels."""

    def write(metric: Metric[Of], owners: Sequence[Of]) -> str:
        return "".join([f"{metric.name} {value}\n" for owner in owners if (value := read(owner)) is not None])

    return write


def labelled(read: Callable[[Of], Samples]) -> SampleReader[Of]:
    """Any number of series with the row's labels, and without those of an owner."""

    def write(metric: Metric[Of], owners: Sequence[Of]) -> str:
        return "".join([_line(metric, "", *sample) for owner in owners for sample in read(owner)])

    return write


def bare(read: Callable[[Of], Histogram]) -> SampleReader[Of]:
    """A single histogram without labels."""

    def write(metric: Metric[Of], owners: Sequence[Of]) -> str:
        name, lines = metric.name, list[str]()
        for histogram in map(read, owners):
            counts = zip(_written(histogram.bounds), histogram.counts, strict=True)
            lines += [f'{name}_bucket{{le="{bound}"}} {count}\n' for bound, count in counts]
            lines.append(f"{name}_sum {seconds(histogram.sum)}\n{name}_count {histogram.count}\n")
        return "".join(lines)

    return write


def counts(of: Mapping[Key, int]) -> Samples:
    """A series for each key, which is the value of the row's only label."""
    return [((key,), str(number)) for key, number in of.items()]


def seconds(value: float) -> str:
    """A duration to the microsecond. More digits are noise, and take three times as long to write."""
    return f"{value:.6f}"


def timestamp(value: float | None) -> str | None:
    """A Unix timestamp to the millisecond."""
    return None if value is None else f"{value:.3f}"


@overload
def flag(value: bool) -> str: ...


@overload
def flag(value: bool | None) -> str | None: ...


def flag(value: bool | None) -> str | None:
    return None if value is None else "1" if value else "0"


def count(value: int | None) -> str | None:
    return None if value is None else str(value)


def _line(metric: Metric[Of], owned: str, values: tuple[str, ...], value: str) -> str:
    pairs = label_pairs(zip(metric.labels, values, strict=True))
    return f"{metric.name}{{{','.join(filter(None, (owned, pairs)))}}} {value}\n"


def _written(bounds: tuple[float, ...]) -> tuple[str, ...]:
    """The values of `le` as floats, which OpenMetrics demands and the older format allows."""
    return (*map(repr, bounds), "+Inf")
