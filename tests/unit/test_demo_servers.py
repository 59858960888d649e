"""The listeners of the demo and the wire below its protocols: what they bound, what they survive, how they end."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from exporter.demo import servers
from exporter.demo.authority import Validity, self_signed
from exporter.demo.servers import MAX_CLIENTS, listening
from exporter.demo.wire import READ_AHEAD, ClientGoneError, LineTooLongError, Wire
from tests.servers.raw_client import PATIENCE, RawClient, connected

Outcome = asyncio.Future[object]
Visit = Callable[[RawClient], Awaitable[None]]


@pytest.fixture
def server_tls(tmp_path: Path) -> ssl.SSLContext:
    """What a server needs to become TLS."""
    now = datetime.now(UTC)
    file = tmp_path / "server.pem"
    file.write_bytes(self_signed(["127.0.0.1"], Validity(now - timedelta(1), now + timedelta(1))).chain_file)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


async def within_patience(outcome: Outcome) -> object:
    async with asyncio.timeout(PATIENCE):
        return await outcome


@pytest.mark.parametrize("pieces", [[b"one\r\ntwo\nthree\r\n"], [bytes([octet]) for octet in b"one\r\ntwo\nthree\r\n"]])
async def test_lines_are_the_same_however_they_arrive(pieces: list[bytes]) -> None:
    heard: Outcome = asyncio.get_running_loop().create_future()

    async def serve(wire: Wire) -> None:
        heard.set_result([await wire.read_line(len(b"three\r")) for _ in range(3)])

    async with listening(serve, Wire) as port, connected(port) as client:
        for piece in pieces:
            await client.send(piece)
        assert [b"one", b"two", b"three"] == await within_patience(heard)


@pytest.mark.parametrize("line", [b"123456\r\n", b"1234567"])
async def test_a_line_beyond_the_limit_is_an_error_whether_it_ends_or_not(line: bytes) -> None:
    heard: Outcome = asyncio.get_running_loop().create_future()

    async def serve(wire: Wire) -> None:
        with pytest.raises(LineTooLongError):
            await wire.read_line(6)
        heard.set_result("too long")

    async with listening(serve, Wire) as port, connected(port) as client:
        await client.send(line)
        assert "too long" == await within_patience(heard)


async def test_nothing_is_read_before_somebody_asks_for_it() -> None:
    heard: Outcome = asyncio.get_running_loop().create_future()
    flood = 8 * 1024 * 1024

    async def serve(wire: Wire) -> None:
        await wire.send(b"go on\r\n")
        await wire.read_exactly(1)
        heard.set_result("one octet")
        await asyncio.Event().wait()

    async with listening(serve, Wire) as port, connected(port) as client:
        await client.line()
        flooding = asyncio.create_task(client.send(b"x" * flood))
        assert "one octet" == await within_patience(heard)
        # That nothing happens can only be seen by waiting for it.
        done, _ = await asyncio.wait([flooding], timeout=0.05)
        assert not done
        client.vanish()
        with suppress(ConnectionError):
            await flooding


async def test_what_stands_behind_starttls_in_plain_is_forgotten(server_tls: ssl.SSLContext) -> None:
    async def serve(wire: Wire) -> None:
        await wire.read_line(100)
        await wire.send(b"go on\r\n")
        await wire.start_tls(server_tls)
        await wire.send(await wire.read_line(100) + b"\r\n")

    async with listening(serve, Wire) as port, connected(port) as client:
        assert b"go on" == await client.ask(b"STARTTLS\r\nsaid in plain")
        await client.start_tls()
        assert b"said under TLS" == await client.ask(b"said under TLS")


async def test_tls_ends_with_its_own_goodbye(server_tls: ssl.SSLContext) -> None:
    async def serve(wire: Wire) -> None:
        await wire.start_tls(server_tls)
        await wire.send(b"last words\r\n")

    async with listening(serve, Wire) as port, connected(port, tls=True) as client:
        # Without the goodbye (close_notify), reading to the end is an error.
        assert b"last words\r\n" == await client.rest()


async def test_a_server_that_only_talks_notices_that_the_client_has_left(server_tls: ssl.SSLContext) -> None:
    ended: Outcome = asyncio.get_running_loop().create_future()

    async def serve(wire: Wire) -> None:
        await wire.start_tls(server_tls)
        try:
            while True:
                await wire.send(b"more\r\n")
        except ClientGoneError:
            ended.set_result("gone")

    async with listening(serve, Wire) as port:
        async with connected(port, tls=True) as client:
            assert b"more" == await client.line()
        assert "gone" == await within_patience(ended)


async def test_little_is_read_ahead_under_tls(server_tls: ssl.SSLContext) -> None:
    waiting: list[int] = []
    full = asyncio.Event()

    class Watched(Wire):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            waiting.append(len(self._buffer))
            if waiting[-1] > READ_AHEAD:
                full.set()

    async def serve(wire: Watched) -> None:
        await wire.start_tls(server_tls)
        await wire.send(b"go on\r\n")
        await asyncio.Event().wait()

    async with listening(serve, Watched) as port, connected(port, tls=True) as client:
        await client.line()
        await client.send(b"x" * 8 * 1024 * 1024)
        async with asyncio.timeout(PATIENCE):
            await full.wait()
        # That no more is read can only be seen by waiting for it.
        await asyncio.sleep(0.05)
        client.vanish()
    assert waiting[-1] < 10 * READ_AHEAD


async def leaves_at_once(client: RawClient) -> None:
    await client.leave()


async def vanishes_at_once(client: RawClient) -> None:
    client.vanish()


async def sends_no_handshake(client: RawClient) -> None:
    await client.send(b"GET / HTTP/1.1\r\n\r\n")
    await client.some()


async def vanishes_in_the_handshake(client: RawClient) -> None:
    await client.send(b"\x16\x03\x01\x02\x00\x01")
    client.vanish()


async def leaves_in_the_handshake(client: RawClient) -> None:
    await client.send(b"\x16\x03\x01\x02\x00\x01")
    await client.leave()


async def does_not_want_the_certificate(client: RawClient) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        await client.start_tls(ssl.create_default_context())


@pytest.mark.parametrize(
    "visit",
    [
        leaves_at_once,
        vanishes_at_once,
        sends_no_handshake,
        vanishes_in_the_handshake,
        leaves_in_the_handshake,
        does_not_want_the_certificate,
    ],
)
async def test_clients_that_go_away_are_nothing_to_talk_about(
    visit: Visit, server_tls: ssl.SSLContext, caplog: pytest.LogCaptureFixture
) -> None:
    ended: Outcome = asyncio.get_running_loop().create_future()

    async def serve(wire: Wire) -> None:
        try:
            await wire.start_tls(server_tls)
            await wire.read_line(100)
        except ClientGoneError:
            ended.set_result("gone")
            raise

    with caplog.at_level(logging.INFO):
        async with listening(serve, Wire) as port, connected(port) as client:
            await visit(client)
            assert "gone" == await within_patience(ended)
    assert [] == [record for record in caplog.records if record.levelno > logging.INFO]


async def test_a_client_that_does_not_listen_does_not_hold_up_the_end() -> None:
    stuck = asyncio.Event()

    async def serve(wire: Wire) -> None:
        stuck.set()
        await wire.send(b"x" * 64 * 1024 * 1024)

    async with asyncio.timeout(PATIENCE), listening(serve, Wire) as port, connected(port):
        await stuck.wait()


async def what_is_heard(client: RawClient) -> bytes:
    """What the server says; nothing if it closes the connection, in whichever way."""
    with suppress(ConnectionResetError):
        return await client.some()
    return b""


async def test_the_number_of_clients_is_bounded() -> None:
    async def serve(wire: Wire) -> None:
        await wire.send(b"welcome\r\n")
        await wire.until_gone()

    async with listening(serve, Wire) as port, AsyncExitStack() as stack:
        for _ in range(MAX_CLIENTS):
            client = await stack.enter_async_context(connected(port))
            assert b"welcome" == await client.line()
        one_more = await stack.enter_async_context(connected(port))
        assert b"" == await what_is_heard(one_more)


async def test_the_length_of_a_session_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "MAX_SESSION", 0.01)

    async with listening(Wire.until_gone, Wire) as port, connected(port) as client:
        assert b"" == await what_is_heard(client)


async def test_a_bug_of_a_server_is_reported_and_ends_that_session_only(caplog: pytest.LogCaptureFixture) -> None:
    async def serve(wire: Wire) -> None:
        if await wire.read_line(100) == b"bug":
            raise ZeroDivisionError
        await wire.send(b"fine\r\n")

    async with listening(serve, Wire) as port:
        async with connected(port) as client:
            await client.send(b"bug\r\n")
            assert b"" == await what_is_heard(client)
        async with connected(port) as client:
            assert b"fine" == await client.ask(b"and now?")
    assert ["Task exception was never retrieved"] == [record.message.partition("\n")[0] for record in caplog.records]


async def test_no_task_is_left_at_the_end() -> None:
    async def serve(wire: Wire) -> None:
        await wire.send(b"welcome\r\n")
        await asyncio.Event().wait()

    async with AsyncExitStack() as clients:
        async with listening(serve, Wire) as port:
            served = await clients.enter_async_context(connected(port))
            assert b"welcome" == await served.line()
            # This one is likely to be cancelled before its session has begun.
            await clients.enter_async_context(connected(port))
        assert {asyncio.current_task()} == asyncio.all_tasks()
        assert b"" == await what_is_heard(served)
