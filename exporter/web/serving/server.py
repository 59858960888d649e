"""Runs the HTTP interface: combines its parts, and ends it in order.

`application` answers requests, `security` checks access, `addresses` opens sockets, and `listener` accepts connections.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from aiohttp import web

from exporter.model import LongTask
from exporter.supervision import supervised
from exporter.web.policy.policy import Policy
from exporter.web.serving.addresses import Listening, Place, listen_at
from exporter.web.serving.connection import tell_connection
from exporter.web.serving.listener import Listener
from exporter.web.serving.prefix import stay_inside, take_off
from exporter.web.serving.security import Security

if TYPE_CHECKING:
    from exporter.web.policy.policy_file import PolicyFile

SHUTDOWN_TIMEOUT = 1.0
"""Seconds for running answers when the program ends: enough for a scrape, and little of the 5 s it has."""


@dataclass(frozen=True, slots=True)
class Observers:
    """Is told about failures and reloads of the server.

    Attributes:
        failed: Is called with a failure; the server continues.
        reloaded: Is called for every web configuration with whether it could be used.
    """

    failed: Callable[[LongTask], None] = lambda _: None
    reloaded: Callable[[bool], None] = lambda _: None


class WebInterface:
    """The interface while it is served."""

    def __init__(
        self, runner: web.AppRunner, listener: Listener, security: Security, listening: Sequence[Listening], prefix: str
    ) -> None:
        self._runner = runner
        self._listener = listener
        self._security = security
        self._listening = listening
        self._following: asyncio.Task[None] | None = None
        scheme = "http" if security.policy.context is None else "https"
        self.urls = tuple(_url(scheme, each.authority, prefix) for each in listening)
        """Its URLs for a browser on this machine, one for each address to listen on."""

    async def stop(self) -> None:
        """Accepts no more requests, and finishes the running ones."""
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)
        await self._listener.close()
        for each in self._listening:
            each.close()
        await self._runner.cleanup()

    def follow(self, file: PolicyFile, observers: Observers) -> None:
        """Follows changes of a web configuration from now on."""
        observers.reloaded(True)
        work = partial(file.follow, self.keep_to, observers.reloaded)
        following = supervised(LongTask.WEB_CONFIG, work, observers.failed)
        self._following = asyncio.get_running_loop().create_task(following)

    def keep_to(self, policy: Policy) -> None:
        """Use this policy from now on. Clients that connected under other TLS rules have to connect again."""
        same = policy.context is self._security.policy.context
        self._security.replace(policy)
        if not same:
            self._listener.renew()


async def serve(
    application: web.Application,
    places: Sequence[Place],
    *,
    web_config: PolicyFile | None = None,
    prefix: str = "",
    observers: Observers | None = None,
) -> WebInterface:
    """Serves the interface.

    Args:
        application: What to answer.
        places: Where to listen.
        web_config: The settings of TLS, users and rates; `None` for plain HTTP without users.
        prefix: The beginning of every path, such as `/mail`; may be empty.
        observers: Functions that are told about the server's state.

    Raises:
        ListenError: One of the places cannot be had; then none is listened at.
    """
    told = observers or Observers()
    security = Security(Policy() if web_config is None else web_config.policy, asyncio.get_running_loop().time)
    if prefix:
        application.middlewares.append(stay_inside(prefix))
    security.protect(application)
    application.middlewares.insert(0, tell_connection)
    listening = await listen_at(places)
    runner = web.AppRunner(application, shutdown_timeout=SHUTDOWN_TIMEOUT)
    await runner.setup()
    if runner.server is None:
        raise RuntimeError("a runner that is set up has a server")
    if prefix:
        runner.server.request_factory = take_off(prefix, runner.server.request_factory)
    listener = Listener(runner.server, lambda: security.policy.context, failed=told.failed)
    listener.start([each for one in listening for each in one.sockets])
    server = WebInterface(runner, listener, security, listening, prefix)
    if web_config is not None:
        server.follow(web_config, told)
    return server


def _url(scheme: str, authority: str, prefix: str) -> str:
    return authority if authority.startswith("unix:") else f"{scheme}://{authority}{prefix}/"
