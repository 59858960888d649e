"""The process of which `memory` measures prometheus_client: a registry with the series of so many endpoints.

It is handed, on its input, what the exporter shows of a few, and makes of one of them as many as are wanted. Its output
is one figure: by how many octets a further endpoint makes the process grow.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.processes import resident_bytes

ENDPOINT: Final = "endpoint"
FEW: Final = 10
"""Endpoints before it begins to count."""

OWN: Final = frozenset({ENDPOINT, "host", "subject", "serial", "fingerprint_sha256"})
"""Labels whose values no two endpoints have in common."""

Add = Callable[[Mapping[str, str]], object]
"""Gives a family the series of one more endpoint, with these labels."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A series of the endpoint that is copied."""

    labels: Mapping[str, str]
    add: Add


def patterns(text: str, endpoint: str) -> Iterator[Pattern]:
    """The series of one endpoint, with new families to add others to."""
    registry = CollectorRegistry()
    for family in text_string_to_metric_families(text):
        samples = [sample.labels for sample in family.samples if sample.labels.get(ENDPOINT) == endpoint]
        if samples:
            # Those of a histogram are one, as far as its user is concerned.
            without_bounds = {tuple((key, value) for key, value in each.items() if key != "le") for each in samples}
            add = _MAKERS[family.type](family, tuple(key for key, _ in min(without_bounds)), registry)
            yield from (Pattern(dict(labels), add) for labels in without_bounds)


def _gauge(family: Metric, labels: tuple[str, ...], registry: CollectorRegistry) -> Add:
    gauge = Gauge(family.name, family.documentation, labels, registry=registry)
    return lambda values: gauge.labels(**values).set(1.5)


def _counter(family: Metric, labels: tuple[str, ...], registry: CollectorRegistry) -> Add:
    counter = Counter(family.name, family.documentation, labels, registry=registry)
    return lambda values: counter.labels(**values).inc()


def _histogram(family: Metric, labels: tuple[str, ...], registry: CollectorRegistry) -> Add:
    bounds = tuple(sorted({float(sample.labels["le"]) for sample in family.samples if "le" in sample.labels}))
    histogram = Histogram(family.name, family.documentation, labels, buckets=bounds, registry=registry)
    return lambda values: histogram.labels(**values).observe(0.1)


_MAKERS: Final[Mapping[str, Callable[[Metric, tuple[str, ...], CollectorRegistry], Add]]] = {
    "gauge": _gauge,
    "counter": _counter,
    "histogram": _histogram,
}


def main(endpoint: str, count: int) -> None:
    """Adds a few endpoints, and then the rest."""
    made = tuple(patterns(sys.stdin.read(), endpoint))

    def add(numbers: range) -> int:
        for number in numbers:
            own = {
                key: f"{number:05}{value[5:]}"
                for pattern in made
                for key, value in pattern.labels.items()
                if key in OWN
            }
            for pattern in made:
                pattern.add({**pattern.labels, **{key: own[key] for key in pattern.labels.keys() & OWN}})
        gc.collect()
        return resident_bytes(os.getpid())

    before = add(range(FEW))
    print((add(range(FEW, count)) - before) / (count - FEW))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
