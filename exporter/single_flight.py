"""Does work once for all concurrent callers. Caching the result is up to the callers.

Three places share work in other ways. In `reloading`, a reload that has already begun does not count for new requests.
In `dns_answers`, a query ends when nobody waits for it any more. In `users`, password checks wait in a fair queue.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeAlias, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

Work: TypeAlias = Callable[[], Coroutine[Any, Any, Value] | asyncio.Future[Value]]


class SingleFlight(Generic[Key, Value]):
    """The running work, by key."""

    def __init__(self) -> None:
        self._flights: dict[Key, asyncio.Future[Value]] = {}

    async def join(self, key: Key, work: Work[Value]) -> Value:
        """The result of the running work, or of this new work. A cancelled caller does not cancel it for others."""
        return await asyncio.shield(self.begin(key, work))

    def begin(self, key: Key, work: Work[Value]) -> asyncio.Future[Value]:
        """Start the work if it is not running, without waiting. Raises what `work` raises."""
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = asyncio.ensure_future(work())
            flight.add_done_callback(lambda done: self._ended(key, done))
        return flight

    async def close(self) -> None:
        """Cancel all running work."""
        flights = list(self._flights.values())
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)

    def _ended(self, key: Key, flight: asyncio.Future[Value]) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]
        # If all callers were cancelled, mark its exception as retrieved.
        _ = flight.cancelled() or flight.exception()
