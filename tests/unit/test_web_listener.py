"""Connections to the interface: how many there may be, how long one may take, and by what TLS they come about."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trustme
from aiohttp import web
from cryptography import x509
from structlog.testing import capture_logs

from exporter.web import connection as connection_module
from exporter.web import listener as listener_module
from exporter.web import policy_file as policy_module
from exporter.web.addresses import ListenAddress
from exporter.web.listener import Listener
from exporter.web.policy_file import PolicyFile
from exporter.web.server import Server, serve

HERE = "127.0.0.1"
SUITE = "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"
REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


@dataclass
class Client:
    """A connection, by its octets."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @property
    def tls(self) -> ssl.SSLObject:
        found = self.writer.get_extra_info("ssl_object")
        assert isinstance(found, ssl.SSLObject)
        return found

    @property
    def serial_number(self) -> int:
        """Of the certificate that the server showed."""
        shown = self.tls.getpeercert(binary_form=True)
        assert shown is not None
        return x509.load_der_x509_certificate(shown).serial_number

    async def says(self, octets: bytes = REQUEST) -> None:
        self.writer.write(octets)
        await self.writer.drain()

    async def hears(self) -> bytes:
        """The head and the body of an answer, whose length has to be told."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        (length,) = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        return head + await self.reader.readexactly(int(length))

    async def hears_the_end(self) -> bytes:
        """What comes until the other side closes."""
        try:
            return await self.reader.read()
        except ConnectionResetError:
            return b""


@dataclass
class Answers:
    """A server that answers `/` at once, and `/slow` when it is let."""

    begun: asyncio.Event = field(default_factory=asyncio.Event)
    released: asyncio.Event = field(default_factory=asyncio.Event)

    def application(self) -> web.Application:
        application = web.Application()
        application.router.add_get("/", self.at_once)
        application.router.add_get("/slow", self.slowly)
        application.router.add_get("/a/bug", self.wrongly)
        return application

    async def at_once(self, _: web.Request) -> web.Response:
        return web.Response(text="here")

    async def wrongly(self, _: web.Request) -> web.Response:
        raise RuntimeError("secret")

    async def slowly(self, _: web.Request) -> web.Response:
        self.begun.set()
        await self.released.wait()
        return web.Response(text="at last")


@dataclass
class Tls:
    """A web configuration with TLS, in files."""

    directory: Path
    authority: trustme.CA
    file: PolicyFile

    @classmethod
    def make(cls, directory: Path) -> Tls:
        authority = trustme.CA()
        authority.cert_pem.write_to_path(directory / "ca.pem")
        authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(directory / "server.pem")
        (directory / "web.yml").write_text("tls_server_config: {cert_file: server.pem, key_file: server.pem}\n")
        return cls(directory, authority, PolicyFile(directory / "web.yml"))

    def client(self, *names: str) -> ssl.SSLContext:
        """Trusts the authority, and shows a certificate for these names if there are any."""
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        if names:
            self.authority.issue_cert(*names).configure_cert(context)
        return context

    def renew(self) -> int:
        """Puts a new certificate there, and returns its serial number."""
        issued = self.authority.issue_cert("localhost")
        issued.private_key_and_cert_chain_pem.write_to_path(self.directory / "new.pem")
        (self.directory / "new.pem").replace(self.directory / "server.pem")
        return x509.load_pem_x509_certificate(issued.cert_chain_pems[0].bytes()).serial_number

    def require(self, names: str | None) -> None:
        """Asks clients for certificates from now on, for one of these names."""
        sans = "" if names is None else f", client_allowed_sans: {names}"
        self.write(f"client_ca_file: ca.pem, client_auth_type: RequireAndVerifyClientCert{sans}")

    def write(self, settings: str) -> None:
        """Adds settings to the certificate, from now on."""
        keys = "cert_file: server.pem, key_file: server.pem"
        (self.directory / "web.yml").write_text(f"tls_server_config: {{{keys}, {settings}}}\n")
        assert self.file.refresh()


@pytest.fixture
def tls(tmp_path: Path) -> Tls:
    return Tls.make(tmp_path)


@dataclass
class Served:
    """The server, and clients of it."""

    answers: Answers
    server: Server
    stack: AsyncExitStack

    async def connect(self, tls: ssl.SSLContext | None = None) -> Client:
        port = int(self.server.urls[0].rstrip("/").rpartition(":")[2])
        name = None if tls is None else "localhost"
        reader, writer = await asyncio.open_connection(HERE, port, ssl=tls, server_hostname=name)
        self.stack.push_async_callback(_close, writer)
        return Client(reader, writer)


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    try:
        await writer.wait_closed()
    except (ConnectionError, ssl.SSLError):
        return


@asynccontextmanager
async def serving(web_config: PolicyFile | None = None) -> AsyncIterator[Served]:
    answers = Answers()
    server = await serve(answers.application(), [ListenAddress(HERE, 0)], web_config=web_config)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(server.stop)
        yield Served(answers, server, stack)
        answers.released.set()


@pytest.fixture
def two_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Listener.__init__
    monkeypatch.setattr(Listener, "__init__", lambda *rest, **named: made(*rest, **named | {"limit": 2}))


@pytest.mark.usefixtures("two_connections")
async def test_who_has_been_idle_for_longest_makes_room() -> None:
    async with serving() as served:
        first, second = await served.connect(), await served.connect()
        for client in (second, first):
            await client.says()
            await client.hears()

        third = await served.connect()
        await third.says()

        assert b"here" in await third.hears()
        assert b"" == await second.hears_the_end()
        await first.says()
        assert b"here" in await first.hears()


@pytest.mark.usefixtures("two_connections")
async def test_who_is_being_answered_stays_and_the_next_one_waits() -> None:
    async with serving() as served:
        busy = [await served.connect(), await served.connect()]
        for client in busy:
            served.answers.begun.clear()
            await client.says(b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await served.answers.begun.wait()

        third = await served.connect()
        await third.says()
        waiting = asyncio.ensure_future(third.hears())
        await asyncio.sleep(0)
        assert not waiting.done()
        served.answers.released.set()

        assert [True, True] == [b"at last" in await client.hears() for client in busy]
        assert b"here" in await waiting


async def test_who_does_not_ask_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "HEAD_TIMEOUT", 0.05)
    async with serving() as served:
        client = await served.connect()

        assert b"" == await client.hears_the_end()


@pytest.mark.parametrize("before", [b"", REQUEST])
async def test_who_asks_too_slowly_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, before: bytes) -> None:
    monkeypatch.setattr(connection_module, "HEAD_TIMEOUT", 0.2)
    async with serving() as served:
        client = await served.connect()
        if before:
            await client.says(before)
            await client.hears()
        gone = asyncio.ensure_future(client.hears_the_end())
        for octet in b"GET / HTTP/1.1\r\nX-Slow: " + b"x" * 1000:
            await client.says(bytes([octet]))
            if (await asyncio.wait([gone], timeout=0.02))[0]:
                break

        assert b"" == await gone


async def test_who_has_asked_is_answered_however_long_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "HEAD_TIMEOUT", 0.05)
    async with serving() as served:
        client = await served.connect()
        await client.says(b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await served.answers.begun.wait()
        asyncio.get_running_loop().call_later(0.2, served.answers.released.set)

        assert b"at last" in await client.hears()


async def test_an_idle_connection_is_kept_for_the_next_scrape_but_not_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection_module, "HEAD_TIMEOUT", 0.05)
    monkeypatch.setattr(connection_module, "IDLE_TIMEOUT", 0.3)
    async with serving() as served:
        client = await served.connect()
        begun = asyncio.get_running_loop().time()
        await client.says()
        await client.hears()

        assert b"" == await client.hears_the_end()
        assert asyncio.get_running_loop().time() - begun >= 0.29


async def test_several_requests_may_be_sent_at_once() -> None:
    async with serving() as served:
        client = await served.connect()
        await client.says(REQUEST * 3)

        assert [True] * 3 == [b"here" in await client.hears() for _ in range(3)]


@pytest.mark.parametrize(
    ("octets", "status"),
    [
        (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 9000 + b"\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 100 + b"\r\n", b"400"),
        (b"GET / HTTP/1.1\r\n" + (b"X: " + b"y" * 8000 + b"\r\n") * 5 + b"\r\n", b"431"),
        (b"garbage\r\n\r\n", b"400"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200), b"400"),
        (b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"400"),
        (b"GET / HTTP/9.9\r\n\r\n", b"400"),
    ],
)
async def test_what_is_no_request_or_too_large_is_refused_in_a_word(
    octets: bytes, status: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving() as served:
        client = await served.connect()
        with capture_logs() as logs:
            await client.says(octets)
            answer = await client.hears_the_end()

    assert status == answer.split()[1]
    assert b"aiohttp" not in answer
    assert b"xxx" not in answer
    assert [] == [record.message for record in caplog.records if record.levelno >= logging.WARNING]
    assert ["debug"] == [line["log_level"] for line in logs]


@pytest.mark.parametrize("html", [False, True])
async def test_a_bug_is_told_in_a_word_and_its_traceback_only_to_the_log(
    *, html: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving() as served:
        client = await served.connect()
        accepted = b"text/html" if html else b"*/*"
        await client.says(b"GET /a/bug HTTP/1.1\r\nHost: localhost\r\nAccept: %s\r\n\r\n" % accepted)
        answer = await client.hears_the_end()

    assert b"500" == answer.split()[1]
    assert b"This is a bug of mail-exporter. Its log has the traceback." in answer
    assert b"secret" not in answer
    assert html == (b'<a href="../">Try again</a>' in answer)
    assert ["RuntimeError"] == [
        record.exc_info[0].__name__ for record in caplog.records if record.exc_info and record.exc_info[0]
    ]


async def test_a_pause_is_made_when_the_system_has_nothing_to_give(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener_module, "PAUSE", 0.01)
    loop = asyncio.get_running_loop()
    real = loop.sock_accept
    failures = iter([OSError(errno.EMFILE, "Too many open files"), OSError(errno.ECONNABORTED, "gone again")])

    async def accept(listening: socket.socket) -> tuple[socket.socket, object]:
        failure = next(failures, None)
        if failure is not None:
            raise failure
        return await real(listening)

    monkeypatch.setattr(loop, "sock_accept", accept)
    with capture_logs() as logs:
        async with serving() as served:
            client = await served.connect()
            await client.says()
            assert b"here" in await client.hears()

    assert [("cannot accept connections", "Too many open files")] == [(line["event"], line["problem"]) for line in logs]


async def test_the_end_closes_idle_connections_and_lets_an_answer_under_way_be_finished() -> None:
    async with serving() as served:
        idle, busy = await served.connect(), await served.connect()
        await idle.says()
        await idle.hears()
        await busy.says(b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await served.answers.begun.wait()
        asyncio.get_running_loop().call_later(0.1, served.answers.released.set)

        await served.server.stop()

        assert b"at last" in await busy.hears_the_end()
        assert b"" == await idle.hears_the_end()


@pytest.mark.usefixtures("two_connections")
async def test_who_never_shakes_hands_makes_room(tls: Tls) -> None:
    async with serving(tls.file) as served:
        silent = [await served.connect(), await served.connect()]
        client = await served.connect(tls.client())
        await client.says()

        assert b"here" in await client.hears()
        assert b"" == await silent[0].hears_the_end()


async def test_who_speaks_tls_is_answered_by_http_1_1(tls: Tls) -> None:
    context = tls.client()
    context.set_alpn_protocols(["h2", "http/1.1"])
    async with serving(tls.file) as served:
        client = await served.connect(context)
        await client.says()

        assert served.server.urls[0].startswith("https://")
        assert "http/1.1" == client.tls.selected_alpn_protocol()
        assert b"here" in await client.hears()


async def test_who_speaks_http_where_tls_is_due_is_hung_up_on(tls: Tls) -> None:
    async with serving(tls.file) as served:
        client = await served.connect()
        with capture_logs() as logs:
            await client.says()
            await client.hears_the_end()

    assert ["debug"] == [line["log_level"] for line in logs]


async def test_a_new_certificate_is_shown_from_the_next_connection_on(
    tls: Tls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policy_module, "CHECK_INTERVAL", 0.01)
    async with serving(tls.file) as served:
        before = await served.connect(tls.client())
        await before.says()
        await before.hears()
        renewed = tls.renew()

        # The renewal asks those who are there to come again; until then the old one is in force.
        assert b"" == await before.hears_the_end()
        after = await served.connect(tls.client())
        await after.says()

        assert renewed == after.serial_number != before.serial_number
        assert b"here" in await after.hears()


@pytest.mark.parametrize(
    ("names", "status"),
    [(None, b"200"), ("[prometheus.example.com]", b"200"), ("[192.0.2.1]", b"200"), ("[other.example.com]", b"403")],
)
async def test_a_client_with_a_certificate_is_let_in_by_its_names(tls: Tls, names: str | None, status: bytes) -> None:
    tls.require(names)
    async with serving(tls.file) as served:
        client = await served.connect(tls.client("prometheus.example.com", "192.0.2.1"))
        await client.says()

        assert status == (await client.hears()).split()[1]


@pytest.mark.parametrize("own", [True, False])
async def test_a_client_without_a_certificate_is_not_let_in_and_logged_unless_it_is_our_health_check(
    tls: Tls, monkeypatch: pytest.MonkeyPatch, *, own: bool
) -> None:
    monkeypatch.setattr(listener_module, "_HERE", frozenset({HERE} if own else ()))
    tls.require(None)
    with capture_logs() as logs:
        async with serving(tls.file) as served:
            with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
                # With TLS 1.3 a client has shaken hands before the server has looked at its certificate.
                await (await served.connect(tls.client())).hears()

    (line,) = logs
    assert ("debug" if own else "info", HERE) == (line["log_level"], line["remote"])
    assert "PEER_DID_NOT_RETURN_A_CERTIFICATE" in line["problem"]


async def test_a_client_with_a_certificate_of_somebody_else_is_not_let_in(tls: Tls) -> None:
    tls.require(None)
    stranger = trustme.CA()
    context = tls.client()
    stranger.issue_cert("prometheus.example.com").configure_cert(context)
    async with serving(tls.file) as served:
        with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
            await (await served.connect(context)).hears()


async def test_whoever_is_being_answered_when_the_certificate_changes_gets_the_answer(tls: Tls) -> None:
    async with serving(tls.file) as served:
        client = await served.connect(tls.client())
        await client.says(b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await served.answers.begun.wait()
        tls.renew()
        assert tls.file.refresh()
        served.server.keep_to(tls.file.policy)
        served.answers.released.set()

        assert (await client.hears_the_end()).endswith(b"at last")


def only_tls_1_2(context: ssl.SSLContext) -> None:
    context.maximum_version = ssl.TLSVersion.TLSv1_2


def only_suite(suite: str) -> Callable[[ssl.SSLContext], None]:
    def limit(context: ssl.SSLContext) -> None:
        only_tls_1_2(context)
        context.set_ciphers(suite)

    return limit


def only_curve(curve: str) -> Callable[[ssl.SSLContext], None]:
    return lambda context: context.set_ecdh_curve(curve)


@pytest.mark.parametrize(
    ("settings", "limit", "served"),
    [
        ("min_version: TLS13", only_tls_1_2, False),
        ("min_version: TLS12", only_tls_1_2, True),
        ("max_version: TLS12", only_tls_1_2, True),
        (f"cipher_suites: [{SUITE}]", only_suite("ECDHE-ECDSA-AES256-GCM-SHA384"), True),
        (f"cipher_suites: [{SUITE}]", only_suite("ECDHE-ECDSA-AES128-GCM-SHA256"), False),
        ("curve_preferences: [CurveP384]", only_curve("secp384r1"), True),
        ("curve_preferences: [CurveP384]", only_curve("prime256v1"), False),
    ],
)
async def test_versions_suites_and_curves_are_kept_to(
    tls: Tls, settings: str, limit: Callable[[ssl.SSLContext], None], served: bool
) -> None:
    tls.write(settings)
    context = tls.client()
    limit(context)
    async with serving(tls.file) as serving_now:
        try:
            client = await serving_now.connect(context)
        except (ssl.SSLError, ConnectionError):
            assert not served
        else:
            await client.says()
            assert served
            assert b"here" in await client.hears()


async def test_who_came_before_certificates_were_asked_for_is_not_answered_any_more(tls: Tls) -> None:
    async with serving(tls.file) as served:
        client = await served.connect(tls.client())
        tls.require(None)
        served.server._security.replace(tls.file.policy)
        await client.says()

        assert b"403" == (await client.hears()).split()[1]
