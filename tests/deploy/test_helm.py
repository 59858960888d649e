"""The Helm chart: linted, rendered, valid to the last field, with the alerts and dashboards that the project makes."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from dashboards.generate import GRAFANA_ALERTS, RULES, generate
from dashboards.settings import Settings
from exporter import __version__
from tests.deploy.kubernetes import Manifest, Tools, problems, tools
from tests.deploy.workloads import check_configuration, check_pod, check_scraping, check_selectors, of_kind

pytestmark = pytest.mark.timeout(600)
"""Seconds. Whichever test comes first waits, once on a machine, until helm and kubectl are fetched."""

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy" / "helm" / "mail-exporter"
COPIES = CHART / "files"
CASES = sorted((CHART / "ci").glob("*-values.yaml"))
EVERY_CASE = pytest.mark.parametrize("values", CASES, ids=lambda values: values.stem)
SINGLE = CHART / "ci" / "single-values.yaml"
EVERYTHING = CHART / "ci" / "everything-values.yaml"

ONE_ENDPOINT = "config.endpoints[0].url=imaps://mail.example.com"


@pytest.fixture(scope="module")
def kubernetes() -> Tools:
    return tools()


def render(kubernetes: Tools, *arguments: str | Path) -> list[Manifest]:
    rendered = kubernetes.helm("template", "mail-exporter", CHART, "--namespace=monitoring", *arguments)
    assert rendered.returncode == 0, rendered.stderr
    return [one for one in yaml.safe_load_all(rendered.stdout) if one]


@EVERY_CASE
def test_helm_lint_finds_nothing(kubernetes: Tools, values: Path) -> None:
    linted = kubernetes.helm("lint", "--strict", CHART, f"--values={values}")

    assert linted.returncode == 0, linted.stdout + linted.stderr


@EVERY_CASE
def test_what_is_rendered_is_valid(kubernetes: Tools, values: Path) -> None:
    manifests = render(kubernetes, f"--values={values}")

    assert [] == [problem for manifest in manifests for problem in problems(manifest)]
    assert {"monitoring"} == {manifest["metadata"]["namespace"] for manifest in manifests}


@EVERY_CASE
def test_everything_selects_the_pods(kubernetes: Tools, values: Path) -> None:
    check_selectors(render(kubernetes, f"--values={values}"))


@EVERY_CASE
def test_the_pods_are_as_restricted_as_kubernetes_knows(kubernetes: Tools, values: Path) -> None:
    check_pod(render(kubernetes, f"--values={values}"))


@EVERY_CASE
def test_the_label_endpoint_stays_ours(kubernetes: Tools, values: Path) -> None:
    check_scraping(render(kubernetes, f"--values={values}"))


@pytest.mark.parametrize("values", [SINGLE, EVERYTHING], ids=lambda values: values.stem)
def test_the_configuration_is_the_one_that_was_given(kubernetes: Tools, values: Path, tmp_path: Path) -> None:
    configuration = check_configuration(render(kubernetes, f"--values={values}"), tmp_path)

    assert yaml.safe_load(values.read_text())["config"] == configuration


def test_every_kind_is_rendered_by_some_case(kubernetes: Tools) -> None:
    rendered = {one["kind"] for values in CASES for one in render(kubernetes, f"--values={values}")}

    assert {
        "ConfigMap",
        "Deployment",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "PodMonitor",
        "PrometheusRule",
        "Service",
        "ServiceAccount",
        "ServiceMonitor",
        "StatefulSet",
    } == rendered


def test_one_daemon_is_a_deployment_and_shards_are_a_stateful_set(kubernetes: Tools) -> None:
    (single,) = of_kind(render(kubernetes, f"--values={SINGLE}"), "Deployment")
    manifests = render(kubernetes, f"--values={SINGLE}", "--set=shards=5")
    (sharded,) = of_kind(manifests, "StatefulSet")
    (container,) = sharded["spec"]["template"]["spec"]["containers"]
    services = {one["metadata"]["name"]: one["spec"] for one in of_kind(manifests, "Service")}

    assert 1 == single["spec"]["replicas"]
    assert 5 == sharded["spec"]["replicas"]
    assert "--total-shards=5" in container["args"]
    assert "None" == services[sharded["spec"]["serviceName"]]["clusterIP"]
    assert [] == of_kind(manifests, "Deployment")


def test_each_secret_is_where_the_configuration_looks_for_it(kubernetes: Tools) -> None:
    (workload,) = of_kind(render(kubernetes, f"--values={EVERYTHING}"), "StatefulSet")
    pod = workload["spec"]["template"]["spec"]
    sources = {volume["name"]: volume.get("secret", {}).get("secretName") for volume in pod["volumes"]}
    mounts = {mount["mountPath"]: sources[mount["name"]] for mount in pod["containers"][0]["volumeMounts"]}

    assert "mail-monitor" == mounts["/run/secrets/mail-monitor"]
    assert "relay.example.com" == mounts["/run/secrets/relay.example.com"]
    assert "mail-exporter-web" == mounts["/etc/mail-exporter-web"]


def test_a_daemon_that_keeps_strangers_out_is_asked_from_inside(kubernetes: Tools) -> None:
    web = ["--set=web.configSecret=web", "--set=web.tls=true"]
    found = {}
    for restricted in ("false", "true"):
        manifests = render(kubernetes, f"--values={SINGLE}", *web, f"--set=web.restricted={restricted}")
        (workload,) = of_kind(manifests, "Deployment")
        (container,) = workload["spec"]["template"]["spec"]["containers"]
        found[restricted] = container["livenessProbe"]

    assert "HTTPS" == found["false"]["httpGet"]["scheme"]
    assert ["mail-exporter", "healthcheck"] == found["true"]["exec"]["command"]


def test_the_alerts_are_rendered_as_they_are(kubernetes: Tools) -> None:
    (rule,) = of_kind(render(kubernetes, f"--values={EVERYTHING}"), "PrometheusRule")

    assert yaml.safe_load((COPIES / RULES).read_text()) == rule["spec"]


def test_the_dashboards_are_rendered_as_they_are(kubernetes: Tools) -> None:
    manifests = render(kubernetes, f"--values={EVERYTHING}")
    rendered: dict[str, str] = {}
    for one in of_kind(manifests, "ConfigMap"):
        if "grafana_dashboard" in one["metadata"]["labels"]:
            rendered |= one["data"]

    assert {file.name: file.read_text() for file in COPIES.glob("*.json")} == rendered


def test_the_alerts_and_dashboards_are_those_that_the_project_makes() -> None:
    copied = {str(file.relative_to(COPIES)): file.read_text() for file in COPIES.rglob("*") if file.is_file()}

    assert generate(Settings()) == copied, "run: python -m dashboards --output=deploy/helm/mail-exporter/files"


def test_the_package_holds_what_is_rendered_and_no_more(kubernetes: Tools, tmp_path: Path) -> None:
    packaged = kubernetes.helm("package", CHART, f"--destination={tmp_path}")
    assert packaged.returncode == 0, packaged.stderr
    with tarfile.open(tmp_path / f"mail-exporter-{__version__}.tgz") as archive:
        names = {name.removeprefix("mail-exporter/") for name in archive.getnames()}

    assert {"Chart.yaml", "values.yaml", "values.schema.json", "templates/workload.yaml", f"files/{RULES}"} <= names
    assert not [name for name in names if name.startswith("ci/") or name == f"files/{GRAFANA_ALERTS}"]


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

    assert rendered.returncode == 1
    assert complaint in rendered.stderr


def test_without_a_configuration_it_says_how_to_give_one(kubernetes: Tools) -> None:
    rendered = kubernetes.helm("template", "mail-exporter", CHART)

    assert rendered.returncode == 1
    assert f"config is empty: write what to probe, as in --set {ONE_ENDPOINT}" in rendered.stderr


def test_two_monitors_are_one_too_many(kubernetes: Tools) -> None:
    both = ["--set=podMonitor.enabled=true", "--set=serviceMonitor.enabled=true"]
    rendered = kubernetes.helm("template", "mail-exporter", CHART, f"--values={SINGLE}", *both)

    assert rendered.returncode == 1
    assert "would have everything scraped twice: choose one" in rendered.stderr


def test_the_notes_say_how_to_see_the_page_and_what_is_missing(kubernetes: Tools) -> None:
    installed = kubernetes.helm(
        "install", "mail", CHART, "--dry-run=client", "--namespace=monitoring", f"--values={SINGLE}"
    )
    _, _, notes = installed.stdout.partition("NOTES:\n")

    assert "port-forward service/mail-mail-exporter 9925:9925" in notes
    assert "Nothing scrapes it yet." in notes
