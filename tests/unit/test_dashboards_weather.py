"""The way to a server that is not always good, which the pictures of the dashboards are taken with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from dashboards.preview.weather import LOOPBACK, Weather, way_to, weather_after

GREETING = b"220 ready\r\n"
USUAL = "usual"


@asynccontextmanager
async def greeting_server(greeting: bytes = GREETING) -> AsyncIterator[int]:
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(greet, LOOPBACK, 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def heard(port: int) -> bytes:
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    try:
        return await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize(
    ("weather", "expected"), [(Weather(60), GREETING), (Weather(60, 0.01), GREETING), (Weather(60, None), b"")]
)
async def test_in_good_weather_the_server_is_heard_and_in_bad_nobody_is(weather: Weather, expected: bytes) -> None:
    async with greeting_server() as server, way_to(USUAL, {USUAL: server}, [weather]) as port:
        assert expected == await heard(port)


async def test_the_way_may_lead_to_another_server() -> None:
    async with (
        greeting_server() as usual,
        greeting_server(b"220 other\r\n") as other,
        way_to(USUAL, {USUAL: usual, "other": other}, [Weather(60, leads_to="other")]) as port,
    ):
        assert b"220 other\r\n" == await heard(port)


async def test_slow_weather_takes_its_time() -> None:
    async with greeting_server() as server, way_to(USUAL, {USUAL: server}, [Weather(60, 0.2)]) as port:
        begun = asyncio.get_running_loop().time()
        await heard(port)

        assert asyncio.get_running_loop().time() - begun > 0.2


def test_one_weather_follows_the_other_and_the_last_lasts() -> None:
    bad, good, slow = Weather(5, None), Weather(10), Weather(2, 0.5)

    assert [bad, good, good, slow, slow] == [
        weather_after(seconds, [bad, good, slow]) for seconds in (0, 5, 14.9, 15, 1000)
    ]
