"""What holds of every way that the exporter is put on Kubernetes, however the manifests are made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from exporter.cli.run import run
from tests.deploy.kubernetes import OPERATOR, Manifest
from tests.servers.exporter import run_command

CONFIGURATION = "/etc/mail-exporter/mail-exporter.yaml"


def of_kind(manifests: Iterable[Manifest], *kinds: str) -> list[Manifest]:
    """Those of one of some kinds."""
    return [manifest for manifest in manifests if manifest["kind"] in kinds]


def workload(manifests: Iterable[Manifest]) -> Manifest:
    """The one whose pods the exporter runs in."""
    (found,) = of_kind(manifests, "Deployment", "StatefulSet")
    return found


def exporter_of(manifests: Iterable[Manifest]) -> dict[str, Any]:
    """The exporter's container."""
    containers = workload(manifests)["spec"]["template"]["spec"]["containers"]
    (found,) = (one for one in containers if one["name"] == "mail-exporter")
    return dict(found)


def check_selectors(manifests: list[Manifest]) -> None:
    """Everything that chooses pods or services by labels chooses these."""
    pod = workload(manifests)["spec"]["template"]["metadata"]["labels"]
    services = [one["metadata"]["labels"] for one in of_kind(manifests, "Service")]
    for manifest in manifests:
        candidates = services if manifest["kind"] == "ServiceMonitor" else [pod]
        for selector in _selectors(manifest):
            chosen = [labels for labels in candidates if selector.items() <= labels.items()]
            assert selector, f"{manifest['kind']} chooses everything"
            assert 1 == len(chosen), f"{manifest['kind']} {manifest['metadata']['name']}: {selector}"


def _selectors(manifest: Manifest) -> Iterator[dict[str, str]]:
    spec = manifest.get("spec", {})
    match manifest["kind"]:
        case "Service":
            yield spec["selector"]
        case "NetworkPolicy":
            yield spec["podSelector"]["matchLabels"]
        case "Deployment" | "StatefulSet" | "PodDisruptionBudget" | "PodMonitor" | "ServiceMonitor":
            yield spec["selector"]["matchLabels"]


def check_pod(manifests: list[Manifest]) -> None:
    """The exporter's container is what Kubernetes calls restricted, and somewhat more.

    https://kubernetes.io/docs/concepts/security/pod-security-standards/
    """
    pod = workload(manifests)["spec"]["template"]["spec"]
    container = exporter_of(manifests)
    security = {**pod.get("securityContext", {}), **container["securityContext"]}

    assert security["runAsNonRoot"] is True
    assert 65532 == security["runAsUser"]
    assert security["allowPrivilegeEscalation"] is False
    assert security["readOnlyRootFilesystem"] is True
    assert {"drop": ["ALL"]} == security["capabilities"]
    assert {"type": "RuntimeDefault"} == security["seccompProfile"]
    assert pod["automountServiceAccountToken"] is False
    for account in of_kind(manifests, "ServiceAccount"):
        assert account["automountServiceAccountToken"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
    assert {"/var/lib/mail-exporter"} >= {
        mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")
    }
    assert "cpu" not in container["resources"]["limits"]  # a throttled process shows the pause as the server's
    assert "livenessProbe" in container


def check_scraping(manifests: list[Manifest]) -> None:
    """Anyone who scrapes for the operator leaves our label `endpoint` alone, and asks at a port that there is."""
    ports = {port["name"] for port in exporter_of(manifests)["ports"]}
    for monitor in of_kind(manifests, "PodMonitor", "ServiceMonitor"):
        assert monitor["apiVersion"] == OPERATOR
        for way in monitor["spec"].get("podMetricsEndpoints", []) + monitor["spec"].get("endpoints", []):
            assert way["port"] in ports
            assert {"action": "labeldrop", "regex": "endpoint"} in way["relabelings"]


def check_configuration(manifests: list[Manifest], directory: Path) -> Any:
    """The container's arguments are those of `run`, and what they lead to is a configuration without a problem.

    Returns:
        The configuration.
    """
    container = exporter_of(manifests)
    command, *arguments = container["args"]
    flags = {flag for parameter in run.params for flag in parameter.opts}
    assert "run" == command
    assert [] == [argument for argument in arguments if argument.partition("=")[0] not in flags]
    assert f"--config.file={CONFIGURATION}" in arguments

    (mount,) = (one for one in container["volumeMounts"] if one["mountPath"] == str(Path(CONFIGURATION).parent))
    volumes = workload(manifests)["spec"]["template"]["spec"]["volumes"]
    (volume,) = (one for one in volumes if one["name"] == mount["name"])
    (text,) = (
        one["data"][Path(CONFIGURATION).name]
        for one in of_kind(manifests, "ConfigMap")
        if one["metadata"]["name"] == volume["configMap"]["name"]
    )
    file = directory / "mail-exporter.yaml"
    file.write_text(text)
    checked = run_command("check", file)
    assert 0 == checked.returncode, checked.stderr
    return yaml.safe_load(text)
