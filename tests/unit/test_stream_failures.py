"""A stream that is refused, reset, torn down or ended by an alert: no failure without a reason."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import time
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import pytest
from OpenSSL import SSL

from exporter.model import FailureReason, TlsPolicy
from exporter.net.stream import Stream
from exporter.net.tls import TlsContexts
from tests.authority import pem
from tests.certificates import NAME, world
from tests.servers.hostile_tls import (
    reset,
    serving,
)
from tests.unit.streams import LIMIT, LOOPBACK, TLS12, TLS13, connected, failure, let_it_be_read, server


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> SSL.Context:
    file: Path = tmp_path_factory.mktemp("trust") / "authorities.pem"
    file.write_bytes(pem(*world().trusted))
    return TlsContexts().context(TlsPolicy(ca_file=file))


@pytest.mark.parametrize("cut", [0, 1, 5, 60, 200])
async def test_a_reset_in_the_middle_of_a_handshake_is_one(context: SSL.Context, cut: int) -> None:
    def act(sock: socket.socket) -> None:
        connection = SSL.Connection(server())
        connection.set_accept_state()
        connection.bio_write(sock.recv(1 << 16))
        with contextlib.suppress(SSL.WantReadError):
            connection.do_handshake()
        sock.sendall(connection.bio_read(cut) if cut else b"")
        let_it_be_read(sock)
        reset(sock)

    async with connected(act) as stream:
        told = await failure(stream.start_tls(context, NAME, time.time()))

    assert (FailureReason.CONNECTION_RESET, "Connection reset by peer") == told


@pytest.mark.parametrize(("versions", "step"), [(TLS12, 1), (TLS13, 7)], ids=["TLS 1.2", "TLS 1.3"])
async def test_a_handshake_that_ends_at_any_octet_is_a_closed_connection(
    context: SSL.Context, versions: tuple[int, int], step: int
) -> None:
    honest, cut, size = server(versions), 0, 1

    def act(sock: socket.socket) -> None:
        nonlocal size
        connection = SSL.Connection(honest)
        connection.set_accept_state()
        connection.bio_write(sock.recv(1 << 16))
        with contextlib.suppress(SSL.WantReadError):
            connection.do_handshake()
        flight = connection.bio_read(1 << 16)
        size = len(flight)
        # Signatures differ in length by an octet or two.
        sock.sendall(flight[: min(cut, size - 1)])
        sock.shutdown(socket.SHUT_WR)
        sock.recv(1 << 16)

    told = set()
    with serving(act) as port:
        while cut < size:
            stream = await Stream.connect(LOOPBACK, port)
            told.add(await failure(stream.start_tls(context, NAME, time.time())))
            stream.close()
            cut += step

    assert {(FailureReason.CONNECTION_CLOSED, "the server closed the connection")} == told
    assert cut > 500


async def test_a_connection_that_is_accepted_and_torn_down_at_once_is_reset() -> None:
    with socket.create_server((LOOPBACK, 0)) as listener:
        port = listener.getsockname()[1]

        async def connect() -> None:
            stream = await Stream.connect(LOOPBACK, port)
            try:
                await stream.read_line(LIMIT)
            finally:
                stream.close()

        task = asyncio.get_running_loop().create_task(connect())
        await asyncio.sleep(0)
        # The loop does not turn meanwhile: the connection is made and gone before we look.
        reset(listener.accept()[0])

        assert FailureReason.CONNECTION_RESET == (await failure(task))[0]


class Refusing(socket.socket):
    """A socket of which one operation fails."""

    operation = ""
    number = 0

    def _fail(self, operation: str) -> None:
        if operation == self.operation:
            raise OSError(self.number, os.strerror(self.number))

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self._fail("socket")
        super().__init__(*arguments, **named)

    def setblocking(self, flag: bool) -> None:
        self._fail("setblocking")
        super().setblocking(flag)

    def setsockopt(self, *arguments: Any) -> None:
        self._fail("setsockopt")
        super().setsockopt(*arguments)

    def bind(self, address: Any) -> None:
        self._fail("bind")
        super().bind(address)

    def connect_ex(self, address: Any) -> int:
        self._fail("connect")
        return super().connect_ex(address)

    def getsockopt(self, *arguments: Any) -> Any:
        self._fail("getsockopt")
        return super().getsockopt(*arguments)

    def getsockname(self) -> Any:
        self._fail("getsockname")
        return super().getsockname()

    def send(self, *arguments: Any) -> int:
        self._fail("send")
        return super().send(*arguments)

    def recvmsg(self, *arguments: Any) -> Any:
        self._fail("recvmsg")
        return super().recvmsg(*arguments)


@pytest.mark.parametrize(
    ("operation", "number"),
    [
        *[
            ("socket", number)
            for number in (errno.EMFILE, errno.ENFILE, errno.EAFNOSUPPORT, errno.ENOBUFS, errno.EACCES)
        ],
        *[
            (name, errno.ENOBUFS)
            for name in ("setblocking", "setsockopt", "bind", "connect", "getsockopt", "getsockname")
        ],
    ],
)
async def test_whatever_the_system_refuses_while_connecting_is_a_failure_to_connect(
    monkeypatch: pytest.MonkeyPatch, operation: str, number: int
) -> None:
    monkeypatch.setattr(Refusing, "operation", operation)
    monkeypatch.setattr(Refusing, "number", number)

    def act(sock: socket.socket) -> None:
        sock.recv(1)

    with serving(act) as port:
        monkeypatch.setattr(socket, "socket", Refusing)
        told = await failure(Stream.connect(LOOPBACK, port, source_address=LOOPBACK))
        monkeypatch.undo()

    assert (FailureReason.CONNECT_FAILED, os.strerror(number)) == told


@pytest.mark.parametrize("operation", ["send", "recvmsg"])
@pytest.mark.parametrize("in_tls", [False, True], ids=["in plain", "in a handshake"])
async def test_whatever_the_system_refuses_afterwards_is_said(
    monkeypatch: pytest.MonkeyPatch, context: SSL.Context, operation: str, in_tls: bool
) -> None:
    def act(sock: socket.socket) -> None:
        if not in_tls:
            sock.sendall(b"220 hello\r\n")
        sock.recv(1 << 16)

    with serving(act) as port:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(socket, "socket", Refusing)
            stream = await Stream.connect(LOOPBACK, port)
        monkeypatch.setattr(Refusing, "operation", operation)
        monkeypatch.setattr(Refusing, "number", errno.ENOBUFS)
        if in_tls:
            work: Awaitable[object] = stream.start_tls(context, NAME, time.time())
        elif operation == "send":
            monkeypatch.setattr(stream, "_buffer", type(stream._buffer)())
            await stream.read_line(LIMIT)
            work = stream.send(b"EHLO\r\n")
        else:
            work = stream.read_line(LIMIT)
        told = await failure(work)
        stream.close()

    assert (FailureReason.CONNECTION_CLOSED, f"the connection broke: {os.strerror(errno.ENOBUFS)}") == told


async def test_what_the_server_said_last_is_read_when_our_words_cannot_be_sent() -> None:
    gone = asyncio.Event()
    loop = asyncio.get_running_loop()

    def act(sock: socket.socket) -> None:
        sock.sendall(b"220 hello\r\n")
        sock.recv(1)
        sock.sendall(b"421 too busy\r\n421")
        let_it_be_read(sock)
        reset(sock)
        loop.call_soon_threadsafe(gone.set)

    async with connected(act) as stream:
        assert b"220 hello" == await stream.read_line(LIMIT)
        await stream.send(b"E")
        await gone.wait()
        await stream.send(b"HLO\r\n")
        assert b"421 too busy" == await stream.read_line(LIMIT)
        expected = 'Connection reset by peer after "421...", in the middle of a line'
        assert (FailureReason.CONNECTION_RESET, expected) == await failure(stream.read_line(LIMIT))
        assert FailureReason.CONNECTION_RESET == (await failure(stream.send(b"QUIT\r\n")))[0]


async def test_a_server_that_wants_a_client_certificate_says_so_however_early_it_hangs_up(context: SSL.Context) -> None:
    demanding = server()
    demanding.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *_: True)
    gone = asyncio.Event()
    loop = asyncio.get_running_loop()

    def act(sock: socket.socket) -> None:
        connection = SSL.Connection(demanding)
        connection.set_accept_state()
        with contextlib.suppress(SSL.Error):
            while True:
                connection.bio_write(sock.recv(1 << 16))
                with contextlib.suppress(SSL.WantReadError):
                    connection.do_handshake()
                sock.sendall(connection.bio_read(1 << 16))
        sock.sendall(connection.bio_read(1 << 16))
        let_it_be_read(sock)
        reset(sock)
        loop.call_soon_threadsafe(gone.set)

    async with connected(act) as stream:
        await stream.start_tls(context, NAME, time.time())
        await gone.wait()
        told = await failure(stream.send(b"EHLO client.example\r\n"))

    expected = "the server sent alert certificate_required: it wants a client certificate"
    assert (FailureReason.TLS_HANDSHAKE_FAILED, expected) == told


async def test_every_alert_ends_a_handshake_with_a_reason(context: SSL.Context) -> None:
    alerts = iter([(level, code) for level in (1, 2) for code in range(256)])

    def act(sock: socket.socket) -> None:
        sock.recv(1 << 16)
        sock.sendall(b"\x15\x03\x03\x00\x02" + bytes(next(alerts)))

    told = set()
    with serving(act) as port:
        for _ in range(512):
            stream = await Stream.connect(LOOPBACK, port)
            reason, detail = await failure(stream.start_tls(context, NAME, time.time()))
            stream.close()
            told.add(reason)
            assert detail.isprintable()

    assert {FailureReason.TLS_HANDSHAKE_FAILED, FailureReason.CONNECTION_CLOSED} >= told
