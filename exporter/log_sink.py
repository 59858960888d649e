"""Writes log lines to a file descriptor, even if nobody reads it or the disk is full.

A separate thread writes the lines. Logging never waits and never raises. Lines that cannot be written in time are
dropped and counted.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections import deque
from typing import Final

MAX_PENDING: Final = 1024 * 1024
"""Octets of lines that wait to be written: some five thousand lines, or three hundred tracebacks."""

MAX_LINE: Final = 64 * 1024
"""Octets of a line; longer ones are cut."""

FAREWELL: Final = 0.5
"""Seconds at the end of the program in which a slow reader gets to read what is pending."""


class LogSink:
    """Writes lines to a file descriptor, in their order.

    Attributes:
        dropped: Lines that were not written.
    """

    def __init__(self, descriptor: int) -> None:
        """Begin to write; at the end of the program, what is pending is written for a moment longer."""
        self.dropped = 0
        self._descriptor = descriptor
        self._lines: deque[bytes] = deque()
        self._pending = 0
        # Reentrant: the garbage collector may run, and log, wherever something is made.
        self._changed = threading.Condition(threading.RLock())
        self._thread = threading.Thread(target=self._write, name="log", daemon=True)
        self._started = False
        atexit.register(self.flush, FAREWELL)

    def put(self, line: str) -> None:
        """Queue a line for writing, or drop it. Never waits, never raises."""
        octets = line.encode(errors="backslashreplace")[:MAX_LINE] + b"\n"
        with self._changed:
            if self._pending + len(octets) > MAX_PENDING or not self._has_thread():
                self.dropped += 1
                return
            self._pending += len(octets)
            self._lines.append(octets)
            self._changed.notify_all()

    def flush(self, within: float) -> bool:
        """Wait until everything is written, this many seconds at most; whether it is."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._pending, within)

    def _has_thread(self) -> bool:
        """Start the thread on first use. If the system has no thread, try again with the next line."""
        if not self._started:
            try:
                self._thread.start()
            except RuntimeError:
                self._thread = threading.Thread(target=self._write, name="log", daemon=True)
                return False
            self._started = True
        return True

    def _write(self) -> None:
        whole = True
        while True:
            with self._changed:
                while not self._lines:
                    self._changed.wait()
                line = self._lines.popleft()
            # After part of a line, the next one begins with a line feed.
            left = line if whole else b"\n" + line
            try:
                while left:
                    left = left[os.write(self._descriptor, left) :]
            except OSError:
                # A full disk, or a reader that is gone: the next line may fare better.
                whole = len(left) >= len(line)
                with self._changed:
                    self.dropped += 1
            else:
                whole = True
            with self._changed:
                self._pending -= len(line)
                self._changed.notify_all()
