"""Received data that was not read yet, split into lines or counted pieces. It has no socket: the stream feeds it."""

from __future__ import annotations

from typing import Final

MAX_CONVERSATION: Final = 1 << 20
"""The most octets that a probe accepts from a server, counted before decryption: a hundred times what any dialogue
needs."""


class OverflowingError(Exception):
    """The server sent more than a cap allows; the message says which."""


class ReceiveBuffer:
    """Octets in the order of arrival, and a running total of them."""

    __slots__ = ("_data", "_searched", "_total")

    def __init__(self) -> None:
        self._data = bytearray()
        self._searched = 0
        self._total = 0

    def __len__(self) -> int:
        """The number of unread octets."""
        return len(self._data)

    @property
    def total(self) -> int:
        """The number of octets counted so far."""
        return self._total

    def feed(self, data: bytes) -> None:
        """Append what arrived, and count it.

        Raises:
            OverflowingError: The conversation as a whole is too long.
        """
        self.count(len(data))
        self.append(data)

    def count(self, octets: int) -> None:
        """Count received octets.

        Raises:
            OverflowingError: The conversation as a whole is too long.
        """
        self._total += octets
        if self._total > MAX_CONVERSATION:
            raise OverflowingError(f"more than {MAX_CONVERSATION} octets in one conversation")

    def allow(self, octets: int) -> None:
        """Take back some counted octets, because they were asked for."""
        self._total = max(self._total - octets, 0)

    def append(self, data: bytes) -> None:
        """Append data that was already counted."""
        self._data += data

    def take_line(self, limit: int) -> bytes | None:
        """The next line without its ending; `None` while it is incomplete.

        A line ends with LF, and a CR before it belongs to the ending: CRLF is what the RFCs demand and a bare LF is
        what some servers send. A CR elsewhere stays in the line for the protocol to judge.

        Raises:
            OverflowingError: The line is longer than `limit` octets, complete or not.
        """
        end = self._data.find(b"\n", self._searched)
        if end < 0:
            self._searched = len(self._data)
            if self._searched > limit:
                raise OverflowingError(f"a line of more than {limit} octets")
            return None
        if end > limit:
            raise OverflowingError(f"a line of more than {limit} octets")
        line = bytes(self._data[:end])
        del self._data[: end + 1]
        self._searched = 0
        return line.removesuffix(b"\r")

    def take_piece(self, limit: int) -> bytes | None:
        """The next line with its ending, or the first `limit` octets of a longer one; `None` while there is neither."""
        end = self._data.find(b"\n", self._searched, limit) + 1
        if not end:
            self._searched = min(len(self._data), limit)
            if self._searched < limit:
                return None
            # CR and LF stay together.
            end = limit - self._data.endswith(b"\r", 0, limit)
        piece = bytes(self._data[:end])
        del self._data[:end]
        self._searched = 0
        return piece

    def take_exactly(self, size: int) -> bytes | None:
        """The next `size` octets; `None` while there are fewer."""
        if len(self._data) < size:
            return None
        taken = bytes(self._data[:size])
        del self._data[:size]
        self._searched = 0
        return taken

    def peek(self) -> bytes:
        """All unread octets, which stay in the buffer."""
        return bytes(self._data)

    def take_all(self) -> bytes:
        """Remove and return all unread octets."""
        taken = bytes(self._data)
        self._data.clear()
        self._searched = 0
        return taken
