"""The validation that the manifests pass is one that mistakes do not pass."""

from __future__ import annotations

from typing import Any

import pytest

from tests.deploy.kubernetes import problems

SERVICE: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "mail-exporter"},
    "spec": {"ports": [{"port": 9925}]},
}
MONITOR: dict[str, Any] = {
    "apiVersion": "monitoring.coreos.com/v1",
    "kind": "PodMonitor",
    "metadata": {"name": "mail-exporter"},
    "spec": {"selector": {}, "podMetricsEndpoints": [{"port": "http"}]},
}


@pytest.mark.parametrize("good", [SERVICE, MONITOR], ids=lambda manifest: manifest["kind"])
def test_what_is_right_passes(good: dict[str, Any]) -> None:
    assert [] == list(problems(good))


@pytest.mark.parametrize("right", [SERVICE, MONITOR], ids=lambda manifest: manifest["kind"])
def test_a_misspelt_field_is_found(right: dict[str, Any]) -> None:
    wrong = right | {"spec": right["spec"] | {"selectr": {}}}

    (problem,) = problems(wrong)

    assert problem.startswith(f"{right['kind']} mail-exporter: $.spec: ")
    assert "'selectr' was unexpected" in problem


def test_a_misspelt_field_deep_inside_is_found() -> None:
    wrong = MONITOR | {"spec": MONITOR["spec"] | {"podMetricsEndpoints": [{"relabellings": []}]}}

    (problem,) = problems(wrong)

    assert "$.spec.podMetricsEndpoints[0]" in problem


def test_a_kind_that_nobody_knows_is_found() -> None:
    (problem,) = problems(SERVICE | {"kind": "Servant"})

    assert "Couldn't find schema for kind Servant" in problem
