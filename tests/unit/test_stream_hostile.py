"""What a hostile server can do to a stream: nothing that holds up the event loop, and nothing without a reason."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from OpenSSL import SSL

from exporter.model import FailureReason, TlsPolicy
from exporter.net.stream import Stream, StreamError
from exporter.net.tls import TlsContexts
from tests.authority import Party, issue, pem, rsa_key
from tests.certificates import NAME, world
from tests.handshakes import server_context
from tests.servers.hostile_tls import (
    KEY_UPDATE,
    TICKET,
    Act,
    Session,
    choosing_group,
    flooding,
    greeting_with_hello_requests,
    reset,
    serving,
)

LOOPBACK = "127.0.0.1"
LIMIT = 8192
TLS12 = (SSL.TLS1_2_VERSION, SSL.TLS1_2_VERSION)
TLS13 = (SSL.TLS1_3_VERSION, SSL.TLS1_3_VERSION)

DELAYED_ACKNOWLEDGEMENT = 0.04
"""Seconds (TCP_DELACK_MIN of the kernel)."""

MOST_HELD = 0.25
"""Seconds for which the loop may be held up. It is 0.02 on a machine that does nothing else, and was 4 to 30."""


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> SSL.Context:
    file: Path = tmp_path_factory.mktemp("trust") / "authorities.pem"
    file.write_bytes(pem(*world().trusted))
    return TlsContexts().context(TlsPolicy(ca_file=file))


@pytest.fixture(scope="module")
def rsa_leaf() -> Party:
    return issue(NAME, world().root, alternatives=[NAME], key=rsa_key(2048, "choosing a group"))


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


class Watch:
    """The longest time for which the event loop did not turn."""

    def __init__(self) -> None:
        self.longest = 0.0

    async def run(self) -> None:
        last = time.thread_time()
        while True:
            # Time in which the machine did something else is not ours: only this thread's counts.
            await asyncio.sleep(0)
            now = time.thread_time()
            self.longest, last = max(self.longest, now - last), now


@asynccontextmanager
async def watched() -> AsyncIterator[Watch]:
    watch = Watch()
    task = asyncio.get_running_loop().create_task(watch.run())
    try:
        yield watch
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.mark.parametrize("message", [TICKET, KEY_UPDATE], ids=["session tickets", "key updates"])
@pytest.mark.parametrize("first", [b"", b"220 hello\r\n"], ids=["before the greeting", "after it"])
async def test_messages_of_tls_without_end_are_too_much_and_hold_nobody_up(
    context: SSL.Context, message: bytes, first: bytes
) -> None:
    async with connected(flooding(server, message, first=first)) as stream, watched() as watch:
        await stream.start_tls(context, NAME, time.time())
        if first:
            assert b"220 hello" == await stream.read_line(LIMIT)
        reason, _ = await failure(stream.read_line(LIMIT))

    # OpenSSL itself allows 32 key updates in a row (SSL_R_TOO_MANY_KEY_UPDATES).
    expected = FailureReason.TLS_HANDSHAKE_FAILED if message == KEY_UPDATE else FailureReason.RESPONSE_TOO_LARGE
    assert expected == reason
    assert watch.longest < MOST_HELD


async def test_hello_requests_without_end_are_too_much_and_hold_nobody_up(context: SSL.Context) -> None:
    async with connected(greeting_with_hello_requests()) as stream, watched() as watch:
        reason, _ = await failure(stream.start_tls(context, NAME, time.time()))

    assert FailureReason.RESPONSE_TOO_LARGE == reason
    assert watch.longest < MOST_HELD


async def test_closing_reads_nothing(context: SSL.Context) -> None:
    async with connected(flooding(server, TICKET, first=b"220 hello\r\n")) as stream, watched() as watch:
        await stream.start_tls(context, NAME, time.time())
        await stream.read_line(LIMIT)

    assert watch.longest < MOST_HELD


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
            _let_it_be_read(sock)
        while True:
            connection.bio_write(sock.recv(1 << 16))
            with contextlib.suppress(SSL.WantReadError):
                connection.do_handshake()
                break
        connection.send(words)
        sock.sendall(connection.bio_read(1 << 16))
        sock.recv(1 << 16)

    return act


def _let_it_be_read(sock: socket.socket) -> None:
    """Wait until the kernel at the other end has it, which is as much as this end can know."""
    end = time.monotonic() + 5
    while time.monotonic() < end:
        unacknowledged = int.from_bytes(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 28)[24:28], "little")
        if not unacknowledged:
            return


@pytest.mark.parametrize("versions", [TLS12, TLS13], ids=["TLS 1.2", "TLS 1.3"])
async def test_a_handshake_may_come_octet_by_octet(context: SSL.Context, versions: tuple[int, int]) -> None:
    async with connected(in_pieces(server(versions), list(range(1, 700)))) as stream:
        facts = await stream.start_tls(context, NAME, time.time())
        assert facts.verified
        assert b"220 hello" == await stream.read_line(LIMIT)


@pytest.mark.parametrize("cut", [1, 4, 5, 6, 50, 127, 128, 133, 200, 512])
async def test_a_flight_that_comes_in_two_pieces_is_no_answer_in_plain(context: SSL.Context, cut: int) -> None:
    async with connected(in_pieces(server(), [cut])) as stream:
        assert (await stream.start_tls(context, NAME, time.time())).verified


@pytest.mark.parametrize("cut", [0, 1, 5, 60, 200])
async def test_a_reset_in_the_middle_of_a_handshake_is_one(context: SSL.Context, cut: int) -> None:
    def act(sock: socket.socket) -> None:
        connection = SSL.Connection(server())
        connection.set_accept_state()
        connection.bio_write(sock.recv(1 << 16))
        with contextlib.suppress(SSL.WantReadError):
            connection.do_handshake()
        sock.sendall(connection.bio_read(cut) if cut else b"")
        _let_it_be_read(sock)
        reset(sock)

    async with connected(act) as stream:
        told = await failure(stream.start_tls(context, NAME, time.time()))

    assert (FailureReason.CONNECTION_RESET, "Connection reset by peer") == told


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
        _let_it_be_read(sock)
        reset(sock)
        loop.call_soon_threadsafe(gone.set)

    async with connected(act) as stream:
        assert b"220 hello" == await stream.read_line(LIMIT)
        await stream.send(b"E")
        await gone.wait()
        await stream.send(b"HLO\r\n")
        assert b"421 too busy" == await stream.read_line(LIMIT)
        expected = 'Connection reset by peer after "421", in the middle of a line'
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
        _let_it_be_read(sock)
        reset(sock)
        loop.call_soon_threadsafe(gone.set)

    async with connected(act) as stream:
        await stream.start_tls(context, NAME, time.time())
        await gone.wait()
        told = await failure(stream.send(b"EHLO client.example\r\n"))

    expected = "the server sent alert certificate_required: it wants a client certificate"
    assert (FailureReason.TLS_HANDSHAKE_FAILED, expected) == told


async def test_records_of_one_octet_are_read(context: SSL.Context) -> None:
    words = b"220 " + 2000 * b"x" + b"\r\n"

    def act(sock: socket.socket) -> None:
        session = Session(sock, server())
        sock.sendall(b"".join(session.record(23, words[at : at + 1]) for at in range(len(words))))
        sock.recv(1 << 16)

    async with connected(act) as stream, watched() as watch:
        await stream.start_tls(context, NAME, time.time())
        assert words.rstrip() == await stream.read_line(LIMIT)

    assert watch.longest < MOST_HELD


async def test_a_large_group_is_computed_in_beside_the_loop(rsa_leaf: Party, context: SSL.Context) -> None:
    async with connected(choosing_group(rsa_leaf, 4096)) as stream, watched() as watch:
        told = await failure(stream.start_tls(context, NAME, time.time()))
        assert stream.unfinished is not None

    # It got as far as the server's Finished, which this one never sends.
    assert (FailureReason.CONNECTION_CLOSED, "the server closed the connection") == told
    assert watch.longest < MOST_HELD


async def test_a_group_too_large_is_not_computed_in(rsa_leaf: Party, context: SSL.Context) -> None:
    async with connected(choosing_group(rsa_leaf, 10_000)) as stream, watched() as watch:
        told = await failure(stream.start_tls(context, NAME, time.time()))

    expected = "the server's Diffie-Hellman group has 10000 bits, more than 8192"
    assert (FailureReason.TLS_HANDSHAKE_FAILED, expected) == told
    assert watch.longest < MOST_HELD


async def test_who_gives_up_while_a_thread_computes_leaves_the_session_alone(
    rsa_leaf: Party, context: SSL.Context
) -> None:
    async with connected(choosing_group(rsa_leaf, 8192)) as stream:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await stream.start_tls(context, NAME, time.time())

        assert stream.unfinished is None


async def test_a_server_that_writes_in_pieces_does_not_wait_for_our_kernel() -> None:
    def act(sock: socket.socket) -> None:
        # Nagle's algorithm is on, as it is by default: what is written second waits until the first is acknowledged.
        sock.sendall(b"220 hello\r\n")
        while sock.recv(100):
            for piece in (b"250-first\r\n", b"250-second\r\n", b"250 third\r\n"):
                sock.sendall(piece)

    took = []
    async with connected(act) as stream:
        await stream.read_line(LIMIT)
        for _ in range(20):
            begun = time.perf_counter()
            await stream.send(b"EHLO\r\n")
            lines = [await stream.read_line(LIMIT) for _ in range(3)]
            took.append(time.perf_counter() - begun)
            assert [b"250-first", b"250-second", b"250 third"] == lines

    # The kernel would put it off for 40 ms each time.
    assert min(took) < DELAYED_ACKNOWLEDGEMENT


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


async def test_a_hundred_certificates_are_read_and_hold_nobody_up(context: SSL.Context) -> None:
    leaf = issue(NAME, world().root, alternatives=[NAME])
    others = [issue(f"Authority {number}", world().root, authority=True) for number in range(99)]
    presented = server_context(leaf, *others)

    async with connected(in_pieces(presented, [])) as stream, watched() as watch:
        facts = await stream.start_tls(context, NAME, time.time())

    assert NAME in facts.chain[0].names
    assert watch.longest < MOST_HELD
