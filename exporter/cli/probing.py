"""Probes from a terminal: some endpoints at once, once or again and again, without harm to servers. No printing."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from exporter.cli.loading import detours
from exporter.cli.progress import Progress
from exporter.model import DnsSettings, Endpoint, LoginBackoff, ProbeResult
from exporter.net.dns.resolve import Resolver
from exporter.net.tls import TlsContexts
from exporter.visiting.connect import World
from exporter.visiting.logins import Logins
from exporter.visiting.visit import Visitor

AT_ONCE: Final = 50
"""Probes: a terminal is not a daemon."""

AT_ONCE_A_HOST: Final = 2
"""As the daemon's default: some servers count connections."""


@dataclass(frozen=True, slots=True)
class Rounds:
    """How often to probe.

    Attributes:
        count: `None` until somebody ends it.
        interval: Seconds from the start of a round to the start of the next; a round that takes longer is not cut.
    """

    count: int | None = 1
    interval: float = 1.0


async def probe_rounds(
    endpoints: Sequence[Endpoint],
    dns: DnsSettings,
    rounds: Rounds,
    progress: Progress,
    done: Callable[[ProbeResult], None],
) -> None:
    """Probe all endpoints, round by round.

    A login that is rejected is paused, as it would be in the daemon: not even many rounds can lock an account.

    Args:
        endpoints: What to probe.
        dns: How to look names up.
        rounds: How often.
        progress: Is told what is going on.
        done: Is given each result when it is there.
    """
    world = World(Resolver(dns), TlsContexts(), detours=detours())
    visitor = Visitor(world, Logins(time.monotonic, LoginBackoff()), progress.entered)
    places = asyncio.Semaphore(AT_ONCE)
    hosts: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(AT_ONCE_A_HOST))

    async def one(endpoint: Endpoint) -> None:
        async with hosts[endpoint.host], places:
            with progress.probing(endpoint.name):
                result = await visitor.probe(endpoint)
        done(result)

    loop = asyncio.get_running_loop()
    number = 0
    while True:
        number += 1
        next_round = loop.time() + rounds.interval
        await asyncio.gather(*map(one, endpoints))
        if number == rounds.count:
            return
        await asyncio.sleep(max(next_round - loop.time(), 0.0))
