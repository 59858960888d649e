"""Measures the server's share of the time of a conversation.

All probes share one event loop. While it is busy with another probe, an answer waits in the kernel. A clock read later
would add that to the server's latency, and also our own work between an answer and the next command. All of this is
subtracted: see docs/decisions/009. `exporter.net.stamps` finds out when data arrived.

This module does not wait and has no socket.
"""

from __future__ import annotations

import time


class PeerClock:
    """How many seconds of a conversation were our own time.

    The server's time runs while we wait for it, from the moment when our last data left. Our own time does not count:
    from the moment when data arrived, even if it is noticed later, until we answer. Sometimes there is nothing to
    answer, such as between the connection and the greeting or between two parts of a reply. There the server's time
    continues.

    The time subtracted may be too little, but is never too much: see `noticed`.
    """

    __slots__ = ("_last", "_settled", "_waiting")

    def __init__(self) -> None:
        self._settled = 0.0
        self._waiting = True
        self._last = time.perf_counter()
        """When the server's last data arrived, or our last data left."""

    def behind(self) -> float:
        """All of our own time until now, in seconds."""
        return self._settled if self._waiting else self._settled + time.perf_counter() - self._last

    def noticed(self, came_at: float | None) -> None:
        """Data arrived.

        Args:
            came_at: When, by `time.perf_counter`; `None` if unknown. A time before our last data or in the future is
                ignored: then the time until now counts as the server's.
        """
        now = time.perf_counter()
        self._last = came_at if came_at is not None and self._last <= came_at <= now else now
        self._waiting = False

    def answering(self) -> None:
        """We are about to send. To be called before sending, so that an answer can only come later."""
        self._settled = self.behind()
        self._last = time.perf_counter()
        self._waiting = False

    def waiting(self) -> None:
        """We have sent everything and wait for the server."""
        self._waiting = True
