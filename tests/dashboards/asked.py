"""Everything that the committed dashboards and rules ask Prometheus, for the tests that look at it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import promql_parser
import yaml

from dashboards.generate import GRAFANA_ALERTS, RULES

ROOT: Final = Path(__file__).parents[2]
HERE: Final = ROOT / "dashboards"
BOARDS: Final[Mapping[str, Any]] = {
    file.stem: json.loads(file.read_text()) for file in sorted(HERE.glob("mail-*.json"))
}
RULE_GROUPS: Final = yaml.safe_load((HERE / RULES).read_text())["groups"]
GRAFANA_GROUPS: Final = yaml.safe_load((HERE / GRAFANA_ALERTS).read_text())["groups"]

LABEL_VALUES: Final = re.compile(r"label_values\((.+), (\w+)\)")

FILLED_IN: Final = {
    "$__rate_interval": "30s",
    "$__range": "5m",
    "$job": ".+",
    "$instance": ".+",
    "$cluster": ".*",
    "$vantage": ".*",
    "$protocol": ".+",
    "$flow": ".+",
    "$domain": ".+",
    "$shown": "2",
}
"""What Grafana puts in place of variables; the endpoint is the caller's choice."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A query.

    Attributes:
        where: The dashboard and panel, or the rule.
        expression: As it stands there.
        labels: What else it names labels in: a legend, or the label of a variable.
    """

    where: str
    expression: str
    labels: tuple[str, ...] = ()

    def filled_in(self, endpoint: str = ".+") -> str:
        """The query as Prometheus gets it."""
        text = self.expression.replace('endpoint="$endpoint"', f'endpoint=~"{endpoint}"').replace("$endpoint", endpoint)
        for variable, value in FILLED_IN.items():
            text = text.replace(variable, value)
        return text


def panels(board: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The panels of a dashboard, without its headings; those below collapsed ones too."""
    inside = (panel.get("panels", []) if panel["type"] == "row" else [panel] for panel in board["panels"])
    return [panel for group in inside for panel in group]


def of_panels() -> list[Asked]:
    """What panels ask."""
    return [
        Asked(f"{uid}: {panel['title']}", target["expr"], tuple(re.findall(r"{{(\w+)}}", target["legendFormat"])))
        for uid, board in BOARDS.items()
        for panel in panels(board)
        for target in panel["targets"]
    ]


def of_variables() -> list[Asked]:
    """What is asked for the choices at the top."""
    queries = [
        (uid, one["name"], LABEL_VALUES.fullmatch(one["query"]))
        for uid, board in BOARDS.items()
        for one in board["templating"]["list"]
        if one["type"] == "query"
    ]
    return [Asked(f"{uid}: ${name}", found[1], (found[2],)) for uid, name, found in queries if found]


def of_annotations() -> list[Asked]:
    """What is asked for the marks in graphs."""
    return [
        Asked(f"{uid}: {one['name']}", one["expr"], tuple(re.findall(r"{{(\w+)}}", one["titleFormat"])))
        for uid, board in BOARDS.items()
        for one in board["annotations"].get("list", [])
    ]


def of_rules() -> list[Asked]:
    """What recording rules and alerts ask."""
    return [
        Asked(rule.get("record") or rule["alert"], rule["expr"], _template_labels(rule.get("annotations", {})))
        for group in RULE_GROUPS
        for rule in group["rules"]
    ]


def of_grafana_alerts() -> list[Asked]:
    """What Grafana's own alerts ask."""
    return [
        Asked(f"Grafana: {rule['title']}", rule["data"][0]["model"]["expr"], _template_labels(rule["annotations"]))
        for group in GRAFANA_GROUPS
        for rule in group["rules"]
    ]


def everything() -> list[Asked]:
    """All of these."""
    return [*of_panels(), *of_variables(), *of_annotations(), *of_rules(), *of_grafana_alerts()]


def nodes(expression: str) -> Iterator[Any]:
    """The parts of a query, the outer before the inner."""
    found: list[Any] = []
    promql_parser.walk(promql_parser.parse(expression), found.append)
    return iter(found)


def selectors(expression: str) -> list[promql_parser.VectorSelector]:
    """The series that a query is about."""
    return [node for node in nodes(expression) if isinstance(node, promql_parser.VectorSelector)]


def _template_labels(annotations: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(sorted({label for text in annotations.values() for label in re.findall(r"\$labels\.(\w+)", text)}))
