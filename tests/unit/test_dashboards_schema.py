"""The dashboards and Grafana's own alerts, against the schemas that Grafana publishes for its SDK."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped] # it brings no types
import pytest
import yaml

from tests.dashboards.asked import BOARDS, GRAFANA_GROUPS, ROOT, panels

SCHEMAS = Path(__file__).parents[1] / "dashboards" / "schemas"

PANELS = {
    "heatmap": "heatmap",
    "stat": "stat",
    "state-timeline": "statetimeline",
    "table": "table",
    "timeseries": "timeseries",
}
"""The file with a panel's schema, by its type."""


@cache
def schema(name: str) -> dict[str, Any]:
    """A schema as it is meant."""
    read: dict[str, Any] = json.loads((SCHEMAS / f"{name}.json").read_text())
    definitions = read["definitions"]
    # Any JSON in Grafana, and objects in the schemas: what a matcher matches, and the value of an override.
    for kind, field in (("MatcherConfig", "options"), ("DynamicConfigValue", "value")):
        if kind in definitions:
            definitions[kind]["properties"][field] = {}
    if name == "heatmap":
        # In Grafana 10 it is shown or not; later versions have a mode in its place.
        definitions["HeatmapTooltip"]["properties"]["show"] = {"type": "boolean"}
    if name in PANELS.values():
        # Options that are left out have a default in Grafana, but are required of what its SDK writes.
        read = _without_required(read)
    if name == "alerting":
        # Said by the group of the rule, in a file.
        rule = definitions["Rule"]
        rule["required"] = [one for one in rule["required"] if one not in {"folderUID", "orgID", "ruleGroup"}]
    return read


def _without_required(part: Any) -> Any:
    if isinstance(part, dict):
        kept = {key: value for key, value in part.items() if not (key == "required" and isinstance(value, list))}
        return {key: _without_required(value) for key, value in kept.items()}
    return [_without_required(one) for one in part] if isinstance(part, list) else part


def complaints(value: Any, name: str, definition: str) -> list[str]:
    """What is wrong with a value of this definition."""
    validator = jsonschema.Draft7Validator({**schema(name), "$ref": f"#/definitions/{definition}"})
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]


@pytest.mark.parametrize("uid", BOARDS)
def test_every_dashboard_is_one_by_grafanas_schema(uid: str) -> None:
    assert [] == complaints(BOARDS[uid], "dashboard", "Dashboard")


@pytest.mark.parametrize("uid", BOARDS)
def test_every_panel_is_one_of_its_kind_by_grafanas_schema(uid: str) -> None:
    for panel in panels(BOARDS[uid]):
        name = PANELS[panel["type"]]
        assert [] == complaints(panel["options"], name, "Options"), panel["title"]
        if "FieldConfig" in schema(name)["definitions"]:
            custom = panel["fieldConfig"]["defaults"].get("custom", {})
            assert [] == complaints(custom, name, "FieldConfig"), panel["title"]


@pytest.mark.parametrize("uid", BOARDS)
def test_every_query_is_one_of_prometheus_by_grafanas_schema(uid: str) -> None:
    for panel in panels(BOARDS[uid]):
        for target in panel["targets"]:
            assert [] == complaints(target, "prometheus", "Dataquery"), panel["title"]


@pytest.mark.parametrize("uid", BOARDS)
def test_every_unit_is_one_of_grafanas(uid: str) -> None:
    units = {unit["const"] for unit in schema("units")["definitions"].values()}

    for panel in panels(BOARDS[uid]):
        config = panel["fieldConfig"]
        overridden = [one["value"] for each in config["overrides"] for one in each["properties"] if one["id"] == "unit"]
        assert {*overridden, config["defaults"].get("unit", "none")} <= units, panel["title"]


@pytest.mark.parametrize("uid", BOARDS)
def test_nothing_is_null_where_grafana_expects_options(uid: str) -> None:
    for panel in panels(BOARDS[uid]):
        assert None not in (panel["options"], panel["fieldConfig"], panel["targets"]), panel["title"]


def test_every_alert_of_grafanas_is_a_rule_by_its_schema() -> None:
    for group in GRAFANA_GROUPS:
        assert {"orgId", "name", "folder", "interval", "rules"} == group.keys()
        for rule in group["rules"]:
            assert [] == complaints(rule, "alerting", "Rule"), rule["title"]


def test_the_uid_of_every_alert_is_unique() -> None:
    uids = [rule["uid"] for group in GRAFANA_GROUPS for rule in group["rules"]]

    assert len(uids) == len(set(uids))


def test_the_notification_policy_in_the_docs_is_one_by_grafanas_schema() -> None:
    page = (ROOT / "docs" / "dashboards.md").read_text()
    (shown,) = re.findall(r"^```yaml\n((?:(?!^```$).*\n)*?policies:\n(?:.*\n)*?)^```$", page, re.MULTILINE)
    (policy,) = yaml.safe_load(shown)["policies"]

    assert 1 == policy.pop("orgId")
    assert [] == complaints(policy, "alerting", "NotificationPolicy")
