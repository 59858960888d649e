"""Threads for work that may block forever, such as reading from a hanging file system.

asyncio.to_thread has few, shared threads. A few readers that hang there would block all other work in these threads,
and the program's end would wait for them. Here each piece of work has its own thread, which ends with the work. The
end of the program waits for it only for a moment. Pure computations are here, too, because asyncio.to_thread fails if
the system has no more threads.
"""

from __future__ import annotations

import asyncio
import atexit
import errno
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, Final, TypeVar

T = TypeVar("T")

LAST_MOMENT: Final = 0.5
"""Seconds that the end of the program waits for work in threads. At the end OpenSSL frees what such work may be using:
a thread that loads certificates at that moment would crash the process. A thread that hangs for longer waits for a file
or for the network, and uses nothing."""

_running: set[threading.Thread] = set()


def in_own_thread(work: Callable[[], T], name: str) -> asyncio.Future[T]:
    """Start a piece of work in its own thread. The future gets its result or exception.

    Args:
        work: A function that may block.
        name: The thread's name, for people who inspect the process.

    Raises:
        OSError: The system has no more threads.
    """
    return asyncio.get_running_loop().run_in_executor(_OwnThread(name), work)


async def computed(work: Callable[[], T], name: str) -> T:
    """Do a computation in a thread, or in the event loop if the system has no thread.

    Args:
        work: A computation. For work that may block, use `in_own_thread`.
        name: The thread's name.
    """
    try:
        under_way = in_own_thread(work, name)
    except OSError:
        return work()
    return await under_way


class _OwnThread(Executor):
    """Runs one piece of work."""

    def __init__(self, name: str) -> None:
        self._name = name

    def submit(self, work: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        future: Future[Any] = Future()

        def run() -> None:
            try:
                result = work(*arguments, **named)
            except BaseException as error:  # noqa: BLE001 - it is raised where the work is waited for
                future.set_exception(error)
            else:
                future.set_result(result)
            finally:
                _running.discard(thread)

        thread = threading.Thread(target=run, name=self._name, daemon=True)
        # From now on, cancelling the waiter does not cancel the work, which cannot be stopped.
        future.set_running_or_notify_cancel()
        try:
            _running.add(thread)
            thread.start()
        except RuntimeError:
            _running.discard(thread)
            raise OSError(errno.EAGAIN, f"no thread: {os.strerror(errno.EAGAIN)}") from None
        return future


@atexit.register
def _wait_for_a_moment() -> None:
    until = time.monotonic() + LAST_MOMENT
    for thread in tuple(_running):
        thread.join(max(until - time.monotonic(), 0.0))
