"""A network path that is sometimes slow or broken, so that a picture has something to show."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

LOOPBACK: Final = "127.0.0.1"
CHUNK: Final = 65536


@dataclass(frozen=True, slots=True)
class Weather:
    """How the way is for a while.

    Attributes:
        lasts: Seconds.
        delay: Seconds by which everything from the server is delayed; `None` if connections are refused.
        leads_to: The name of another server that answers instead; `None` for the usual one.
    """

    lasts: float
    delay: float | None = 0.0
    leads_to: str | None = None


@asynccontextmanager
async def way_to(server: str, ports: Mapping[str, int], forecast: Sequence[Weather]) -> AsyncIterator[int]:
    """A port that leads to a server on this machine, from entry to exit.

    Args:
        server: The usual server's name.
        ports: The servers' ports by name.
        forecast: How the way is, one after the other; the last lasts.
    """
    begun = asyncio.get_running_loop().time()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        weather = weather_after(asyncio.get_running_loop().time() - begun, forecast)
        if weather.delay is None:
            writer.close()
            return
        with suppress(OSError):
            port = ports[weather.leads_to or server]
            from_server, to_server = await asyncio.open_connection(LOOPBACK, port)
            await asyncio.gather(_carry(reader, to_server, 0.0), _carry(from_server, writer, weather.delay))

    listener = await asyncio.start_server(serve, LOOPBACK, 0)
    async with listener:
        yield listener.sockets[0].getsockname()[1]


def weather_after(seconds: float, forecast: Sequence[Weather]) -> Weather:
    """The weather so many seconds after the beginning."""
    for weather in forecast:
        if seconds < weather.lasts:
            return weather
        seconds -= weather.lasts
    return forecast[-1]


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float) -> None:
    with suppress(OSError):
        while data := await reader.read(CHUNK):
            await asyncio.sleep(delay)
            writer.write(data)
            await writer.drain()
    writer.close()
