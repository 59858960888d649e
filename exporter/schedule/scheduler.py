"""The loop around the timetable: starts probes when they are due, within the bounds, and lets them end in order.

It knows endpoints and a callable that probes one; what the probe does and what becomes of its result is not its matter.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from typing import Final
from typing import Protocol as Interface

from exporter.model import Endpoint, Limits, LongTask, Series, SkipReason
from exporter.schedule.stops import STANDSTILL
from exporter.schedule.timetable import Due, Timetable
from exporter.supervision import report

MAX_STARTS_A_TURN: Final = 16
"""Probes that one turn of the event loop may start, each at about 0.1 ms, before whoever else waits for the loop."""


class Observer(Interface):
    """Who wants to know how the schedule is kept."""

    def started(self, delay: float) -> None:
        """A probe starts, this many seconds after it was due."""

    def skipped(self, reason: SkipReason) -> None:
        """A probe was due and is not started."""

    def in_flight(self, count: int) -> None:
        """So many probes are under way now."""

    def failed(self, task: LongTask) -> None:
        """Something went wrong that is no probe's failure; the schedule goes on."""


@dataclass(slots=True)
class _Waiting:
    """A probe that is due and cannot start yet."""

    due: Due
    reason: SkipReason


@dataclass(slots=True)
class _Host:
    """The probes of one configured host: how many are under way, and those that wait for one of them to end."""

    running: int = 0
    queue: deque[Series] = field(default_factory=deque)


class Scheduler:
    """Runs probes on schedule, from the first `replace` until `stop`."""

    def __init__(self, probe: Callable[[Endpoint], Coroutine[None, None, None]], observer: Observer) -> None:
        """Prepare a schedule without endpoints.

        Args:
            probe: Probes one endpoint; must not raise.
            observer: Is told of starts and skips.
        """
        self._probe = probe
        self._observer = observer
        self._limits = Limits()
        self._timetable = Timetable()
        self._timer: asyncio.TimerHandle | None = None
        self._awaited = 0.0
        self._stopped = False
        self._running: dict[Series, asyncio.Task[None]] = {}
        # Whoever waits is in one queue: its host's, or the one for all.
        self._waiting: dict[Series, _Waiting] = {}
        self._queue: deque[Series] = deque()
        self._hosts: dict[str, _Host] = {}

    def replace(self, endpoints: Iterable[Endpoint], limits: Limits) -> None:
        """Go on with these endpoints and bounds. What is under way ends as it was begun; what waits begins anew."""
        self._limits = limits
        self._timetable.replace(endpoints, asyncio.get_running_loop().time())
        waiting, self._waiting = self._waiting, {}
        self._queue.clear()
        for host in self._hosts.values():
            host.queue.clear()
        for series, entry in waiting.items():
            endpoint = self._timetable.endpoint(series)
            if endpoint is not None:
                self._start_or_queue(Due(endpoint, entry.due.at))
        self._tick()

    def exchange(self, gone: Iterable[Endpoint], come: Iterable[Endpoint]) -> None:
        """Some endpoints go and others come, and the rest go on as they are. What is under way ends as it was begun."""
        gone = tuple(gone)
        for endpoint in gone:
            if self._waiting.pop(endpoint.series, None) is not None:
                host = self._hosts.get(endpoint.host)
                queue = self._queue if host is None or endpoint.series not in host.queue else host.queue
                queue.remove(endpoint.series)
        self._timetable.exchange(gone, come, asyncio.get_running_loop().time())
        self._tick()

    def is_quiet(self, seconds: float) -> bool:
        """Whether no probe is under way, nor starts within so many seconds."""
        next_at = self._timetable.next_at()
        return not self._running and (next_at is None or next_at - asyncio.get_running_loop().time() > seconds)

    def stop(self) -> None:
        """Start no more probes."""
        self._stopped = True
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()

    async def drain(self, timeout: float) -> bool:  # noqa: ASYNC109 - the probes go on after it: it bounds only the waiting
        """Wait this many seconds at most for the probes under way; whether all of them ended."""
        if self._running:
            await asyncio.wait(self._running.values(), timeout=timeout)
        return not self._running

    async def cancel(self) -> None:
        """End the probes under way where they stand."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _tick(self) -> None:
        """Start what is due, a bounded number at a time, and come back when the next is."""
        if self._timer is not None:
            self._timer.cancel()
        if self._stopped:
            return
        loop = asyncio.get_running_loop()
        now = loop.time()
        try:
            self._take_turns(now)
        except Exception as error:  # noqa: BLE001 - whatever it is, the other endpoints' turns are taken
            report(LongTask.SCHEDULE, error, self._observer.failed)
        next_at = self._timetable.next_at()
        self._awaited = now if next_at is None else max(next_at, now)
        if next_at is not None:
            self._timer = loop.call_at(self._awaited, self._tick)

    def _take_turns(self, now: float) -> None:
        if self._timer is not None and now - self._awaited >= STANDSTILL:
            for _ in range(self._timetable.spread_anew(now)):
                self._observer.skipped(SkipReason.LATE)
        for _ in range(MAX_STARTS_A_TURN):
            due = self._timetable.pop(now)
            if due is None:
                break
            self._take_turn(due)

    def _take_turn(self, due: Due) -> None:
        series = due.endpoint.series
        for _ in range(due.missed):
            self._observer.skipped(SkipReason.LATE)
        if series in self._running:
            self._observer.skipped(SkipReason.OVERLAP)
        elif series in self._waiting:
            # It waits on, for this turn; the turn that it waited for until now is the one that is skipped.
            self._observer.skipped(self._waiting[series].reason)
            self._waiting[series].due = due
        else:
            self._start_or_queue(due)

    def _start_or_queue(self, due: Due) -> None:
        endpoint = due.endpoint
        host = self._hosts.setdefault(endpoint.host, _Host())
        if host.running >= self._limits.connections_per_host:
            self._waiting[endpoint.series] = _Waiting(due, SkipReason.HOST)
            host.queue.append(endpoint.series)
        elif len(self._running) >= self._limits.concurrent_probes:
            self._waiting[endpoint.series] = _Waiting(due, SkipReason.CONCURRENCY)
            self._queue.append(endpoint.series)
        else:
            self._start(due, host)

    def _start(self, due: Due, host: _Host) -> None:
        loop = asyncio.get_running_loop()
        self._observer.started(max(loop.time() - due.at, 0.0))
        host.running += 1
        task = loop.create_task(self._probe(due.endpoint))
        self._running[due.endpoint.series] = task
        self._observer.in_flight(len(self._running))
        task.add_done_callback(lambda _: self._ended(due.endpoint, host))

    def _ended(self, endpoint: Endpoint, host: _Host) -> None:
        del self._running[endpoint.series]
        host.running -= 1
        self._observer.in_flight(len(self._running))
        if self._stopped:
            return
        if host.queue:
            self._queue.append(host.queue.popleft())
        while self._queue and len(self._running) < self._limits.concurrent_probes:
            self._start_or_queue(self._waiting.pop(self._queue.popleft()).due)
        if not host.running and not host.queue and self._hosts.get(endpoint.host) is host:
            del self._hosts[endpoint.host]
