"""The alerts for Grafana's own alerting: the same as Prometheus', in its language."""

from __future__ import annotations

import re
from typing import Any

from tests.dashboards.asked import (
    BOARDS,
    GRAFANA_GROUPS,
    RULE_GROUPS,
    panels,
    selectors,
)

RECORDED = {rule["record"] for group in RULE_GROUPS for rule in group["rules"] if "record" in rule}


# Grafana's own alerts.


def grafana_rules() -> list[dict[str, Any]]:
    return [rule for group in GRAFANA_GROUPS for rule in group["rules"]]


def test_grafana_has_the_same_alerts_with_the_same_labels() -> None:
    prometheus = [rule for group in RULE_GROUPS for rule in group["rules"] if "alert" in rule]

    assert [(rule["alert"], rule.get("for", "0s"), rule["labels"]) for rule in prometheus] == [
        (rule["title"].partition(" ")[0], rule["for"], rule["labels"]) for rule in grafana_rules()
    ]


def test_grafanas_rules_have_titles_and_uids_of_their_own() -> None:
    rules = grafana_rules()

    assert len(rules) == len({rule["title"] for rule in rules}) == len({rule["uid"] for rule in rules})


def test_grafanas_alerts_rely_on_no_recording_rules() -> None:
    used = {str(node.name) for rule in grafana_rules() for node in selectors(rule["data"][0]["model"]["expr"])}

    assert used & RECORDED == set()


def test_grafanas_alerts_say_the_same_in_grafanas_language() -> None:
    for rule in grafana_rules():
        for text in rule["annotations"].values():
            assert not re.search(r"\$value\b", text)  # a text about all steps, in Grafana
            assert not re.search(r"\$\{|{{[^}]*\b(?:query|first)\b", text)  # taken for a variable; not there
            assert set(re.findall(r"\$values\.(\w+)\.", text)) <= {"A"}


def test_every_alert_of_grafanas_is_linked_to_a_panel_that_exists() -> None:
    existing = {(uid, str(panel["id"])) for uid, board in BOARDS.items() for panel in panels(board)}

    assert {
        (rule["annotations"]["__dashboardUid__"], rule["annotations"]["__panelId__"]) for rule in grafana_rules()
    } <= existing
