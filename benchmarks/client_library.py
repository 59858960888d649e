"""prometheus_client, given the very samples that the exporter shows: the peer of what is claimed about `/metrics`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib.metadata import version
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

PEER: Final = f"prometheus_client {version('prometheus_client')}"


class DifferentSamples(Exception):
    """Two answers that are compared do not say the same."""


def registry_of(text: str) -> CollectorRegistry:
    """A registry of the samples of an answer. They are made here and now: to collect them takes no time."""
    registry = CollectorRegistry()
    registry.register(_Made(tuple(text_string_to_metric_families(text))))
    return registry


def hold_equal(ours: str, theirs: str) -> None:
    """Sees that two answers have the same families, and in them the same series with the same values.

    Raises:
        DifferentSamples: They have not.
    """
    different = _samples(ours) ^ _samples(theirs)
    if different:
        raise DifferentSamples(f"{len(different)} samples are in one of two answers only, such as {min(different)}")


class _Made(Collector):
    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def _samples(text: str) -> frozenset[str]:
    return frozenset(_each(text))


def _each(text: str) -> Iterator[str]:
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f"{key}={value!r}" for key, value in sorted(sample.labels.items()))
            yield f"{family.type} {sample.name}{{{labels}}} {float(sample.value)!r}"
