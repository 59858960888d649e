"""Waiting for a socket: a future that lets its task go on in the very callback that reports the socket ready.

asyncio's own futures put their tasks off to the next turn of the loop. A probe waits some six times; each such turn
would cost it time, and what else happens in that turn would be measured as the server's. No octets are moved here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from contextvars import Context
from enum import Enum, auto
from typing import Any


class Wait(Enum):
    """What a socket must be ready for before an attempt is worth repeating."""

    READ = auto()
    WRITE = auto()


class Readiness:
    """Whether one socket is ready, for one task at a time: `await readiness.of(Wait.READ)`.

    To a task it is a future like any other (see `asyncio.isfuture`): it can be cancelled. It can be awaited again and
    again. The socket stays watched between two waits for reading: a conversation is mostly waiting for the next reply.
    """

    _asyncio_future_blocking = False
    """What makes it a future: whether a task is about to wait for it."""

    def __init__(self, fd: int) -> None:
        """Watch nothing yet.

        Args:
            fd: The socket's number, because the selector would write the socket's repr into a KeyError each time it
                looks it up.
        """
        self._fd = fd
        self._loop = asyncio.get_running_loop()
        self._watched: Wait | None = None
        self._wake: Callable[[Any], object] | None = None
        self._cancelled = False

    def of(self, wait: Wait) -> Readiness:
        """What to await."""
        if wait is not self._watched:
            self._watch(wait)
        return self

    def close(self) -> None:
        """Watch no more; to be called before the socket is closed."""
        self._watch(None)

    def __await__(self) -> Generator[Readiness, None, None]:
        self._asyncio_future_blocking = True
        yield self

    # What a task asks of a future.

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """See `asyncio.Future`."""
        return self._loop

    def add_done_callback(self, wake: Callable[[Any], object], *, context: Context | None = None) -> None:  # noqa: ARG002 - the task's own, which the watch was begun in
        """See `asyncio.Future`. Whoever waits is told once, at once."""
        self._wake = wake

    def cancel(self, msg: object = None) -> bool:  # noqa: ARG002 - asyncio's interface
        """See `asyncio.Future`."""
        wake, self._wake = self._wake, None
        if wake is None:
            return False
        self._cancelled = True
        self._loop.call_soon(wake, self)
        return True

    def result(self) -> None:
        """See `asyncio.Future`."""
        if self._cancelled:
            self._cancelled = False
            raise asyncio.CancelledError

    def _is_ready(self) -> None:
        wake, self._wake = self._wake, None
        if wake is not None:
            if self._watched is Wait.WRITE:
                self._watch(None)  # a socket can be written to most of the time, which nobody wants to hear
            wake(self)
        else:
            # Octets that nobody waits for yet: they stay where they are and are reported again when somebody does.
            self._watch(None)

    def _watch(self, wait: Wait | None) -> None:
        if wait is self._watched:
            return
        if self._watched is Wait.READ:
            self._loop.remove_reader(self._fd)
        elif self._watched is Wait.WRITE:
            self._loop.remove_writer(self._fd)
        self._watched = wait
        if wait is Wait.READ:
            self._loop.add_reader(self._fd, self._is_ready)
        elif wait is Wait.WRITE:
            self._loop.add_writer(self._fd, self._is_ready)
