"""The rules of Grafana's dashboard-linter, by their names there; nobody has to install a Go program for this.

A rule says whether one board, panel or query keeps to it. Each is one test, which names all that do not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import promql_parser
import pytest

from dashboards.boards.questions import WINDOWS
from tests.dashboards.asked import BOARDS, FILLED_IN, LABEL_VALUES, Asked, nodes, of_panels, panels, selectors

Board = dict[str, Any]
Panel = dict[str, Any]


def variables(board: Board, *types: str) -> list[dict[str, Any]]:
    return [one for one in board["templating"]["list"] if one["type"] in types]


def template_datasource(board: Board) -> bool:
    found = [(one["name"], one["label"], one["query"]) for one in variables(board, "datasource")]
    return found == [("datasource", "Data source", "prometheus")]


def template_job_and_instance(board: Board) -> bool:
    found = {one["name"]: one for one in board["templating"]["list"]}
    return all(
        ("query", "${datasource}", label, True, ".+")
        == (one["type"], one["datasource"]["uid"], one["label"], one["multi"], one["allValue"])
        for one, label in ((found["job"], "Job"), (found["instance"], "Instance"))
    )


def template_label_promql(board: Board) -> bool:
    asked = [LABEL_VALUES.fullmatch(one["query"]) for one in variables(board, "query")]
    return all(one is not None and is_promql(Asked("", one[1]).filled_in()) for one in asked)


def template_on_time_change_reload(board: Board) -> bool:
    return {2} == {one["refresh"] for one in variables(board, "query")}


def uneditable_dashboard(board: Board) -> bool:
    return board["editable"] is False


def panel_datasource(panel: Panel) -> bool:
    return {"${datasource}"} == {one["datasource"]["uid"] for one in (panel, *panel["targets"])}


def panel_title_description(panel: Panel) -> bool:
    return bool(panel["title"]) and panel["description"].endswith(".")


def panel_units(panel: Panel) -> bool:
    # That the unit is one of Grafana's is tested with its schemas. States have no unit.
    return panel["type"] in {"state-timeline", "heatmap"} or bool(panel["fieldConfig"]["defaults"]["unit"])


def panel_no_targets(panel: Panel) -> bool:
    return bool(panel["targets"])


def target_promql(asked: Asked) -> bool:
    return is_promql(asked.filled_in())


def target_rate_interval(asked: Asked) -> bool:
    # What is probed seldom has nothing within the interval, so that these windows are tried one after the other.
    usual, windows = (
        (promql_parser.parse_duration(FILLED_IN["$__rate_interval"]),),
        tuple(map(promql_parser.parse_duration, WINDOWS)),
    )
    ranges = [call.args[0].range for call in calls(asked, "rate", "irate")]
    return {*ranges} in ({*usual}, {*windows}, set())


def target_job_and_instance(asked: Asked) -> bool:
    expression = asked.expression
    for name, value in (("$__rate_interval", "1m"), ("$__range", "1h"), ("$shown", "2")):
        expression = expression.replace(name, value)
    return all(
        {'job=~"$job"', 'instance=~"$instance"'} <= {str(matcher) for matcher in selector.matchers.matchers}
        for selector in selectors(expression)
    )


def target_counter_agg(asked: Asked) -> bool:
    # What was there before is asked of the counter itself: a series that begins within the range counts from 0.
    found = [one for one in selectors(asked.filled_in()) if one.offset is None]
    counters = [one for one in found if str(one.name).endswith(("_total", "_bucket"))]
    counted = [call.args[0].vector_selector for call in calls(asked, "rate", "irate", "increase")]
    return sorted(map(str, counters)) == sorted(map(str, counted))


def is_promql(expression: str) -> bool:
    try:
        return bool(list(nodes(expression)))
    except ValueError:
        return False


def calls(asked: Asked, *functions: str) -> Iterator[Any]:
    for node in nodes(asked.filled_in()):
        if isinstance(node, promql_parser.Call) and node.func.name in functions:
            yield node


ALL_BOARDS: Final[Mapping[str, Board]] = BOARDS
ALL_PANELS: Final[Mapping[str, Panel]] = {
    f"{uid}: {panel['title']}": panel for uid, board in BOARDS.items() for panel in panels(board)
}
ALL_QUERIES: Final[Mapping[str, Asked]] = {f"{asked.where} {number}": asked for number, asked in enumerate(of_panels())}

RULES: Final = [
    *[
        (rule, ALL_BOARDS)
        for rule in (
            template_datasource,
            template_job_and_instance,
            template_label_promql,
            template_on_time_change_reload,
            uneditable_dashboard,
        )
    ],
    *[(rule, ALL_PANELS) for rule in (panel_datasource, panel_title_description, panel_units, panel_no_targets)],
    *[
        (rule, ALL_QUERIES)
        for rule in (target_promql, target_rate_interval, target_job_and_instance, target_counter_agg)
    ],
]


@pytest.mark.parametrize(("rule", "all_of_them"), RULES, ids=[rule.__name__ for rule, _ in RULES])
def test_everything_keeps_to_the_rule(rule: Callable[[Any], bool], all_of_them: Mapping[str, Any]) -> None:
    assert all_of_them
    assert [] == [where for where, each in all_of_them.items() if not rule(each)]


BAD_PANEL: Final = {"title": "", "description": "no", "type": "stat", "targets": [], "datasource": {"uid": "mine"}}
BAD_BOARD: Final = {
    "editable": True,
    "templating": {
        "list": [
            {"name": name, "type": "query", "query": "up{", "refresh": 1, "label": "", "multi": False, "allValue": ""}
            | {"datasource": {"uid": "mine"}}
            for name in ("job", "instance")
        ]
    },
}


@pytest.mark.parametrize(("rule", "all_of_them"), RULES, ids=[rule.__name__ for rule, _ in RULES])
def test_a_rule_finds_what_does_not_keep_to_it(rule: Callable[[Any], bool], all_of_them: Mapping[str, Any]) -> None:
    asked = "rate(mail_probes_total[7m]) +" if rule is target_promql else "rate(up[7m]) + mail_probes_total"
    bad: Mapping[int, Any] = {
        id(ALL_BOARDS): BAD_BOARD,
        id(ALL_PANELS): {**BAD_PANEL, "fieldConfig": {"defaults": {"unit": ""}}},
        id(ALL_QUERIES): Asked("", asked),
    }

    assert not rule(bad[id(all_of_them)])
