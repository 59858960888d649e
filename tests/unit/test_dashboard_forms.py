"""The dashboards in other forms than Grafana's: for Perses, and as a mixin of jsonnet. They ask the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import _jsonnet
import jsonschema  # type: ignore[import-untyped]  # its types come apart from it
import pytest
import yaml

from dashboards.generate import RULES, generate
from dashboards.perses import as_perses
from dashboards.settings import Settings
from tests.dashboards.asked import BOARDS, HERE, panels
from tests.dashboards.perses_schema import DASHBOARD

PERSES = {uid: json.loads((HERE / "perses" / f"{uid}.json").read_text()) for uid in BOARDS}


def queries(board: dict[str, Any]) -> list[str]:
    return sorted(target["expr"] for panel in panels(board) for target in panel["targets"])


def asked_by_perses(document: dict[str, Any]) -> list[str]:
    return sorted(
        query["spec"]["plugin"]["spec"]["query"]
        for panel in document["spec"]["panels"].values()
        for query in panel["spec"]["queries"]
    )


@pytest.mark.parametrize("uid", BOARDS)
def test_perses_asks_what_grafana_asks(uid: str) -> None:
    assert queries(BOARDS[uid]) == asked_by_perses(PERSES[uid])


@pytest.mark.parametrize("uid", BOARDS)
def test_perses_takes_it_to_the_last_field(uid: str) -> None:
    problems = [
        f"{'/'.join(map(str, each.absolute_path))}: {each.message[:200]}"
        for error in jsonschema.Draft202012Validator(DASHBOARD).iter_errors(PERSES[uid])
        for each in (jsonschema.exceptions.best_match([error]),)
    ]

    assert [] == problems


@pytest.mark.parametrize("uid", BOARDS)
def test_every_panel_has_its_place_in_perses_and_every_place_a_panel(uid: str) -> None:
    spec = PERSES[uid]["spec"]
    items = [item for layout in spec["layouts"] for item in layout["spec"]["items"]]

    assert sorted(f"#/spec/panels/{name}" for name in spec["panels"]) == sorted(
        item["content"]["$ref"] for item in items
    )
    assert all(item["x"] + item["width"] <= 24 for item in items)
    assert {panel["title"] for panel in panels(BOARDS[uid])} == {
        panel["spec"]["display"]["name"] for panel in spec["panels"].values()
    }


def colours(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in {"color", "defaultColor", "colorValue"} and isinstance(inner, str):
                yield inner
            else:
                yield from colours(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from colours(inner)


@pytest.mark.parametrize("uid", BOARDS)
def test_perses_gets_colours_as_numbers(uid: str) -> None:
    found = list(colours(PERSES[uid]))

    assert found
    assert [] == [colour for colour in found if not colour.startswith("#")]


@pytest.mark.parametrize("uid", BOARDS)
def test_every_variable_that_is_used_in_perses_is_one_that_it_has(uid: str) -> None:
    names = {one["spec"]["name"] for one in PERSES[uid]["spec"]["variables"]}
    text = "".join(asked_by_perses(PERSES[uid]))

    assert {"job", "instance", "cluster"} <= names
    assert {name for name in ("protocol", "endpoint", "shown") if f"${name}" in text} <= names


def test_what_perses_cannot_show_is_said() -> None:
    board = json.loads(generate(Settings())["mail-overview.json"])
    board["panels"][0]["type"] = "geomap"

    with pytest.raises(ValueError, match="is of the kind 'geomap', which is not translated"):
        as_perses(json.dumps(board))


def as_text(rule: dict[str, Any]) -> str:
    return json.dumps(rule, sort_keys=True)


def mixin(configuration: str = "{}") -> Any:
    text = (
        f"local all = (import '{HERE / 'mixin.libsonnet'}') + {{ _config+:: {configuration} }}; "
        "{ boards: all.grafanaDashboards, rules: all.prometheusRules, alerts: all.prometheusAlerts }"
    )
    return json.loads(_jsonnet.evaluate_snippet("test", text))


def test_the_mixin_has_the_same_dashboards_recordings_and_alerts() -> None:
    made = mixin()
    written = yaml.safe_load((HERE / RULES).read_text())["groups"]
    given = [rule for part in ("rules", "alerts") for group in made[part]["groups"] for rule in group["rules"]]

    assert {f"{uid}.json": board for uid, board in BOARDS.items()} == made["boards"]
    assert sorted(as_text(rule) for group in written for rule in group["rules"]) == sorted(map(as_text, given))


def test_the_mixin_leaves_alerts_out_and_labels_and_links_them() -> None:
    choices = (
        "{ externalUrl: 'https://mail.example.com', without: ['MailEndpointDown'], alertLabels: { team: 'post' } }"
    )
    made = mixin(choices)
    alerts = {rule["alert"]: rule for group in made["alerts"]["groups"] for rule in group["rules"]}
    flapping = alerts["MailEndpointFlapping"]

    assert "MailEndpointDown" not in alerts
    assert {"severity": "warning", "team": "post"} == flapping["labels"]
    assert flapping["annotations"]["endpoint_url"].startswith("https://mail.example.com/endpoint?name=")
    assert "http://localhost:9925" not in json.dumps(made["boards"])
