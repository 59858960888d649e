"""Two machines and a wire between them that delays, loses and reorders the packets that a test chooses.

A machine is a thread in a network namespace of its own, and the wire a thread that carries packets from one TUN device
to the other. Nothing has a name, and nothing is left behind: namespaces end with their threads and sockets. What
comes and goes at the client is captured there, with the kernel's stamps, by a packet socket: a witness of its own.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import heapq
import os
import select
import socket
import stat
import struct
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

from tests.servers.programs import unavailable

T = TypeVar("T")

CLIENT: Final = "10.99.0.1"
SERVER: Final = "10.99.0.2"

DELAY: Final = 0.02
"""Seconds from one end to the other."""

MTU: Final = 576
"""Small, so that a server's certificate and its longer replies are several packets."""

_NEW_NETWORK: Final = 0x40000000  # CLONE_NEWNET of linux/sched.h
_TUN_SET_INTERFACE: Final = 0x400454CA  # TUNSETIFF of linux/if_tun.h
_TUN_WITHOUT_HEADER: Final = 0x1001  # IFF_TUN | IFF_NO_PI
_SET_ADDRESS: Final = 0x8916  # SIOCSIFADDR of linux/sockios.h, and its neighbours
_SET_MASK: Final = 0x891C
_SET_MTU: Final = 0x8922
_SET_FLAGS: Final = 0x8914
_UP: Final = 0x41  # IFF_UP | IFF_RUNNING
_STAMPS: Final = 64  # SO_TIMESTAMPNS_NEW of asm-generic/socket.h
_STAMP: Final = struct.Struct("=qq")
_OUTGOING: Final = 4  # PACKET_OUTGOING of linux/if_packet.h
_ALL: Final = 3  # ETH_P_ALL of linux/if_ether.h: what leaves is captured as well
_FIN, _SYN, _RST = 1, 2, 4
_WITHIN: Final = 60.0


@dataclass(frozen=True, slots=True)
class Segment:
    """A TCP segment on the wire.

    Attributes:
        at: When it passed, Unix time.
        from_server: Whose it is.
        sequence: The number of its first octet.
        size: How many octets it carries.
        flags: Of TCP.
    """

    at: float
    from_server: bool
    sequence: int
    size: int
    flags: int

    @property
    def end(self) -> int:
        """The number of the octet after its last."""
        return self.sequence + self.size + bool(self.flags & _SYN) + bool(self.flags & _FIN)


Rule = Callable[[Segment], float | None]
"""How much longer than usual a segment is on its way; `None` forever. Asked in the order in which they are sent."""


@dataclass
class Wire:
    """The wire, and what was captured at the client's end.

    Attributes:
        rule: What happens to segments.
        captured: In the order in which the client's kernel saw them.
    """

    rule: Rule = lambda _: 0.0
    captured: list[Segment] = field(default_factory=list)
    _client: _Machine = field(init=False)
    _server: _Machine = field(init=False)

    def at_client(self, work: Callable[[], T]) -> T:
        """Do something on the client's machine."""
        return self._client.run(work)

    def at_server(self, work: Callable[[], T]) -> T:
        """Do something on the server's machine."""
        return self._server.run(work)


class _Machine:
    """A thread in a network namespace of its own, which does what it is told."""

    def __init__(self) -> None:
        self.tun = -1
        self._work: list[tuple[Callable[[], object], Future[object]]] = []
        self._told = threading.Condition()
        self._over = False
        self._thread = threading.Thread(target=self._live)
        self._thread.start()

    def connect(self, address: str) -> None:
        """Leave everybody else's network, and hold one end of the wire."""
        self.run(lambda: self._connect(address))

    def run(self, work: Callable[[], T]) -> T:
        future: Future[T] = Future()
        with self._told:
            self._work.append((work, future))  # type: ignore[arg-type]  # a future of what this work returns
            self._told.notify()
        return future.result(_WITHIN)

    def end(self) -> None:
        with self._told:
            self._over = True
            self._told.notify()
        self._thread.join(_WITHIN)
        if self.tun >= 0:
            os.close(self.tun)

    def _live(self) -> None:
        while True:
            with self._told:
                self._told.wait_for(lambda: self._work or self._over)
                if not self._work:
                    return
                work, future = self._work.pop(0)
            try:
                future.set_result(work())
            except BaseException as error:  # noqa: BLE001 - it is raised where the work was asked for
                future.set_exception(error)

    def _connect(self, address: str) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(_NEW_NETWORK) != 0:
            raise OSError(ctypes.get_errno(), f"unshare: {os.strerror(ctypes.get_errno())}")
        self.tun = _open_tun()
        name = b"wire"
        fcntl.ioctl(self.tun, _TUN_SET_INTERFACE, struct.pack("16sH14x", name, _TUN_WITHOUT_HEADER))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            for request, value in ((_SET_ADDRESS, address), (_SET_MASK, "255.255.255.0")):
                packed = struct.pack("16sHH4s8x", name, socket.AF_INET, 0, socket.inet_aton(value))
                fcntl.ioctl(control, request, packed)
            fcntl.ioctl(control, _SET_MTU, struct.pack("16si12x", name, MTU))
            for interface in (name, b"lo"):
                fcntl.ioctl(control, _SET_FLAGS, struct.pack("16sH14x", interface, _UP))


def _open_tun() -> int:
    """Open the device. Many containers lack it, so it is made if necessary."""
    path = Path("/dev/net/tun")
    if path.exists():
        return os.open(path, os.O_RDWR | os.O_NONBLOCK)
    with tempfile.TemporaryDirectory() as directory:
        made = Path(directory) / "tun"
        os.mknod(made, stat.S_IFCHR | 0o600, os.makedev(10, 200))
        return os.open(made, os.O_RDWR | os.O_NONBLOCK)


@contextmanager
def wire() -> Iterator[Wire]:
    """Two machines and the wire between them. Skips the test where they are not to be had."""
    made = Wire()
    machines: list[_Machine] = []
    try:
        try:
            for address in (CLIENT, SERVER):
                machines.append(_Machine())
                machines[-1].connect(address)
        except OSError as error:
            if error.errno not in {errno.EPERM, errno.EACCES, errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.EINVAL}:
                raise
            unavailable(f"no network namespaces with a TUN device in each: {error.strerror or error}")
        made._client, made._server = machines
        stop_reading, stop = os.pipe()
        capturing = made.at_client(_packet_socket)
        threads = [
            threading.Thread(target=_carry, args=(made, machines[0].tun, machines[1].tun, stop_reading)),
            threading.Thread(target=_capture, args=(made, capturing, stop_reading)),
        ]
        for thread in threads:
            thread.start()
        try:
            yield made
        finally:
            os.close(stop)
            for thread in threads:
                thread.join(_WITHIN)
            capturing.close()
            os.close(stop_reading)
    finally:
        for machine in machines:
            machine.end()


def _packet_socket() -> socket.socket:
    capturing = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ALL))
    capturing.bind(("wire", _ALL))
    capturing.setsockopt(socket.SOL_SOCKET, _STAMPS, 1)
    capturing.setblocking(False)
    return capturing


def _capture(made: Wire, capturing: socket.socket, stop: int) -> None:
    stopped = False
    while not stopped:
        # What came before the end is still read after it.
        stopped = stop in select.select([capturing.fileno(), stop], [], [])[0]
        with contextlib.suppress(BlockingIOError):
            while True:
                packet, ancillary, _, source = capturing.recvmsg(65536, socket.CMSG_SPACE(_STAMP.size))
                seconds, nanoseconds = _STAMP.unpack(ancillary[0][2])
                segment = _parsed(packet, seconds + nanoseconds / 1e9, from_server=source[2] != _OUTGOING)
                if segment is not None:
                    made.captured.append(segment)


def _carry(made: Wire, client: int, server: int, stop: int) -> None:
    """Take packets from one end, and hand them over at the other when they are due."""
    under_way: list[tuple[float, int, int, bytes]] = []
    count = 0
    while True:
        patience = max(under_way[0][0] - time.monotonic(), 0.0) if under_way else None
        ready, _, _ = select.select([client, server, stop], [], [], patience)
        if stop in ready:
            return
        for end in (client, server):
            if end not in ready:
                continue
            with contextlib.suppress(BlockingIOError):
                while True:
                    packet = os.read(end, 65536)
                    segment = _parsed(packet, time.time(), from_server=end == server)
                    longer = 0.0 if segment is None else made.rule(segment)
                    if longer is not None:
                        count += 1
                        due = time.monotonic() + DELAY + longer
                        heapq.heappush(under_way, (due, count, client if end == server else server, packet))
        while under_way and under_way[0][0] <= time.monotonic():
            _, _, end, packet = heapq.heappop(under_way)
            os.write(end, packet)


def _parsed(packet: bytes, at: float, *, from_server: bool) -> Segment | None:
    """A segment of TCP over IPv4; `None` of anything else."""
    if packet[0] >> 4 != 4 or packet[9] != socket.IPPROTO_TCP:
        return None
    header = (packet[0] & 15) * 4
    total = int.from_bytes(packet[2:4], "big")
    sequence = int.from_bytes(packet[header + 4 : header + 8], "big")
    size = total - header - (packet[header + 12] >> 4) * 4
    return Segment(at, from_server, sequence, size, packet[header + 13])
