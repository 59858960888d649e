"""How late this side was to notice what had come: the time that octets lay in the kernel before anybody looked.

All probes share one event loop. When it is busy with another, an answer lies there, and a clock that is read when its
turn comes would add that to the server's latency. The kernel notes when each packet comes (SO_TIMESTAMPNS, and for a
connection the round trip in TCP_INFO), so that it can be taken off again. Where a system does not tell, nothing is.

What a probe does with it is the matter of its notes; nothing here waits.
"""

from __future__ import annotations

import socket
import struct
import time
from typing import Final

TIMESTAMP: Final = 64
"""SO_TIMESTAMPNS_NEW of Linux (asm-generic/socket.h, since 5.1), which Python's socket module does not name: two
64-bit integers whatever the machine. Systems that do not know the option refuse it."""

_STAMP: Final = struct.Struct("=qq")
"""struct __kernel_timespec: seconds and nanoseconds of the system's time."""

_ANCILLARY_SIZE: Final = socket.CMSG_SPACE(_STAMP.size)

_TCP_INFO: Final = struct.Struct("=68xI28xI")
"""Of struct tcp_info (linux/tcp.h): tcpi_rtt, in microseconds, and tcpi_total_retrans."""


class Lateness:
    """By how much one side of a conversation is behind, in seconds.

    The other side waits for an answer of ours from the moment when it sent its own, and so what we dawdle in between
    is nobody's latency; that is settled when we answer. Until then it goes on in its own time: the greeting that comes
    after a connection, or the rest of a reply, is on its way while we have not yet noticed what came before.

    Attributes:
        total: All of it, until now.
    """

    __slots__ = ("_settled", "_since", "total")

    def __init__(self) -> None:
        self.total = 0.0
        self._settled = 0.0
        self._since = time.perf_counter()

    def noticed(self, seconds: float) -> None:
        """The newest of what came lay here so long before it was noticed; never before it was our turn to wait."""
        self.total = self._settled + min(max(seconds, 0.0), time.perf_counter() - self._since)

    def answered(self) -> None:
        """It is the other side's turn."""
        self._settled = self.total
        self._since = time.perf_counter()


def ask_for_stamps(sock: socket.socket) -> bool:
    """Have the kernel note when packets come for this socket, from now on; whether it does."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, TIMESTAMP, 1)
    except OSError:
        return False
    return True


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
