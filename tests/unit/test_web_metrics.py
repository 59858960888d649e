from __future__ import annotations

import asyncio
import gzip
import logging
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing

import pytest
from aiohttp import ClientResponse
from structlog.testing import capture_logs

from exporter.metrics.exposition import Format
from exporter.model import Protocol
from exporter.web.serving import streaming
from tests.unit.results import endpoint, success
from tests.unit.scraping import samples, value
from tests.unit.web import Client, served, store_with

NAME = "submission://mail.example.com"
STORE_OF_ONE = [endpoint(NAME, Protocol.SMTP)], [success(NAME)]
LAST_CHUNK = b"\r\n0\r\n\r\n"


async def get(client: Client, **headers: str) -> tuple[ClientResponse, bytes]:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    response = await client.get("/metrics", headers={"Accept-Encoding": "identity", **named})
    return response, await response.read()


async def test_metrics_are_prometheus_text_by_default() -> None:
    async with served(store_with(*STORE_OF_ONE)) as client:
        response, body = await get(client)

    assert 200 == response.status
    assert "text/plain; version=0.0.4; charset=utf-8" == response.headers["Content-Type"]
    assert "Content-Encoding" not in response.headers
    read = samples(body.decode())
    assert 1.0 == value(read, "mail_probe_success", endpoint=NAME)
    assert 1.0 == value(read, "python_info")


async def test_metrics_are_openmetrics_for_those_who_prefer_it() -> None:
    async with served(store_with(*STORE_OF_ONE)) as client:
        response, body = await get(client, Accept="application/openmetrics-text; version=1.0.0, text/plain;q=0.5")

    assert "application/openmetrics-text; version=1.0.0; charset=utf-8" == response.headers["Content-Type"]
    assert "Accept, Accept-Encoding" == response.headers["Vary"]
    assert 1.0 == value(samples(body.decode(), Format.OPENMETRICS), "mail_probe_success", endpoint=NAME)


@pytest.mark.parametrize("number", [1, 300], ids=["compressed on the spot", "compressed in a thread"])
async def test_metrics_are_compressed_for_those_who_accept_it(number: int) -> None:
    names = [f"submission://mail-{each}.example.com" for each in range(number)]
    store = store_with([endpoint(name, Protocol.SMTP) for name in names], [success(name) for name in names])
    async with served(store) as client:
        client.session._auto_decompress = False
        response, body = await get(client, Accept_Encoding="gzip")

    assert "gzip" == response.headers["Content-Encoding"]
    text = gzip.decompress(body).decode()
    assert number == text.count("\nmail_probe_success{")
    assert len(body) < len(text) / 4


async def test_head_gets_the_headers_alone_and_is_no_scrape() -> None:
    store = store_with(*STORE_OF_ONE)
    async with served(store) as client:
        response = await client.head("/metrics")
        body = await response.read()

    assert (200, b"") == (response.status, body)
    assert "text/plain; version=0.0.4; charset=utf-8" == response.headers["Content-Type"]
    assert 0 == store.snapshot().exporter.scrapes.count


async def test_a_scrape_tells_how_long_the_one_before_took() -> None:
    async with served(store_with(*STORE_OF_ONE)) as client:
        await get(client)
        _, body = await get(client)

    assert 1.0 == value(samples(body.decode()), "mail_exporter_scrape_duration_seconds_count")


async def test_only_reading_is_allowed() -> None:
    async with served(store_with(*STORE_OF_ONE)) as client:
        response = await client.post("/metrics")
        text = await response.text()

    assert 405 == response.status
    assert {"GET", "HEAD"} == set(response.headers["Allow"].split(","))
    assert "/metrics takes GET, HEAD, not POST.\n" == text


async def test_a_large_scrape_lets_others_run_between_its_slices() -> None:
    names = [f"submission://mail-{each}.example.com" for each in range(500)]
    store = store_with([endpoint(name, Protocol.SMTP) for name in names], [success(name) for name in names])
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    async with served(store) as client:
        counting = asyncio.create_task(count_turns())
        _, body = await get(client)
        counting.cancel()

    assert turns > len(body) / (2 * 64 * 1024)


async def test_more_scrapes_at_once_than_there_are_places_are_all_answered() -> None:
    async with served(store_with(*STORE_OF_ONE)) as client:
        answers = await asyncio.gather(*(get(client) for _ in range(3 * streaming.CONCURRENT_BODIES)))

    assert {200} == {response.status for response, _ in answers}
    assert {1.0} == {value(samples(body.decode()), "mail_probe_success", endpoint=NAME) for _, body in answers}


async def test_a_scrape_that_finds_no_place_is_told_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "CONCURRENT_BODIES", 0)
    monkeypatch.setattr(streaming, "QUEUE_TIMEOUT", 0.01)
    async with served(store_with(*STORE_OF_ONE)) as client:
        response, body = await get(client)

    assert 503 == response.status
    assert "1" == response.headers["Retry-After"]
    assert b"0 other requests are being answered. Try again later.\n" == body


async def test_a_client_that_stops_reading_is_cut_off_and_gives_its_place_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "CONCURRENT_BODIES", 1)
    monkeypatch.setattr(streaming, "BODY_TIMEOUT", 0.2)
    names = [f"submission://mail-{each}.example.com" for each in range(3000)]
    store = store_with([endpoint(name, Protocol.SMTP) for name in names], [success(name) for name in names])
    async with served(store) as client:
        assert client.server.port is not None
        reader, writer = await asyncio.open_connection("127.0.0.1", client.server.port, limit=1024)
        with closing(writer):
            writer.write(b"GET /metrics HTTP/1.1\r\nHost: exporter\r\n\r\n")
            await reader.readuntil(b"\r\n\r\n")

            response = await client.head("/metrics")

            assert 200 == response.status
            assert not (await reader.read()).endswith(LAST_CHUNK)


@asynccontextmanager
async def reading(port: int, *, octets_a_second: float) -> AsyncIterator[asyncio.Task[int]]:
    """A client that reads a large answer slowly, by a small window; how much it read."""
    loop = asyncio.get_running_loop()
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        await loop.sock_connect(client, ("127.0.0.1", port))
        await loop.sock_sendall(client, b"GET /metrics HTTP/1.1\r\nHost: exporter\r\n\r\n")

        async def read() -> int:
            taken = 0
            try:
                while piece := await loop.sock_recv(client, 4096):
                    taken += len(piece)
                    await asyncio.sleep(len(piece) / octets_a_second)
            except ConnectionError:
                pass
            return taken

        task = asyncio.create_task(read())
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def test_clients_that_trickle_lose_their_places_to_one_that_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight of them, and an answer that fits into nobody's buffers."""
    monkeypatch.setattr(streaming, "GRACE", 0.2)
    monkeypatch.setattr(streaming, "LOOK_EVERY", 0.1)
    names = [f"submission://mail-{each}.example.com" for each in range(6000)]
    store = store_with([endpoint(name, Protocol.SMTP) for name in names], [success(name) for name in names])
    async with served(store) as client, AsyncExitStack() as stack:
        assert client.server.port is not None
        slow = [
            await stack.enter_async_context(reading(client.server.port, octets_a_second=20_000))
            for _ in range(streaming.CONCURRENT_BODIES)
        ]
        await asyncio.sleep(0.3)
        with capture_logs() as logs:
            response = await client.get("/metrics")
            body = await response.text()

        assert 200 == response.status
        assert body.count("mail_endpoint_info{") == len(names)
        assert 0 < sum(line["event"].startswith("closed a slow client") for line in logs) < len(slow)


async def test_a_client_that_resets_is_no_error_and_leaves_its_place(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(streaming, "CONCURRENT_BODIES", 1)
    names = [f"submission://mail-{each}.example.com" for each in range(6000)]
    store = store_with([endpoint(name, Protocol.SMTP) for name in names], [success(name) for name in names])
    async with served(store) as client:
        for _ in range(3):
            reader, writer = await asyncio.open_connection("127.0.0.1", client.server.port)
            writer.write(b"GET /metrics HTTP/1.1\r\nHost: exporter\r\n\r\n")
            await reader.readuntil(b"\r\n\r\n")
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        response = await client.get("/metrics")

    assert 200 == response.status
    assert [] == [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
