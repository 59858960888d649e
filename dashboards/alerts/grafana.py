"""The alerts as a provisioning file for Grafana's own alerting, without contact points or notification policies.

Grafana 10 and newer. Only alerts: Grafana cannot record into Prometheus without further setup, so unless the settings
say otherwise the expressions are of the metrics alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from dashboards.alerts import prometheus
from dashboards.alerts.book import alert_groups, alerts_of
from dashboards.alerts.rule import Alert, Group
from dashboards.alerts.yaml_text import as_yaml
from dashboards.settings import Settings

HEADER = """\
Alerts on mail-exporter for Grafana's own alerting. docs/alerts.md explains each, docs/dashboards.md how to use them.
Made by `python -m dashboards`, which also makes one with another data source, thresholds and labels: see its --help."""

QUERY, FOUND, CONDITION = "A", "B", "C"
"""The steps of each rule: ask Prometheus, take each series that comes back for true, alert on that."""

EXPRESSIONS: Final = "__expr__"
"""Grafana's name of the data source for steps that it computes itself."""

PanelIds = Mapping[tuple[str, str], int]
"""The id of a panel by the dashboard's uid and the panel's title."""


def provisioning_file(settings: Settings, panels: PanelIds) -> str:
    """The whole file.

    Args:
        settings: What the user chose.
        panels: To link each alert to the panel that shows it.

    Raises:
        ValueError: As `alert_groups`.
    """
    groups = alert_groups(settings, recorded=settings.grafana_recorded)
    return as_yaml({"apiVersion": 1, "groups": [_group(group, settings, panels) for group in groups]}, HEADER)


def uid(alert: Alert, *, first: bool = True) -> str:
    """The identifier of a rule in Grafana: its name in lower case, with hyphens.

    Args:
        alert: What the rule is about.
        first: Whether it is the first rule of this name; others have their severity in it.
    """
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", alert.name).lower()
    return name if first else f"{name}-{alert.severity}"


def _group(group: Group, settings: Settings, panels: PanelIds) -> dict[str, Any]:
    alerts = alerts_of([group])
    return {
        "orgId": 1,
        "name": group.name,
        "folder": settings.grafana_folder,
        "interval": group.interval,
        "rules": [
            _rule(rule, settings, panels, first=rule.name not in {one.name for one in alerts[:place]})
            for place, rule in enumerate(alerts)
        ],
    }


def _rule(alert: Alert, settings: Settings, panels: PanelIds, *, first: bool) -> dict[str, Any]:
    said = {name: _in_grafana(text) for name, text in prometheus.texts(alert, settings).items()}
    return {
        "uid": uid(alert, first=first),
        "title": alert.name if first else f"{alert.name} ({alert.severity})",
        "condition": CONDITION,
        "for": alert.lasts,
        # Nothing found means that nothing is wrong.
        "noDataState": "OK",
        "execErrState": "Error",
        "labels": prometheus.labels(alert, settings),
        "annotations": {
            **said,
            "__dashboardUid__": alert.dashboard,
            "__panelId__": str(panels[alert.dashboard, alert.panel]),
        },
        "data": [
            _step(QUERY, settings.grafana_datasource, "prometheus", expr=alert.expression, instant=True, range=False),
            _step(FOUND, EXPRESSIONS, EXPRESSIONS, type="math", expression=_is_there(QUERY)),
            _step(
                CONDITION,
                EXPRESSIONS,
                EXPRESSIONS,
                type="threshold",
                expression=FOUND,
                conditions=[{"evaluator": {"type": "gt", "params": [0]}}],
            ),
        ],
    }


def _step(ref_id: str, datasource: str, kind: str, **model: Any) -> dict[str, Any]:
    return {
        "refId": ref_id,
        "datasourceUid": datasource,
        "relativeTimeRange": {"from": 600, "to": 0},
        "model": {"refId": ref_id, "datasource": {"type": kind, "uid": datasource}, **model},
    }


def _is_there(ref_id: str) -> str:
    """Whether there is a value at all: 0 is one that Prometheus alerts on, and Grafana by itself would not."""
    return f"is_number(${ref_id}) || is_nan(${ref_id}) || is_inf(${ref_id})"


def _in_grafana(text: str) -> str:
    """A template whose `$value` is the query's: Grafana's own `$value` is a text about all steps."""
    return re.sub(r"\$value\b", f"$values.{QUERY}.Value", text)
