from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

from deploy.metrics_page import reference
from exporter.metrics.rows.blackbox import BLACKBOX_METRICS
from exporter.metrics.rows.endpoint_metrics import ENDPOINT_METRICS, label_names
from exporter.metrics.rows.exporter_metrics import EXPORTER_METRICS
from exporter.metrics.rows.metric import Metric, MetricType, Unit
from exporter.model import Label

METRICS: tuple[Metric[Any], ...] = (*ENDPOINT_METRICS, *EXPORTER_METRICS)
DOCUMENT = Path(__file__).parents[2] / "docs" / "metrics.md"


def test_the_document_is_current() -> None:
    """If this fails: `make dashboards`."""
    assert reference() == DOCUMENT.read_text(encoding="utf-8")


def test_no_name_is_used_twice() -> None:
    names = Counter(name for metric in METRICS for name in {metric.name, metric.family})

    assert [] == [name for name, uses in names.items() if uses > 1]


def test_every_row_is_as_the_formats_want_it() -> None:
    assert [] == [metric.name for metric in METRICS if not re.fullmatch(r"mail_[a-z0-9_]+", metric.name)]
    counters = [metric.name for metric in METRICS if metric.type is MetricType.COUNTER]
    assert [metric.name for metric in METRICS if metric.name.endswith("_total")] == counters
    assert [] == [metric.name for metric in METRICS if not re.fullmatch(r'[^\\"\n]+\.', metric.help)]
    labels = {label for metric in METRICS for label in metric.labels}
    assert [] == [label for label in labels if not re.fullmatch(r"[a-z][a-z0-9_]*", label)]


def test_a_unit_is_the_end_of_the_name() -> None:
    units = {metric.name: metric.unit for metric in METRICS}

    assert Unit.SECONDS is units["mail_probe_duration_seconds"]
    assert Unit.BYTES is units["mail_mailbox_size_bytes"]
    assert units["mail_probes_total"] is None


def test_every_label_is_one_that_cannot_be_configured_and_every_such_label_is_used() -> None:
    """A row with a label that `Label` does not have would let a configuration take it."""
    used = {label for metric in METRICS for label in metric.labels}

    assert label_names() <= {*Label} <= used | label_names()
    assert {*Label} >= {label for metric in BLACKBOX_METRICS for label in metric.labels}


def test_the_labels_of_the_catalogue_are_not_to_be_configured() -> None:
    assert {"endpoint", "protocol", "address", "le", "host", "phase", "reason", "mailbox"} <= label_names()
    assert "team" not in label_names()
