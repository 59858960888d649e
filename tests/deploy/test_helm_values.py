"""The values of the Helm chart: those that it knows, those that it refuses, and the configuration in them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.helm.generate import generate as chart_schema
from exporter import __version__
from tests.deploy.chart import CHART, ONE_ENDPOINT, SINGLE, render
from tests.deploy.kubernetes import Tools
from tests.deploy.workloads import of_kind

pytestmark = pytest.mark.timeout(600)
"""Seconds. Whichever test comes first waits, once on a machine, until helm and kubectl are fetched."""


def test_an_alert_that_does_not_exist_cannot_be_left_out(kubernetes: Tools) -> None:
    rendered = kubernetes.helm(
        "template", "mail-exporter", CHART, f"--values={SINGLE}", "--set=prometheusRule.enabled=true",
        "--set=prometheusRule.without[0]=MailDown",
    )  # fmt: skip

    assert 1 == rendered.returncode
    assert "prometheusRule names MailDown, and there is no such alert: see docs/alerts.md" in rendered.stderr


TEXT = """
endpoints:
  - name: 0123456
    url: imaps://mail.example.com
    labels: {answer: no}
"""


def test_a_configuration_that_is_text_arrives_as_it_was_written(kubernetes: Tools, tmp_path: Path) -> None:
    values = tmp_path / "values.yaml"
    values.write_text(yaml.safe_dump({"config": TEXT}))
    (configuration,) = [
        one["data"]["mail-exporter.yaml"]
        for one in of_kind(render(kubernetes, f"--values={values}"), "ConfigMap")
        if "mail-exporter.yaml" in one["data"]
    ]

    assert TEXT.strip() == configuration.strip()


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ({"endpoint": []}, "additional properties 'endpoint' not allowed"),
        ({"endpoints": [{"url": "imaps://a.example", "intervall": "1m"}]}, "'intervall' not allowed"),
        ({"endpoints": "imaps://a.example"}, "at '/config/endpoints'"),
        ("endpoint: []", 'config has the unknown key "endpoint"; there are credentials'),
        ("endpoints: [{intervall: 1m}]", 'config has the unknown key "intervall" in endpoints.0; there are addresses'),
        (
            "endpoints: [{url: 'imaps://a.example', tls: {verfy: false}}]",
            'config has the unknown key "verfy" in endpoints.0.tls; there are ca_file',
        ),
        (
            "credentials: {me: {username: a, oauth2: {tenent: b}}}",
            'config has the unknown key "tenent" in credentials.me.oauth2; there are ',
        ),
        ("flows: [{name: a, send: {form: b}}]", 'config has the unknown key "form" in flows.0.send'),
        ("modules: {a: {x-note: b}}", 'config has the unknown key "x-note" in modules.a'),
        ("defaults: {url: x}", 'config has the unknown key "url" in defaults'),
        ("endpoints: [", "config is not YAML"),
    ],
    ids=str,
)
def test_a_key_that_the_program_does_not_know_is_refused(
    kubernetes: Tools, config: object, complaint: str, tmp_path: Path
) -> None:
    values = tmp_path / "values.yaml"
    values.write_text(yaml.safe_dump({"config": config}))
    rendered = kubernetes.helm("template", "mail-exporter", CHART, f"--values={values}")

    assert 1 == rendered.returncode
    assert complaint in rendered.stderr


def test_keys_that_begin_with_x_are_for_anchors(kubernetes: Tools, tmp_path: Path) -> None:
    for config in ({"x-all": {"interval": "1m"}, "endpoints": [{"url": "imaps://a.example"}]}, f"x-all: {{}}{TEXT}"):
        values = tmp_path / "values.yaml"
        values.write_text(yaml.safe_dump({"config": config}))

        assert render(kubernetes, f"--values={values}")


def test_the_schema_and_the_keys_are_those_of_the_program() -> None:
    for name, text in chart_schema().items():
        assert text == (CHART / name).read_text(), "run `make dashboards`"


def test_the_chart_has_the_version_of_the_program() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())

    assert (__version__, __version__) == (chart["version"], chart["appVersion"])


def test_the_schema_knows_every_value_and_no_other() -> None:
    def keys(values: Any, path: str = "") -> Iterator[str]:
        if isinstance(values, dict):
            for key, value in values.items():
                yield f"{path}.{key}"
                yield from keys(value, f"{path}.{key}")

    def listed(schema: Any, path: str = "") -> Iterator[str]:
        if "$ref" in schema:
            schema = whole["definitions"][schema["$ref"].rpartition("/")[2]]
        for key, value in schema.get("properties", {}).items():
            yield f"{path}.{key}"
            yield from listed(value, f"{path}.{key}")

    whole = json.loads((CHART / "values.schema.json").read_text())
    given = set(keys(yaml.safe_load((CHART / "values.yaml").read_text())))
    known = set(listed(whole))
    free = {path for path in given if not any(path.startswith(f"{one}.") for one in known)} - known

    assert free == set() or all(path.rpartition(".")[0] in known for path in free)
    known = {path for path in known if not path.startswith(".config.")}
    assert known - given == {".global", *(path for path in known if ".authentication." in path)}


@pytest.mark.parametrize(
    ("setting", "complaint"),
    [
        ("shard=2", "additional properties 'shard' not allowed"),
        ("shards=0", "at '/shards': minimum"),
        ("log.level=trace", "at '/log/level'"),
        ("podMonitor.interval=1 minute", "at '/podMonitor/interval'"),
        ("web.tls=true", "at '/web/tls'"),
        ("image.digest=latest", "at '/image/digest'"),
        ("secrets[0]=Not A Name", "at '/secrets/0'"),
        ("podDisruptionBudget.maxUnavailable=0", "at '/podDisruptionBudget/maxUnavailable'"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused(kubernetes: Tools, setting: str, complaint: str) -> None:
    rendered = kubernetes.helm("template", "mail-exporter", CHART, f"--values={SINGLE}", f"--set={setting}")

    assert 1 == rendered.returncode
    assert complaint in rendered.stderr


def test_without_a_configuration_it_says_how_to_give_one(kubernetes: Tools) -> None:
    rendered = kubernetes.helm("template", "mail-exporter", CHART)

    assert 1 == rendered.returncode
    assert f"config is empty: write what to probe, as in --set {ONE_ENDPOINT}" in rendered.stderr


def test_two_monitors_are_one_too_many(kubernetes: Tools) -> None:
    both = ["--set=podMonitor.enabled=true", "--set=serviceMonitor.enabled=true"]
    rendered = kubernetes.helm("template", "mail-exporter", CHART, f"--values={SINGLE}", *both)

    assert 1 == rendered.returncode
    assert "would have everything scraped twice: choose one" in rendered.stderr
