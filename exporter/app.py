"""The composition root: builds the parts, wires them together, and ends them in order. Nothing else knows them all."""

from __future__ import annotations

import platform
import time
from typing import Final
from typing import Protocol as Interface

import structlog
from OpenSSL import SSL

from exporter import __version__
from exporter.metrics.store import BuildInfo, Store
from exporter.model import DnsSettings, Endpoint, Limits, SkipReason
from exporter.net.resolve import Resolver
from exporter.net.tls import TlsContexts
from exporter.probing.journal import Journal
from exporter.probing.lag import LagMonitor
from exporter.probing.logins import Logins
from exporter.probing.probe import Prober, World
from exporter.probing.scheduler import Scheduler

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
        self._logins = Logins(time.monotonic)
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

    def redacted_configuration(self) -> str:
        """The configuration in force, without secrets."""
        return self._configuration.redacted()

    async def _probe(self, endpoint: Endpoint) -> None:
        login = await self._logins.for_probe(endpoint)
        result = await self._prober.probe(endpoint, login)
        if not self._hurried:
            self.store.record(result)
            self._journal.write(result)


def openssl_version() -> str:
    """The version of the OpenSSL that talks to mail servers, e.g. `4.0.3`."""
    return SSL.SSLeay_version(SSL.SSLEAY_VERSION).decode().split()[1]
