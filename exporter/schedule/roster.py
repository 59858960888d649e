"""The endpoints to visit at this moment, and their origin. Pure: names are looked up elsewhere.

Endpoints come from three places. The configuration file lists some. Sources, such as the records of a domain, add those
that were found there last. An endpoint with `addresses: all` becomes one endpoint for each address of its host. Each of
these has its own schedule, timeout and series. While no address is known, the endpoint itself is probed, which only
looks the name up. Every probe looks the name up, and the result decides which addresses are probed from then on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from ipaddress import ip_address
from types import MappingProxyType
from typing import Final

from exporter.model import Addresses, Endpoint, ProbeResult, RosterChange, Series

NOTHING_FOUND: Final[Mapping[str, Sequence[Endpoint]]] = MappingProxyType({})


class Roster:
    """The endpoints to visit."""

    def __init__(self) -> None:
        self._visited: dict[Series, Endpoint] = {}
        self._addresses: dict[str, tuple[str, ...]] = {}
        self._written: tuple[Endpoint, ...] = ()
        self._found: dict[str, tuple[Endpoint, ...]] = {}

    def configure(
        self, endpoints: Iterable[Endpoint], found: Mapping[str, Sequence[Endpoint]] = NOTHING_FOUND
    ) -> RosterChange:
        """Replace the configured endpoints. The result's `all` has all endpoints to visit, in order.

        Known addresses of a host are kept, unless the new endpoint needs others.

        Args:
            endpoints: The endpoints in the configuration file.
            found: The endpoints of each source. They come after those in the file, in this order.
        """
        self._written = tuple(endpoints)
        self._found = {source: tuple(each) for source, each in found.items()}
        gone, come = self._enter(self._configured())
        return RosterChange(gone, come, tuple(self._visited.values()))

    def found(self, source: str, endpoints: Sequence[Endpoint]) -> RosterChange | None:
        """Replace the endpoints of a configured source. Returns the change, or `None` if nothing changed.

        An endpoint is left out if its name is in the configuration file, or an earlier source found it.
        """
        if source not in self._found or tuple(endpoints) == self._found[source]:
            return None
        self._found[source] = tuple(endpoints)
        gone, come = self._enter(self._configured())
        if not gone and not come:
            return None
        names = {endpoint.name for endpoint in endpoints}
        return RosterChange(gone, come, tuple(each for each in self._visited.values() if each.name in names))

    def take(self, endpoint: Endpoint, result: ProbeResult) -> tuple[ProbeResult | None, RosterChange | None]:
        """Record the addresses that a visit found for its endpoint.

        Args:
            endpoint: The endpoint that was visited.
            result: The result of the visit.

        Returns:
            The result to store, or `None` if its endpoint was removed or changed; and the change, or `None`.
        """
        if not self._is_visited(endpoint):
            return None, None  # its settings changed, or its address was removed
        change = self._follow(endpoint, result)
        if not self._is_visited(endpoint):
            # Its address was removed just now, or the first addresses were found. If the name has no address, store the
            # failure for the whole endpoint.
            endpoint, result = replace(endpoint, only_address=None), replace(result, only_address=None)
            if result.failure is None or not self._is_visited(endpoint):
                return None, change
        return result, change

    def _configured(self) -> Iterable[Endpoint]:
        """The configured and found endpoints. For each name, the first one counts."""
        configured = {endpoint.name: endpoint for endpoint in self._written}
        for found in self._found.values():
            for endpoint in found:
                configured.setdefault(endpoint.name, endpoint)
        return configured.values()

    def _enter(self, configured: Iterable[Endpoint]) -> tuple[tuple[Endpoint, ...], tuple[Endpoint, ...]]:
        """Visit these endpoints at their known addresses. Returns those removed, and those added or changed."""
        known, self._addresses = self._addresses, {}
        before = {each.name: each for each in self._visited.values() if each.name in known}
        visited: list[Endpoint] = []
        for endpoint in configured:
            if endpoint.addresses is Addresses.ALL:
                known_as = before.get(endpoint.name)
                same = known_as is not None and _question(known_as) == _question(endpoint)
                self._addresses[endpoint.name] = known[endpoint.name] if same else ()
                visited += _each(endpoint, self._addresses[endpoint.name])
            else:
                visited.append(endpoint)
        former, self._visited = self._visited, {endpoint.series: endpoint for endpoint in visited}
        gone = tuple(endpoint for series, endpoint in former.items() if series not in self._visited)
        come = tuple(each for series, each in self._visited.items() if not _same(former.get(series), each))
        return gone, come

    def _is_visited(self, endpoint: Endpoint) -> bool:
        """Whether exactly this endpoint is visited, not another version of it."""
        return _same(self._visited.get(endpoint.series), endpoint)

    def _follow(self, endpoint: Endpoint, result: ProbeResult) -> RosterChange | None:
        name, found = endpoint.name, result.resolution
        if endpoint.addresses is not Addresses.ALL or found is None:
            return None
        before = self._addresses[name]
        addresses = {*found.addresses, *before} if found.unanswered else {*found.addresses}
        if addresses == {*before}:
            return None
        whole = replace(endpoint, only_address=None)
        self._addresses[name] = tuple(sorted(addresses, key=_order))
        old = {each.series: each for each in _each(whole, before)}
        new = {each.series: each for each in _each(whole, self._addresses[name])}
        change = RosterChange(
            gone=tuple(each for series, each in old.items() if series not in new),
            come=tuple(each for series, each in new.items() if series not in old),
            all=tuple(new.values()),
        )
        for each in change.gone:
            del self._visited[each.series]
        self._visited |= {each.series: each for each in change.come}
        return change


def _same(one: Endpoint | None, other: Endpoint) -> bool:
    """Whether both are equal. This is fast for the same object, which most are after a reload."""
    return one is other or one == other


def _each(endpoint: Endpoint, addresses: Iterable[str]) -> tuple[Endpoint, ...]:
    """The endpoint once for each address, or as it is if there are none."""
    return tuple(replace(endpoint, only_address=address) for address in addresses) or (endpoint,)


def _question(endpoint: Endpoint) -> tuple[object, ...]:
    """Everything that affects the lookup of an endpoint's name."""
    return endpoint.host, endpoint.lookup_family


def _order(address: str) -> tuple[bool, int]:
    """IPv4 first, in numerical order, because the order in DNS answers changes."""
    return ":" in address, int(ip_address(address))
