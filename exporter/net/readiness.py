"""Waiting for sockets: a future whose task continues in the same callback that reports the socket ready.

asyncio's own futures continue their tasks in the next turn of the loop. A probe waits about six times. Each turn would
cost it time, and other work of that turn would count as the server's time. No data is read or written here.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable, Generator, Mapping
from contextvars import Context
from enum import Enum, auto
from types import MappingProxyType
from typing import Any, Final
from typing import Protocol as Interface

MOST_AT_ONCE: Final = 16
"""Events that `Poller` passes on in one turn of the loop. The most expensive one begins or ends a handshake and takes
0.3 ms, and others who wait for the loop should get it within a few milliseconds."""


class Wait(Enum):
    """What a socket must be ready for before an attempt is worth repeating."""

    READ = auto()
    WRITE = auto()


class Watch(Interface):
    """Something that reports when sockets are ready, for the running event loop."""

    def change(self, fd: int, before: Wait | None, wait: Wait | None, report: Callable[[], None]) -> None:
        """Report a socket when it is ready for this and nothing else; `None` stops reporting."""

    def close(self) -> None:
        """Stop reporting."""


class LoopWatch:
    """The event loop itself: enough for a few sockets, and for systems other than Linux."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()

    def change(self, fd: int, before: Wait | None, wait: Wait | None, report: Callable[[], None]) -> None:
        if before is Wait.READ:
            self._loop.remove_reader(fd)
        elif before is Wait.WRITE:
            self._loop.remove_writer(fd)
        if wait is Wait.READ:
            self._loop.add_reader(fd, report)
        elif wait is Wait.WRITE:
            self._loop.add_writer(fd, report)

    def close(self) -> None:
        """See `Watch`. There is nothing to close."""


class Poller:
    """A separate epoll for all sockets. The loop only knows that some socket in it is ready.

    A connection changes twice what it waits for. The loop would need four calls for that, each ten times as long as a
    call here: together a twentieth of a probe's CPU time.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._epoll = select.epoll()
        self._reports: dict[int, Callable[[], None]] = {}
        self._loop.add_reader(self._epoll.fileno(), self._pass_on)

    def change(self, fd: int, before: Wait | None, wait: Wait | None, report: Callable[[], None]) -> None:
        if self._epoll.closed:
            return
        if wait is None:
            self._epoll.unregister(fd)
            del self._reports[fd]
        elif before is None:
            self._epoll.register(fd, _EVENTS[wait])
            self._reports[fd] = report
        else:
            self._epoll.modify(fd, _EVENTS[wait])

    def close(self) -> None:
        self._loop.remove_reader(self._epoll.fileno())
        self._epoll.close()

    def _pass_on(self) -> None:
        # All are looked up before one is called: that one may close a socket, and open another of the same number.
        for report in [self._reports[fd] for fd, _ in self._epoll.poll(0, MOST_AT_ONCE)]:
            report()


def best_watch() -> Watch:
    """The fastest `Watch` that this system supports."""
    return Poller() if hasattr(select, "epoll") else LoopWatch()


_EVENTS: Final[Mapping[Wait, int]] = MappingProxyType(
    {Wait.READ: select.EPOLLIN, Wait.WRITE: select.EPOLLOUT} if hasattr(select, "epoll") else {}
)


class Readiness:
    """Whether one socket is ready, for one task at a time: `await readiness.of(Wait.READ)`.

    To a task it is a future like any other (see `asyncio.isfuture`): it can be cancelled. It can be awaited again and
    again. The socket stays watched between two waits for reading: a conversation is mostly waiting for the next reply.
    """

    _asyncio_future_blocking = False
    """Makes this a future for asyncio: whether a task is about to wait for it."""

    def __init__(self, fd: int, watch: Watch | None = None) -> None:
        """Prepare without waiting for anything.

        Args:
            fd: The socket's number, because looking a socket up by itself takes ten times as long.
            watch: Reports it; the event loop by default.
        """
        self._fd = fd
        self._loop = asyncio.get_running_loop()
        self._watch = watch or LoopWatch()
        self._watched: Wait | None = None
        self._wake: Callable[[Any], object] | None = None
        self._cancelled = False

    def of(self, wait: Wait) -> Readiness:
        """The awaitable for this kind of readiness."""
        if wait is not self._watched:
            self._change(wait)
        return self

    def close(self) -> None:
        """Stop watching. To be called before the socket is closed."""
        if self._watched is not None:
            self._change(None)

    def __await__(self) -> Generator[Readiness, None, None]:
        self._asyncio_future_blocking = True
        yield self

    # What a task asks of a future.

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    def add_done_callback(self, wake: Callable[[Any], object], *, context: Context | None = None) -> None:  # noqa: ARG002 - nothing of a task's context is asked for while it goes on
        """See `asyncio.Future`. Anyone who waits is told once, at once."""
        self._wake = wake

    def cancel(self, msg: object = None) -> bool:  # noqa: ARG002 - asyncio's interface
        wake, self._wake = self._wake, None
        if wake is None:
            return False
        self._cancelled = True
        self._loop.call_soon(wake, self)
        return True

    def result(self) -> None:
        if self._cancelled:
            self._cancelled = False
            raise asyncio.CancelledError

    def _is_ready(self) -> None:
        wake, self._wake = self._wake, None
        if wake is None:
            # Nobody waits. Octets stay where they are, and are reported again when somebody does.
            self.close()
        else:
            wake(self)

    def _change(self, wait: Wait | None) -> None:
        self._watch.change(self._fd, self._watched, wait, self._is_ready)
        self._watched = wait
