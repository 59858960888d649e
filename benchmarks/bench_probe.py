"""What a probe costs this process: CPU time, and how many a second, against the demo's healthy servers.

The servers run in a process of their own, so that theirs is not counted. `make bench` runs every file of this folder;
figures are comparable only on one machine.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from exporter.demo.scenes import SCENES, SERVER_NAME
from exporter.demo.stage import PASSWORD, RIGHT, demo_servers
from exporter.model import DnsSettings, Encryption, Endpoint, Login, Protocol, TlsPolicy
from exporter.net.resolve import Resolver
from exporter.net.tls import TlsContexts
from exporter.probing.probe import Prober, World

PROBES = 512
WARM_UP = 32
AT_ONCE = (1, 32)
LOGIN = Login(RIGHT.username, PASSWORD)


async def serve() -> None:
    """The other process: says where its servers are, and serves until its input ends."""
    scenes = [scene for scene in SCENES if scene.name.startswith("healthy-")]
    async with demo_servers(scenes) as staged:
        found = [
            {
                "name": one.endpoint.name,
                "protocol": one.endpoint.protocol,
                "port": one.endpoint.port,
                "encryption": one.endpoint.encryption,
                "ca_file": str(one.endpoint.tls.ca_file),
            }
            for one in staged
        ]
        print(json.dumps(found), flush=True)
        await asyncio.to_thread(sys.stdin.read)


@contextmanager
def servers() -> Iterator[list[Endpoint]]:
    """The endpoints that the other process serves."""
    command = [sys.executable, __file__, "--serve"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        if process.stdout is None:
            raise RuntimeError("a pipe was asked for")
        yield [
            Endpoint(
                name=one["name"],
                protocol=Protocol(one["protocol"]),
                host="127.0.0.1",
                port=one["port"],
                encryption=Encryption(one["encryption"]),
                tls=TlsPolicy(server_name=SERVER_NAME, ca_file=Path(one["ca_file"])),
            )
            for one in json.loads(process.stdout.readline())
        ]


async def measure(prober: Prober, endpoint: Endpoint, at_once: int) -> tuple[float, float]:
    """CPU and elapsed seconds of `PROBES` probes, so many at a time."""
    left = iter(range(PROBES))

    async def work() -> None:
        for _ in left:
            result = await prober.probe(endpoint, LOGIN)
            if result.failure is not None:
                raise RuntimeError(f"{endpoint.name}: {result.failure}")

    cpu, elapsed = time.process_time(), time.perf_counter()
    await asyncio.gather(*(work() for _ in range(at_once)))
    return time.process_time() - cpu, time.perf_counter() - elapsed


async def main() -> None:
    """Measures every endpoint and prints a line for each."""
    print(f"{PROBES} probes with a login, {os.cpu_count()} cores, Python {sys.version.split()[0]}")
    print(f"{'endpoint':22}{'at once':>8}{'CPU ms':>9}{'ms':>8}{'a second':>10}")
    with servers() as endpoints:
        for endpoint in endpoints:
            prober = Prober(World(Resolver(DnsSettings()), TlsContexts()))
            await asyncio.gather(*(prober.probe(endpoint, LOGIN) for _ in range(WARM_UP)))
            for at_once in AT_ONCE:
                cpu, elapsed = await measure(prober, endpoint, at_once)
                figures = f"{1000 * cpu / PROBES:>9.2f}{1000 * elapsed / PROBES:>8.2f}{PROBES / elapsed:>10.0f}"
                print(f"{endpoint.name:22}{at_once:>8}{figures}")


if __name__ == "__main__":
    asyncio.run(serve() if "--serve" in sys.argv else main())
