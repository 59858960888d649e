"""When packets arrived, by the kernel's timestamps, and when these cannot be trusted.

The kernel records when each packet arrives (SO_TIMESTAMPNS), and how long a connection took to open (TCP_INFO). A stamp
that may be too early is not used, because the server would seem faster than it was. Then nothing is subtracted from the
phase, and the time in which our own process was busy is part of it.

- Packets came out of order, as after a loss. Octets are handed over in their order, with the stamp of the last; those
  that came early waited in the kernel for one that came late, and that one's stamp is lost (`tcpi_rcv_ooopack`).
- The system's clock was set since the connection began. Stamps are by that clock, and everything else is by one that
  nobody sets.
- A packet of the connection's beginning was sent again: the round trip is that of the last attempt.

RST and FIN have no stamp, and neither has any packet on another system than Linux.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
import time
from typing import Final

TIMESTAMP: Final = 64
"""SO_TIMESTAMPNS_NEW of Linux (asm-generic/socket.h, since 5.1), which Python's socket module does not name: two
64-bit integers whatever the machine. Elsewhere the number means other things."""

WORTH_A_DOUBT: Final = 0.0005
"""Seconds in the kernel from which it is worth asking whether the stamp can be trusted: less than that may be wrong."""

CLOCK_WAS_SET: Final = 0.0005
"""Seconds by which two clocks may part during a connection. NTP slews both alike, so that only a step parts them."""

READ_TOGETHER: Final = 0.0001
"""Seconds within which two clocks have to be read for a comparison: anyone who is preempted in between reads again."""

_ATTEMPTS: Final = 3

_IS_LINUX: Final = sys.platform == "linux"

_STAMP: Final = struct.Struct("=qq")
"""struct __kernel_timespec: seconds and nanoseconds of the system's time."""

_ANCILLARY_SIZE: Final = socket.CMSG_SPACE(_STAMP.size)

_CONNECTED: Final = struct.Struct("=68xI28xI")
"""From struct tcp_info (linux/tcp.h): tcpi_rtt, in microseconds, and tcpi_total_retrans."""

_DISORDER: Final = struct.Struct("=224xI")
"""From struct tcp_info: tcpi_rcv_ooopack, packets that came before one that belongs before them; since Linux 5.4."""


class Arrivals:
    """The received data of one connection, with arrival times.

    Args:
        sock: Connected or about to be, of TCP.

    Attributes:
        socket: The same.
    """

    __slots__ = ("_disorder", "_offset", "socket")

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self._disorder = 0
        self._offset = clock_offset()

    def receive(self, size: int) -> tuple[bytes, float | None]:
        """As `recv`, and when the newest data arrived, by `time.perf_counter`; `None` if unknown.

        Raises:
            OSError: As `recv`.
        """
        octets, stamp = _stamped(self.socket, size)
        if stamp is None:
            return octets, None
        now = clock_offset()
        if abs(now - self._offset) > CLOCK_WAS_SET:
            return octets, None
        came_at = stamp - now
        if time.perf_counter() - came_at > WORTH_A_DOUBT and self._is_disordered():
            return octets, None
        return octets, came_at

    def _is_disordered(self) -> bool:
        """Whether packets came out of order, or may have, since the last call."""
        try:
            told = self.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _DISORDER.size)
            (packets,) = _DISORDER.unpack(told)
        except (AttributeError, OSError, struct.error):  # no Linux, or an old one
            return True
        before, self._disorder = self._disorder, packets
        return bool(packets != before)


def ask_for_stamps(sock: socket.socket) -> bool:
    """Let the kernel timestamp this socket's packets from now on. Returns whether it does."""
    try:
        if _IS_LINUX:
            sock.setsockopt(socket.SOL_SOCKET, TIMESTAMP, 1)
    except OSError:
        return False
    return _IS_LINUX


def acknowledge_at_once(sock: socket.socket) -> None:
    """Let the kernel acknowledge received data at once, and the next data too, without its usual delay of 40 ms.

    A server that writes twice without TCP_NODELAY does not send the second piece before the first is acknowledged.
    """
    if _IS_LINUX:
        # The connection is gone; the next call will say so.
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


def receive(sock: socket.socket, size: int) -> tuple[bytes, float]:
    """As `recv`, and for how many seconds the newest data has waited here; 0 if unknown.

    Raises:
        OSError: As `recv`.
    """
    octets, stamp = _stamped(sock, size)
    return octets, 0.0 if stamp is None else time.time() - stamp


def clock_offset() -> float:
    """By how much the system's time is ahead of `time.perf_counter`, in seconds."""
    left = _ATTEMPTS
    while True:
        before = time.perf_counter()
        offset = time.time() - before
        left -= 1
        if not left or time.perf_counter() - before < READ_TOGETHER:
            return offset


def connected(sock: socket.socket, took: float) -> float:
    """The age of a connection in seconds; 0 if unknown.

    Args:
        sock: Just connected.
        took: Seconds since it was asked for.
    """
    try:
        told = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _CONNECTED.size)
        round_trip, repeated = _CONNECTED.unpack(told)
    except (AttributeError, OSError, struct.error):  # no Linux
        return 0.0
    # The round trip is that of the last attempt: the wait for those that were lost is part of how long it took.
    return took - round_trip / 1e6 if round_trip and not repeated else 0.0


def _stamped(sock: socket.socket, size: int) -> tuple[bytes, float | None]:
    """The received data, and the timestamp of the newest, Unix time."""
    octets, ancillary, _, _ = sock.recvmsg(size, _ANCILLARY_SIZE)
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == TIMESTAMP and len(data) == _STAMP.size:
            seconds, nanoseconds = _STAMP.unpack(data)
            return octets, seconds + nanoseconds / 1e9
    return octets, None
