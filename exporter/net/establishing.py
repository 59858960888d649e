"""Establishing a TCP connection without blocking, and finding out when it was there.

What is said over it is the stream's business.
"""

from __future__ import annotations

import errno
import os
import socket
import time

from exporter.net.peer_clock import PeerClock
from exporter.net.readiness import Readiness, Wait
from exporter.net.stamps import ask_for_stamps, connected


async def establish(
    sock: socket.socket,
    readiness: Readiness,
    peer_clock: PeerClock,
    server: tuple[str, int],
    source_address: str | None,
) -> None:
    """Connect a socket.

    Args:
        sock: A new TCP socket. It does not block afterwards.
        readiness: Whether the socket is ready.
        peer_clock: Is told when the connection was there.
        server: An IP address without brackets, and a port.
        source_address: This machine's; `None` lets the system choose.

    Raises:
        OSError: The connection is refused, reset, unreachable, or not allowed by this machine.
    """
    sock.setblocking(False)
    # Commands are small and each waits for its reply: Nagle's delay would be measured as the server's.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if source_address is not None:
        sock.bind((source_address, 0))
    ask_for_stamps(sock)
    begun = time.perf_counter()
    error = sock.connect_ex(server)
    if error == errno.EINPROGRESS:
        await readiness.of(Wait.WRITE)
        error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if error:
        raise OSError(error, os.strerror(error))
    now = time.perf_counter()
    peer_clock.noticed(now - connected(sock, now - begun))
