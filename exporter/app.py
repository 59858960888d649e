"""The composition root: builds the parts, wires them together, and ends them in order. Nothing else knows them all."""

from __future__ import annotations

import asyncio
import platform
import signal
import time
from collections.abc import Callable, Sequence
from typing import Final
from typing import Protocol as Interface

import structlog
from aiohttp.web import Application
from OpenSSL import SSL
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from exporter import __version__
from exporter.metrics.store import BuildInfo, Store
from exporter.model import DnsSettings, Endpoint, Limits, LoginBackoff, SkipReason
from exporter.net.resolve import Resolver
from exporter.net.tls import TlsContexts
from exporter.probing.journal import Journal
from exporter.probing.lag import LagMonitor
from exporter.probing.logins import Logins
from exporter.probing.probe import Prober, World
from exporter.probing.scheduler import Scheduler
from exporter.web.application import create_application
from exporter.web.server import ListenAddress
from exporter.web.server import serve as listen

FINISH_WITHIN: Final = 3.0
"""Seconds after SIGTERM in which probes under way may end as usual."""

GOODBYE_WITHIN: Final = 1.0
"""Seconds after those in which the rest may say goodbye. Together well below the 5 s that the daemon takes to end."""

log = structlog.get_logger()


class Configuration(Interface):
    """What the daemon has to be told."""

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """What to probe."""

    @property
    def dns(self) -> DnsSettings:
        """How to look names up."""

    @property
    def limits(self) -> Limits:
        """The bounds."""

    def redacted(self) -> str:
        """All of it as YAML, without secrets."""


class _StoreObserver:
    """Tells the store how the schedule is kept."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def started(self, delay: float) -> None:
        self._store.observe_start_delay(delay)

    def skipped(self, reason: SkipReason) -> None:
        self._store.skipped(reason)

    def in_flight(self, count: int) -> None:
        self._store.set_in_flight(count)


class Daemon:
    """Probes on schedule and keeps what it finds, between `start` and `stop`."""

    def __init__(self, configuration: Configuration) -> None:
        self.store = Store(BuildInfo(__version__, platform.python_version(), openssl_version()))
        self._configuration = configuration
        self._prober = Prober(World(Resolver(configuration.dns), TlsContexts()))
        self._logins = Logins(time.monotonic, LoginBackoff())
        self._journal = Journal()
        self._scheduler = Scheduler(self._probe, _StoreObserver(self.store))
        self._lag = LagMonitor(self.store.observe_lag)
        self._hurried = False
        self.ready = False

    def start(self) -> None:
        """Begin to probe."""
        configuration = self._configuration
        self.store.configure(configuration.endpoints)
        self.store.reloaded(successful=True, at=time.time())
        self._scheduler.replace(configuration.endpoints, configuration.limits)
        self._lag.start()
        self.ready = True
        log.info("probing", endpoints=len(configuration.endpoints))

    async def stop(self) -> None:
        """Start no more probes, and let those under way say goodbye."""
        self.ready = False
        self._scheduler.stop()
        if not await self._scheduler.drain(FINISH_WITHIN):
            # What ends now ends because we say so, and says nothing about the servers.
            self._hurried = True
            self._prober.hurry()
            if not await self._scheduler.drain(GOODBYE_WITHIN):
                await self._scheduler.cancel()
        self._lag.stop()

    def application(self) -> Application:
        """The HTTP interface to what is found."""
        process = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=process)
        return create_application(
            store=self.store,
            ready=lambda: self.ready,
            configuration=self._configuration.redacted,
            process=process,
        )

    async def _probe(self, endpoint: Endpoint) -> None:
        login = await self._logins.for_probe(endpoint)
        result = None
        try:
            result = await self._prober.probe(endpoint, login)
        finally:
            self._logins.learn(endpoint, login, result)
        if not self._hurried:
            self.store.record(result)
            self._journal.write(result)


async def serve(
    configuration: Configuration,
    addresses: Sequence[ListenAddress],
    announce: Callable[[Sequence[str]], None],
) -> None:
    """Probe and answer HTTP until SIGTERM or SIGINT.

    Args:
        configuration: What to do.
        addresses: Where to listen.
        announce: Is told the URLs of the status page once it can be read.

    Raises:
        ListenError: One of the addresses cannot be had; nothing was probed.
    """
    asked_to_stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked_to_stop.set)
    daemon = Daemon(configuration)
    server = await listen(daemon.application(), addresses)
    try:
        daemon.start()
        announce(server.urls)
        await asked_to_stop.wait()
        log.info("stopping")
    finally:
        await daemon.stop()
        await server.stop()


def openssl_version() -> str:
    """The version of the OpenSSL that talks to mail servers, e.g. `4.0.3`."""
    return SSL.SSLeay_version(SSL.SSLEAY_VERSION).decode().split()[1]
