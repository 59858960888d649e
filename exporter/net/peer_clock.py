"""Whose time passes in a conversation: what a probe measures is the other side's.

All probes share one event loop. When it is busy with another, an answer lies in the kernel, and a clock that is read
when its turn comes would add that to the server's latency; so would our own work on an answer before the next question
leaves. All of it is taken off: see docs/decisions/009. When something came, `exporter.net.stamps` finds out.

Nothing here waits, and nothing here knows of sockets.
"""

from __future__ import annotations

import time


class PeerClock:
    """How far a probe is behind the other side, which waits for its answer, in seconds.

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
        """When the last of theirs came or the last of ours left."""

    def behind(self) -> float:
        """All the time until now that was ours."""
        return self._settled if self._waiting else self._settled + time.perf_counter() - self._last

    def noticed(self, came_at: float | None) -> None:
        """Something came.

        Args:
            came_at: When, by `time.perf_counter`; `None` if nobody can tell. It is believed unless it lies before our
                own last words or in the future; if not, the time until now is the other side's.
        """
        now = time.perf_counter()
        self._last = came_at if came_at is not None and self._last <= came_at <= now else now
        self._waiting = False

    def answering(self) -> None:
        """Something of ours is about to leave. To be called before it does: what answers it can only come later."""
        self._settled = self.behind()
        self._last = time.perf_counter()
        self._waiting = False

    def waiting(self) -> None:
        """We have said all that we have to say, and wait."""
        self._waiting = True
