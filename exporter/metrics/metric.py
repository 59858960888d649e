"""What a metric is: one row with its name, type, help, labels, and the reader that its lines come from.

The rows are in `endpoint_metrics`, `tls_metrics` and `exporter_metrics`, in the order in which `/metrics` lists them;
the kinds of readers are here. Everything a reader does is done for ten thousand endpoints in one scrape, which is why
values are text already. A figure that is not known is absent, never 0.

Names are the interface that dashboards and alerts depend on: a row may be added, but neither renamed nor removed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeAlias, TypeVar, overload
from typing import Protocol as Interface

from exporter.metrics.histogram import Histogram
from exporter.model import Label

Samples: TypeAlias = Iterable[tuple[str, str]]
"""A series: label pairs as they stand between the braces, and the value."""


class Labelled(Interface):
    """What has series, and knows the labels that all of them have, as they stand between the braces."""

    @property
    def labels(self) -> str:
        """Without braces; empty for none."""


Of = TypeVar("Of")
Owner = TypeVar("Owner", bound=Labelled)

Reader: TypeAlias = Callable[[str, Sequence[Of]], str]
"""Writes the lines of the metric of this name for some of what has it: of each any number, or none."""


_NAME = "\0"
"""Stands in a template for the name of a metric."""

ENDPOINT_LABELS = (Label.ENDPOINT, Label.PROTOCOL)
"""What every series of an endpoint has, before the labels that its configuration adds."""

ADDRESS_LABEL = Label.ADDRESS
"""What the series have besides, where each address of the host has series of its own."""


class MetricType(StrEnum):
    """The types of the exposition formats that are used here."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Unit(StrEnum):
    """Base units. A metric's name ends with its unit, and OpenMetrics says so in a line of its own."""

    SECONDS = "seconds"
    BYTES = "bytes"


@dataclass(frozen=True, slots=True)
class Metric(Generic[Of]):
    """All that there is to know about one metric.

    Attributes:
        name: As Prometheus stores it; a counter's with `_total`.
        help: One line of plain text without backslashes or quotes, so that no format needs to escape it.
        read: Where its lines come from.
        labels: What distinguishes its series beyond the labels that every series of their owner has.
        exemplars: Where they come from in OpenMetrics, which can say more; `None` if it says the same.
        of_schedule: Whether it is about the schedule and what its probes share, and cannot be said of a single probe.
    """

    name: str
    type: MetricType
    help: str
    read: Reader[Of]
    labels: tuple[str, ...] = ()
    exemplars: Reader[Of] | None = None
    of_schedule: bool = False

    @property
    def family(self) -> str:
        """The name in OpenMetrics' metadata, where a counter's has no suffix."""
        return self.name.removesuffix("_total") if self.type is MetricType.COUNTER else self.name

    @property
    def unit(self) -> Unit | None:
        """`None` for counts, flags and information."""
        return next((unit for unit in Unit if self.family.endswith(f"_{unit}")), None)


COUNTER, GAUGE, HISTOGRAM = MetricType.COUNTER, MetricType.GAUGE, MetricType.HISTOGRAM


def one(read: Callable[[Owner], str | None]) -> Reader[Owner]:
    """One series for each owner, which has the owner's labels and no others."""

    def write(name: str, owners: Sequence[Owner]) -> str:
        return "".join(
            [f"{name}{{{owner.labels}}} {value}\n" for owner in owners if (value := read(owner)) is not None]
        )

    return write


def several(read: Callable[[Owner], Samples]) -> Reader[Owner]:
    """Any number of series for each owner, which have further labels."""

    def write(name: str, owners: Sequence[Owner]) -> str:
        return "".join(
            [f"{name}{{{owner.labels},{pairs}}} {value}\n" for owner in owners for pairs, value in read(owner)]
        )

    return write


def further(read: Callable[[Owner], Samples]) -> Reader[Owner]:
    """Any number of series for each owner, which have further labels or none."""

    def write(name: str, owners: Sequence[Owner]) -> str:
        return "".join(
            [
                f"{name}{{{owner.labels}{',' if pairs else ''}{pairs}}} {value}\n"
                for owner in owners
                for pairs, value in read(owner)
            ]
        )

    return write


def sample(value: str | None) -> Samples:
    """A series without further labels; none if the value is not known."""
    return () if value is None else (("", value),)


def spread(bounds: tuple[float, ...], read: Callable[[Owner], Histogram]) -> Reader[Owner]:
    """A histogram for each owner: many lines, so that all the text between labels and figures is made once."""
    buckets = [f'{_NAME}_bucket{{%s,le="{bound}"}} %d\n' for bound in _written(bounds)]
    template = "".join([*buckets, f"{_NAME}_sum{{%s}} %s\n", f"{_NAME}_count{{%s}} %d\n"])
    figures = 2 * (len(buckets) + 2)

    def filled(owner: Owner) -> tuple[object, ...]:
        histogram = read(owner)
        counts = histogram.counts
        values: list[object] = [owner.labels] * figures
        values[1::2] = (*counts, seconds(histogram.sum), counts[-1])
        return tuple(values)

    def write(name: str, owners: Sequence[Owner]) -> str:
        named = template.replace(_NAME, name)
        return "".join([named % filled(owner) for owner in owners])

    return write


def alone(read: Callable[[Of], str | None]) -> Reader[Of]:
    """One series altogether, without labels."""
    return labelled(lambda of: sample(read(of)))


def labelled(read: Callable[[Of], Samples]) -> Reader[Of]:
    """Any number of series, with no labels but those that they have of their own."""

    def write(name: str, owners: Sequence[Of]) -> str:
        samples = [sample for owner in owners for sample in read(owner)]
        return "".join([f"{name}{{{pairs}}} {value}\n" if pairs else f"{name} {value}\n" for pairs, value in samples])

    return write


def bare(read: Callable[[Of], Histogram]) -> Reader[Of]:
    """A histogram altogether, without labels."""

    def write(name: str, owners: Sequence[Of]) -> str:
        lines: list[str] = []
        for histogram in map(read, owners):
            counts = zip(_written(histogram.bounds), histogram.counts, strict=True)
            lines += [f'{name}_bucket{{le="{bound}"}} {count}\n' for bound, count in counts]
            lines.append(f"{name}_sum {seconds(histogram.sum)}\n{name}_count {histogram.count}\n")
        return "".join(lines)

    return write


def seconds(value: float) -> str:
    """A duration to the microsecond: more is noise, and takes three times as long to write."""
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


def _written(bounds: tuple[float, ...]) -> tuple[str, ...]:
    """The values of `le`: as floats, which OpenMetrics demands and the older format allows."""
    return (*map(repr, bounds), "+Inf")
