"""Debian's Prometheus, with a data directory of its own, scraping what a test points it at."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlencode

import yaml

from tests.servers.exporter import Exporter
from tests.servers.fetching import fetch
from tests.servers.programs import LOOPBACK, free_ports, program, running


@dataclass(frozen=True, slots=True)
class Sample:
    """One element of an instant vector."""

    labels: dict[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class Prometheus:
    """A running one.

    Attributes:
        url: Without a slash at the end.
    """

    url: str

    def query(self, expression: str) -> list[Sample]:
        """Asks its HTTP API for an expression's value now."""
        response = fetch(f"{self.url}/api/v1/query?{urlencode({'query': expression})}")
        answer = json.loads(response.body)
        if answer["status"] != "success":
            raise ValueError(f"{expression}: {answer}")
        return [Sample(labels=one["metric"], value=float(one["value"][1])) for one in answer["data"]["result"]]

    def targets(self) -> list[dict[str, str]]:
        """What its HTTP API says of what it scrapes: `health`, `lastError` and more."""
        answer = json.loads(fetch(f"{self.url}/api/v1/targets").body)
        targets: list[dict[str, str]] = answer["data"]["activeTargets"]
        return targets


class StartPrometheus(Protocol):
    """The fixture `start_prometheus`: one that scrapes the given daemon, for as long as the test runs."""

    def __call__(self, exporter: Exporter) -> Prometheus: ...


@contextmanager
def prometheus(directory: Path, targets: list[str], *, scrape_interval: str = "1s") -> Iterator[Prometheus]:
    """Runs one until the block ends.

    Args:
        directory: A new one.
        targets: `host:port` of each exporter.
        scrape_interval: As Prometheus writes durations.
    """
    job = {"job_name": "mail", "static_configs": [{"targets": targets}]}
    with prometheus_scraping(directory, [job], scrape_interval=scrape_interval) as server:
        yield server


@contextmanager
def prometheus_scraping(
    directory: Path, scrape_configs: Sequence[Mapping[str, object]], *, scrape_interval: str = "1s"
) -> Iterator[Prometheus]:
    """Runs one until the block ends.

    Args:
        directory: A new one.
        scrape_configs: As in its configuration.
        scrape_interval: As Prometheus writes durations.
    """
    binary = program("prometheus", package="prometheus")
    directory.mkdir()
    configuration = directory / "prometheus.yml"
    configuration.write_text(
        yaml.safe_dump(
            {
                "global": {"scrape_interval": scrape_interval, "evaluation_interval": scrape_interval},
                "scrape_configs": [dict(job) for job in scrape_configs],
            }
        )
    )
    (port,) = free_ports(1)
    url = f"http://{LOOPBACK}:{port}"
    command = [
        binary,
        f"--config.file={configuration}",
        f"--storage.tsdb.path={directory / 'data'}",
        f"--web.listen-address={LOOPBACK}:{port}",
        "--log.level=warn",
    ]
    with running(command, log=directory / "prometheus.log", ready=lambda: fetch(f"{url}/-/ready").status == 200):
        yield Prometheus(url=url)
