"""The Helm chart, its cases, and what is rendered of it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.deploy.kubernetes import Manifest, Tools

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy" / "helm" / "mail-exporter"
COPIES = CHART / "files"
CASES = sorted((CHART / "ci").glob("*-values.yaml"))
EVERY_CASE = pytest.mark.parametrize("values", CASES, ids=lambda values: values.stem)
SINGLE = CHART / "ci" / "single-values.yaml"
EVERYTHING = CHART / "ci" / "everything-values.yaml"

ONE_ENDPOINT = "config.endpoints[0].url=imaps://mail.example.com"


def render(kubernetes: Tools, *arguments: str | Path) -> list[Manifest]:
    rendered = kubernetes.helm("template", "mail-exporter", CHART, "--namespace=monitoring", *arguments)
    assert 0 == rendered.returncode, rendered.stderr
    return [one for one in yaml.safe_load_all(rendered.stdout) if one]
