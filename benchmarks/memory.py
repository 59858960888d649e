"""What the daemon has in memory: with ten endpoints, and for each further one, when it has been probed and scraped.

What an endpoint takes comes in parts, since ten thousand of them would take an hour to fill their histories: the growth
from ten to ten thousand that were probed once; and what a full history and a chain of its own add, of some hundreds.
All are probed at leisure: a probe under way takes many times as much as an endpoint, which Python does not give back.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.blackbox import blackbox_running
from benchmarks.children import child
from benchmarks.client_library import PEER
from benchmarks.daemon import daemon, installed, logging_in
from benchmarks.lab import Lab
from benchmarks.mailserver import mail_server
from benchmarks.peers import Peer, find_blackbox
from benchmarks.populations import configuration, login_modules, name_of
from benchmarks.processes import resident_bytes
from benchmarks.report import Bound, Report, Row
from exporter.metrics.history import ATTEMPTS_KEPT
from tests.servers.exporter import Exporter, Metrics
from tests.servers.fetching import fetch
from tests.servers.programs import LOOPBACK

IDLE_BOUND: Final = Bound(64.0)
FURTHER_BOUND: Final = Bound(12.0)

FEW: Final = 10
"""Endpoints of a daemon that has little to do."""

_MIB, _KIB = 2**20, 2**10
_PROBES: Final = re.compile(r"^mail_probes_total\{.*\} (\d+)$", re.MULTILINE)
_LOOKS_EVERY: Final = 1.0
"""Seconds. A scrape of ten thousand endpoints takes a good part of one."""
_WITHIN: Final = 600.0


@dataclass(frozen=True, slots=True)
class Effort:
    """How many endpoints to have.

    Attributes:
        many: Instead of `FEW`.
        interval: Of those, in seconds.
        some: Of which the parts are told.
        often: The interval of those that fill their histories, in seconds.
        history: Probes of each of these.
        slowly: The interval of those that are shown chains, which another process in Python has to make.
    """

    many: int
    interval: int
    some: int
    often: int
    history: int
    slowly: int


@dataclass(frozen=True, slots=True)
class Parts:
    """What a further endpoint takes, in octets.

    Attributes:
        probed: When it was probed once, and shows a chain that others show as well.
        history: What a history adds, when it is full.
        chain: What a chain of its own adds.
    """

    probed: float
    history: float
    chain: float


def measure(lab: Lab) -> Report:
    """Ten endpoints, ten thousand, and three times five hundred."""
    effort = lab.amount(Effort(10_000, 60, 500, 2, ATTEMPTS_KEPT + 1, 5), Effort(40, 1, 20, 1, 2, 1))
    peer = find_blackbox()
    with installed():
        few, shown, parts = _ours(lab.directory, effort)
    idle = {} if peer is None else {peer.name: _idle(lab.directory, peer) / _MIB}
    registered = {PEER: _registered(shown, effort.many) / _KIB}
    case = f"of {effort.many:,} endpoints"
    whole = parts.probed + parts.history + parts.chain
    return Report(
        "memory",
        "resident size",
        (
            Row(f"{FEW} endpoints", "resident", "MiB", few / _MIB, idle, (IDLE_BOUND,)),
            Row(case, "a further one, probed once", "KiB", parts.probed / _KIB),
            Row(case, "a full history", "KiB", parts.history / _KIB),
            Row(case, "a chain of its own", "KiB", parts.chain / _KIB),
            Row(case, "a further one, all together", "KiB", whole / _KIB, registered, (FURTHER_BOUND,)),
        ),
        _remarks(effort, peer),
    )


def _remarks(effort: Effort, peer: Peer | None) -> tuple[str, ...]:
    return (
        (
            f"/metrics is read before each look. Growth is from {FEW} endpoints that were probed once, with TLS and a "
            f"login, to {effort.many:,}."
        ),
        (
            f"A history is the additional memory of {effort.some:,} endpoints after {effort.history} probes each, "
            "compared with one probe. A chain is the additional memory if each has its own chain, compared with one "
            "shared by all."
        ),
        f"{PEER} is a registry with as many of the same series, and nothing else: no transcript, no history, no chain.",
        "blackbox_exporter is not here."
        if peer is None
        else f"{peer.name} has {FEW} modules and is not asked to probe; it keeps nothing of a target.",
    )


def _ours(directory: Path, effort: Effort) -> tuple[int, str, Parts]:
    """Octets with a few endpoints, what `/metrics` shows of these, and the parts of further ones."""
    with mail_server(directory) as server:
        url = f"imaps://{server.address('imaps')}"

        def probed(count: int, interval: int) -> str:
            return configuration(count, url, logging_in(directory, server, interval))

        with _daemon(directory, probed(FEW, 1)) as exporter:
            few = _resident(exporter, FEW, 1)
            shown = exporter.text()
        with _daemon(directory, probed(effort.many, effort.interval)) as exporter:
            many = _resident(exporter, effort.many, 1)
        with _daemon(directory, probed(effort.some, effort.often)) as exporter:
            once = _resident(exporter, effort.some, 1)
            often = _resident(exporter, effort.some, effort.history)
    with child("own_chains", lines=2) as server_of_chains:
        port, ca_file = server_of_chains.said
        url = f"pop3s://{LOOPBACK}:{port}"
        interval = f"{effort.slowly}s"
        sections = {
            "defaults": {"interval": interval, "timeout": interval},
            "limits": {"connections_per_host": 256},
        }

        def shown_to(name: str) -> int:
            tls = f"tls: {{server_name: {name}, ca_file: {ca_file}}}"
            with _daemon(directory, configuration(effort.some, url, sections, tls)) as exporter:
                return _resident(exporter, effort.some, 1)

        same, own = shown_to(name_of(0)), shown_to("{name}")
    parts = Parts((many - few) / (effort.many - FEW), (often - once) / effort.some, (own - same) / effort.some)
    return few, shown, parts


def _daemon(directory: Path, text: str) -> AbstractContextManager[Exporter]:
    return daemon(directory / "memory.yaml", text)


def _resident(exporter: Exporter, endpoints: int, probes: int) -> int:
    """Octets, when each of so many endpoints has been probed so often, and `/metrics` has been read."""
    end = time.monotonic() + _WITHIN
    while True:
        counts = [int(count) for count in _PROBES.findall(exporter.text())]
        if len(counts) == endpoints and min(counts) >= probes:
            return resident_bytes(exporter.process.pid)
        if time.monotonic() > end:
            raise TimeoutError(f"not all of {endpoints} endpoints were probed {probes} times, but {min(counts)}")
        time.sleep(_LOOKS_EVERY)


def _idle(directory: Path, peer: Peer) -> float:
    """Octets of the peer, by its own account."""
    with blackbox_running(directory, peer, login_modules(FEW)) as address:
        text = fetch(f"http://{address}/metrics").body.decode()
    return Metrics.parse(text).value("process_resident_memory_bytes")


def _registered(shown: str, count: int) -> float:
    """Octets that a further endpoint takes in prometheus_client's registry."""
    command = [sys.executable, "-m", "benchmarks.registered", name_of(0), str(count)]
    done = subprocess.run(command, input=shown, capture_output=True, text=True, check=True)
    return float(done.stdout)
