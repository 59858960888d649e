"""The process that `scrape` asks: the web interface over a store full of endpoints, and a watch over its event loop.

It is as in the daemon, but that nothing is probed, so that whatever is found comes from scrapes. Its one line of output
is the URL that it serves at; it ends with its input.
"""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import asdict, dataclass
from typing import Final

from aiohttp import web

from benchmarks.populations import probed_store
from exporter.interpreter import favour_the_loop, settle
from exporter.metrics.exposition import process_collectors
from exporter.web.application import create_application
from exporter.web.serving.addresses import ListenAddress
from exporter.web.serving.server import serve

PERIOD: Final = 0.0005
"""Seconds between two looks at the clock. A loop that waits does so for whole milliseconds, and one at work looks when
it is let: a stall may seem longer than it was by one millisecond, and none is missed."""


@dataclass(slots=True)
class Stalls:
    """For how long the loop stood still at most, in seconds.

    Attributes:
        held: Being at work, or waiting for something else than a processor.
        seen: By the clock: together with the time for which the kernel let other threads run in place of the loop's,
            other programs' on a busy machine, and this one's own where there are too few processors.
    """

    held: float = 0.0
    seen: float = 0.0


class Watch:
    """Sets the loop an alarm again and again, and notes how late they go off. To be made in the loop's thread."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._alarm: asyncio.TimerHandle | None = None
        self._found = Stalls()
        # proc(5): the second figure is the nanoseconds for which the thread was ready to run and did not.
        self._statistics = os.open("/proc/thread-self/schedstat", os.O_RDONLY)
        self._queued = 0.0

    async def begin(self, _: web.Request) -> web.Response:
        """Watch from now on."""
        self._found = Stalls()
        self._set_alarm()
        return web.Response()

    async def end(self, _: web.Request) -> web.Response:
        """Tell what was found since, and watch no more."""
        if self._alarm is not None:
            self._alarm.cancel()
        return web.json_response(asdict(self._found))

    def _set_alarm(self) -> None:
        self._queued = self._queued_so_far()
        due = self._loop.time() + PERIOD
        self._alarm = self._loop.call_at(due, self._look, due)

    def _look(self, due: float) -> None:
        late = self._loop.time() - due
        held = late - (self._queued_so_far() - self._queued)
        self._found.seen = max(self._found.seen, late)
        self._found.held = max(self._found.held, held)
        self._set_alarm()

    def _queued_so_far(self) -> float:
        return int(os.pread(self._statistics, 64, 0).split()[1]) / 1e9


async def main(count: int) -> None:
    """Serve so many endpoints until the input ends."""
    favour_the_loop()
    store = probed_store(count)
    application = create_application(
        store=store, ready=lambda: True, configuration=lambda: iter(()), process=process_collectors()
    )
    watch = Watch()
    application.add_routes([web.post("/watch/begin", watch.begin), web.post("/watch/end", watch.end)])
    server = await serve(application, [ListenAddress("127.0.0.1", 0)])
    settle()
    try:
        print(server.urls[0], flush=True)
        await asyncio.to_thread(sys.stdin.read)
    finally:
        await server.stop()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
