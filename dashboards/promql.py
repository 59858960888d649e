"""PromQL as text: selectors of metrics that exist, with labels that they have.

A metric or label that the catalogue does not know is refused here, when something is generated, and not found missing
in somebody's Grafana. What is asked of the metrics is the business of the dashboards and alerts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from exporter.metrics.endpoint_state import ADDRESS_LABEL, ENDPOINT_LABELS
from exporter.metrics.rows.domain_rows import DOMAIN_LABELS, DOMAIN_METRICS, FOLLOWED_METRICS
from exporter.metrics.rows.endpoint_metrics import ENDPOINT_METRICS
from exporter.metrics.rows.exporter_metrics import EXPORTER_METRICS
from exporter.metrics.rows.flow_rows import FLOW_LABELS, FLOW_METRICS, MX_LABEL
from exporter.metrics.rows.metric import Metric, MetricType

SCRAPE_LABELS: Final = frozenset({"job", "instance"})
"""The labels that Prometheus adds to every series."""

FOREIGN_METRICS: Final = frozenset(
    {
        "up",
        "process_cpu_seconds_total",
        "process_max_fds",
        "process_open_fds",
        "process_resident_memory_bytes",
        "process_start_time_seconds",
    }
)
"""Metrics beside ours: Prometheus' own of each scrape, and those of prometheus_client."""

_PARTS: Final[Mapping[MetricType, tuple[str, ...]]] = MappingProxyType(
    {
        MetricType.COUNTER: ("",),
        MetricType.GAUGE: ("",),
        MetricType.HISTOGRAM: ("_bucket", "_sum", "_count"),
    }
)
_LABEL: Final = re.compile(r"\s*([a-z_][a-z0-9_]*)\s*(?:=|!)")

_ENDPOINT: Final = {f"{metric.name}{part}": metric for metric in ENDPOINT_METRICS for part in _PARTS[metric.type]}
_OF_DOMAINS: Final[tuple[Metric[Any], ...]] = (*DOMAIN_METRICS, *FOLLOWED_METRICS)
_DOMAIN: Final = {metric.name: metric for metric in _OF_DOMAINS}
_FLOW: Final = {f"{metric.name}{part}": metric for metric in FLOW_METRICS for part in _PARTS[metric.type]}
_EXPORTER: Final = {f"{metric.name}{part}": metric for metric in EXPORTER_METRICS for part in _PARTS[metric.type]}


@dataclass(frozen=True, slots=True)
class Scope:
    """The matchers that selectors get whatever they select.

    Attributes:
        everywhere: For every series, such as `job=~"$job"`.
        of_endpoints: In addition, for the series of endpoints.
        of_flows: In addition, for the series of flows.
    """

    everywhere: tuple[str, ...] = ()
    of_endpoints: tuple[str, ...] = ()
    of_flows: tuple[str, ...] = ()

    def __call__(self, series: str, *matchers: str) -> str:
        """A selector.

        Args:
            series: As Prometheus stores it; of a histogram with its suffix.
            matchers: As `phase="tls"`.

        Raises:
            LookupError: There is no such metric, or it has no such label.
        """
        own = labels_of(series)
        unknown = [label for label in map(_label, matchers) if label not in own]
        if unknown:
            raise LookupError(f"{series} has no label {unknown[0]!r}, only {sorted(own)}")
        further = self.of_endpoints if series in _ENDPOINT else self.of_flows if series in _FLOW else ()
        scoped = (*self.everywhere, *further)
        braces = ", ".join((*scoped, *matchers))
        return f"{series}{{{braces}}}" if braces else series


def labels_of(series: str) -> frozenset[str]:
    """Every label that the series of this name have, but for those that users configure.

    Raises:
        LookupError: There is no such metric.
    """
    if series in FOREIGN_METRICS:
        return SCRAPE_LABELS
    if series in _ENDPOINT:
        return SCRAPE_LABELS | {*ENDPOINT_LABELS, ADDRESS_LABEL} | _further(series, _ENDPOINT[series])
    if series in _DOMAIN:
        return SCRAPE_LABELS | {*DOMAIN_LABELS} | _further(series, _DOMAIN[series])
    if series in _FLOW:
        return SCRAPE_LABELS | {*FLOW_LABELS, MX_LABEL} | _further(series, _FLOW[series])
    if series in _EXPORTER:
        return SCRAPE_LABELS | _further(series, _EXPORTER[series])
    raise LookupError(f"the catalogue has no metric {series!r}")


def _further(series: str, metric: Metric[Any]) -> frozenset[str]:
    return frozenset({*metric.labels, "le"} if series.endswith("_bucket") else metric.labels)


def _label(matcher: str) -> str:
    found = _LABEL.match(matcher)
    if found is None:
        raise LookupError(f"{matcher!r} is not a matcher")
    return found[1]
