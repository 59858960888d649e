"""Debian's blackbox_exporter, with modules of a test's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.servers.fetching import fetch
from tests.servers.programs import LOOPBACK, free_ports, program, running


@dataclass(frozen=True, slots=True)
class Blackbox:
    """A running one.

    Attributes:
        address: `host:port` that it serves at.
    """

    address: str


@contextmanager
def blackbox(directory: Path, modules: Mapping[str, object]) -> Iterator[Blackbox]:
    """Runs one until the block ends.

    Args:
        directory: Where its files go.
        modules: As in its configuration.
    """
    binary = program("prometheus-blackbox-exporter", package="prometheus-blackbox-exporter")
    configuration = directory / "blackbox.yml"
    configuration.write_text(yaml.safe_dump({"modules": dict(modules)}))
    (port,) = free_ports(1)
    address = f"{LOOPBACK}:{port}"
    command = [binary, f"--config.file={configuration}", f"--web.listen-address={address}"]
    log = directory / "blackbox.log"
    with running(command, log=log, ready=lambda: fetch(f"http://{address}/-/healthy").status == 200):
        yield Blackbox(address)
