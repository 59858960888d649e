from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from exporter.metrics.catalogue import ENDPOINT_METRICS, EXPORTER_METRICS, Metric, MetricType, Unit, label_names
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
)
from exporter.metrics.reference import reference

METRICS = (*ENDPOINT_METRICS, *EXPORTER_METRICS)
SINGLE = [*OF_ENDPOINT, *OF_LOGIN, *OF_RECORD, *OF_TLS]
DOCUMENT = Path(__file__).parents[2] / "docs" / "metrics.md"


def test_the_document_is_current() -> None:
    """If this fails: `python -m exporter.metrics.reference > docs/metrics.md`."""
    assert reference() == DOCUMENT.read_text(encoding="utf-8")


def test_no_name_is_used_twice() -> None:
    names = Counter(name for metric in METRICS for name in {metric.name, metric.family})

    assert [] == [name for name, uses in names.items() if uses > 1]


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_a_row_is_as_the_formats_want_it(metric: Metric) -> None:
    assert re.fullmatch(r"mail_[a-z0-9_]+", metric.name)
    assert (metric.type is MetricType.COUNTER) == metric.name.endswith("_total")
    assert re.fullmatch(r'[^\\"\n]+\.', metric.help)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", label) for label in metric.labels)


def test_a_unit_is_the_end_of_the_name() -> None:
    units = {metric.name: metric.unit for metric in METRICS}

    assert Unit.SECONDS is units["mail_probe_duration_seconds"]
    assert Unit.BYTES is units["mail_mailbox_size_bytes"]
    assert units["mail_probes_total"] is None


def test_every_row_has_one_source_of_figures_and_every_source_a_row() -> None:
    sources = Counter([*SINGLE, *SEVERAL, *PREPARED, *HISTOGRAMS])

    assert {metric.name: 1 for metric in ENDPOINT_METRICS} == dict(sources)
    assert {metric.name for metric in EXPORTER_METRICS} == {*EXPORTER, *EXPORTER_HISTOGRAMS}


def test_a_histogram_is_drawn_from_a_histogram() -> None:
    drawn = {metric.name for metric in METRICS if metric.type is MetricType.HISTOGRAM}

    assert drawn == {*HISTOGRAMS, *EXPORTER_HISTOGRAMS}


def test_metrics_with_one_series_have_no_labels_of_their_own() -> None:
    assert set(SINGLE) == {m.name for m in ENDPOINT_METRICS if not m.labels and m.type is not MetricType.HISTOGRAM}


def test_the_labels_of_the_catalogue_are_not_to_be_configured() -> None:
    assert {"endpoint", "protocol", "address", "le", "host", "phase", "reason", "mailbox"} <= label_names()
    assert "team" not in label_names()
