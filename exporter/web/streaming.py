"""Sends a body in slices, so that a large one delays no probe.

One slice is made per turn of the event loop, however many clients are being answered; compression runs in a thread,
where zlib lets go of the interpreter; and a body is never held as a whole. What is in it is the caller's business.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Protocol

import structlog
from aiohttp import hdrs, web

from exporter.web.negotiation import accepts_gzip

CONCURRENT_BODIES = 8
"""Several Prometheus servers and some people. More would only finish later, each."""

QUEUE_TIMEOUT = 5.0
"""Seconds to wait for one of them to end: half of Prometheus' usual scrape timeout."""

BODY_TIMEOUT = 60.0
"""Seconds in which a client has to have read its body; one that stopped reading would hold a place for ever."""

COMPRESSION_LEVEL = 1
"""Label sets repeat themselves so much that the highest level would save a third more for five times the time."""

INLINE_COMPRESSION = 16 * 1024
"""Bytes that are compressed on the spot: handing them to a thread would take as long."""

_GZIP_WINDOW = 16 + zlib.MAX_WBITS
"""zlib's way to ask for the gzip container."""

log = structlog.get_logger()


class Compressor(Protocol):
    """What `zlib.compressobj` returns, which has no name to import."""

    def compress(self, data: bytes, /) -> bytes:
        """Takes data in; what comes out may be empty."""

    def flush(self) -> bytes:
        """Ends the stream."""


class Streamer:
    """Answers requests with bodies that are made slice by slice. For one event loop."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._places = asyncio.Semaphore(CONCURRENT_BODIES)
        self._threads = ThreadPoolExecutor(max_workers=1, thread_name_prefix="gzip")

    def close(self) -> None:
        """Lets the thread go, once it has done what it is at."""
        self._threads.shutdown(wait=False)

    async def give_way(self) -> None:
        """Lets everything run that is ready, then takes a turn: call it before each piece of a millisecond's work."""
        async with self._turn:
            await asyncio.sleep(0)

    async def respond(self, request: web.Request, slices: Iterator[bytes], content_type: str) -> web.StreamResponse:
        """Sends a body.

        Args:
            request: What to answer. HEAD gets the same headers, and no slice is made.
            slices: The body; the making of each may take a millisecond or two.
            content_type: As in the header.

        Returns:
            The response, which has been sent.

        Raises:
            web.HTTPServiceUnavailable: Too many others are being answered.
        """
        headers = {hdrs.CONTENT_TYPE: content_type, hdrs.VARY: f"{hdrs.ACCEPT}, {hdrs.ACCEPT_ENCODING}"}
        compressor = None
        if accepts_gzip(",".join(request.headers.getall(hdrs.ACCEPT_ENCODING, ()))):
            compressor = zlib.compressobj(COMPRESSION_LEVEL, wbits=_GZIP_WINDOW)
            headers[hdrs.CONTENT_ENCODING] = "gzip"
        response = web.StreamResponse(headers=headers)
        async with self._place():
            try:
                async with asyncio.timeout(BODY_TIMEOUT):
                    await response.prepare(request)
                    if request.method != hdrs.METH_HEAD:
                        await self._send(response, slices, compressor)
                    await response.write_eof()
            except TimeoutError:
                log.warning("gave up on a client that does not read", path=request.path, remote=request.remote)
                if request.transport is not None:
                    request.transport.abort()
        return response

    async def _send(self, response: web.StreamResponse, slices: Iterator[bytes], compressor: Compressor | None) -> None:
        while True:
            await self.give_way()
            piece = next(slices, None)
            if piece is None:
                break
            if compressor is not None:
                piece = await self._compress(compressor, piece)
            if piece:
                await response.write(piece)
        if compressor is not None:
            await response.write(compressor.flush())

    async def _compress(self, compressor: Compressor, piece: bytes) -> bytes:
        if len(piece) <= INLINE_COMPRESSION:
            return compressor.compress(piece)
        return await asyncio.get_running_loop().run_in_executor(self._threads, compressor.compress, piece)

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(QUEUE_TIMEOUT):
                await self._places.acquire()
        except TimeoutError:
            raise web.HTTPServiceUnavailable(
                text=f"{CONCURRENT_BODIES} other requests are being answered. Try again later.\n",
                headers={hdrs.RETRY_AFTER: "1"},
            ) from None
        try:
            yield
        finally:
            self._places.release()
