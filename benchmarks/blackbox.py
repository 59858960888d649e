"""blackbox_exporter as a peer: how it is run, asked at a steady rate, and read.

What it is to say to mail servers stands in dialogues.py.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp
import yaml

from benchmarks.peers import Peer
from tests.servers.exporter import Metrics
from tests.servers.fetching import fetch
from tests.servers.programs import LOOPBACK, free_ports, running

_ANSWERS_WITHIN: Final = 60.0
"""Seconds: far more than a probe may take, for it is to be the probe that ends."""

_DURATION: Final = re.compile(rb"^probe_duration_seconds (\S+)$", re.MULTILINE)
_SUCCESS: Final = re.compile(rb"^probe_success 1$", re.MULTILINE)


@contextmanager
def blackbox_running(directory: Path, peer: Peer, modules: Mapping[str, object]) -> Iterator[str]:
    """Runs it until the block ends.

    Args:
        directory: For its configuration and its log.
        peer: Which one.
        modules: As in its configuration.

    Yields:
        `host:port` that it serves at.
    """
    configuration = directory / "blackbox.yml"
    configuration.write_text(yaml.safe_dump({"modules": dict(modules)}))
    (port,) = free_ports(1)
    address = f"{LOOPBACK}:{port}"
    command = [str(peer.program), f"--config.file={configuration}", f"--web.listen-address={address}"]
    log = directory / "blackbox.log"
    with running(command, log=log, ready=lambda: fetch(f"http://{address}/-/healthy").status == 200):  # noqa: PLR2004 - HTTP's OK
        yield address


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of asking.

    Attributes:
        durations: `probe_duration_seconds` of each probe that succeeded.
        failed: How many did not.
    """

    durations: Sequence[float]
    failed: int


def probe_url(address: str, module: str, target: str) -> str:
    """What to ask for a probe.

    Args:
        address: Where it serves.
        module: Of its configuration.
        target: `host:port`.
    """
    return f"http://{address}/probe?module={module}&target={target}"


def ask_at(rate: float, url: str, *, seconds: float, warm_up: float) -> Asked:
    """Asks for a probe at regular times, whether or not those before have been answered.

    Args:
        rate: Times a second.
        url: Of a probe.
        seconds: For so long.
        warm_up: Seconds at the beginning that do not count.
    """
    # They are read when it is over: it would take CPU from what is being measured.
    bodies = asyncio.run(_bodies(url, rate, round(rate * (warm_up + seconds))))[round(rate * warm_up) :]
    durations = [float(found[1]) for body in bodies if _SUCCESS.search(body) and (found := _DURATION.search(body))]
    return Asked(durations, len(bodies) - len(durations))


async def _bodies(url: str, rate: float, count: int) -> list[bytes]:
    async def ask(session: aiohttp.ClientSession) -> bytes:
        async with session.get(url) as response:
            return await response.read()

    loop = asyncio.get_running_loop()
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=_ANSWERS_WITHIN)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session, asyncio.TaskGroup() as group:
        begun = loop.time()
        asking = []
        for number in range(count):
            await asyncio.sleep(begun + number / rate - loop.time())
            asking.append(group.create_task(ask(session)))
    return [task.result() for task in asking]


def cpu_told(address: str) -> float:
    """CPU seconds that it has used, by its own account; to a hundredth."""
    return Metrics.parse(fetch(f"http://{address}/metrics").body.decode()).value("process_cpu_seconds_total")
