"""The generated dashboards and rules: that they are what is committed, lead somewhere, and name what exists."""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet
from typing import Any

import promql_parser
import pytest

from dashboards.alerts.vocabulary import OF_AN_INSTANCE
from dashboards.boards import BOARDS as MAKERS
from dashboards.generate import generate
from dashboards.promql import FOREIGN_METRICS, Scope, labels_of
from dashboards.settings import Settings
from exporter.metrics.rows.domain_rows import DOMAIN_METRICS, FOLLOWED_METRICS
from exporter.metrics.rows.endpoint_metrics import ENDPOINT_METRICS
from exporter.metrics.rows.exporter_metrics import EXPORTER_METRICS
from exporter.metrics.rows.flow_rows import FLOW_METRICS
from exporter.metrics.rows.metric import Metric, MetricType
from exporter.model import Phase
from tests.dashboards.asked import (
    BOARDS,
    HERE,
    ROOT,
    RULE_GROUPS,
    Asked,
    everything,
    nodes,
    of_panels,
    panels,
    selectors,
)

METRICS: tuple[Metric[Any], ...] = (
    *ENDPOINT_METRICS,
    *FLOW_METRICS,
    *DOMAIN_METRICS,
    *FOLLOWED_METRICS,
    *EXPORTER_METRICS,
)
CATALOGUE = {metric.name: metric for metric in METRICS}
RECORDED = {rule["record"] for group in RULE_GROUPS for rule in group["rules"] if "record" in rule}
MADE_BY_RULES = {"symptom", "problem", "shard", "row"}
"""Labels that rules and dashboards give to what they find."""

PLACES = set(Settings().places)
"""Labels that Prometheus may add to all series."""

UNUSED: dict[str, str] = {}
"""Metrics that no dashboard and no rule is about, with the reason."""

PROMQL = [
    Asked(page.name, line.partition("#")[0].strip())
    for page in (ROOT / "docs" / "alerts.md", ROOT / "docs" / "dashboards.md")
    for block in re.findall(r"^```promql\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)
    for line in block.splitlines()
]
"""The queries in the pages about dashboards and alerts."""


@pytest.mark.parametrize("name", generate(Settings()))
def test_what_is_committed_is_what_the_generator_makes(name: str) -> None:
    made = generate(Settings())[name]

    assert made == (HERE / name).read_text(), "run `make dashboards`"


def test_nothing_else_lies_where_the_generator_writes() -> None:
    lying = {*HERE.glob("*.json"), *(HERE / "perses").glob("*"), *(HERE / "alerts").glob("*.yaml")}

    assert {HERE / name for name in generate(Settings())} == lying


def test_every_metric_and_label_that_is_asked_about_exists() -> None:
    labels = {label for metric in CATALOGUE for label in _labels(metric)} | MADE_BY_RULES

    assert [] == [
        f"{asked.where}: {name}" for asked in (*everything(), *PROMQL) for name in sorted(_unknown(asked, labels))
    ]


def _unknown(asked: Asked, labels: AbstractSet[str]) -> set[str]:
    """What is asked about and is not among the labels, or not among those of its series."""
    of_series = {
        f"{selector.name}: {matcher.name}"
        for selector in selectors(asked.filled_in())
        if selector.name not in RECORDED
        for matcher in selector.matchers.matchers
        if matcher.name not in labels_of(str(selector.name)) | PLACES
    }
    return of_series | (set(asked.labels) - labels - PLACES) | (_grouped(asked.filled_in()) - labels)


def _labels(metric: str) -> frozenset[str]:
    histogram = CATALOGUE[metric].type is MetricType.HISTOGRAM
    return labels_of(f"{metric}_bucket" if histogram else metric)


def _grouped(expression: str) -> set[str]:
    """The labels that a query groups or matches by; not those of an instance, which it leaves out as one list."""
    grouped: set[str] = set()
    for node in nodes(expression):
        if isinstance(node, promql_parser.AggregateExpr) and node.modifier is not None:
            named = set(node.modifier.labels)
            grouped |= named - set(OF_AN_INSTANCE) if set(OF_AN_INSTANCE) <= named else named
        if isinstance(node, promql_parser.BinaryExpr) and node.modifier is not None and node.modifier.matching:
            grouped |= set(node.modifier.matching.labels)
    return grouped


def test_every_metric_of_the_catalogue_is_used_or_has_a_reason_not_to_be() -> None:
    named = {str(selector.name) for asked in everything() for selector in selectors(asked.filled_in())}
    used = {metric for metric in CATALOGUE if named & {metric, f"{metric}_bucket", f"{metric}_sum", f"{metric}_count"}}

    assert CATALOGUE.keys() - used == UNUSED.keys()
    assert all(UNUSED.values())


def test_metrics_of_others_are_known_by_name_only_if_they_are_asked_about() -> None:
    named = {str(selector.name) for asked in everything() for selector in selectors(asked.filled_in())}

    assert named & FOREIGN_METRICS == FOREIGN_METRICS


@pytest.mark.parametrize(
    ("series", "matcher", "says"),
    [
        ("mail_probe_succes", "", "the catalogue has no metric 'mail_probe_succes'"),
        ("mail_probe_duration_seconds", "", "the catalogue has no metric 'mail_probe_duration_seconds'"),
        ("mail_probe_success", 'phase="tls"', "mail_probe_success has no label 'phase'"),
        ("mail_probe_success", "phase", "'phase' is not a matcher"),
    ],
)
def test_a_metric_or_label_that_does_not_exist_is_refused(series: str, matcher: str, says: str) -> None:
    with pytest.raises(LookupError, match=re.escape(says)):
        Scope()(series, *filter(None, [matcher]))


@pytest.mark.parametrize("uid", BOARDS)
def test_every_link_to_a_dashboard_leads_to_one_of_ours(uid: str) -> None:
    text = (HERE / f"{uid}.json").read_text()

    assert set(re.findall(r"/d/([\w-]+)", text)) <= BOARDS.keys()


@pytest.mark.parametrize("uid", BOARDS)
def test_every_dashboard_leads_to_the_others_and_to_the_exporter_and_to_what_failures_mean(uid: str) -> None:
    board = BOARDS[uid]
    others, exporter, failures, *_ = board["links"]

    assert (others["type"], others["tags"], others["includeVars"], others["keepTime"]) == (
        "dashboards",
        board["tags"],
        True,
        True,
    )
    assert "${exporter_url:raw}/" == exporter["url"]
    assert "${docs_url:raw}/failures.md" == failures["url"]


def test_endpoints_lead_to_their_dashboard_and_to_the_exporters_page() -> None:
    (failing,) = [panel for panel in panels(BOARDS["mail-overview"]) if panel["title"] == "What fails, and why"]
    links = [
        link["url"]
        for override in failing["fieldConfig"]["overrides"]
        for one in override["properties"]
        if one["id"] == "links"
        for link in one["value"]
    ]

    assert any(
        url.startswith("/d/mail-endpoint?") and "var-endpoint=${__value.raw:percentencode}" in url for url in links
    )
    assert "${exporter_url:raw}/endpoint?name=${__value.raw:percentencode}" in links
    assert "${docs_url:raw}/failures.md#${__value.raw:percentencode}" in links


@pytest.mark.parametrize("uid", BOARDS)
def test_panels_lie_beside_each_other_and_not_over_each_other(uid: str) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in BOARDS[uid]["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells


TABLES = [(uid, panel) for uid, board in BOARDS.items() for panel in panels(board) if panel["type"] == "table"]
GRID, BESIDE_THE_CELLS, LEAST_WIDTH = 1376, 16, 150
"""Pixels of a row of panels in a window of 1400; of a table's margins; and of a column that has no width of its own."""


@pytest.mark.parametrize(("uid", "table"), TABLES, ids=[f"{uid}-{table['title']}" for uid, table in TABLES])
def test_no_table_is_wider_than_its_panel(uid: str, table: dict[str, Any]) -> None:
    """Without the columns that appear only where Prometheus adds labels, or endpoints have several addresses."""
    organised = next(each["options"] for each in table["transformations"] if each["id"] == "organize")
    looks = {
        override["matcher"]["options"]: {each["id"]: each["value"] for each in override["properties"]}
        for override in table["fieldConfig"]["overrides"]
    }
    always = [title for label, title in organised["renameByName"].items() if label not in PLACES | {"address"}]

    width = sum(looks.get(title, {}).get("custom.width", LEAST_WIDTH) for title in always)

    assert width <= GRID * table["gridPos"]["w"] / 24 - BESIDE_THE_CELLS, uid
    assert {"noValue": "\u2013"} == looks["/.*/"]


def test_whether_mail_works_is_answered_in_the_first_line() -> None:
    first, *_ = panels(BOARDS["mail-overview"])

    assert ("Is mail working?", 0, 0) == (first["title"], first["gridPos"]["x"], first["gridPos"]["y"])


def test_the_phases_are_stacked_in_the_order_of_a_probe() -> None:
    (latency,) = [panel for panel in panels(BOARDS["mail-endpoint"]) if panel["title"] == "Latency by phase"]

    assert [str(phase) for phase in Phase] == [target["legendFormat"] for target in latency["targets"]]


def test_the_same_series_has_the_same_colour_everywhere() -> None:
    colours: dict[str, set[str]] = {}
    for board in BOARDS.values():
        for panel in panels(board):
            for override in panel["fieldConfig"]["overrides"]:
                colors = [one["value"] for one in override["properties"] if one["id"] == "color"]
                fixed = [color["fixedColor"] for color in colors if color["mode"] == "fixed"]
                if override["matcher"]["options"] in {*map(str, Phase), "smtp", "imap", "pop3", "median"}:
                    colours.setdefault(override["matcher"]["options"], set()).update(fixed)

    assert colours
    assert dict.fromkeys(colours, 1) == {name: len(used) for name, used in colours.items()}


def test_the_pictures_in_the_docs_are_there_and_of_every_dashboard() -> None:
    images = ROOT / "docs" / "images"
    shown = set(re.findall(r'(?:src|srcset)="images/([^"]+)"', (ROOT / "docs" / "dashboards.md").read_text()))

    assert shown == {f"{uid}-{theme}.png" for uid in BOARDS for theme in ("dark", "light")}
    assert shown <= {file.name for file in images.iterdir()}
    assert sum((images / name).stat().st_size for name in shown) < 3_000_000


def test_all_dashboards_are_there() -> None:
    assert [
        "mail-overview",
        "mail-endpoint",
        "mail-certificates",
        "mail-flow",
        "mail-domains",
        "mail-exporter",
    ] == [make(Settings()).uid for make in MAKERS]
    assert len(of_panels()) > 100
