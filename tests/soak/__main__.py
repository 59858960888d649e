"""`make soak`: runs the daemon under load, prints the curve of its memory, and says whether its counts are true."""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import bcrypt
import click
import yaml

from tests.servers.dns import nameserver
from tests.servers.exporter import Metrics
from tests.servers.programs import free_ports
from tests.soak.flows import (
    Drop,
    checked,
    compare,
    domain_sections,
    flow_sections,
    flow_servers,
    followed_endpoint,
    zone,
)
from tests.soak.load import RIGHT, Load
from tests.soak.servers import PASSWORD, Visited, kinds, serving

WARM_UP = 0.2
"""Of the time: caches fill, and each kind of work is done for the first time."""

MOST_GROWTH = 2.0
"""MiB after the warm-up, in ten minutes."""

CHANGING = frozenset({"comes-and-goes", "followed", "on-demand"})
"""Servers whose endpoints come and go: their counters go with them."""

FOR_FLOWS = frozenset({"hands-in", "maildrop"})

MOMENTS = 10.0
"""Seconds that beginning and end may take."""

COPIES = 3
"""Endpoints for each server."""


@dataclass
class Soak:
    """One run.

    Attributes:
        curve: Seconds since the start, and MiB that were resident.
        faults: What is not as it should be.
    """

    seconds: float
    curve: list[tuple[float, float]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def growth(self) -> float:
        """MiB between the fifth of the time after the warm-up and the last one, by their medians."""
        begin, end = self.seconds * WARM_UP, self.seconds * (1 - WARM_UP)
        early = [size for at, size in self.curve if begin <= at < begin + self.seconds * WARM_UP]
        late = [size for at, size in self.curve if at >= end]
        return statistics.median(late) - statistics.median(early)


def configuration(servers: Sequence[Visited], turn: int, names: str) -> dict[str, object]:
    """The configuration of one turn: some endpoints are always there, others come, go and change."""
    by_name = {server.name: server for server in servers}
    endpoints: list[dict[str, object]] = []
    for server in servers:
        if server.name in FOR_FLOWS:
            # Flows alone visit these, and so their counts are to be compared with the flows'.
            endpoints.append(_endpoint(server, server.name) | {"interval": "24h", "timeout": "10s"})
        if server.name in CHANGING | FOR_FLOWS:
            continue
        for copy in range(COPIES):
            name = server.name if copy == 0 else f"{server.name}-{copy}"
            endpoints.append(_endpoint(server, name))
    for number in range(turn % 4):
        entry = _endpoint(by_name["comes-and-goes"], f"comes-and-goes-{turn % 3}-{number}")
        endpoints.append({**entry, "labels": {"turn": str(turn)}})
    endpoints.append(dict(followed_endpoint()))
    module = {
        "url": f"smtp://127.0.0.1:{by_name['on-demand'].port}",
        "encryption": "none",
        "allowed_targets": ["127.0.0.1"],
    }
    return {
        "defaults": {"interval": "1s", "timeout": "900ms", "tls": {"ca_file": "ca.pem", "server_name": "localhost"}},
        "credentials": {"soak": {"username": "soak", "password": PASSWORD}},
        "limits": {"connections_per_host": 100},
        "endpoints": endpoints,
        "modules": {"here": module},
        **flow_sections(turn),
        **domain_sections(names),
    }


def _endpoint(server: Visited, name: str) -> dict[str, object]:
    entry: dict[str, object] = {"name": name, "url": f"{server.url}127.0.0.1:{server.port}"}
    if server.login:
        entry["credentials"] = "soak"
    if not server.tls and not server.url.endswith("s://"):
        entry["encryption"] = "none"
    return entry


async def soak(seconds: float, directory: Path) -> Soak:
    """Run for so long."""
    run = Soak(seconds)
    drop = Drop()
    servers = [*kinds(), *flow_servers()]
    (port,) = free_ports(1)
    turns = iter(range(1_000_000))
    file = directory / "mail-exporter.yaml"

    def configure() -> None:
        file.write_text(yaml.safe_dump(configuration(servers, next(turns), names)))

    hashed = bcrypt.hashpw(b"right", bcrypt.gensalt(4)).decode()
    (directory / "web.yml").write_text(yaml.safe_dump({"basic_auth_users": {"soak": hashed}}))
    async with serving(servers, drop, directory), nameserver(zone(servers)) as answering:
        names = str(answering)
        configure()
        flags = ["--web.enable-lifecycle", "--log.level=error", f"--web.config.file={directory / 'web.yml'}"]
        with (directory / "log").open("wb") as log:
            daemon = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "exporter", "run", f"--config.file={file}"),
                *(f"--web.listen-address=127.0.0.1:{port}", *flags),
                stderr=log,
            )
        try:
            await _weigh(run, servers, drop, Load(f"http://127.0.0.1:{port}/", configure), daemon.pid)
        finally:
            daemon.terminate()
            ended = await asyncio.wait_for(daemon.wait(), 30)
    if ended != 0:
        run.faults.append(f"the daemon ended with {ended}")
    written = (directory / "log").read_text()
    if written:
        run.faults.append(f"the log has {written.count(chr(10))} lines, the first: {written[:500]}")
    return run


async def _weigh(run: Soak, servers: Sequence[Visited], drop: Drop, load: Load, process: int) -> None:
    timeout = aiohttp.ClientTimeout(total=20)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        await _until_ready(session, load.base)
        working = asyncio.create_task(load.run(session))
        begun = time.monotonic()
        while (passed := time.monotonic() - begun) < run.seconds:
            run.curve.append((passed, _resident(process)))
            await asyncio.sleep(min(5.0, run.seconds / 40))
            if working.done():
                working.result()
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        await _count(run, servers, drop, session, load)
    run.notes += [f"{what}: {status} {often} times" for (what, status), often in sorted(load.answers.items())]


async def _until_ready(session: aiohttp.ClientSession, base: str) -> None:
    async with asyncio.timeout(60):
        while True:
            with suppress(aiohttp.ClientError):
                async with session.get(f"{base}-/ready", headers=RIGHT) as response:
                    if response.status == 200:
                        return
            await asyncio.sleep(0.2)


def _resident(process: int) -> float:
    """MiB."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("a process without memory")


async def _count(run: Soak, servers: Sequence[Visited], drop: Drop, session: aiohttp.ClientSession, load: Load) -> None:
    """Compare the daemon's counts with each other and with those of the servers."""
    before = {server.name: server.visits for server in servers}
    handed_in = drop.handed_in.copy()
    async with session.get(f"{load.base}metrics", headers=RIGHT) as response:
        metrics = Metrics.parse(await response.text())
    in_flight = int(metrics.value("mail_exporter_probes_in_flight"))
    started = int(metrics.value("mail_exporter_probe_start_delay_seconds_count"))
    finished = 0
    for server in servers:
        copies = [one for one in metrics.find("mail_probes_total") if one["endpoint"].rpartition("-")[0] == server.name]
        names = {one["endpoint"] for one in copies} | {server.name}
        counted = sum(int(metrics.get("mail_probes_total", endpoint=name) or 0) for name in names)
        if server.name in CHANGING | FOR_FLOWS:
            continue
        finished += counted
        # A probe under way has been seen by its server, and is not counted yet.
        if not before[server.name] - COPIES <= counted <= server.visits:
            run.faults.append(f"{server.name}: {counted} probes, and {before[server.name]} visits")
        run.notes.append(f"{server.name}: {counted} probes, {before[server.name]} visits")
    # Those of endpoints that are gone are not counted any more, but their servers know of them.
    gone = before["comes-and-goes"] + before["followed"]
    # The schedule also starts flows, and every second the judgement of a domain and the look for another's endpoints.
    jobs = sum(handed_in.values())
    rest = started - finished - gone - jobs
    if not -in_flight <= rest <= in_flight + 2 * (run.seconds + MOMENTS):
        run.faults.append(f"{started} started, {finished} and {gone} finished, {jobs} sent, {in_flight} in flight")
    run.notes.append(f"{started} started: {finished + gone} probes, {jobs} messages, {rest} others or in flight")
    notes, faults = compare(metrics, handed_in, drop.handed_in)
    run.notes += notes
    run.faults += faults + checked(metrics, time.time())
    wrong = {key: often for key, often in load.answers.items() if key not in EXPECTED}
    if wrong:
        run.faults.append(f"unexpected answers: {wrong}")


EXPECTED = frozenset(
    {
        ("wrong path", 404),
        ("refused probe", 403),
        ("refused login", 401),
        ("scrape", 200),
        ("page", 200),
        ("probe", 200),
        ("reload", 200),
    }
)


def main() -> None:
    """Run, print, and exit with 1 if anything is not as it should be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    minutes: float = parser.parse_args().minutes
    with tempfile.TemporaryDirectory(prefix="mail-exporter-soak-") as directory:
        run = asyncio.run(soak(minutes * 60, Path(directory)))
    widest = max(size for _, size in run.curve)
    for at, size in run.curve[:: max(1, len(run.curve) // 40)]:
        click.echo(f"{at:6.0f} s {size:7.1f} MiB {'#' * round(size / widest * 60)}")
    click.echo("\n".join(run.notes))
    allowed = MOST_GROWTH * max(minutes / 10, 1)
    click.echo(f"growth after the warm-up: {run.growth:+.2f} MiB, at most {allowed:g}")
    if run.growth > allowed:
        run.faults.append("it grows")
    for fault in run.faults:
        click.echo(f"FAULT: {fault}")
    sys.exit(1 if run.faults else 0)


if __name__ == "__main__":
    main()
