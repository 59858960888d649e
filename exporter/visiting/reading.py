"""Reading secrets for probes: off the event loop, at the moment of use, and once for all who want the same one then.

Files that every user of the machine may read are warned about, once each. What secrets are used for does not live here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from exporter.config.secrets import FileSecret
from exporter.model import Secret, SecretSource

FRESH_FOR: Final = 1.0
"""Seconds for which a secret once read serves every endpoint that shares it: a file on a slow disk is read once a
second, not once a probe, and a rotated secret still works with the next probe."""

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

    async def read(self, source: SecretSource, *, public: bool = False) -> Secret:
        """The secret as it is now.

        Args:
            source: Where it is.
            public: Whether everybody may know it, as a certificate.

        Raises:
            OSError: It cannot be read, or it is empty; the message names the source.
        """
        now = self._clock()
        self._forget_before(now - FRESH_FOR)
        if source not in self._reads:
            reading = asyncio.ensure_future(asyncio.to_thread(_read, source))
            # Should every probe that waits for it give up, its failure has been seen: here.
            reading.add_done_callback(lambda read: read.cancelled() or read.exception())
            self._reads[source] = (now, reading)
        # A probe that gives up must not take the reading away from those that share it.
        secret, exposed = await asyncio.shield(self._reads[source][1])
        if exposed and not public and source not in self._warned:
            self._warned.add(source)
            log.warning("every user of this machine may read a secret; better chmod o-r", secret=str(source))
        return secret

    def _forget_before(self, time: float) -> None:
        while self._reads:
            source, (read_at, _) = next(iter(self._reads.items()))
            if read_at > time:
                return
            del self._reads[source]


def _read(source: SecretSource) -> tuple[Secret, bool]:
    return source.read(), isinstance(source, FileSecret) and source.exposed()
