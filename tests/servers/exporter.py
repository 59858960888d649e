"""The product itself as a process, as its users run it, and its `/metrics` as Prometheus reads it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.servers.fetching import fetch
from tests.servers.programs import LOOPBACK, free_ports, running, tail, wait_until

COMMAND = (sys.executable, "-m", "exporter")
STOPS_WITHIN = 5.0
"""Seconds from SIGTERM to the end of the process: what the product promises."""


@dataclass(frozen=True, slots=True)
class Metrics:
    """A scrape: the value of each series, by metric name and labels."""

    series: Mapping[tuple[str, frozenset[tuple[str, str]]], float]

    @classmethod
    def parse(cls, text: str) -> Metrics:
        """Reads the text format."""
        samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
        return cls({(one.name, frozenset(one.labels.items())): float(one.value) for one in samples})

    def find(self, metric: str, **labels: str) -> list[dict[str, str]]:
        """The whole label sets of the series of a metric that have these labels."""
        wanted = labels.items()
        return [dict(own) for name, own in self.series if name == metric and wanted <= own]

    def get(self, metric: str, **labels: str) -> float | None:
        """The value of the one series that has these labels; `None` if there is none.

        Raises:
            LookupError: There are several.
        """
        wanted = labels.items()
        values = [value for (name, own), value in self.series.items() if name == metric and wanted <= own]
        if len(values) > 1:
            raise LookupError(f"{metric}{labels} is {len(values)} series: {self.find(metric, **labels)}")
        return values[0] if values else None

    def value(self, metric: str, **labels: str) -> float:
        """As `get`, where the series has to be there.

        Raises:
            LookupError: There is none, or there are several.
        """
        value = self.get(metric, **labels)
        if value is None:
            raise LookupError(f"no series {metric}{labels} among {self.find(metric)}")
        return value


@dataclass(frozen=True, slots=True)
class Exporter:
    """The daemon at work.

    Attributes:
        address: `host:port` that it serves at.
        log: What it wrote.
    """

    address: str
    log: Path
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        """Without a slash at the end."""
        return f"http://{self.address}"

    def text(self) -> str:
        """`/metrics`, as it came."""
        response = fetch(f"{self.url}/metrics")
        if response.status != 200:
            raise OSError(f"/metrics answered {response.status}: {response.body[:200]!r}")
        return response.body.decode()

    def metrics(self) -> Metrics:
        """`/metrics`, read."""
        return Metrics.parse(self.text())

    def stop(self) -> float:
        """Asks it to end by SIGTERM, sees that it ends well, and returns the seconds it took."""
        begun = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(2 * STOPS_WITHIN)
        if code != 0:
            raise AssertionError(f"mail-exporter ended with {code}\n{tail(self.log)}")
        return time.monotonic() - begun


@dataclass(frozen=True, slots=True)
class Observation:
    """What the daemon made of some endpoints.

    Attributes:
        metrics: Scraped when every endpoint had been probed.
        text: The same, as it came.
        log: What the daemon wrote until it ended.
    """

    metrics: Metrics
    text: str
    log: str


def observe(
    directory: Path, endpoints: Sequence[Mapping[str, object]], **sections: Mapping[str, object]
) -> Observation:
    """Runs the daemon until it has probed every endpoint, and ends it.

    Args:
        directory: For the configuration and the log.
        endpoints: As in the configuration, each with its `name`.
        sections: The rest of the configuration.
    """
    file = directory / "mail-exporter.yaml"
    file.write_text(yaml.safe_dump({**sections, "endpoints": [dict(one) for one in endpoints]}))
    names = {str(one["name"]) for one in endpoints}
    with exporter_running(file, "--log.level=debug") as exporter:

        def all_probed() -> str | None:
            text = exporter.text()
            probed = {one["endpoint"] for one in Metrics.parse(text).find("mail_probe_success")}
            return text if names == probed else None

        text = wait_until(all_probed, what=f"all of {sorted(names)} are probed")
        exporter.stop()
        return Observation(metrics=Metrics.parse(text), text=text, log=exporter.log.read_text())


class StartExporter(Protocol):
    """The fixture `start_exporter`: a daemon with the given text as its configuration, for as long as the test runs."""

    def __call__(self, configuration: str, *arguments: str) -> Exporter: ...


@contextmanager
def exporter_running(
    configuration: Path, *arguments: str, ready: Callable[[str], bool] | None = None
) -> Iterator[Exporter]:
    """Runs `mail-exporter run` until the block ends, and holds it to its exit code.

    Args:
        configuration: The file.
        arguments: More flags.
        ready: Whether it serves at an address; `None` to ask by plain HTTP, as anybody may unless it is told otherwise.
    """
    (port,) = free_ports(1)
    address = f"{LOOPBACK}:{port}"
    log = configuration.with_suffix(".log")
    command = [*COMMAND, "run", f"--config.file={configuration}", f"--web.listen-address={address}", *arguments]
    is_ready = ready or _ready
    with running(command, log=log, ready=lambda: is_ready(address)) as process:
        exporter = Exporter(address=address, log=log, process=process)
        yield exporter
        if process.poll() is None:
            exporter.stop()


def _ready(address: str) -> bool:
    return fetch(f"http://{address}/-/ready").status == 200


def run_command(
    *arguments: str | Path, environment: Mapping[str, str] | None = None, within: float = 60.0
) -> subprocess.CompletedProcess[str]:
    """Runs a command of `mail-exporter` to its end.

    Args:
        arguments: After the program's name.
        environment: In place of the test's own.
        within: Seconds.
    """
    words: Sequence[str] = [*COMMAND, *(str(argument) for argument in arguments)]
    return subprocess.run(
        words, check=False, capture_output=True, text=True, timeout=within, env=environment, stdin=subprocess.DEVNULL
    )
