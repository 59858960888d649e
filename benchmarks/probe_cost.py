"""What a probe costs: CPU time of the program that probes, per probe, with everything that it does besides.

Ours is the daemon at work, with its schedule, its store and its log, and has always as many endpoints waiting as it
takes to keep so many probes under way. blackbox_exporter is asked for its probes over HTTP, as Prometheus does. The
monitoring plugins are started for each, and the floor is a client in C that does the least there is to do.
"""

from __future__ import annotations

import asyncio
import re
import resource
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Final

import aiohttp
import yaml

from benchmarks.blackbox import blackbox_running, cpu_told, probe_url
from benchmarks.daemon import daemon, installed
from benchmarks.dialogues import IMAPS, PLAIN, POP3S, SUBMISSION, Dialogue
from benchmarks.floor import floor
from benchmarks.lab import Lab
from benchmarks.mailserver import MailServer, mail_server
from benchmarks.peers import Peer, find_blackbox, find_plugin
from benchmarks.processes import cpu_seconds
from benchmarks.report import Bound, Report, Row
from tests.servers.exporter import Exporter
from tests.servers.fetching import fetch
from tests.servers.programs import LOOPBACK, wait_until

AT_ONCE: Final = (1, 4, 32)

DIALOGUES: Final = (IMAPS, SUBMISSION, POP3S, PLAIN)

FLOOR: Final = "client in C"

OF_BLACKBOX: Final = 0.8
"""What an IMAPS probe with a login may cost, in blackbox_exporter's."""

PLENTY: Final = 2500
"""Endpoints that are due once a second: more than a core can probe."""

MORE_THAN_ENOUGH: Final = 1.15
"""By how much more are due than can be probed, when it is measured: what is passed over costs a little too."""

_FAILURES: Final = re.compile(rb"^mail_probe_failures_total\{.*", re.MULTILINE)
_PROBES: Final = re.compile(rb"^mail_probes_total\{[^}]*\} (\d+)$", re.MULTILINE)


@dataclass(slots=True)
class Costs:
    """CPU seconds a probe, of each round, by who probed."""

    ours: list[float] = field(default_factory=list)
    peers: dict[str, list[float]] = field(default_factory=dict)

    def row(self, dialogue: Dialogue, at_once: int) -> Row:
        """As a row of the report, in milliseconds."""
        peers = {peer: 1000 * median(costs) for peer, costs in self.peers.items()}
        held = dialogue is IMAPS
        bounds = [Bound(1.0 if peer == FLOOR else OF_BLACKBOX, peer) for peer in peers if not peer.startswith("check_")]
        return Row(
            case=f"{dialogue.name}, {at_once} at once",
            figure="CPU a probe, median",
            unit="ms",
            ours=1000 * median(self.ours),
            peers=peers,
            bounds=bounds if held else (),
        )


def measure(lab: Lab) -> Report:
    """Measures every dialogue, ours and the peers' taking turns."""
    remarks = [f"the {FLOOR} and the plugins make one probe at a time, whatever the others do"]
    blackbox = find_blackbox(newest=not lab.quick)
    if blackbox is None:
        remarks.append("blackbox_exporter is not installed (Debian package: prometheus-blackbox-exporter)")
    if find_plugin("check_imap") is None:
        remarks.append("the monitoring plugins are not installed (Debian package: monitoring-plugins-basic)")
    rows = []
    with mail_server(lab.directory) as server, installed():
        for dialogue in lab.amount(DIALOGUES, (IMAPS, PLAIN)):
            for at_once in lab.amount(AT_ONCE, (4,)):
                costs = Costs()
                count = round(_ours(lab, server, dialogue, at_once, lab.amount(PLENTY, 300)).rate * MORE_THAN_ENOUGH)
                for _ in range(lab.amount(3, 1)):
                    costs.ours.append(_ours(lab, server, dialogue, at_once, count).cpu)
                    for peer, cost in _theirs(lab, server, dialogue, at_once, blackbox):
                        costs.peers.setdefault(peer, []).append(cost)
                rows.append(costs.row(dialogue, at_once))
    return Report("probe_cost", "what a probe costs", rows, remarks)


def _theirs(
    lab: Lab, server: MailServer, dialogue: Dialogue, at_once: int, blackbox: Peer | None
) -> Iterator[tuple[str, float]]:
    """CPU seconds a probe of everybody else who is there and can hold the dialogue."""
    if blackbox is not None:
        yield blackbox.name, _blackbox(lab, server, dialogue, at_once, blackbox)
    plugin = None if dialogue.plugin is None else find_plugin(dialogue.plugin)
    if plugin is not None:
        yield plugin.name, _plugin(lab, server, dialogue, plugin)
    if dialogue is IMAPS:
        yield FLOOR, floor(lab.directory, server, lab.amount(500, 20)).cpu


@dataclass(frozen=True, slots=True)
class _Pace:
    """How the daemon probes.

    Attributes:
        cpu: Seconds of CPU a probe.
        rate: Probes a second.
    """

    cpu: float
    rate: float


def _ours(lab: Lab, server: MailServer, dialogue: Dialogue, at_once: int, count: int) -> _Pace:
    """The daemon's. It is always behind, so that the bound on probes under way decides how many there are."""
    with daemon(lab.directory / "probe-cost.yaml", _configuration(lab, server, dialogue, at_once, count)) as exporter:
        # The first probe of each costs more: a certificate to be judged, a line in the log.
        wait_until(lambda: _Counts.of(exporter).probed == count, what="every endpoint has been probed")
        begun, before = time.perf_counter(), _Counts.of(exporter)
        window, cpu = time.perf_counter(), cpu_seconds(exporter.process.pid)
        time.sleep(lab.amount(3.0, 0.5))
        ended, spent = time.perf_counter(), cpu_seconds(exporter.process.pid) - cpu
        after = _Counts.of(exporter)
    if after.failed:
        raise RuntimeError(f"{dialogue.name}: probes failed: {after.failed[0]!r}")
    # The counts are read at the beginning of each scrape. What the scrapes cost is in neither window nor CPU.
    rate = (after.probes - before.probes) / (ended - begun)
    return _Pace(spent / (ended - window) / rate, rate)


@dataclass(frozen=True, slots=True)
class _Counts:
    """What the daemon has done.

    Attributes:
        probed: Endpoints that have been probed at all.
        failed: The series of failures.
    """

    probes: int
    probed: int
    failed: Sequence[bytes]

    @classmethod
    def of(cls, exporter: Exporter) -> _Counts:
        body = fetch(f"{exporter.url}/metrics").body
        probes = [int(count) for count in _PROBES.findall(body)]
        return cls(sum(probes), sum(map(bool, probes)), _FAILURES.findall(body))


def _configuration(lab: Lab, server: MailServer, dialogue: Dialogue, at_once: int, count: int) -> str:
    password = lab.directory / "password"
    password.write_text(server.password)
    tls = {"ca_file": str(server.ca_file), "server_name": server.name}
    defaults: dict[str, object] = {"interval": "1s", "timeout": "1s", "tls": tls}
    if dialogue.login:
        defaults["credentials"] = "monitor"
    # The scheme of a URL says more than a default, so that this has to stand with each.
    own = {"encryption": "none"} if dialogue is PLAIN else {}
    url = f"{dialogue.scheme}://{server.address(dialogue.scheme)}"
    return yaml.safe_dump(
        {
            "limits": {"concurrent_probes": at_once, "connections_per_host": at_once},
            "credentials": {"monitor": {"username": server.username, "password_file": str(password)}},
            "defaults": defaults,
            "endpoints": [{"name": f"mail{number}", "url": url, **own} for number in range(count)],
        }
    )


def _blackbox(lab: Lab, server: MailServer, dialogue: Dialogue, at_once: int, peer: Peer) -> float:
    with blackbox_running(lab.directory, peer, {"module": dialogue.module(server)}) as address:
        url = probe_url(address, "module", server.address(dialogue.scheme))
        asyncio.run(_ask(url, at_once, lab.amount(1.0, 0.2)))
        cpu = cpu_told(address)
        probes = asyncio.run(_ask(url, at_once, lab.amount(3.0, 0.3)))
        return (cpu_told(address) - cpu) / probes


async def _ask(url: str, at_once: int, seconds: float) -> int:
    """How many probes it makes while so many clients ask for one after the other."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds

    async def ask(session: aiohttp.ClientSession) -> int:
        probes = 0
        while loop.time() < until:
            async with session.get(url) as response:
                body = await response.read()
            if b"\nprobe_success 1\n" not in body:
                raise RuntimeError(f"{url}: the probe failed")
            probes += 1
        return probes

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        return sum(await asyncio.gather(*(ask(session) for _ in range(at_once))))


def _plugin(lab: Lab, server: MailServer, dialogue: Dialogue, peer: Peer) -> float:
    port = server.ports[dialogue.scheme]
    command = [str(peer.program), "-H", LOOPBACK, "-p", str(port), *dialogue.arguments(server)]
    probes = lab.amount(100, 3)
    before = _children_cpu()
    for _ in range(probes):
        subprocess.run(command, check=True, capture_output=True)
    return (_children_cpu() - before) / probes


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
