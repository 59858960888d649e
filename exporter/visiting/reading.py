"""Reads secrets for probes: outside the event loop, when they are needed, and once for all probes at that moment.

It warns once about each file that every user of the machine can read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final

import structlog

from exporter.config.values.secret_sources import FileSecret, SecretUnreadable
from exporter.model import Secret, SecretSource
from exporter.threads import in_own_thread

FRESH_FOR: Final = 1.0
"""Seconds for which a secret is shared by all endpoints that use it after it was read. So a file on a slow disk is read
once a second and not once a probe, and the next probe still uses a rotated secret."""

MAX_HANGING: Final = 1024
"""Secrets that may be read at the same time, each in a thread. Reading takes a moment; only a hanging file system lets
them add up."""

log = structlog.get_logger()


class SecretReader:
    """Reads the secrets of one process."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Prepare to read.

        Args:
            clock: Monotonic seconds.
        """
        self._clock = clock
        # In the order of their times.
        self._reads: dict[SecretSource, tuple[float, asyncio.Future[tuple[Secret, bool]]]] = {}
        self._warned: set[SecretSource] = set()
        self._hanging = 0

    async def read(self, source: SecretSource, *, public: bool = False) -> Secret:
        """The secret as it is now.

        Args:
            source: The secret's source.
            public: Whether it is not secret, such as a certificate.

        Raises:
            OSError: It cannot be read, or it is empty; the message names the source.
        """
        now = self._clock()
        self._forget_before(now - FRESH_FOR)
        if source not in self._reads:
            self._reads[source] = (now, self._begin(source))
        # A probe that gives up must not take the reading away from those that share it.
        secret, exposed = await asyncio.shield(self._reads[source][1])
        if exposed and not public and source not in self._warned:
            self._warned.add(source)
            log.warning("every user of this machine can read this secret; use chmod o-r", secret=str(source))
        return secret

    def _begin(self, source: SecretSource) -> asyncio.Future[tuple[Secret, bool]]:
        if self._hanging >= MAX_HANGING:
            raise SecretUnreadable(f"{source} cannot be read: {self._hanging} others are being read and do not end")
        try:
            reading = in_own_thread(partial(_read, source), "secret")
        except OSError as error:
            raise SecretUnreadable(f"{source} cannot be read: {error.strerror}") from None
        self._hanging += 1
        reading.add_done_callback(self._ended)
        return reading

    def _ended(self, reading: asyncio.Future[tuple[Secret, bool]]) -> None:
        self._hanging -= 1
        # If all waiting probes were cancelled, mark its exception as retrieved.
        if not reading.cancelled():
            reading.exception()

    def _forget_before(self, time: float) -> None:
        """Forget old values, except those still being read: a hanging disk holds only one thread for each file."""
        for source, (read_at, reading) in tuple(self._reads.items()):
            if read_at > time:
                return
            if reading.done():
                del self._reads[source]


def _read(source: SecretSource) -> tuple[Secret, bool]:
    return source.read(), isinstance(source, FileSecret) and source.exposed()
