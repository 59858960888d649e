"""Where servers of a running demo really listen.

A domain's mail and web servers stand at ports 25 and 443, where an ordinary user may not listen. So the demo gives each
of its servers a loopback address of its own in DNS, listens at free ports, and says here which is which. A detour leads
from loopback to loopback, so that this cannot bend any other connection.
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
"""The environment variable with the directory of a running demo, for commands beside it."""

LOOPBACK: Final = "127.0.0.1"

_FILE: Final = "detours.json"

Detours = Mapping[tuple[str, int], tuple[str, int]]
"""From an address and port to where its server listens."""

NO_DETOURS: Final[Detours] = MappingProxyType({})


def to_ports(ports: Mapping[tuple[str, int], int]) -> Detours:
    """Detours to ports of this machine, of loopback addresses only."""
    return MappingProxyType(
        {(host, port): (LOOPBACK, there) for (host, port), there in ports.items() if ip_address(host).is_loopback}
    )


def write_detours(directory: Path, detours: Detours) -> None:
    """Say it to commands that are run beside the demo."""
    rows = [[host, port, there] for (host, port), (_, there) in detours.items()]
    (directory / _FILE).write_text(json.dumps(rows))


def demo_detours() -> Detours:
    """Those of the demo that the environment names; none without one.

    Raises:
        ValueError: There is no such demo, or no longer.
    """
    directory = os.environ.get(VARIABLE)
    if not directory:
        return NO_DETOURS
    try:
        rows = json.loads((Path(directory) / _FILE).read_text())
        return to_ports({(str(host), int(port)): int(there) for host, port, there in rows})
    except (OSError, ValueError, TypeError):
        raise ValueError(f"{VARIABLE}={directory} is not the directory of a demo that is running") from None
