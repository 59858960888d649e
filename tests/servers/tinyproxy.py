"""tinyproxy from the system's packages: an HTTP proxy on a high port of loopback."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from exporter.model import Proxy, ProxyScheme
from tests.servers.programs import LOOPBACK, free_ports, program, running

_CONFIGURATION = """
Port {port}
Listen 127.0.0.1
Timeout 60
LogLevel Info
PidFile "{directory}/tinyproxy.pid"
MaxClients 10
{rule}
"""


@contextmanager
def tinyproxy(directory: Path, *, allowed: int) -> Iterator[Proxy]:
    """Runs it until the block ends.

    Args:
        directory: Where its files go.
        allowed: The one port that it connects to.
    """
    (port,) = free_ports(1)
    file = directory / "tinyproxy.conf"
    file.write_text(_CONFIGURATION.format(port=port, directory=directory, rule=f"ConnectPort {allowed}"))

    def ready() -> bool:
        socket.create_connection((LOOPBACK, port), timeout=1).close()
        return True

    command = [program("tinyproxy", package="tinyproxy"), "-d", "-c", str(file)]
    with running(command, log=directory / "tinyproxy.log", ready=ready):
        yield Proxy(ProxyScheme.HTTP, LOOPBACK, port)
