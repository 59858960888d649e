"""Sends a body in slices, so that a large one delays no probe.

One slice is made in each turn of the event loop, for any number of clients. Compression runs in a thread, where zlib
releases the interpreter lock. A body is never held as a whole.
"""

from __future__ import annotations

import asyncio
import fcntl
import math
import sys
import termios
import zlib
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from typing import Protocol

import structlog
from aiohttp import hdrs, web

from exporter.web.serving.negotiation import accepts_gzip

CONCURRENT_BODIES = 8
"""Several Prometheus servers and some people. More would only finish later, each."""

QUEUE_TIMEOUT = 5.0
"""Seconds to wait for one of them to end: half of Prometheus' usual scrape timeout."""

GRACE = 1.0
"""Seconds over which a client's reading speed is measured."""

LEAST_SPEED = 256 * 1024
"""Octets a second below which a client loses its place to one that waits. At this rate the compressed answer for 10,000
endpoints takes all of a usual scrape timeout."""

LOOK_EVERY = 0.5
"""Seconds after which a waiting client gets the place of a slow one."""

BODY_TIMEOUT = 60.0
"""Seconds in which a client has to read its body. One that stops reading must not hold a place forever."""

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
        """Compress data; the output may be empty."""

    def flush(self) -> bytes: ...


class Streamer:
    """Answers requests with bodies that are made slice by slice. For one event loop."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._places = asyncio.Semaphore(CONCURRENT_BODIES)
        self._bodies: set[_Sending] = set()
        self._threads = ThreadPoolExecutor(max_workers=1, thread_name_prefix="gzip")
        # So that its thread is there: once a scrape needs it, the system may have none to give.
        self._threads.submit(int)

    def close(self) -> None:
        """End the thread after its current work."""
        self._threads.shutdown(wait=False)

    async def give_way(self) -> None:
        """Let other tasks run. To be called before each piece of about a millisecond's work."""
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
        async with self._place(request) as sending:
            try:
                async with asyncio.timeout(BODY_TIMEOUT):
                    await response.prepare(request)
                    if request.method != hdrs.METH_HEAD:
                        await self._send(response, slices, compressor, sending)
                    await response.write_eof()
            except TimeoutError:
                log.warning("closed a client that does not read", path=request.path, remote=request.remote)
                sending.abort()
            except ConnectionError:
                # It went away, or its place was given to another: that is not an error of ours.
                log.debug("a client disconnected before its answer", path=request.path, remote=request.remote)
        return response

    async def _send(
        self, response: web.StreamResponse, slices: Iterator[bytes], compressor: Compressor | None, sending: _Sending
    ) -> None:
        while True:
            await self.give_way()
            piece = next(slices, None)
            if piece is None:
                break
            if compressor is not None:
                piece = await self._compress(compressor, piece)
            if piece:
                sending.sent += len(piece)
                await response.write(piece)
        if compressor is not None:
            await response.write(compressor.flush())

    async def _compress(self, compressor: Compressor, piece: bytes) -> bytes:
        if len(piece) <= INLINE_COMPRESSION:
            return compressor.compress(piece)
        return await asyncio.get_running_loop().run_in_executor(self._threads, compressor.compress, piece)

    async def _wait_for_a_place(self) -> None:
        while True:
            if self._places.locked():
                self._make_room()
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY):
                    await self._places.acquire()
                    return

    def _make_room(self) -> None:
        """Take back the place of the slowest client, if it is too slow."""
        now = asyncio.get_running_loop().time()
        slowest = min(self._bodies, key=lambda each: each.speed(now), default=None)
        if slowest is not None and slowest.speed(now) < LEAST_SPEED:
            log.warning("closed a slow client to make room for another", remote=slowest.remote)
            slowest.abort()

    @asynccontextmanager
    async def _place(self, request: web.Request) -> AsyncIterator[_Sending]:
        try:
            async with asyncio.timeout(QUEUE_TIMEOUT):
                await self._wait_for_a_place()
        except TimeoutError:
            raise web.HTTPServiceUnavailable(
                text=f"{CONCURRENT_BODIES} other requests are being answered. Try again later.\n",
                headers={hdrs.RETRY_AFTER: "1"},
            ) from None
        sending = _Sending(request)
        self._bodies.add(sending)
        try:
            yield sending
        finally:
            self._bodies.discard(sending)
            self._places.release()


class _Sending:
    """An answer under way.

    Attributes:
        sent: Octets that were handed to the connection.
        remote: The client's address.
    """

    def __init__(self, request: web.Request) -> None:
        self.sent = 0
        self.remote = request.remote
        self._transport = request.transport
        self._looked_at = asyncio.get_running_loop().time()
        self._taken = 0
        self._speed = math.inf

    def speed(self, now: float) -> float:
        """Octets a second that the client took lately; infinite before there is anything to judge by."""
        passed = now - self._looked_at
        if passed >= GRACE:
            taken = self.sent - self._waiting()
            self._speed = (taken - self._taken) / passed
            self._looked_at, self._taken = now, taken
        return self._speed

    def abort(self) -> None:
        self._speed = math.inf
        if self._transport is not None:
            self._transport.abort()

    def _waiting(self) -> int:
        """Octets that the other side has not confirmed: here, and in our kernel, which takes some megabytes."""
        if self._transport is None or self._transport.is_closing():
            return 0
        unconfirmed = bytearray(4)
        # tcp(7), unix(7): what the send queue of a socket holds.
        with suppress(OSError):
            fcntl.ioctl(self._transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, unconfirmed)
        return self._transport.get_write_buffer_size() + int.from_bytes(unconfirmed, sys.byteorder)
