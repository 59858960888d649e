"""The daemon: connects the parts that probe, store and show results, and passes configurations on to them.

`app` has the rest of the process: signals, listening, reloading, and notifying systemd.
"""

from __future__ import annotations

import asyncio
import platform
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import structlog
from aiohttp.web import Application
from OpenSSL import SSL

from exporter import __version__, logs
from exporter.config.configuration import Configuration
from exporter.config.problems import Problem
from exporter.config.yaml_output import render
from exporter.descriptors import warn_if_too_few
from exporter.domains.posture.memory import DomainMemory, read, written
from exporter.interpreter import Housekeeping
from exporter.metrics.exporter_state import BuildInfo
from exporter.metrics.exposition import process_collectors
from exporter.metrics.flow_state import FlowStates
from exporter.metrics.store import Store
from exporter.model import Addresses, Endpoint, Flows, Limits, RosterChange
from exporter.net.detours import NO_DETOURS, Detours
from exporter.net.dns.mail_exchangers import mail_exchangers
from exporter.net.dns.resolve import Resolver
from exporter.net.proxies import connect_through
from exporter.net.readiness import best_watch
from exporter.net.stream import Stream
from exporter.net.tls import TlsContexts, TlsSetupError
from exporter.reloading import Reload
from exporter.schedule.job import Job
from exporter.schedule.lag import LagMonitor
from exporter.schedule.roster import Roster
from exporter.schedule.scheduler import Scheduler
from exporter.schedule.state_log import StateLog
from exporter.schedule.stops import Stops
from exporter.schedule.timetable import JobKey
from exporter.sharding import Shard
from exporter.visiting.connect import World
from exporter.visiting.logins import Logins
from exporter.visiting.on_demand import OnDemand
from exporter.visiting.visit import Visitor
from exporter.web.application import create_application
from exporter.web.probe_routes import probe_routes

if TYPE_CHECKING:
    from exporter.domains.domain_runner import DomainRunner
    from exporter.flows.flow_runner import FlowRunner

FINISH_WITHIN: Final = 3.0
"""Seconds after SIGTERM in which running probes may end normally."""

GOODBYE_WITHIN: Final = 1.0
"""Seconds after that in which the other probes may end their sessions. The daemon has to end within 5 s."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Prepared:
    """A configuration after all slow preparations.

    Attributes:
        endpoints: This process's share, by name. Unchanged endpoints are the same objects as before.
    """

    configuration: Configuration
    endpoints: Mapping[str, Endpoint]


class Daemon:
    """Probes on schedule and keeps the results, between `start` and `stop`."""

    def __init__(self, configuration: Configuration, shard: Shard, detours: Detours = NO_DETOURS) -> None:
        build = BuildInfo(__version__, platform.python_version(), openssl_version())
        self.store = Store(
            build,
            lambda: self._logins.held_back(),  # noqa: PLW0108 - they need the store first
            started_at=time.time(),
            flows=FlowStates(time.time),
            lines_dropped=logs.dropped,
        )
        self.store.exporter.set_shard(shard.number, shard.total)
        self._configuration = configuration
        self._shard = shard
        self._in_force: Mapping[str, Endpoint] = {}
        self._roster = Roster()
        self._watch = best_watch()
        connect = partial(Stream.connect, watch=self._watch)
        through = partial(connect_through, watch=self._watch)
        self._contexts = TlsContexts()
        self._logins = Logins(time.monotonic, configuration.login_backoff, self.store.exporter)
        self._resolver = Resolver(configuration.dns)
        world = World(self._resolver, self._contexts, connect=connect, connect_through=through, detours=detours)
        self.visitor = Visitor(world, self._logins)
        self._on_demand = OnDemand(self.visitor)
        self._flows: FlowRunner | None = None
        self._domains: DomainRunner | None = None
        self._memories: dict[str, DomainMemory] = {}
        self._state_log = StateLog()
        self._scheduler = Scheduler[Endpoint | Job](self._run, self.store.exporter)
        self._jobs: Mapping[JobKey, Job] = {}
        self._stops = Stops()
        self.housekeeping = Housekeeping(self._scheduler.is_quiet)
        self._lag = LagMonitor(self.store.exporter.observe_lag, self._stops, self.store.exporter.task_failed)
        self._hurried = False
        self.ready = False

    def recall_domains(self, documents: Mapping[str, Any]) -> None:
        """Load what an earlier process remembered of its domains. Call this before any domain is judged."""
        self._memories.update({domain: read(document) for domain, document in documents.items()})

    def domains_to_remember(self) -> dict[str, Any]:
        """What to keep of domains for a later process."""
        return {domain: written(memory) for domain, memory in self._memories.items()}

    def start(self) -> None:
        self.configure(self.prepare(self._configuration))
        self._lag.start()
        self.ready = True

    def prepare(self, configuration: Configuration) -> Prepared:
        """Do the slow preparations for a configuration. Use a thread for this when the loop already runs probes."""
        templates = [module.template for module in configuration.modules.values()]
        exchangers = [flow.sending.endpoint for flow in configuration.flows.flows if flow.sending is not None]
        followed = [each for following in configuration.followings for each in following.templates.values()]
        for policy in {endpoint.tls for endpoint in (*configuration.endpoints, *templates, *exchangers, *followed)}:
            # Reading authorities takes milliseconds and would delay the first probe. The affected endpoints report
            # errors later.
            with suppress(TlsSetupError):
                self._contexts.context(policy)
        known = self._in_force
        share = self._shard.share(configuration.endpoints)
        endpoints = {
            each.name: before if (before := known.get(each.name)) is not None and before == each else each
            for each in share
        }
        return Prepared(configuration, endpoints)

    def configure(self, prepared: Prepared) -> None:
        """Apply a configuration. Unchanged endpoints keep their schedule, counters and history."""
        configuration = prepared.configuration
        if configuration.dns != self._configuration.dns:
            self._resolver = Resolver(configuration.dns)
            self.visitor.world = replace(self.visitor.world, names=self._resolver)
        self._configuration = configuration
        before, self._in_force = self._in_force, prepared.endpoints
        found = self._run_domains(configuration)
        flows = tuple(flow for flow in configuration.flows.flows if self._shard.holds(flow.name))
        self._run_flows(Flows(flows, configuration.flows.key))
        change = self._roster.configure(tuple(self._in_force.values()), found)
        self.store.configure(change.all)
        self.store.exporter.configure_tokens(
            [each.name for each in configuration.credentials if each.oauth2 is not None]
        )
        self._logins.configure(configuration.credentials, configuration.login_backoff)
        self.store.exporter.reloaded(successful=True, at=time.time(), files=configuration.files)
        self._state_log.forget(change.gone)
        self._schedule(change, configuration.limits)
        self._on_demand.configure(configuration.limits)
        warn_if_too_few(configuration.limits)
        log.info(
            "configuration in force",
            endpoints=len(self._in_force),
            added=len(self._in_force.keys() - before),
            removed=len(before.keys() - self._in_force),
        )

    def _run_flows(self, flows: Flows) -> None:
        self.store.flows.configure(flows.flows)
        if self._flows is None:
            if not flows.flows:
                return
            # Imported only now, so that a daemon without flows needs less memory.
            from exporter.flows.flow_runner import FlowRunner  # noqa: PLC0415 - see above

            self._flows = FlowRunner(self.visitor, self.store.flows, self._exchangers)
        self._flows.configure(flows)

    def _run_domains(self, configuration: Configuration) -> dict[str, tuple[Endpoint, ...]]:
        """Follow all domains, and judge our share. Returns our share of their endpoints, by the roster's keys."""
        followings = configuration.followings
        judged = [domain for domain in configuration.domains if self._shard.holds(domain.name)]
        for former in self._memories.keys() - {domain.name for domain in judged}:
            del self._memories[former]
        told = [following.domain for following in followings if self._shard.holds(following.domain)]
        self.store.domains.configure(judged, told)
        if self._domains is None:
            if not followings and not judged:
                return {}
            # Imported only now, so that a daemon without domains needs less memory.
            from exporter.domains.domain_runner import DomainRunner  # noqa: PLC0415 - a tenth of a second and megabytes

            self._domains = DomainRunner(self.visitor, self.store.domains, self._discovered, self._memories)
        self._domains.configure(followings, judged, self._resolver)
        return {_key(name): self._shard.share(endpoints) for name, endpoints in self._domains.endpoints().items()}

    def _domain_jobs(self) -> tuple[Job, ...]:
        return () if self._domains is None else self._domains.jobs()

    def _schedule(self, change: RosterChange, limits: Limits) -> None:
        """Update the schedule: added endpoints, and the work of flows and domains."""
        flows = () if self._flows is None else self._flows.jobs()
        before, self._jobs = self._jobs, {job.key: job for job in (*flows, *self._domain_jobs())}
        over = [job for key, job in before.items() if key not in self._jobs]
        self._scheduler.limit(limits)
        self._scheduler.exchange((*change.gone, *over), (*change.come, *self._jobs.values()))

    @property
    def status(self) -> str:
        """A status line."""
        count = len(self._in_force)
        return f"probing {count} endpoint{'' if count == 1 else 's'}"

    def not_reloaded(self, problems: Sequence[Problem]) -> None:
        """Report that a configuration could not be used. The old one stays in force."""
        self.store.exporter.reloaded(successful=False, at=time.time(), problems=tuple(map(str, problems)))

    async def stop(self) -> None:
        """Start no more probes, and end the running ones in order."""
        self.ready = False
        self._scheduler.stop()
        # A judgement takes half a minute, and nobody would see its result.
        await self._scheduler.cancel({job.key for job in self._domain_jobs()})
        ending = [] if self._flows is None else [self._flows.stop(FINISH_WITHIN)]
        await asyncio.gather(self._scheduler.drain(FINISH_WITHIN), *ending)
        await self._scheduler.cancel(self._jobs)
        # Probes that end from now on were interrupted by us, so their results say nothing about the servers.
        self._hurried = True
        self._on_demand.stop()
        self.visitor.hurry()
        if not await self._scheduler.drain(GOODBYE_WITHIN):
            await self._scheduler.cancel()
        await self._logins.close()
        self._lag.stop()

    def close(self) -> None:
        """Call this last, when no probe can be requested any more."""
        self._watch.close()

    def application(self, reload: Reload | None, origins: Collection[str] = ()) -> Application:
        """The HTTP interface. With `reload`, clients may request a reload."""
        application = create_application(
            store=self.store,
            ready=lambda: self.ready,
            configuration=lambda: render(self._configuration),
            reload=reload,
            origins=origins,
            process=process_collectors(),
        )
        application.add_routes(probe_routes(self._on_demand, lambda: self._configuration.modules, self._endpoint))
        return application

    async def _exchangers(self, domain: str) -> tuple[str, ...]:
        """The MX hosts of a domain, from the configured nameservers."""
        return await mail_exchangers(self._resolver, domain)

    def _endpoint(self, name: str) -> Endpoint | None:
        """The endpoint of this name, if this process probes it."""
        states = self.store.states(name)
        return replace(states[0].endpoint, only_address=None) if states else None

    def _discovered(self, domain: str, endpoints: tuple[Endpoint, ...]) -> None:
        """Replace this process's endpoints of a followed domain by its share of these."""
        change = self._roster.found(_key(domain), self._shard.share(endpoints))
        if change is not None:
            self._apply(change)

    def _apply(self, change: RosterChange) -> None:
        """Pass a change of the roster on to all parts."""
        self._scheduler.exchange(change.gone, change.come)
        self.store.apply(change)
        self._state_log.forget(change.gone)

    async def _run(self, item: Endpoint | Job) -> None:
        await (item.run(self._scheduler.connection) if isinstance(item, Job) else self._probe(item))

    async def _probe(self, endpoint: Endpoint) -> None:
        look_up = endpoint.addresses is Addresses.ALL and endpoint.only_address is None
        visit = self.visitor.look_up if look_up else self.visitor.probe
        begun = self._stops.now()
        result = await visit(endpoint)
        while self._stops.since(begun) and not self._hurried:
            # The process stood still. The server may have closed the connection, or a timeout passed: not a failure.
            begun = self._stops.now()
            result = await visit(endpoint)
        if self._hurried:
            return
        # Discard results of endpoints that were removed or changed meanwhile.
        kept, change = self._roster.take(endpoint, result)
        if change is not None:
            self._apply(change)
        if kept is not None:
            self.store.record(kept)
            self._state_log.write(kept)


def _key(domain: str) -> str:
    """The roster's key of a followed domain."""
    return f"domain:{domain}"


def openssl_version() -> str:
    """The version of the OpenSSL that talks to mail servers, e.g. `4.0.3`."""
    return SSL.SSLeay_version(SSL.SSLEAY_VERSION).decode().split()[1]
