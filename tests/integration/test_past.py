"""The past of an endpoint by the daemon's own interface: across restarts, after damage, and from Prometheus' side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.servers.exporter import Exporter, StartExporter
from tests.servers.fetching import fetch
from tests.servers.programs import LOOPBACK, free_ports, wait_until

NAME = "closed"


def configuration(port: int) -> str:
    return f"endpoints: [{{name: {NAME}, url: 'imaps://{LOOPBACK}:{port}', interval: 1s, timeout: 1s}}]\n"


def told(exporter: Exporter) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(fetch(f"{exporter.url}/api/v1/endpoints/{NAME}").body)
    return answer


def failed(exporter: Exporter, probes: int) -> dict[str, Any]:
    """What is told of the endpoint once it has failed so often in a row."""

    def often() -> dict[str, Any] | None:
        answer = told(exporter)
        return answer if answer["probes_in_a_row"] >= probes else None

    return wait_until(often, what=f"{NAME} has failed {probes} times")


def test_since_when_an_endpoint_fails_survives_a_restart(start_exporter: StartExporter, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    history = tmp_path / "state" / "history"
    history.parent.mkdir()
    first = start_exporter(configuration(port), f"--history.file={history}")
    before = failed(first, 2)
    first.stop()
    second = start_exporter(configuration(port), f"--history.file={history}")

    after = failed(second, before["probes_in_a_row"] + 1)

    assert before["since"] == after["since"]
    assert before["state_changes"] == after["state_changes"]
    assert ["history"] == [each.name for each in history.parent.iterdir()]


def test_a_damaged_file_is_set_aside_and_said(start_exporter: StartExporter, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    history = tmp_path / "history"
    history.write_bytes(b"\xff\x00 not a history")

    exporter = start_exporter(configuration(port), f"--history.file={history}")
    failed(exporter, 1)
    exporter.stop()

    assert "the history file is damaged; a new one begins" in exporter.log.read_text()
    assert b"\xff\x00 not a history" == (tmp_path / "history.damaged").read_bytes()
    assert history.read_text().startswith('{"format": "mail-exporter history 1"}')


def test_an_exemplar_leads_to_the_conversation(start_exporter: StartExporter) -> None:
    (port,) = free_ports(1)
    exporter = start_exporter(configuration(port))
    failed(exporter, 1)

    metrics = fetch(f"{exporter.url}/metrics", {"Accept": "application/openmetrics-text; version=1.0.0"})
    exemplars = [
        sample.exemplar
        for family in text_string_to_metric_families(metrics.body.decode())  # type: ignore[no-untyped-call]  # it has no types
        for sample in family.samples
        if sample.name == "mail_probe_failures_total"
    ]
    (exemplar,) = exemplars
    page = fetch(f"{exporter.url}/failure?name={NAME}&id={quote(exemplar.labels['failure_id'])}")
    document = json.loads(
        fetch(f"{exporter.url}/api/v1/endpoints/{NAME}/failures/{exemplar.labels['failure_id']}").body
    )

    assert 200 == page.status
    assert b"connect_refused" in page.body
    assert "connect_refused" == document["failure"]["reason"]
    assert abs(document["ended_at"] - float(exemplar.timestamp)) < 0.001
    assert b"failure_id" not in fetch(f"{exporter.url}/metrics").body


def test_the_documentation_is_served(start_exporter: StartExporter) -> None:
    (port,) = free_ports(1)
    exporter = start_exporter(configuration(port))

    page = fetch(f"{exporter.url}/docs/failures")

    assert 200 == page.status
    assert b'id="connect_refused"' in page.body
