"""Where the HTTP interface listens, and that it ends in order.

It puts the parts together; what is answered is the subject of `application`, who may ask that of `security`, and how
connections come about that of `listener`.
"""

from __future__ import annotations

import asyncio
import errno
import re
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from aiohttp import web

from exporter.web.connection import tell_connection
from exporter.web.listener import Listener
from exporter.web.policy import Policies, Policy
from exporter.web.security import Security

SHUTDOWN_TIMEOUT = 1.0
"""Seconds that answers under way may take once the program ends: enough for a scrape, little of the 5 s it has."""

HIGHEST_PORT = 65535

_ADDRESS = re.compile(
    r"(?:\[(?P<literal>[0-9a-fA-F:.]+(?:%[^\s\]]+)?)\]|(?P<host>[^\s:/\[\]]*)):(?P<port>[0-9]{1,5})", re.ASCII
)


class ListenError(OSError):
    """An address cannot be listened on; the message says which and why."""


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """Where to listen.

    Attributes:
        host: A name or an IP address without brackets; empty for all addresses of the machine.
        port: 0 for any that is free.
    """

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> ListenAddress:
        """Reads what `--web.listen-address` takes: `:9925`, `[::1]:9925`, `host:9925`.

        Raises:
            ValueError: It is none; the message says what to write.
        """
        match = _ADDRESS.fullmatch(text)
        if match is None or int(match["port"]) > HIGHEST_PORT:
            raise ValueError(
                f"cannot listen on {text!r}: write :PORT, HOST:PORT, IPV4:PORT or [IPV6]:PORT, for example :9925"
            )
        return cls(match["literal"] or match["host"] or "", int(match["port"]))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def everywhere(self) -> bool:
        """Whether it means all addresses of the machine, of both families: as Go, and so Prometheus, reads it."""
        return self.host in {"", "::"}


class Server:
    """The interface while it is served."""

    def __init__(self, runner: web.AppRunner, listener: Listener, security: Security, urls: tuple[str, ...]) -> None:
        self._runner = runner
        self._listener = listener
        self._security = security
        self._following: asyncio.Task[None] | None = None
        self.urls = urls
        """Where a browser on this machine finds it, one for each address to listen on."""

    async def stop(self) -> None:
        """Takes no more requests, and lets those under way end."""
        if self._following is not None:
            self._following.cancel()
        await self._listener.close()
        await self._runner.cleanup()

    def follow(self, file: Policies) -> None:
        """Keeps to what a web configuration says from now on."""
        self._following = asyncio.get_running_loop().create_task(file.follow(self.keep_to))

    def keep_to(self, policy: Policy) -> None:
        """From now on this is in force. Who was let in by other rules of TLS has to come again."""
        same = policy.context is self._security.policy.context
        self._security.replace(policy)
        if not same:
            self._listener.renew()


async def serve(
    application: web.Application, addresses: Sequence[ListenAddress], *, web_config: Policies | None = None
) -> Server:
    """Serves the interface.

    Args:
        application: What to answer.
        addresses: Where to listen.
        web_config: By what TLS, by whom and how often it may be used; `None` for plain HTTP and everybody.

    Raises:
        ListenError: One of the addresses cannot be had; then none is listened on.
    """
    security = Security(Policy() if web_config is None else web_config.policy, asyncio.get_running_loop().time)
    security.protect(application)
    application.middlewares.insert(0, tell_connection)
    scheme = "http" if security.policy.context is None else "https"
    sockets: list[socket.socket] = []
    urls = []
    try:
        for address in addresses:
            opened = await _listeners(address)
            sockets += opened
            host = ListenAddress("localhost" if address.everywhere else address.host, opened[-1].getsockname()[1])
            urls.append(f"{scheme}://{host}/")
    except ListenError:
        for listening in sockets:
            listening.close()
        raise
    runner = web.AppRunner(application, shutdown_timeout=SHUTDOWN_TIMEOUT)
    await runner.setup()
    if runner.server is None:
        raise RuntimeError("a runner that is set up has a server")
    listener = Listener(runner.server, lambda: security.policy.context)
    listener.start(sockets)
    server = Server(runner, listener, security, tuple(urls))
    if web_config is not None:
        server.follow(web_config)
    return server


async def _listeners(address: ListenAddress) -> list[socket.socket]:
    """A socket for each IP address that an address to listen on stands for."""
    opened: list[socket.socket] = []
    try:
        if address.everywhere and socket.has_dualstack_ipv6():
            both = socket.create_server(("::", address.port), family=socket.AF_INET6, dualstack_ipv6=True)
            return [both]
        host = address.host or "0.0.0.0"  # noqa: S104 - all addresses are what was asked for
        found = await asyncio.get_running_loop().getaddrinfo(host, address.port, type=socket.SOCK_STREAM)
        for family, _, _, _, where in dict.fromkeys(found):
            opened.append(socket.create_server(where[:2], family=family))
    except (OSError, UnicodeError) as error:
        for listener in opened:
            listener.close()
        raise ListenError(f"cannot listen on {address}: {_reason(error)}") from error
    return opened


_REASONS: Mapping[int, str] = MappingProxyType(
    {
        errno.EADDRINUSE: "another program listens there; end it, or choose another port with --web.listen-address",
        errno.EACCES: "a port below 1024 needs a privilege; choose another with --web.listen-address",
        errno.EADDRNOTAVAIL: "this machine does not have that address",
    }
)


def _reason(error: OSError | UnicodeError) -> str:
    """Why, and what to do about it."""
    if isinstance(error, UnicodeError):
        return "that is no name of a host"
    return _REASONS.get(error.errno or 0) or error.strerror or str(error)
