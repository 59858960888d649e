"""The rules as a file for Prometheus, and for whatever else reads its rules (Thanos, Mimir, VictoriaMetrics)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from dashboards.alerts.book import alert_groups, recording_groups
from dashboards.alerts.rule import Alert, Group, Recording
from dashboards.alerts.vocabulary import page
from dashboards.alerts.yaml_text import as_yaml
from dashboards.settings import PROJECT_DOCS_URL, Settings

HEADER = """\
Recording rules and alerts for mail-exporter. docs/alerts.md explains each.
Made by `python -m dashboards`, which also makes one with other thresholds, labels and selectors: see its --help."""


def rules_file(settings: Settings) -> str:
    """The whole file.

    Raises:
        ValueError: As `alert_groups`.
    """
    groups = (*recording_groups(settings), *alert_groups(settings, recorded=True))
    return as_yaml({"groups": [_group(group, settings) for group in groups]}, HEADER)


def texts(alert: Alert, settings: Settings) -> dict[str, str]:
    """All that an alert says: its texts, its section of the docs, its further links."""
    away = replace(settings, docs_url=settings.docs_url or PROJECT_DOCS_URL)
    return {
        "summary": alert.summary,
        "description": alert.description,
        "runbook_url": page(settings if alert.from_an_exporter else away, "alerts", alert.name.lower()),
        **alert.links,
    }


def labels(alert: Alert, settings: Settings) -> dict[str, str]:
    """The labels of an alert besides those of its series. Alertmanager routes by them."""
    severity: str = getattr(settings, alert.severity)
    return {"severity": severity, **settings.extra_labels}


def _group(group: Group, settings: Settings) -> dict[str, Any]:
    return {
        "name": group.name,
        "interval": group.interval,
        "rules": [_recording(rule) if isinstance(rule, Recording) else _alert(rule, settings) for rule in group.rules],
    }


def _recording(rule: Recording) -> dict[str, Any]:
    return {"record": rule.name, "expr": rule.expression}


def _alert(alert: Alert, settings: Settings) -> dict[str, Any]:
    lasts = {} if alert.lasts == "0s" else {"for": alert.lasts}
    stays = {} if alert.stays == "0s" else {"keep_firing_for": alert.stays}
    return {
        "alert": alert.name,
        "expr": alert.expression,
        **lasts,
        **stays,
        "labels": labels(alert, settings),
        "annotations": texts(alert, settings),
    }
