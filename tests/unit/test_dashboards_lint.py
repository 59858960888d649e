"""The rules of Grafana's dashboard-linter, by their names there; nobody has to install a Go program for this."""

from __future__ import annotations

from typing import Any

import promql_parser
import pytest

from tests.dashboards.asked import BOARDS, FILLED_IN, LABEL_VALUES, Asked, nodes, of_panels, panels, selectors

PANELS = [
    pytest.param(panel, id=f"{uid}: {panel['title']}") for uid, board in BOARDS.items() for panel in panels(board)
]
QUERIES = [pytest.param(asked, id=f"{asked.where} {number}") for number, asked in enumerate(of_panels())]


def variable(uid: str, name: str) -> dict[str, Any]:
    found: list[dict[str, Any]] = [one for one in BOARDS[uid]["templating"]["list"] if one["name"] == name]
    (one,) = found
    return one


@pytest.mark.parametrize("uid", BOARDS)
def test_template_datasource_rule(uid: str) -> None:
    found = [one for one in BOARDS[uid]["templating"]["list"] if one["type"] == "datasource"]

    assert [("datasource", "Data source", "prometheus")] == [(one["name"], one["label"], one["query"]) for one in found]


@pytest.mark.parametrize(("name", "label"), [("job", "Job"), ("instance", "Instance")])
@pytest.mark.parametrize("uid", BOARDS)
def test_template_job_and_instance_rules(uid: str, name: str, label: str) -> None:
    one = variable(uid, name)

    assert ("query", "${datasource}", label, True, ".+") == (
        one["type"],
        one["datasource"]["uid"],
        one["label"],
        one["multi"],
        one["allValue"],
    )


@pytest.mark.parametrize("uid", BOARDS)
def test_template_label_promql_rule(uid: str) -> None:
    for one in BOARDS[uid]["templating"]["list"]:
        if one["type"] == "query":
            asked = LABEL_VALUES.fullmatch(one["query"])
            assert asked is not None, one["query"]
            promql_parser.parse(Asked("", asked[1]).filled_in())


@pytest.mark.parametrize("uid", BOARDS)
def test_template_on_time_change_reload_rule(uid: str) -> None:
    assert {2} == {one["refresh"] for one in BOARDS[uid]["templating"]["list"] if one["type"] == "query"}


@pytest.mark.parametrize("uid", BOARDS)
def test_uneditable_dashboard_rule(uid: str) -> None:
    assert BOARDS[uid]["editable"] is False


@pytest.mark.parametrize("panel", PANELS)
def test_panel_datasource_rule(panel: dict[str, Any]) -> None:
    assert {"${datasource}"} == {one["datasource"]["uid"] for one in (panel, *panel["targets"])}


@pytest.mark.parametrize("panel", PANELS)
def test_panel_title_description_rule(panel: dict[str, Any]) -> None:
    assert panel["title"]
    assert panel["description"].endswith(".")


@pytest.mark.parametrize("panel", PANELS)
def test_panel_units_rule(panel: dict[str, Any]) -> None:
    # That the unit is one of Grafana's is tested with its schemas. States have no unit.
    assert panel["type"] in {"state-timeline", "heatmap"} or panel["fieldConfig"]["defaults"]["unit"]


@pytest.mark.parametrize("panel", PANELS)
def test_panel_no_targets_rule(panel: dict[str, Any]) -> None:
    assert panel["targets"]


@pytest.mark.parametrize("asked", QUERIES)
def test_target_promql_rule(asked: Asked) -> None:
    assert list(nodes(asked.filled_in()))


@pytest.mark.parametrize("asked", QUERIES)
def test_target_rate_interval_rule(asked: Asked) -> None:
    expected = promql_parser.parse_duration(FILLED_IN["$__rate_interval"])
    ranges = [
        node.args[0].range
        for node in nodes(asked.filled_in())
        if isinstance(node, promql_parser.Call) and node.func.name in {"rate", "irate"}
    ]

    assert [expected] * len(ranges) == ranges


@pytest.mark.parametrize("asked", QUERIES)
def test_target_job_and_instance_rules(asked: Asked) -> None:
    for selector in selectors(
        asked.expression.replace("$__rate_interval", "1m").replace("$__range", "1h").replace("$shown", "2")
    ):
        matchers = {str(matcher) for matcher in selector.matchers.matchers}
        assert {'job=~"$job"', 'instance=~"$instance"'} <= matchers, str(selector)


@pytest.mark.parametrize("asked", QUERIES)
def test_target_counter_agg_rule(asked: Asked) -> None:
    counters = [one for one in selectors(asked.filled_in()) if str(one.name).endswith(("_total", "_bucket"))]
    counted = [
        node.args[0].vector_selector
        for node in nodes(asked.filled_in())
        if isinstance(node, promql_parser.Call) and node.func.name in {"rate", "irate", "increase"}
    ]

    assert sorted(map(str, counters)) == sorted(map(str, counted))
