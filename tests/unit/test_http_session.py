"""HTTP requests whose event loop ends at once, whatever the server does: none leaves a connection behind.

The servers run in threads, so that they do not answer a goodbye before the client's loop has ended.
"""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
import struct
import threading
import warnings
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pytest

from exporter.model import IpFamily, OAuth2Client, OAuth2Provider, Resolution, Secret
from exporter.net.dns.resolve import AddressResolver
from exporter.net.http.fetch import Fetcher, FetchError
from exporter.net.http.http_session import TURNS
from exporter.net.http.token_endpoint import fetch_token
from exporter.protocol.oauth2 import Material, TokenError
from tests.servers.authority import Authority
from tests.servers.programs import LOOPBACK
from tests.servers.scripted import server_context

HOST = "www.example.com"
LIMIT = 1000
PATIENCE = 10.0
"""Seconds that everything may take, on a busy machine as well."""

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
UNTIL_CLOSED = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi"
INCOMPLETE = b"HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\nhi"
MISSING = b"HTTP/1.1 404 Not Found\r\nContent-Length: 200\r\n\r\nhi"
ELSEWHERE = b"HTTP/1.1 302 Found\r\nLocation: /there\r\nContent-Length: 200\r\n\r\nhi"
HUGE = b"HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n" + b"x" * 2_000_000
"""More than a client takes at a time, so that it stops reading."""


@dataclass
class Peer:
    """A client, as a server's thread sees it.

    Attributes:
        moment: Tells the test that the next step is done.
    """

    sock: socket.socket
    tls: ssl.SSLContext
    moment: Callable[[], None]

    def start_tls(self) -> None:
        self.sock = self.tls.wrap_socket(self.sock, server_side=True)


Server = Callable[[Peer], None]


def says_nothing(peer: Peer) -> None:
    peer.sock.recv(65_536)


def resets_in_the_handshake(peer: Peer) -> None:
    peer.sock.recv(65_536)
    peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.sock.close()


def closes_in_the_handshake(peer: Peer) -> None:
    peer.sock.recv(65_536)
    peer.sock.shutdown(socket.SHUT_WR)


def stops_in_the_handshake(peer: Peer) -> None:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    handshake = peer.tls.wrap_bio(incoming, outgoing, server_side=True)
    incoming.write(peer.sock.recv(65_536))
    with suppress(ssl.SSLWantReadError):
        handshake.do_handshake()
    peer.sock.sendall(outgoing.read()[:200])


def answers(answer: bytes) -> Server:
    """Answers, and then neither reads nor closes."""

    def behave(peer: Peer) -> None:
        peer.start_tls()
        peer.moment()
        peer.sock.recv(65_536)
        peer.moment()
        peer.sock.sendall(answer)

    return behave


def answers_in_plain(answer: bytes) -> Server:
    def behave(peer: Peer) -> None:
        peer.sock.recv(65_536)
        peer.moment()
        peer.sock.sendall(answer)

    return behave


SERVERS: dict[str, Server] = {
    "says nothing": says_nothing,
    "resets in the handshake": resets_in_the_handshake,
    "closes in the handshake": closes_in_the_handshake,
    "stops in the handshake": stops_in_the_handshake,
    "answers": answers(OK),
    "answers and ends the connection": answers(UNTIL_CLOSED),
    "answers a part": answers(INCOMPLETE),
    "has no document": answers(MISSING),
    "redirects": answers(ELSEWHERE),
    "answers too much": answers(HUGE),
}


class Stage:
    """A server in threads, and what its clients leave behind.

    Attributes:
        authority: Signs its certificate.
        url: The URL of a document.
        within: Seconds that a request may take.
        moments: Steps that the server has done.
    """

    def __init__(
        self, server: Server, authority: Authority, scheme: str = "https", *, within: float = PATIENCE
    ) -> None:
        self._server = server
        self.authority = authority
        self._tls = server_context(authority.issue(HOST, names=[HOST, LOOPBACK]))
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server((LOOPBACK, 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"{scheme}://{HOST}:{self.port}/"
        self.within = within
        self.moments = 0

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE)
        self._listener.close()

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        self._threads.append(threading.Thread(target=work, args=arguments))
        self._threads[-1].start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                self._start(self._serve, Peer(self._listener.accept()[0], self._tls, self._moment))

    def _serve(self, peer: Peer) -> None:
        peer.sock.settimeout(PATIENCE)
        with suppress(OSError):
            peer.moment()
            self._server(peer)
            peer.moment()
        self._over.wait(PATIENCE)
        peer.sock.close()

    def _moment(self) -> None:
        self.moments += 1

    def sockets(self) -> int:
        """How many sockets of this process are connected to the server."""
        count = 0
        for number in Path("/proc/self/fd").iterdir():
            with suppress(OSError):
                borrowed = socket.socket(fileno=int(number.name))
                try:
                    count += borrowed.getpeername() == (LOOPBACK, self.port)
                finally:
                    borrowed.detach()
        return count


class Names(AddressResolver):
    """Knows one host."""

    async def resolve(self, host: str, family: IpFamily) -> Resolution:  # noqa: ARG002 - as the class has it
        return Resolution((LOOPBACK,))


Request = Callable[[Stage], Coroutine[Any, Any, None]]
Cancel = Callable[[asyncio.Task[None], Stage], Coroutine[Any, Any, object]]
"""Waits until it is time, and cancels."""


async def never(task: asyncio.Task[None], _stage: Stage) -> None:
    await asyncio.wait([task])


def at_turn(number: int) -> Cancel:
    async def cancel(task: asyncio.Task[None], _stage: Stage) -> None:
        for _ in range(number):
            await asyncio.sleep(0)
        task.cancel()

    return cancel


def at_moment(number: int) -> Cancel:
    async def cancel(task: asyncio.Task[None], stage: Stage) -> None:
        while stage.moments < number and not task.done():  # noqa: ASYNC110 - the server is a thread
            await asyncio.sleep(0.0005)
        task.cancel()

    return cancel


async def document(stage: Stage) -> None:
    fetcher = Fetcher(Names(), ca_file=stage.authority.file)
    with suppress(FetchError):
        await fetcher.get(stage.url, lambda _host, _at: None, limit=LIMIT, within=stage.within)


async def token(stage: Stage) -> None:
    client = OAuth2Client(
        OAuth2Provider.CUSTOM, stage.url.replace(HOST, LOOPBACK), "mail", "monitor", ca_file=stage.authority.file
    )
    with suppress(TokenError, TimeoutError):
        async with asyncio.timeout(stage.within):
            await fetch_token(client, Material(client_secret=Secret(b"secret")))


def left_behind(stage: Stage, *cancels: Cancel, request: Request = document) -> list[str]:
    """Send requests, each in an event loop of its own, and return what Python complains of after the loop's end."""

    async def ask() -> None:
        await request(stage)
        connected.append(stage.sockets())

    async def run(cancel: Cancel) -> None:
        task = asyncio.create_task(ask())
        await cancel(task, stage)
        await asyncio.wait([task])
        for _ in range(TURNS):
            # What is cancelled while it closes its sockets leaves the rest to the loop.
            await asyncio.sleep(0)
        connected.append(stage.sockets())

    connected: list[int] = []
    with warnings.catch_warnings(record=True) as complaints:
        warnings.simplefilter("always")
        for cancel in cancels:
            asyncio.run(run(cancel))
        gc.collect()
    assert {0} == set(connected)
    return [str(each.message) for each in complaints]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.make(tmp_path_factory.mktemp("authority"), "web")


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("request_", [document, token])
def test_a_request_leaves_nothing_behind(request_: Request, server: str, authority: Authority) -> None:
    with Stage(SERVERS[server], authority, within=0.1) as stage:
        assert [] == left_behind(stage, never, request=request_)


@pytest.mark.parametrize("server", ["says nothing", "stops in the handshake", "answers", "answers a part"])
def test_a_request_that_is_cancelled_leaves_nothing_behind(server: str, authority: Authority) -> None:
    with Stage(SERVERS[server], authority) as stage:
        assert [] == left_behind(stage, *map(at_turn, range(40)))


@pytest.mark.parametrize("server", ["stops in the handshake", "answers", "answers a part", "answers too much"])
@pytest.mark.parametrize("moment", [1, 2, 3, 4])
def test_a_request_that_is_cancelled_after_a_step_of_the_server_leaves_nothing_behind(
    server: str, moment: int, authority: Authority
) -> None:
    with Stage(SERVERS[server], authority, within=0.1) as stage:
        assert [] == left_behind(stage, at_moment(moment))


@pytest.mark.parametrize("answer", [OK, UNTIL_CLOSED, INCOMPLETE, MISSING, ELSEWHERE, HUGE])
def test_a_request_without_tls_leaves_nothing_behind(answer: bytes, authority: Authority) -> None:
    with Stage(answers_in_plain(answer), authority, "http", within=0.1) as stage:
        assert [] == left_behind(stage, never)


def test_a_request_that_is_cancelled_at_the_end_of_its_handshake_leaves_nothing_behind(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks: list[asyncio.Task[None]] = []

    class CancellingTls(ssl.SSLObject):
        """asyncio asks for the certificate when the handshake is complete, and has told nobody yet."""

        def getpeercert(self, binary_form: bool = False) -> Any:
            tasks[-1].cancel()
            return super().getpeercert(binary_form)

    async def cancel(task: asyncio.Task[None], _stage: Stage) -> None:
        tasks.append(task)
        await asyncio.wait([task])
        assert task.cancelled()

    monkeypatch.setattr(ssl.SSLContext, "sslobject_class", CancellingTls)
    with Stage(answers(OK), authority) as stage:
        assert [] == left_behind(stage, cancel)
