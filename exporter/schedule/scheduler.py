"""The loop around the timetable: starts runs when they are due, within limits, and ends them in order.

It knows items and a callable that runs one. It does not know what a run does.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Container, Coroutine, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Generic
from typing import Protocol as Interface

from exporter.model import Limits, LongTask, SkipReason
from exporter.schedule.job import LANES
from exporter.schedule.stops import STANDSTILL
from exporter.schedule.timetable import Due, Item, JobKey, Timetable
from exporter.supervision import report

MAX_STARTS_A_TURN: Final = 16
"""The most runs that one turn of the event loop may start. Each one delays other tasks by about 0.1 ms."""


class ScheduleObserver(Interface):
    """Is told about starts, skips and failures."""

    def observe_start_delay(self, seconds: float) -> None:
        """A probe starts this many seconds after it was due."""

    def skipped(self, reason: SkipReason) -> None:
        """A probe was due and is not started."""

    def set_in_flight(self, probes: int) -> None:
        """This many probes are running now."""

    def task_failed(self, task: LongTask) -> None:
        """The schedule itself failed somewhere; it continues."""


@dataclass(slots=True)
class _Waiting(Generic[Item]):
    """A run that is due and cannot start yet.

    Attributes:
        queue: The queue in which it waits: that of one of its hosts, or the common one.
    """

    due: Due[Item]
    reason: SkipReason
    queue: deque[Any]


@dataclass(slots=True)
class _Host:
    """The connections to one host: how many there are, and who waits: items that are due, and jobs that run."""

    running: int = 0
    queue: deque[JobKey | asyncio.Future[None]] = field(default_factory=deque)

    def give(self, seat: asyncio.Future[None]) -> bool:
        """Count the connection of a job that waits, and let it go on; whether it still waits."""
        if seat.done():
            return False
        self.running += 1
        seat.set_result(None)
        return True


class Scheduler(Generic[Item]):
    """Runs items on schedule, from the first `exchange` until `stop`."""

    def __init__(self, run: Callable[[Item], Coroutine[None, None, None]], observer: ScheduleObserver) -> None:
        """Prepare a schedule without items.

        Args:
            run: Runs one item. It must end.
            observer: Is told about starts, skips and failures.
        """
        self._run = run
        self._observer = observer
        self._limits = Limits()
        self._timetable = Timetable[Item]()
        self._timer: asyncio.TimerHandle | None = None
        self._awaited = 0.0
        self._stopped = False
        self._running: dict[JobKey, asyncio.Task[None]] = {}
        # Each waiting item is in one queue: its host's, or the common one.
        self._waiting: dict[JobKey, _Waiting[Item]] = {}
        self._queue: deque[JobKey] = deque()
        self._hosts: dict[str, _Host] = {}

    def limit(self, limits: Limits) -> None:
        """Use these limits from now on. Running items continue; waiting items may start."""
        self._limits = limits
        for host in self._hosts.values():
            for seat in [each for each in host.queue if isinstance(each, asyncio.Future)]:
                if host.running < limits.connections_per_host:
                    host.queue.remove(seat)
                    host.give(seat)
        self._begin_again(list(self._waiting))

    def exchange(self, gone: Iterable[Item], come: Iterable[Item]) -> None:
        """Remove some items and add others. The rest is not affected, and running items continue."""
        gone, come = tuple(gone), tuple(come)
        for item in gone:
            if (entry := self._waiting.pop(item.key, None)) is not None:
                entry.queue.remove(item.key)
        self._timetable.exchange(gone, come, asyncio.get_running_loop().time())
        self._begin_again([item.key for item in come if item.key in self._waiting])
        self._tick()

    def _begin_again(self, keys: Iterable[JobKey]) -> None:
        """Decide again for these waiting items whether they start or wait."""
        waiting = [self._waiting.pop(key) for key in keys]
        for entry in waiting:
            entry.queue.remove(entry.due.item.key)
        for entry in waiting:
            item = self._timetable.item(entry.due.item.key)
            if item is not None:
                self._start_or_queue(Due(item, entry.due.at))

    @asynccontextmanager
    async def connection(self, name: str) -> AsyncIterator[None]:
        """Count a connection that a running job opens to a host, and wait before that while the host has too many."""
        host = self._hosts.setdefault(name, _Host())
        if host.running < self._limits.connections_per_host:
            host.running += 1
        else:
            seat = asyncio.get_running_loop().create_future()
            host.queue.append(seat)
            try:
                await seat
            except asyncio.CancelledError:
                if not seat.cancelled():
                    self._leave(name, host)
                    self._start_waiting()
                raise
        try:
            yield
        finally:
            self._leave(name, host)
            self._start_waiting()

    def is_quiet(self, seconds: float) -> bool:
        """Whether no probe is running, and none starts within this many seconds."""
        next_at = self._timetable.next_at()
        return not self._running and (next_at is None or next_at - asyncio.get_running_loop().time() > seconds)

    def stop(self) -> None:
        self._stopped = True
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()

    async def drain(self, timeout: float) -> bool:  # noqa: ASYNC109 - it limits only the waiting; the runs continue
        """Wait at most this many seconds for the current runs. Returns whether all of them ended."""
        if self._running:
            await asyncio.wait(self._running.values(), timeout=timeout)
        return not self._running

    async def cancel(self, keys: Container[JobKey] | None = None) -> None:
        """Cancel all running items, or those with these keys."""
        tasks = [task for key, task in self._running.items() if keys is None or key in keys]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _tick(self) -> None:
        """Start due items, a limited number at a time, and run again when the next one is due."""
        if self._timer is not None:
            self._timer.cancel()
        if self._stopped:
            return
        loop = asyncio.get_running_loop()
        now = loop.time()
        try:
            self._take_turns(now)
        except Exception as error:  # noqa: BLE001 - after any error, other endpoints still get their turns
            report(LongTask.SCHEDULE, error, self._observer.task_failed)
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

    def _take_turn(self, due: Due[Item]) -> None:
        key = due.item.key
        for _ in range(due.missed):
            self._observer.skipped(SkipReason.LATE)
        if key in self._running:
            self._observer.skipped(SkipReason.OVERLAP)
        elif key in self._waiting:
            # It continues to wait, now for this turn. The earlier turn is skipped.
            self._observer.skipped(self._waiting[key].reason)
            self._waiting[key].due = due
        else:
            self._start_or_queue(due)

    def _start_or_queue(self, due: Due[Item]) -> None:
        hosts = {name: self._hosts.setdefault(name, _Host()) for name in due.item.hosts}
        per_host = self._limits.connections_per_host
        full = next((host for name, host in hosts.items() if host.running >= LANES.get(name, per_host)), None)
        if full is not None:
            self._queue_up(due, SkipReason.HOST, full.queue)
        elif len(self._running) >= self._limits.concurrent_probes:
            self._queue_up(due, SkipReason.CONCURRENCY, self._queue)
        else:
            self._start(due, hosts)

    def _queue_up(self, due: Due[Item], reason: SkipReason, queue: deque[Any]) -> None:
        self._waiting[due.item.key] = _Waiting(due, reason, queue)
        queue.append(due.item.key)

    def _start(self, due: Due[Item], hosts: dict[str, _Host]) -> None:
        loop = asyncio.get_running_loop()
        self._observer.observe_start_delay(max(loop.time() - due.at, 0.0))
        for host in hosts.values():
            host.running += 1
        task = loop.create_task(self._run(due.item))
        self._running[due.item.key] = task
        self._observer.set_in_flight(len(self._running))
        task.add_done_callback(partial(self._ended, due.item, hosts))

    def _ended(self, item: Item, hosts: dict[str, _Host], task: asyncio.Task[None]) -> None:
        del self._running[item.key]
        if not task.cancelled() and isinstance(error := task.exception(), Exception):
            report(LongTask.SCHEDULE, error, self._observer.task_failed)
        for name, host in hosts.items():
            self._leave(name, host)
        self._observer.set_in_flight(len(self._running))
        self._start_waiting()

    def _leave(self, name: str, host: _Host) -> None:
        """A connection to a host has ended. The next one that waits for the host may begin."""
        host.running -= 1
        while host.queue and not self._stopped:
            waiting = host.queue.popleft()
            if not isinstance(waiting, asyncio.Future):
                self._waiting[waiting].queue = self._queue
                self._queue.append(waiting)
                break
            if host.give(waiting):
                break
        if not host.running and not host.queue:
            self._hosts.pop(name, None)

    def _start_waiting(self) -> None:
        """Start what waits, as far as there is room."""
        while self._queue and not self._stopped and len(self._running) < self._limits.concurrent_probes:
            self._start_or_queue(self._waiting.pop(self._queue.popleft()).due)
