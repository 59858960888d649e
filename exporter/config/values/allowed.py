"""The targets that a module may probe: names by pattern, addresses by network.

Anyone who may ask for a probe chooses its target. These rules protect all other servers that this machine can reach.
This module only judges; the prober looks names up, and connects only to addresses that were judged. An address that
contains an IPv4 address for a translator or a tunnel is judged as that IPv4 address.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from exporter.config.problems import quoted
from exporter.config.values.hosts import parse_host

Network = IPv4Network | IPv6Network

_CARRIERS = (
    IPv6Network("::ffff:0:0/96"),  # IPv4-mapped: RFC 4291 section 2.5.5.2
    IPv6Network("64:ff9b::/96"),  # NAT64's well-known prefix: RFC 6052 section 2.1
    IPv6Network("2002::/16"),  # 6to4: RFC 3056 section 2
    IPv6Network("2001::/32"),  # Teredo: RFC 4380 section 4
    IPv6Network("::/96"),  # IPv4-compatible: RFC 4291 section 2.5.5.1
)
"""Networks of IPv6 addresses that contain an IPv4 address, to which their packets go."""

_NOBODY_ELSES = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8",  # RFC 1122 section 3.2.1.3: this host; Linux connects to itself
            "127.0.0.0/8",  # loopback
            "169.254.0.0/16",  # link-local: RFC 3927; clouds serve machines their secrets there
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, and broadcast
            "::/128",
            "::1/128",
            "fe80::/10",
            "ff00::/8",
            "64:ff9b:1::/48",  # NAT64 with a local prefix: RFC 8215; the place of the IPv4 address is not known
        ),
    )
)
"""Addresses that other people's mail servers never have. Attackers let names resolve to them."""

_MASKED = re.compile(r"[0-9a-fA-F:.]+/[0-9.]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class NamePattern:
    """A name, or all names below it at any depth, as in a DNS wildcard (RFC 4592 section 2.1.3).

    Attributes:
        name: A name of A-labels in lower case, without the final dot.
        below: Whether the pattern matches the names below it instead.
    """

    name: str
    below: bool

    def __str__(self) -> str:
        return f"*.{self.name}" if self.below else self.name

    def matches(self, host: str) -> bool:
        """Whether it matches a host, which must be in the same form."""
        return host.endswith(f".{self.name}") if self.below else host == self.name


def parse_allowed(text: str) -> NamePattern | Network:
    """An entry of `allowed_targets`: `mail.example.com`, `*.example.com`, `192.0.2.25` or `192.0.2.0/24`.

    Raises:
        ValueError: The text is invalid. The message says why.
    """
    if _MASKED.fullmatch(text):
        return _network(text)
    below = text.startswith("*.")
    if text == "*":
        raise ValueError("* is not a target; write names and networks, such as *.example.com or 10.0.0.0/8")
    if "*" in text.removeprefix("*."):
        raise ValueError(f"{quoted(text)}: a * stands for the whole beginning of a name; write it like *.example.com")
    host = parse_host(text.removeprefix("*."))
    if _address(host) is None:
        return NamePattern(host, below)
    if below:
        raise ValueError(f"{quoted(text)}: a * cannot stand before an address; write a network like 192.0.2.0/24")
    return _network(host)


def _network(text: str) -> Network:
    try:
        network = ip_network(text)
    except ValueError:
        try:
            meant = ip_network(text, strict=False)
        except ValueError:
            raise ValueError(f"{quoted(text)} is not a network; write one like 192.0.2.0/24 or 2001:db8::/32") from None
        raise ValueError(f"{quoted(text)} is an address in a network; write {meant}") from None
    if network.num_addresses == 1:
        return ip_network(leads_to(str(network.network_address)))
    if isinstance(network, IPv6Network) and any(network.subnet_of(carrier) for carrier in _CARRIERS):
        raise ValueError(f"{network} carries IPv4 addresses, and is judged by them; write their network")
    return network


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def leads_to(address: str) -> IPv4Address | IPv6Address:
    """The address that receives packets to an address: itself, or the IPv4 address in it."""
    ip = ip_address(address)
    if isinstance(ip, IPv4Address):
        return ip
    carried = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
    if carried is None and any(ip in carrier for carrier in _CARRIERS) and int(ip) > 1:
        carried = IPv4Address(int(ip) & 0xFFFF_FFFF)
    return carried or ip


@dataclass(frozen=True, slots=True)
class AllowedTargets:
    """The targets of a module.

    If there are patterns, a name must match one of them. If there are networks, every address must be in one of them.
    With patterns alone, the DNS of those names decides on the addresses. A pattern with a `*` lets others choose the
    name as well, so loopback, link-local and reserved addresses are refused.

    Attributes:
        entries: The entries in the order of the configuration; not empty.
    """

    entries: tuple[NamePattern | Network, ...]

    def as_allowed(self, host: str) -> str:
        """The name to look up for a target. Allowed names get a final dot, so that no search domain is appended."""
        return f"{host}." if self._patterns and _address(host) is None else host

    @property
    def everything(self) -> Network | None:
        """A network that contains every address; `None` if there is none."""
        return next((network for network in self._networks if network.prefixlen == 0), None)

    def objection(self, host: str) -> str | None:
        """Why a target is not allowed, before its name is looked up; `None` if it is allowed so far.

        Args:
            host: A name or an address, as `hosts.parse_host` returns it.
        """
        if _address(host) is not None:
            return self.objection_to_addresses(host, (host,))
        if self._patterns and not any(pattern.matches(host) for pattern in self._patterns):
            return f"{quoted(host)} matches none of the names"
        return None

    def objection_to_addresses(self, host: str, addresses: Sequence[str]) -> str | None:
        """Why the addresses of a target are not allowed, if `objection` has allowed it; `None` if they are.

        A single forbidden address is enough, because any of them may be connected to.
        """
        networks, named = self._networks, self._is_named(host)
        for address in addresses:
            ip = leads_to(address)
            if networks or address == host:
                if not any(ip in network for network in networks):
                    return f"{_way(host, address, ip)} is in none of the networks"
            elif not named and any(ip in network for network in _NOBODY_ELSES):
                return f"{_way(host, address, ip)} is not an address of another machine"
        return None

    def _is_named(self, host: str) -> bool:
        """Whether an entry is exactly this name, or the name is below `localhost` (RFC 6761 section 6.3)."""
        return host.endswith(".localhost") or any(
            pattern.matches(host) and not pattern.below for pattern in self._patterns
        )

    @property
    def _patterns(self) -> Sequence[NamePattern]:
        return [entry for entry in self.entries if isinstance(entry, NamePattern)]

    @property
    def _networks(self) -> Sequence[Network]:
        return [entry for entry in self.entries if not isinstance(entry, NamePattern)]


def _way(host: str, address: str, ip: IPv4Address | IPv6Address) -> str:
    """The beginning of a sentence about a judged address, which says how the target leads to it."""
    steps = [str(ip)]
    if address != str(ip):
        steps.insert(0, address)
    if address != host:
        steps.insert(0, quoted(host))
    first, *others = steps
    return f"{first} leads to {', that to '.join(others)}, which" if others else first
