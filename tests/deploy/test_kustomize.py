"""The plain manifests: made by kustomize, valid to the last field, and the same as what the Helm chart renders."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import yaml

from exporter import __version__
from tests.deploy.kubernetes import Manifest, Tools, problems
from tests.deploy.workloads import (
    check_configuration,
    check_pod,
    check_scraping,
    check_selectors,
    exporter_of,
    of_kind,
    workload,
)

pytestmark = pytest.mark.timeout(600)
"""Seconds. Whichever test comes first waits, once on a machine, until helm and kubectl are fetched."""

DEPLOY = Path(__file__).parents[2] / "deploy"
CHART = DEPLOY / "helm" / "mail-exporter"
WAYS = {"base": DEPLOY / "kustomize" / "base", "shards": DEPLOY / "kustomize" / "shards", "sidecar": DEPLOY / "sidecar"}
EVERY_WAY = pytest.mark.parametrize("way", WAYS)

OWN = """
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [kustomize/shards]
components: [kustomize/prometheus-operator, kustomize/network-policy]
namespace: monitoring
images: [{name: mail-exporter, newName: registry.example.com/mail-exporter, newTag: 0.1.0}]
configMapGenerator:
  - {name: mail-exporter, behavior: replace, files: [mail-exporter.yaml]}
"""
"""A kustomization as the comments in the base tell people to write it."""


def build(kubernetes: Tools, directory: Path) -> list[Manifest]:
    built = kubernetes.kubectl("kustomize", directory)
    assert 0 == built.returncode, built.stderr
    assert "" == built.stderr
    return list(yaml.safe_load_all(built.stdout))


@EVERY_WAY
def test_what_is_made_is_valid(kubernetes: Tools, way: str) -> None:
    assert [] == [problem for manifest in build(kubernetes, WAYS[way]) for problem in problems(manifest)]


@EVERY_WAY
def test_everything_selects_the_pods(kubernetes: Tools, way: str) -> None:
    check_selectors(build(kubernetes, WAYS[way]))


@EVERY_WAY
def test_the_pods_are_as_restricted_as_kubernetes_knows(kubernetes: Tools, way: str) -> None:
    check_pod(build(kubernetes, WAYS[way]))


@EVERY_WAY
def test_the_configuration_is_good(kubernetes: Tools, way: str, tmp_path: Path) -> None:
    check_configuration(build(kubernetes, WAYS[way]), tmp_path)


@EVERY_WAY
def test_a_new_configuration_restarts_nothing(kubernetes: Tools, way: str) -> None:
    (configuration,) = of_kind(build(kubernetes, WAYS[way]), "ConfigMap")

    assert "mail-exporter" == configuration["metadata"]["name"]  # without a hash of the content


@EVERY_WAY
def test_the_image_is_that_of_this_version(kubernetes: Tools, way: str) -> None:
    assert f"mail-exporter:{__version__}" == exporter_of(build(kubernetes, WAYS[way]))["image"]


@pytest.mark.parametrize(("way", "arguments"), [("base", []), ("shards", ["--set=shards=3"])])
def test_the_pods_are_those_of_the_helm_chart(kubernetes: Tools, way: str, arguments: list[str]) -> None:
    values = f"--values={CHART / 'ci' / 'single-values.yaml'}"
    secret = "--set=secrets[0]=mail-exporter"
    rendered = kubernetes.helm("template", "mail-exporter", CHART, values, secret, *arguments)
    helms = workload([one for one in yaml.safe_load_all(rendered.stdout) if one])
    ours = workload(build(kubernetes, WAYS[way]))
    for pod in (helms["spec"]["template"]["spec"], ours["spec"]["template"]["spec"]):
        pod["containers"][0]["args"].sort()
        for numbered in (*pod["volumes"], *pod["containers"][0]["volumeMounts"]):
            numbered["name"] = re.sub(r"-\d$", "", numbered["name"])
    # Helm's people name the Secrets that they have; the plain manifests name one that may be missing.
    (secret_volume,) = (one for one in ours["spec"]["template"]["spec"]["volumes"] if "secret" in one)
    del secret_volume["secret"]["optional"]

    assert helms["kind"] == ours["kind"]
    assert helms["spec"]["template"]["spec"] == ours["spec"]["template"]["spec"]
    ignored = ("template", "selector")
    assert {key: value for key, value in helms["spec"].items() if key not in ignored} == {
        key: value for key, value in ours["spec"].items() if key not in ignored
    }


def test_all_of_it_can_be_used_from_a_kustomization_of_ones_own(kubernetes: Tools, tmp_path: Path) -> None:
    shutil.copytree(DEPLOY / "kustomize", tmp_path / "kustomize")
    (tmp_path / "kustomization.yaml").write_text(OWN)
    (tmp_path / "mail-exporter.yaml").write_text("endpoints: [{url: pop3s://mail.example.com}]\n")
    manifests = build(kubernetes, tmp_path)

    assert [] == [problem for manifest in manifests for problem in problems(manifest)]
    check_selectors(manifests)
    check_scraping(manifests)
    assert {"monitoring"} == {manifest["metadata"]["namespace"] for manifest in manifests}
    assert "registry.example.com/mail-exporter:0.1.0" == exporter_of(manifests)["image"]
    assert [{"url": "pop3s://mail.example.com"}] == check_configuration(manifests, tmp_path)["endpoints"]


def test_the_network_policy_is_that_of_the_helm_chart(kubernetes: Tools) -> None:
    values = f"--values={CHART / 'ci' / 'single-values.yaml'}"
    rendered = kubernetes.helm("template", "mail-exporter", CHART, values, "--set=networkPolicy.enabled=true")
    (helms,) = of_kind([one for one in yaml.safe_load_all(rendered.stdout) if one], "NetworkPolicy")
    ours = yaml.safe_load((DEPLOY / "kustomize" / "network-policy" / "networkpolicy.yaml").read_text())

    for rules in ("policyTypes", "ingress", "egress"):
        assert helms["spec"][rules] == ours["spec"][rules]


def test_the_sidecar_probes_its_own_pod_under_the_public_name(kubernetes: Tools, tmp_path: Path) -> None:
    manifests = build(kubernetes, WAYS["sidecar"])
    configuration = check_configuration(manifests, tmp_path)
    pod = workload(manifests)["spec"]["template"]["spec"]
    served = {
        port["containerPort"] for one in pod["containers"] if one["name"] != "mail-exporter" for port in one["ports"]
    }

    assert "mail.example.com" == configuration["defaults"]["tls"]["server_name"]
    assert {"127.0.0.1"} == {one["url"].partition("://")[2] for one in configuration["endpoints"]}
    assert {25, 587, 993} == served
    check_scraping(manifests)


def test_the_sidecar_cannot_take_the_mail_servers_out_of_service(kubernetes: Tools) -> None:
    assert "readinessProbe" not in exporter_of(build(kubernetes, WAYS["sidecar"]))
