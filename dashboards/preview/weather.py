"""A network path that is sometimes slow or broken, so that a picture has something to show."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
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
        delay: Seconds that everything from the server takes longer; `None`: anyone who comes is turned away.
    """

    lasts: float
    delay: float | None = 0.0


@asynccontextmanager
async def way_to(port: int, forecast: Sequence[Weather]) -> AsyncIterator[int]:
    """A port that leads to another one of this machine, from entry to exit.

    Args:
        port: Where it leads to.
        forecast: How the way is, one after the other; the last lasts.
    """
    begun = asyncio.get_running_loop().time()

    def now() -> Weather:
        passed = asyncio.get_running_loop().time() - begun
        for weather in forecast:
            if passed < weather.lasts:
                return weather
            passed -= weather.lasts
        return forecast[-1]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        weather = now()
        if weather.delay is None:
            writer.close()
            return
        with suppress(OSError):
            from_server, to_server = await asyncio.open_connection(LOOPBACK, port)
            await asyncio.gather(_carry(reader, to_server, 0.0), _carry(from_server, writer, weather.delay))

    server = await asyncio.start_server(serve, LOOPBACK, 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float) -> None:
    with suppress(OSError):
        while data := await reader.read(CHUNK):
            await asyncio.sleep(delay)
            writer.write(data)
            await writer.drain()
    writer.close()
