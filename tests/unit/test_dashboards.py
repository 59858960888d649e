"""The generated dashboards and rules: that they are what is committed, lead somewhere, and name what exists."""

from __future__ import annotations

import json
import re
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

import promql_parser
import pytest
from click.testing import CliRunner

from dashboards.alerts.vocabulary import OF_AN_INSTANCE
from dashboards.boards import BOARDS as MAKERS
from dashboards.command import main
from dashboards.generate import GRAFANA_ALERTS, RULES, generate
from dashboards.promql import FOREIGN_METRICS, Scope, labels_of
from dashboards.settings import Settings
from exporter.metrics.domain_rows import DOMAIN_METRICS, FOLLOWED_METRICS
from exporter.metrics.endpoint_metrics import ENDPOINT_METRICS
from exporter.metrics.exporter_metrics import EXPORTER_METRICS
from exporter.metrics.flow_rows import FLOW_METRICS
from exporter.metrics.metric import Metric, MetricType
from exporter.model import Phase
from tests.dashboards.asked import (
    BOARDS,
    GRAFANA_GROUPS,
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


# What users choose.


def run(tmp_path: Path, *flags: str) -> dict[str, str]:
    """What the command writes with these flags, by file name."""
    done = CliRunner().invoke(main, ["--output", str(tmp_path), *flags])
    assert 0 == done.exit_code, done.output
    return {str(file.relative_to(tmp_path)): file.read_text() for file in sorted(tmp_path.rglob("*")) if file.is_file()}


def test_without_flags_the_command_writes_what_is_committed(tmp_path: Path) -> None:
    assert generate(Settings()) == run(tmp_path)


def test_every_selector_of_the_rules_gets_the_users_matcher(tmp_path: Path) -> None:
    files = run(tmp_path, "--selector", 'job="mail"', "--selector", 'cluster!="test"')

    for line in files[RULES].splitlines():
        for series in re.findall(r"\b(?:mail_\w+|up)(?={)[^}]*}|\b(?:mail_\w+|up)(?= |\[|\))", line):
            if (
                line.strip().startswith(("- record:", "summary", "description"))
                or ":" in line.partition(series)[0][-9:]
            ):
                continue
            assert 'job="mail", cluster!="test"' in series, line


def test_users_labels_become_variables_that_narrow_every_query_about_endpoints(tmp_path: Path) -> None:
    overview = run(tmp_path, "--label", "team")["mail-overview.json"]

    variables = json.loads(overview)["templating"]["list"]
    (query,) = [one["query"] for one in variables if one["name"] == "team"]

    assert 'instance=~"$instance"}, team)' in query
    assert overview.count('endpoint=~\\"$endpoint\\", team=~\\"$team\\"') > 10
    assert 0 == overview.count('endpoint=~\\"$endpoint\\"}')


@pytest.mark.parametrize(
    ("flags", "file", "expected"),
    [
        (["--critical", "page"], RULES, "severity: page"),
        (["--alert-label", "team=post"], RULES, "team: post"),
        (["--down-for", "3m"], RULES, "for: 3m"),
        (["--slow-seconds", "2.5"], RULES, "[10m]) > 2.5"),
        (["--last-days", "7"], RULES, "<= 7 * 86400) > 0"),
        (["--quota-share", "0.8"], RULES, "> 0.8"),
        (["--objective", "0.99"], RULES, "> 0.144"),
        (["--docs-url", "https://docs.example"], RULES, "runbook_url: https://docs.example/alerts.md#mailendpointdown"),
        (["--exporter-url", "https://mail.example"], RULES, "endpoint_url: https://mail.example/endpoint?name="),
        (
            ["--grafana-url", "https://grafana.example"],
            RULES,
            "dashboard_url: https://grafana.example/d/mail-endpoint?",
        ),
        (["--grafana-datasource", "P1"], GRAFANA_ALERTS, "datasourceUid: P1"),
        (["--grafana-folder", "Post"], GRAFANA_ALERTS, "folder: Post"),
        (["--grafana-recorded"], GRAFANA_ALERTS, "endpoint:mail_probe_success:avg1h"),
        (["--exporter-url", "https://mail.example"], "mail-overview.json", '"query": "https://mail.example"'),
        (["--docs-url", "https://docs.example"], "mail-overview.json", '"query": "https://docs.example"'),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_choice_reaches_what_is_generated(tmp_path: Path, flags: list[str], file: str, expected: str) -> None:
    assert expected not in generate(Settings())[file]
    assert expected in run(tmp_path, *flags)[file]


def test_an_alert_that_is_not_wanted_is_left_out_of_both_files(tmp_path: Path) -> None:
    files = run(tmp_path, "--without", "MailMailboxQuotaNearlyFull")

    assert "MailMailboxQuotaNearlyFull" in generate(Settings())[RULES]
    assert "MailMailboxQuotaNearlyFull" not in files[RULES] + files[GRAFANA_ALERTS]


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--without", "MailIsDown"], "--without MailIsDown: there is no such alert, only MailAutoconfig"),
        (["--down-for", "2 minutes"], "--down-for is a duration such as 90s or 5m, not '2 minutes'"),
        (["--selector", "mail"], "--selector is a matcher such as job=\"mail\", not 'mail'"),
        (["--alert-label", "team"], "--alert-label is written NAME=VALUE, not 'team'"),
        (["--objective", "99.5"], "--objective is a share between 0 and 1, not 99.5"),
        (["--soon-days", "2"], "--renewal-days, --soon-days and --last-days must become fewer, and stay above 0"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_choice_that_makes_no_sense_is_refused_by_name(tmp_path: Path, flags: list[str], says: str) -> None:
    done = CliRunner().invoke(main, ["--output", str(tmp_path), *flags])

    assert (2, []) == (done.exit_code, list(tmp_path.iterdir()))
    assert says in " ".join(done.output.split())


def test_every_setting_is_explained_by_help() -> None:
    done = CliRunner().invoke(main, ["--help"])

    for flag in ("--down-for", "--selector", "--alert-label", "--critical", "--label", "--grafana-datasource"):
        assert flag in done.output


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
