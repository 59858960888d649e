"""The order in which a client tries the addresses of a name: RFC 6724 section 6, as `getaddrinfo` has it.

Applied are the rules that need only routes from the kernel: 1 (avoid unusable destinations), 2 (matching scope),
5 (matching label), 6 (precedence) and 8 (smaller scope). Addresses that are equal by these keep their order. Rules 3, 4
and 7 are left out because they need the state of each local address. Rule 9 is left out because it would undo the order
that the nameserver chose.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from cachetools import TTLCache

ROUTE_LIFETIME = 60.0
"""Seconds for which an order is kept. A route that goes in the meantime costs a probe one failed connection."""

MAX_KEPT = 16384
"""The number of remembered orders: more than the names that one process can probe."""

_POLICY: tuple[tuple[IPv6Network, int, int], ...] = tuple(
    # RFC 6724 section 2.1, longest prefix first: prefix, precedence, label.
    (IPv6Network(prefix), precedence, label)
    for prefix, precedence, label in (
        ("::1/128", 50, 0),
        ("::ffff:0:0/96", 35, 4),
        ("::/96", 1, 3),
        ("2001::/32", 5, 5),
        ("2002::/16", 30, 2),
        ("3ffe::/16", 1, 12),
        ("fec0::/10", 1, 11),
        ("fc00::/7", 3, 13),
        ("::/0", 40, 1),
    )
)

_LINK_LOCAL, _SITE_LOCAL, _GLOBAL = 0x2, 0x5, 0xE
"""Scopes, numbered as in RFC 4291 section 2.7."""


class AddressOrder:
    """Sorts addresses, and remembers each order for a while."""

    def __init__(self, clock: Callable[[], float], source_for: Callable[[str], str | None]) -> None:
        """Prepare to sort.

        Args:
            clock: Monotonic seconds.
            source_for: The local address that a connection to an address would come from; `None` if no route leads
                there.
        """
        self._source_for = source_for
        self._kept: TTLCache[tuple[str, ...], tuple[str, ...]] = TTLCache(MAX_KEPT, ROUTE_LIFETIME, timer=clock)

    def __call__(self, addresses: tuple[str, ...]) -> tuple[str, ...]:
        """The addresses in the order to try them. Addresses without a route are left out if there are others."""
        if len(addresses) < 2 or not any(":" in address for address in addresses):  # noqa: PLR2004 - one needs no order
            # The rules treat all IPv4 addresses alike. If one has no route, its connect says so.
            return addresses
        order = self._kept.get(addresses)
        if order is None:
            order = self._kept[addresses] = in_order(addresses, self._source_for)
        return order


def in_order(addresses: Sequence[str], source_for: Callable[[str], str | None]) -> tuple[str, ...]:
    """Sorts addresses as `AddressOrder` does, from scratch."""
    sources = {address: source_for(address) for address in addresses}
    # Rule 1. Addresses without a route would fail last. Without them, the reported failure is that of a server.
    usable = [address for address in addresses if sources[address] is not None] or list(addresses)

    def rank(address: str) -> tuple[bool, bool, int, int]:
        scope, precedence, label = _traits(address)
        source = sources[address]
        if source is None:
            return False, False, -precedence, scope
        source_scope, _, source_label = _traits(source)
        return scope != source_scope, label != source_label, -precedence, scope

    return tuple(sorted(usable, key=rank))


def routed_source(address: str) -> str | None:
    """Asks the kernel where a connection to an address would come from, without sending anything.

    Connecting a UDP socket looks up the route and does no more.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            sock.connect((address, 9))  # any port will do; this one is "discard"
            source: str = sock.getsockname()[0]
            return source
    except OSError:
        return None


def _traits(text: str) -> tuple[int, int, int]:
    """Scope, precedence and label of an address."""
    address = ip_address(text)
    if isinstance(address, IPv4Address):
        # RFC 6724 section 3.2: loopback and autoconfigured addresses are link-local, private ones are global.
        scope = _LINK_LOCAL if address.is_loopback or address.is_link_local else _GLOBAL
        address = IPv6Address(f"::ffff:{address}")
    else:
        scope = _ipv6_scope(address)
    for network, precedence, label in _POLICY:
        if address in network:
            return scope, precedence, label
    raise AssertionError("the last row of the policy table holds every address")


def _ipv6_scope(address: IPv6Address) -> int:
    if address.is_multicast:
        # RFC 4291 section 2.7: ff, four bits of flags, four bits of scope.
        return address.packed[1] & 0x0F
    if address.is_loopback or address.is_link_local:
        return _LINK_LOCAL
    return _SITE_LOCAL if address.is_site_local else _GLOBAL
