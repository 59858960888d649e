"""The Helm chart: linted, rendered, valid, with the alerts and dashboards that the project makes."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from dashboards.generate import GRAFANA_ALERTS, RULES, generate
from dashboards.settings import EXPORTER_URL, Settings
from exporter import __version__
from tests.deploy.chart import CASES, CHART, COPIES, EVERY_CASE, EVERYTHING, SINGLE, render
from tests.deploy.kubernetes import Manifest, Tools, problems
from tests.deploy.workloads import check_configuration, check_pod, check_scraping, check_selectors, of_kind, workload

pytestmark = pytest.mark.timeout(600)
"""Seconds. Whichever test comes first waits, once on a machine, until helm and kubectl are fetched."""


@EVERY_CASE
def test_helm_lint_finds_nothing(kubernetes: Tools, values: Path) -> None:
    linted = kubernetes.helm("lint", "--strict", CHART, f"--values={values}")

    assert 0 == linted.returncode, linted.stdout + linted.stderr


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
        "Ingress",
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
    web = [
        "--set=web.configSecret=web",
        "--set=web.tls=true",
        "--set=web.externalUrl=https://mail.example.com/exporter",
    ]
    found = {}
    for restricted in ("false", "true"):
        manifests = render(kubernetes, f"--values={SINGLE}", *web, f"--set=web.restricted={restricted}")
        (workload,) = of_kind(manifests, "Deployment")
        (container,) = workload["spec"]["template"]["spec"]["containers"]
        found[restricted] = container["livenessProbe"]

    asked = found["false"]["httpGet"]
    assert ("HTTPS", "/exporter/-/healthy") == (asked["scheme"], asked["path"])
    assert ["mail-exporter", "healthcheck", "--web.route-prefix=/exporter"] == found["true"]["exec"]["command"]


def rules_of(manifests: list[Manifest]) -> dict[str, Any]:
    """The rules of the only PrometheusRule, by their names."""
    (rule,) = of_kind(manifests, "PrometheusRule")
    return {one.get("alert") or one["record"]: one for group in rule["spec"]["groups"] for one in group["rules"]}


def test_the_alerts_are_rendered_as_they_are(kubernetes: Tools) -> None:
    (rule,) = of_kind(render(kubernetes, f"--values={SINGLE}", "--set=prometheusRule.enabled=true"), "PrometheusRule")

    assert yaml.safe_load((COPIES / RULES).read_text()) == rule["spec"]


def test_alerts_are_left_out_altered_and_linked_as_the_values_say(kubernetes: Tools) -> None:
    rules = rules_of(render(kubernetes, f"--values={EVERYTHING}"))
    down = rules["MailEndpointDown"]

    assert "MailCertificateRenewalDue" not in rules
    assert ({"severity": "page", "team": "mail"}, "5m") == (down["labels"], down["for"])
    assert "see the wiki" == down["annotations"]["note"]
    assert down["annotations"]["endpoint_url"].startswith("https://mail.example.com/exporter/endpoint?name=")
    assert {"severity": "warning", "team": "mail"} == rules["MailEndpointFlapping"]["labels"]


def past_of(manifests: list[Manifest]) -> tuple[Any, Any]:
    """The volume that the history is on, and how pods are replaced."""
    spec = workload(manifests)["spec"]
    (volume,) = [one for one in spec["template"]["spec"]["volumes"] if one["name"] == "history"] or [None]
    return volume, spec.get("strategy", {}).get("type")


def test_the_past_is_on_a_volume_if_that_is_wanted(kubernetes: Tools) -> None:
    wanted = (f"--values={SINGLE}", "--set=history.persistence.enabled=true")
    without = render(kubernetes, f"--values={SINGLE}")
    own = render(kubernetes, *wanted, "--set=history.persistence.existingClaim=mine")
    made = render(kubernetes, *wanted, "--set=history.persistence.storageClass=fast")
    sharded = render(kubernetes, *wanted, "--set=shards=2")
    (claim,) = of_kind(made, "PersistentVolumeClaim")
    (template,) = workload(sharded)["spec"]["volumeClaimTemplates"]

    assert ({"name": "history", "emptyDir": {"sizeLimit": "256Mi"}}, "RollingUpdate") == past_of(without)
    assert ({"name": "history", "persistentVolumeClaim": {"claimName": "mine"}}, "Recreate") == past_of(own)
    assert "mail-exporter-history" == claim["metadata"]["name"]
    assert "fast" == claim["spec"]["storageClassName"]
    assert (
        {"name": "history", "persistentVolumeClaim": {"claimName": "mail-exporter-history"}},
        "Recreate",
    ) == past_of(made)
    assert (None, None) == past_of(sharded)
    assert {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}} == template["spec"]
    assert "history" == template["metadata"]["name"]
    assert [] == of_kind([*without, *own, *sharded], "PersistentVolumeClaim")
    for manifests in (own, made, sharded):
        assert [] == [problem for manifest in manifests for problem in problems(manifest)]
        check_pod(manifests)


def test_shards_do_not_share_a_volume(kubernetes: Tools) -> None:
    persistence = {"history.persistence.enabled": "true", "history.persistence.existingClaim": "mine", "shards": "2"}
    settings = (f"--set={name}={value}" for name, value in persistence.items())
    rendered = kubernetes.helm("template", "mail-exporter", CHART, f"--values={SINGLE}", *settings)

    assert 1 == rendered.returncode
    assert "each shard needs its own: leave it empty" in rendered.stderr


def test_it_can_be_a_subchart_that_is_switched_on(kubernetes: Tools, tmp_path: Path) -> None:
    parent = tmp_path / "parent"
    (parent / "charts").mkdir(parents=True)
    (parent / "charts" / "mail-exporter").symlink_to(CHART)
    dependency = {"name": "mail-exporter", "version": __version__, "condition": "mail-exporter.enabled"}
    described = {"apiVersion": "v2", "name": "parent", "version": "1.0.0", "dependencies": [dependency]}
    (parent / "Chart.yaml").write_text(yaml.safe_dump(described))
    found = {}
    for enabled in (True, False):
        endpoints = [{"url": "imaps://mail.example.com"}]
        values = {
            "global": {"imageRegistry": "registry.example.com"},
            "mail-exporter": {"enabled": enabled, "config": {"endpoints": endpoints}},
        }
        (parent / "values.yaml").write_text(yaml.safe_dump(values))
        rendered = kubernetes.helm("template", "parent", parent)
        assert 0 == rendered.returncode, rendered.stderr
        found[enabled] = [one for one in yaml.safe_load_all(rendered.stdout) if one]

    assert of_kind(found[True], "Deployment")
    assert [] == found[False]


def test_a_route_of_the_gateway_api_leads_to_the_service(kubernetes: Tools) -> None:
    (route,) = of_kind(
        render(
            kubernetes,
            f"--values={SINGLE}",
            "--set=httpRoute.enabled=true",
            "--set=httpRoute.parentRefs[0].name=gateway",
            "--set=httpRoute.hostnames[0]=mail.example.com",
        ),
        "HTTPRoute",
    )

    assert ([{"name": "gateway"}], ["mail.example.com"]) == (route["spec"]["parentRefs"], route["spec"]["hostnames"])
    assert [{"backendRefs": [{"name": "mail-exporter", "port": 9925}]}] == route["spec"]["rules"]


def test_monitors_may_live_in_a_namespace_of_their_own(kubernetes: Tools) -> None:
    own = ["--set=podMonitor.enabled=true", "--set=podMonitor.namespace=prometheus"]
    (monitor,) = of_kind(render(kubernetes, f"--values={SINGLE}", *own), "PodMonitor")

    assert "prometheus" == monitor["metadata"]["namespace"]
    assert {"matchNames": ["monitoring"]} == monitor["spec"]["namespaceSelector"]


def test_the_dashboards_are_rendered_as_they_are(kubernetes: Tools) -> None:
    manifests = render(kubernetes, f"--values={EVERYTHING}")
    rendered: dict[str, str] = {}
    for one in of_kind(manifests, "ConfigMap"):
        if "grafana_dashboard" in one["metadata"].get("labels", {}):
            rendered |= one["data"]

    def linked(text: str) -> str:
        return text.replace(EXPORTER_URL, "https://mail.example.com/exporter")

    assert {file.name: linked(file.read_text()) for file in COPIES.glob("mail-*.json")} == rendered


def test_the_alerts_and_dashboards_are_those_that_the_project_makes() -> None:
    copied = {
        str(file.relative_to(COPIES)): file.read_text()
        for file in COPIES.rglob("*")
        if file.is_file() and file.name != "config-keys.json"
    }

    assert generate(Settings()) == copied, "run: python -m dashboards --output=deploy/helm/mail-exporter/files"


def test_the_package_holds_what_is_rendered_and_no_more(kubernetes: Tools, tmp_path: Path) -> None:
    packaged = kubernetes.helm("package", CHART, f"--destination={tmp_path}")
    assert 0 == packaged.returncode, packaged.stderr
    with tarfile.open(tmp_path / f"mail-exporter-{__version__}.tgz") as archive:
        names = {name.removeprefix("mail-exporter/") for name in archive.getnames()}

    assert {"Chart.yaml", "values.yaml", "values.schema.json", "templates/workload.yaml", f"files/{RULES}"} <= names
    assert not [name for name in names if name.startswith("ci/") or name == f"files/{GRAFANA_ALERTS}"]


def test_the_notes_say_how_to_see_the_page_and_what_is_missing(kubernetes: Tools) -> None:
    installed = kubernetes.helm(
        "install", "mail", CHART, "--dry-run=client", "--namespace=monitoring", f"--values={SINGLE}"
    )
    _, _, notes = installed.stdout.partition("NOTES:\n")

    assert "port-forward service/mail-mail-exporter 9925:9925" in notes
    assert "Nothing scrapes it yet." in notes
