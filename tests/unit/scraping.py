"""What Prometheus would read of an exposition, by prometheus_client's parsers."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporter.metrics.exposition import Format, expose
from exporter.metrics.store import Snapshot

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def exposed(snapshot: Snapshot, form: Format = Format.TEXT) -> str:
    return b"".join(expose(snapshot, form)).decode()


def families(text: str, form: Format = Format.TEXT) -> list[Metric]:
    return list(parse_text(text) if form is Format.TEXT else parse_openmetrics(text))  # type: ignore[no-untyped-call]  # the library has not typed it


def samples(text: str, form: Format = Format.TEXT) -> Samples:
    """Every sample; one that comes twice is an error."""
    read: Samples = {}
    for family in families(text, form):
        for sample in family.samples:
            key = sample.name, frozenset(sample.labels.items())
            assert key not in read, f"{key} comes twice"
            read[key] = sample.value
    return read


def series(read: Samples, name: str, **labels: str) -> Mapping[frozenset[tuple[str, str]], float]:
    """The samples of a name that have these labels, by all their labels."""
    return {
        found: value
        for (named, found), value in read.items()
        if named == name and labels.items() <= dict(found).items()
    }


def value(read: Samples, name: str, **labels: str) -> float | None:
    """The value of the one sample that has a name and these labels; `None` if there is none."""
    found = list(series(read, name, **labels).values())
    assert len(found) <= 1, f"several samples of {name}{labels}"
    return found[0] if found else None
