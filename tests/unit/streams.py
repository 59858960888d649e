"""Streams to servers on loopback, how they fail, and a watch over the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from OpenSSL import SSL

from exporter.model import FailureReason, TlsPolicy
from exporter.net.stream import Stream, StreamError
from exporter.net.tls import TlsContexts
from tests.authority import issue, pem
from tests.certificates import NAME, world
from tests.handshakes import server_context
from tests.servers.hostile_tls import (
    Act,
    serving,
)


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> SSL.Context:
    file: Path = tmp_path_factory.mktemp("trust") / "authorities.pem"
    file.write_bytes(pem(*world().trusted))
    return TlsContexts().context(TlsPolicy(ca_file=file))


LOOPBACK = "127.0.0.1"
LIMIT = 8192
TLS12 = (SSL.TLS1_2_VERSION, SSL.TLS1_2_VERSION)
TLS13 = (SSL.TLS1_3_VERSION, SSL.TLS1_3_VERSION)


def server(versions: tuple[int, int] = TLS13) -> SSL.Context:
    return server_context(issue(NAME, world().root, alternatives=[NAME]), versions=versions)


@asynccontextmanager
async def connected(act: Act) -> AsyncIterator[Stream]:
    with serving(act) as port:
        stream = await Stream.connect(LOOPBACK, port)
        try:
            yield stream
        finally:
            stream.close()


async def failure(work: Awaitable[object]) -> tuple[FailureReason, str]:
    with pytest.raises(StreamError) as raised:
        await asyncio.wait_for(work, 20)
    return raised.value.reason, raised.value.detail


def in_pieces(context: SSL.Context, cuts: list[int], words: bytes = b"220 hello\r\n") -> Act:
    """An honest server whose first flight comes in pieces, each waiting for the one before to have been read."""

    def act(sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = SSL.Connection(context)
        connection.set_accept_state()
        connection.bio_write(sock.recv(1 << 16))
        with contextlib.suppress(SSL.WantReadError):
            connection.do_handshake()
        flight = connection.bio_read(1 << 16)
        for start, end in zip([0, *cuts], [*cuts, len(flight)], strict=True):
            sock.sendall(flight[start:end])
            let_it_be_read(sock)
        while True:
            connection.bio_write(sock.recv(1 << 16))
            with contextlib.suppress(SSL.WantReadError):
                connection.do_handshake()
                break
        connection.send(words)
        sock.sendall(connection.bio_read(1 << 16))
        sock.recv(1 << 16)

    return act


def let_it_be_read(sock: socket.socket) -> None:
    """Wait until the kernel at the other end has it, which is as much as this end can know."""
    end = time.monotonic() + 5
    while time.monotonic() < end:
        unacknowledged = int.from_bytes(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 28)[24:28], "little")
        if not unacknowledged:
            return
