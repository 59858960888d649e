"""Where the HTTP interface listens, and that it ends in order.

Sockets and aiohttp's runner; what is answered is the subject of `application`.
"""

from __future__ import annotations

import asyncio
import errno
import re
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ssl import SSLContext
from types import MappingProxyType

from aiohttp import web

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

    def __init__(self, runner: web.AppRunner, urls: tuple[str, ...]) -> None:
        self._runner = runner
        self.urls = urls
        """Where a browser on this machine finds it, one for each address to listen on."""

    async def stop(self) -> None:
        """Takes no more requests, and lets those under way end."""
        await self._runner.cleanup()


async def serve(
    application: web.Application, addresses: Sequence[ListenAddress], *, tls: SSLContext | None = None
) -> Server:
    """Serves the interface.

    Args:
        application: What to answer.
        addresses: Where to listen.
        tls: For HTTPS; `None` for HTTP.

    Raises:
        ListenError: One of the addresses cannot be had; then none is listened on.
    """
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=SHUTDOWN_TIMEOUT)
    await runner.setup()
    scheme = "https" if tls else "http"
    urls = []
    try:
        for address in addresses:
            port = 0
            for listener in await _listeners(address):
                await web.SockSite(runner, listener, ssl_context=tls).start()
                port = listener.getsockname()[1]
            host = ListenAddress("localhost" if address.everywhere else address.host, port)
            urls.append(f"{scheme}://{host}/")
    except BaseException:
        await runner.cleanup()
        raise
    return Server(runner, tuple(urls))


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
