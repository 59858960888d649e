"""The process around the daemon: it starts its parts in order, and ends them in the opposite one."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from exporter import sd_notify
from exporter.config.configuration import Configuration
from exporter.config.problems import Problem
from exporter.daemon import Daemon, Prepared
from exporter.descriptors import raise_limit
from exporter.history_file import HistoryFile
from exporter.interpreter import favour_the_loop, settle, uncollected
from exporter.model import LongTask
from exporter.net.detours import NO_DETOURS, Detours
from exporter.reloading import Reload, Reloader, reload_when_asked
from exporter.sharding import ALONE, Shard
from exporter.supervision import supervised
from exporter.watching import Watcher
from exporter.web.serving.addresses import Place
from exporter.web.serving.external_site import EVERYWHERE, ExternalSite
from exporter.web.serving.server import Observers
from exporter.web.serving.server import serve as listen

if TYPE_CHECKING:
    from exporter.web.policy.policy_file import PolicyFile

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Reloading:
    """How the configuration can change while the daemon runs.

    Attributes:
        load: Loads the configuration again; raises `ConfigurationError`.
        watcher: Reports changes of the files; `None` to watch none.
        by_request: Whether `POST /-/reload` is allowed.
    """

    load: Callable[[], Configuration]
    watcher: Watcher | None = None
    by_request: bool = False


async def serve(
    configuration: Configuration,
    places: Sequence[Place],
    announce: Callable[[Sequence[str]], None],
    reloading: Reloading | None = None,
    shard: Shard = ALONE,
    *,
    web_config: PolicyFile | None = None,
    history: HistoryFile | None = None,
    site: ExternalSite = EVERYWHERE,
    detours: Detours = NO_DETOURS,
) -> None:
    """Probe and answer HTTP until SIGTERM or SIGINT.

    Args:
        configuration: The configuration.
        places: Where to listen.
        announce: Is called with the URLs of the status page when it is served.
        reloading: Where a new configuration comes from; `None` where there is none.
        shard: Which of the configuration's endpoints to probe.
        site: Where people find the interface.
        web_config: TLS and users of the HTTP interface; `None` for no TLS and no login.
        history: The history file; `None` to keep no history over restarts.
        detours: Where the servers of a demo listen.

    Raises:
        ListenError: One of the addresses cannot be used; nothing was probed.
    """
    favour_the_loop()
    raise_limit()
    asked_to_stop = _asked_to_stop()
    with closing(Daemon(configuration, shard, detours)) as daemon:
        async with _running(daemon, places, reloading, web_config=web_config, history=history, site=site) as urls:
            announce(urls)
            sd_notify.ready(daemon.status)
            await asked_to_stop.wait()
            sd_notify.stopping()
            log.info("stopping")


@asynccontextmanager
async def _running(
    daemon: Daemon,
    places: Sequence[Place],
    reloading: Reloading | None,
    *,
    web_config: PolicyFile | None,
    history: HistoryFile | None,
    site: ExternalSite,
) -> AsyncIterator[Sequence[str]]:
    """All parts, started in their order and stopped in the opposite one. Yields the URLs of the status page."""
    if history is not None:
        daemon.store.recall(history.load())
        daemon.recall_domains(history.domains)
    async with AsyncExitStack() as stack:
        reload = None if reloading is None else await stack.enter_async_context(_reload(reloading, daemon))
        server = await listen(
            daemon.application(reload if reloading is not None and reloading.by_request else None, site.origins),
            places,
            web_config=web_config,
            prefix=site.prefix,
            observers=Observers(daemon.store.exporter.task_failed, daemon.store.exporter.web_config_reloaded),
        )
        stack.push_async_callback(server.stop)
        await stack.enter_async_context(_probing(daemon, history))
        if reloading is not None and reload is not None:
            await stack.enter_async_context(
                reload_when_asked(reload, reloading.watcher, daemon.store.exporter.task_failed)
            )
        await stack.enter_async_context(_in_the_background(daemon))
        yield server.urls


def _asked_to_stop() -> asyncio.Event:
    """Set once somebody asks the process to end."""
    asked = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, asked.set)
    return asked


@asynccontextmanager
async def _probing(daemon: Daemon, history: HistoryFile | None) -> AsyncIterator[None]:
    daemon.start()
    settle()
    if history is not None:
        history.start(daemon.store.to_remember, daemon.store.exporter.task_failed, daemon.domains_to_remember)
    try:
        yield
    finally:
        await daemon.stop()
        if history is not None:
            await history.close()


@asynccontextmanager
async def _reload(reloading: Reloading, daemon: Daemon) -> AsyncIterator[Reload]:
    """What reloads the configuration until the daemon ends, and lets systemd know."""
    reloader = _reloader(reloading, daemon)
    try:
        yield _telling_systemd(reloader.reload, daemon)
    finally:
        await reloader.close()


def _reloader(reloading: Reloading, daemon: Daemon) -> Reloader[Prepared]:
    def load() -> Prepared:
        with uncollected():
            return daemon.prepare(reloading.load())

    def apply(prepared: Prepared) -> None:
        daemon.configure(prepared)
        daemon.housekeeping.unsettle()

    return Reloader(load, apply, daemon.not_reloaded)


def _telling_systemd(reload: Reload, daemon: Daemon) -> Reload:
    """The same reload, of which systemd hears when it begins and, whatever came of it, when it has ended."""

    async def told() -> Sequence[Problem]:
        sd_notify.reloading()
        try:
            return await reload()
        finally:
            sd_notify.ready(daemon.status)

    return told


@asynccontextmanager
async def _in_the_background(daemon: Daemon) -> AsyncIterator[None]:
    """Background work beside the probes, which is restarted after failures."""
    works = {LongTask.MEMORY: daemon.housekeeping.run, LongTask.WATCHDOG: sd_notify.keep_alive}
    tasks = [
        asyncio.create_task(supervised(task, work, daemon.store.exporter.task_failed)) for task, work in works.items()
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
