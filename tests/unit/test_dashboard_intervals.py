"""Every figure of probes has a value at every moment, however often endpoints are probed and Prometheus scrapes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
import yaml

from tests.dashboards.asked import Asked, of_panels, selectors
from tests.unit.test_alerts import promtool

LABELS: Final = 'cluster="", endpoint="mx", instance="exporter:9925", job="mail", protocol="smtp", vantage=""'
FLOW: Final = 'cluster="", flow="mx", instance="exporter:9925", job="mail", vantage=""'
EXPORTER: Final = 'cluster="", instance="exporter:9925", job="mail", vantage=""'
MINUTES: Final = 60
"""How long the figures are looked at, minute by minute, once the endpoint was probed a few times."""

SERIES: Final[dict[str, tuple[str, Callable[[int], float]]]] = {
    "mail_probes_total": (LABELS, lambda probes: probes),
    "mail_probe_success": (LABELS, lambda probes: probes % 10 != 9),
    "mail_probe_last_duration_seconds": (LABELS, lambda probes: 0.1 + probes % 3 / 10),
    'mail_probe_duration_seconds_bucket{le="0.25"}': (LABELS, lambda probes: probes * 2 // 3),
    'mail_probe_duration_seconds_bucket{le="+Inf"}': (LABELS, lambda probes: probes),
    'mail_probe_failures_total{reason="timeout", phase="connect"}': (LABELS, lambda probes: 1 + probes // 10),
    'mail_flow_duration_seconds_bucket{le="4"}': (FLOW, lambda messages: messages * 2 // 3),
    'mail_flow_duration_seconds_bucket{le="+Inf"}': (FLOW, lambda messages: messages),
    'mail_flow_messages_total{outcome="delivered"}': (FLOW, lambda messages: messages),
    'mail_flow_removed_total{kind="own"}': (FLOW, lambda messages: messages),
    'mail_exporter_probe_start_delay_seconds_bucket{le="0.001"}': (EXPORTER, lambda probes: probes // 2),
    'mail_exporter_probe_start_delay_seconds_bucket{le="+Inf"}': (EXPORTER, lambda probes: probes),
}
"""What an exporter says after so many probes of one endpoint."""

NAMES: Final = {name.partition("{")[0] for name in SERIES} | {"mail_endpoint_interval_seconds"}


def about_probes() -> list[Asked]:
    """The queries that ask nothing but these."""
    return [
        one
        for one in of_panels()
        if {str(selector.name) for selector in selectors(one.filled_in("mx"))} <= NAMES
        and "< $shown" not in one.expression
    ]


def written(name: str, labels: str) -> str:
    metric, _, own = name.partition("{")
    return f"{metric}{{{labels}{', ' + own if own else '}'}"


@pytest.mark.parametrize("scrape", [15, 60])
@pytest.mark.parametrize("interval", [15, 60, 300, 3600])
def test_every_figure_of_probes_has_a_value_at_every_moment(interval: int, scrape: int, tmp_path: Path) -> None:
    before = max(3 * interval, 1800)
    scrapes = (before + MINUTES * 60) // scrape + 1
    probes = [place * scrape // interval for place in range(scrapes)]
    series = [
        {"series": written(name, labels), "values": " ".join(f"{float(figure(count)):g}" for count in probes)}
        for name, (labels, figure) in SERIES.items()
    ]
    series.append({"series": written("mail_endpoint_interval_seconds", LABELS), "values": f"{interval}x{scrapes}"})
    asked = about_probes()
    queries = [one.expression.replace("$__rate_interval", f"{4 * scrape}s").replace("$__range", "6h") for one in asked]
    filled = [Asked("", query).filled_in("mx") for query in queries]
    checks = [
        {
            "expr": f"count(({query}) >= -Inf) > bool 0",
            "eval_time": f"{before + minute * 60 + 7}s",
            "exp_samples": [{"labels": "{}", "value": 1}],
        }
        for query in filled
        for minute in range(0, MINUTES, 7)
    ]
    file = tmp_path / "intervals.test.yaml"
    test = {"name": "probes", "interval": f"{scrape}s", "input_series": series, "promql_expr_test": checks}
    file.write_text(yaml.safe_dump({"evaluation_interval": "1m", "tests": [test]}))

    assert {"Latency by protocol", "Duration percentiles", "Success ratio", "Start delay"} <= {
        one.where.partition(": ")[2] for one in asked
    }
    promtool("test", "rules", file)
