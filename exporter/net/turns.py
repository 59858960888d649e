"""Whose turn it is in a conversation, and so whose time passes: what a probe measures is the other side's.

All probes share one event loop. When it is busy with another, an answer lies in the kernel, and a clock that is read
when its turn comes would add that to the server's latency; so would our own work on an answer before the next question
leaves. The kernel notes when each packet comes (SO_TIMESTAMPNS, and for a connection the round trip in TCP_INFO), so
that all of it can be taken off. Where a system does not tell, only our own work is.

What a probe does with it is the matter of its notes; nothing here waits.
"""

from __future__ import annotations

import socket
import struct
import sys
import time
from typing import Final

TIMESTAMP: Final = 64
"""SO_TIMESTAMPNS_NEW of Linux (asm-generic/socket.h, since 5.1), which Python's socket module does not name: two
64-bit integers whatever the machine. Elsewhere the number means other things."""

_IS_LINUX: Final = sys.platform == "linux"

_STAMP: Final = struct.Struct("=qq")
"""struct __kernel_timespec: seconds and nanoseconds of the system's time."""

_ANCILLARY_SIZE: Final = socket.CMSG_SPACE(_STAMP.size)

_TCP_INFO: Final = struct.Struct("=68xI28xI")
"""Of struct tcp_info (linux/tcp.h): tcpi_rtt, in microseconds, and tcpi_total_retrans."""


class Turns:
    """How far a probe is behind the other side, which waits for its answer, in seconds.

    Time is the other side's while we wait for it, and counts from when our last words left. All the rest is ours and
    counts for nobody: from the moment when something came, whenever that is noticed, until we answer it. Where there is
    nothing to be answered, such as between a connection and the greeting, or two pieces of a reply, the other side went
    on in its own time meanwhile.
    """

    __slots__ = ("_last", "_settled", "_waiting")

    def __init__(self) -> None:
        self._settled = 0.0
        self._waiting = True
        self._last = time.perf_counter()
        """When the last of theirs came or the last of ours left: nothing can have come before that."""

    def behind(self) -> float:
        """All the time until now that was ours."""
        return self._settled if self._waiting else self._settled + time.perf_counter() - self._last

    def noticed(self, lateness: float) -> None:
        """Something came so many seconds ago."""
        self._last = max(time.perf_counter() - max(lateness, 0.0), self._last)
        self._waiting = False

    def answered(self) -> None:
        """Something of ours leaves."""
        self._settled = self.behind()
        self._last = time.perf_counter()
        self._waiting = False

    def waiting(self) -> None:
        """We have said all that we have to say, and wait."""
        self._waiting = True


def ask_for_stamps(sock: socket.socket) -> bool:
    """Have the kernel note when packets come for this socket, from now on; whether it does."""
    try:
        if _IS_LINUX:
            sock.setsockopt(socket.SOL_SOCKET, TIMESTAMP, 1)
    except OSError:
        return False
    return _IS_LINUX


def receive(sock: socket.socket, size: int, flags: int = 0) -> tuple[bytes, float]:
    """As `recv`, and for how long the newest of it has lain here, in seconds; 0 if that is not known.

    Raises:
        OSError: As `recv`.
    """
    octets, ancillary, _, _ = sock.recvmsg(size, _ANCILLARY_SIZE, flags)
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == TIMESTAMP and len(data) == _STAMP.size:
            seconds, nanoseconds = _STAMP.unpack(data)
            return octets, time.time() - (seconds + nanoseconds / 1e9)
    return octets, 0.0


def connected(sock: socket.socket, took: float) -> float:
    """For how long a connection has been there, in seconds; 0 if that is not known.

    Args:
        sock: Just connected.
        took: Seconds since it was asked for.
    """
    try:
        round_trip, repeated = _TCP_INFO.unpack(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size))
    except (AttributeError, OSError, struct.error):  # no Linux
        return 0.0
    # The round trip is that of the last attempt: the wait for those that were lost is part of how long it took.
    return took - round_trip / 1e6 if round_trip and not repeated else 0.0
