"""Logins for probes: secrets read at the moment of use, off the event loop and outside every timed phase."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from exporter.model import Credentials, Endpoint, FailureReason, Login, Secret, Withheld

FRESH_FOR: Final = 1.0
"""Seconds for which a secret once read serves every endpoint that shares it: a file on a slow disk is read once a
second, not once a probe, and a rotated secret still works with the next probe."""


class Logins:
    """The logins of all endpoints."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Prepare to read secrets.

        Args:
            clock: Monotonic seconds.
        """
        self._clock = clock
        self._reads: dict[Credentials, tuple[float, asyncio.Future[Secret]]] = {}

    async def for_probe(self, endpoint: Endpoint) -> Login | Withheld | None:
        """The login for a probe that starts now; `None` if the endpoint has no credentials."""
        credentials = endpoint.credentials
        if credentials is None:
            return None
        try:
            secret = await self._secret(credentials)
        except OSError as error:
            return Withheld(FailureReason.SECRET_UNREADABLE, f"credentials {credentials.name}: {error}")
        return Login(credentials.username, secret, endpoint.mechanism)

    async def _secret(self, credentials: Credentials) -> Secret:
        now = self._clock()
        self._reads = {key: read for key, read in self._reads.items() if now - read[0] < FRESH_FOR}
        if credentials not in self._reads:
            reading = asyncio.ensure_future(asyncio.to_thread(credentials.password.read))
            # Should every probe that waits for it give up, its failure has been seen: here.
            reading.add_done_callback(lambda read: read.cancelled() or read.exception())
            self._reads[credentials] = (now, reading)
        # A probe that gives up must not take the reading away from those that share it.
        return await asyncio.shield(self._reads[credentials][1])
