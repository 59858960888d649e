"""The real ports of the servers of a running demo.

A domain's mail and web servers use ports 25 and 443, where an ordinary user may not listen. So the demo gives each
server its own loopback address in DNS, and listens at a free port. A detour maps the address and port in DNS to this
port. Both are on loopback, so detours cannot redirect other connections.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from types import MappingProxyType
from typing import Final

VARIABLE: Final = "MAIL_EXPORTER_DEMO"
"""The environment variable with the directory of a running demo. Other commands use it."""

LOOPBACK: Final = "127.0.0.1"

_FILE: Final = "detours.json"

Detours = Mapping[tuple[str, int], tuple[str, int]]
"""The address and port where a server listens, by its address in DNS and its usual port."""

NO_DETOURS: Final[Detours] = MappingProxyType({})


def to_ports(ports: Mapping[tuple[str, int], int]) -> Detours:
    """Detours to ports of this machine. Addresses that are not on loopback are left out."""
    return MappingProxyType(
        {(host, port): (LOOPBACK, there) for (host, port), there in ports.items() if ip_address(host).is_loopback}
    )


def write_detours(directory: Path, detours: Detours) -> None:
    """Write the detours to a file, for commands that are run while the demo runs."""
    rows = [[host, port, there] for (host, port), (_, there) in detours.items()]
    (directory / _FILE).write_text(json.dumps(rows))


def demo_detours() -> Detours:
    """The detours of the demo in the environment variable; none if it is not set.

    Raises:
        ValueError: There is no such demo, or it has ended.
    """
    directory = os.environ.get(VARIABLE)
    if not directory:
        return NO_DETOURS
    try:
        rows = json.loads((Path(directory) / _FILE).read_text())
        return to_ports({(str(host), int(port)): int(there) for host, port, there in rows})
    except (OSError, ValueError, TypeError):
        raise ValueError(f"{VARIABLE}={directory} is not the directory of a demo that is running") from None
