"""The address and port of a nameserver, as people write them and as sockets need them.

There is no I/O, except the lookup of an interface name in a zone id.
"""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass

DNS_PORT = 53


@dataclass(frozen=True, slots=True)
class Nameserver:
    """One server that answers DNS questions.

    Attributes:
        address: An IP address. A link-local IPv6 address may have a zone, e.g. `fe80::1%eth0`. Home routers announce
            such addresses.
    """

    address: str
    port: int = DNS_PORT

    def __str__(self) -> str:
        if self.port == DNS_PORT:
            return self.address
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"

    @property
    def family(self) -> socket.AddressFamily:
        """The address family of sockets that connect to it."""
        return socket.AF_INET6 if ":" in self.address else socket.AF_INET

    def socket_address(self) -> tuple[str, int] | tuple[str, int, int, int]:
        """The address in a form for `socket.connect` that needs no lookup.

        Raises:
            OSError: There is no interface with the name in its zone.
        """
        if self.family is socket.AF_INET:
            return self.address, self.port
        address, _, zone = self.address.partition("%")
        if not zone:
            return address, self.port, 0, 0
        return address, self.port, 0, int(zone) if zone.isdecimal() else _interface(zone)


def _interface(name: str) -> int:
    try:
        return socket.if_nametoindex(name)
    except OSError as error:
        raise OSError(error.errno, f"no interface is called {name}") from None


def is_nameserver_address(text: str) -> bool:
    """Whether this is an IP address, with or without a zone."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
