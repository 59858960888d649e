"""Accepts a limited number of connections, each with the TLS context in force at that time.

asyncio's own servers accept any number of connections, and always with the same context.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable, Collection, Iterable
from functools import partial
from typing import Final

import structlog
from aiohttp import web

from exporter.model import LongTask
from exporter.supervision import supervised
from exporter.web.serving.connection import HttpConnection

MAX_CONNECTIONS: Final = 512
"""Several Prometheus servers that scrape hundreds of targets by /probe, and some people; and half of the file
descriptors that a process has unless it is given more."""

HANDSHAKE_TIMEOUT: Final = 10.0
"""Seconds for a TLS handshake."""

GOODBYE_TIMEOUT: Final = 2.0
"""Seconds for a client to answer the end of its TLS session."""

PAUSE: Final = 1.0
"""Seconds without accepting after the system ran out of file descriptors or memory."""

_EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

_NONE_SHOWN: Final = "PEER_DID_NOT_RETURN_A_CERTIFICATE"
_NOT_LET_IN: Final = frozenset({"CERTIFICATE_VERIFY_FAILED", _NONE_SHOWN})
"""OpenSSL's text for each mistake of a client. asyncio does not send the client an alert, so it is logged."""

_HERE: Final = frozenset({"127.0.0.1", "::1", "::ffff:127.0.0.1", ""})
"""Addresses of this machine; a unix socket's clients have none."""

log = structlog.get_logger()


class Listener:
    """Accepts connections for a server, from `start` until `close`."""

    def __init__(
        self,
        server: web.Server,
        context: Callable[[], ssl.SSLContext | None],
        limit: int = MAX_CONNECTIONS,
        failed: Callable[[LongTask], None] = lambda _: None,
    ) -> None:
        """Prepare to accept.

        Args:
            server: Answers the requests.
            context: The TLS context for the next connection; `None` for plain HTTP.
            limit: How many connections there may be.
            failed: Is called after an unexpected error; accepting continues.
        """
        self._server = server
        self._context = context
        self._limit = limit
        self._failed = failed
        self._connections: set[HttpConnection] = set()
        self._changed = asyncio.Event()
        self._accepting: list[asyncio.Task[None]] = []
        self._handshakes: set[asyncio.Task[None]] = set()
        self._sockets: list[socket.socket] = []

    def start(self, sockets: Iterable[socket.socket]) -> None:
        """Accept at these sockets, which belong to the listener from now on."""
        loop = asyncio.get_running_loop()
        for listening in sockets:
            listening.setblocking(False)
            self._sockets.append(listening)
            accepting = supervised(LongTask.ACCEPT, partial(self._accept, listening), self._failed)
            self._accepting.append(loop.create_task(accepting))

    def renew(self) -> None:
        """Close every connection after its current answer, so that clients connect again."""
        for connection in tuple(self._connections):
            connection.retire()

    async def close(self) -> None:
        """Stop accepting. Open connections stay; those still in the TLS handshake are closed."""
        await _cancel(self._accepting)
        for listening in self._sockets:
            listening.close()
        # The task of the last accepted connection must have started, because the task closes the connection.
        await asyncio.sleep(0)
        await _cancel(tuple(self._handshakes))

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, remote = await loop.sock_accept(listening)
            except OSError as error:
                # Any other error means that the client disconnected before it was accepted.
                if error.errno in _EXHAUSTED:
                    log.warning("cannot accept connections", problem=error.strerror)
                    await asyncio.sleep(PAUSE)
                continue
            try:
                await self._room()
            except BaseException:
                accepted.close()
                raise
            try:
                # A unix socket's clients have no address.
                self._open(accepted, remote[0] if remote else "")
            except BaseException:
                accepted.close()
                raise

    async def _room(self) -> None:
        """Wait until there is room for one more connection. The longest idle one is closed for it."""
        while len(self._connections) >= self._limit:
            idle = [connection for connection in self._connections if not connection.busy]
            if idle:
                min(idle, key=lambda connection: connection.since).abandon()
            self._changed.clear()
            await self._changed.wait()

    def _open(self, accepted: socket.socket, remote: str) -> None:
        connection = HttpConnection(self._server, lost=self._lost, idle=self._changed.set)
        self._connections.add(connection)
        task = asyncio.get_running_loop().create_task(self._establish(connection, accepted, remote))
        connection.opened_by(task)
        self._handshakes.add(task)
        task.add_done_callback(self._handshakes.discard)

    async def _establish(self, connection: HttpConnection, accepted: socket.socket, remote: str) -> None:
        loop, context = asyncio.get_running_loop(), self._context()
        try:
            if context is None:
                await loop.connect_accepted_socket(lambda: connection, accepted)
            else:
                await loop.connect_accepted_socket(
                    lambda: connection,
                    accepted,
                    ssl=context,
                    ssl_handshake_timeout=HANDSHAKE_TIMEOUT,
                    ssl_shutdown_timeout=GOODBYE_TIMEOUT,
                )
        except OSError as error:
            if isinstance(error, ssl.SSLError) and error.reason in _NOT_LET_IN and not _is_health_check(error, remote):
                log.info("a client certificate was rejected", remote=remote, problem=error.reason)
            else:
                log.debug("a connection failed", remote=remote, problem=str(error))
            self._lost(connection)
        except BaseException:
            self._lost(connection)
            raise

    def _lost(self, connection: HttpConnection) -> None:
        self._connections.discard(connection)
        self._changed.set()


def _is_health_check(error: ssl.SSLError, remote: str) -> bool:
    """Whether the client is this machine without a certificate, as with `mail-exporter healthcheck`."""
    return error.reason == _NONE_SHOWN and remote in _HERE


async def _cancel(tasks: Collection[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
