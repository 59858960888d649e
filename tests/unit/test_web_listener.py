"""Connections to the interface: how many there may be, and how long one may take."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket

import pytest
from structlog.testing import capture_logs

from exporter.web.serving import connection as connection_module
from exporter.web.serving import listener as listener_module
from exporter.web.serving.listener import Listener
from tests.unit.listening import REQUEST, serving


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
        (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\n\r\n", b"400 more than 8190 octets"),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 9000 + b"\r\n\r\n", b"400 more than 8190 octets"),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 100 + b"\r\n", b"400"),
        (b"GET / HTTP/1.1\r\n" + (b"X: " + b"y" * 8000 + b"\r\n") * 5 + b"\r\n", b"431 more than 32768 octets"),
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

    code, _, told = status.partition(b" ")
    assert code == answer.split()[1]
    assert told in answer
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
