"""Which addresses the endpoints with `addresses: all` are probed at. Pure: names are resolved elsewhere.

Such an endpoint is probed once for each address of its host, and each of these is an endpoint of its own: with its own
turn, its own timeout and its own series. While no address is known, the endpoint stands for itself; its probe then
only looks the name up. Every probe looks the name up, and what it finds decides who is probed from then on.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from ipaddress import ip_address

from exporter.model import Addresses, Endpoint, ProbeResult, Series


@dataclass(frozen=True, slots=True)
class Exchange:
    """A change of what an endpoint is probed as.

    Attributes:
        gone: What it is no longer.
        come: What it is in addition.
        all: What it is altogether from now on.
    """

    gone: tuple[Endpoint, ...]
    come: tuple[Endpoint, ...]
    all: tuple[Endpoint, ...]


class AddressBook:
    """The endpoints as they are probed."""

    def __init__(self) -> None:
        self._probed: dict[Series, Endpoint] = {}
        self._addresses: dict[str, tuple[str, ...]] = {}

    def configure(self, endpoints: Iterable[Endpoint]) -> tuple[Endpoint, ...]:
        """From now on these are configured. Returns what to probe, in their order.

        Addresses that are known of a host stay known, unless it is asked for others.
        """
        known, self._addresses = self._addresses, {}
        before = {each.name: each for each in self._probed.values() if each.name in known}
        probed: list[Endpoint] = []
        for endpoint in endpoints:
            if endpoint.addresses is Addresses.ALL:
                former = before.get(endpoint.name)
                same = former is not None and _question(former) == _question(endpoint)
                self._addresses[endpoint.name] = known[endpoint.name] if same else ()
                probed += _each(endpoint, self._addresses[endpoint.name])
            else:
                probed.append(endpoint)
        self._probed = {endpoint.series: endpoint for endpoint in probed}
        return tuple(probed)

    def take(self, endpoint: Endpoint, result: ProbeResult) -> tuple[ProbeResult | None, Exchange | None]:
        """Take in where the name of a probed endpoint was found to lead to.

        Args:
            endpoint: What was probed.
            result: What came of it.

        Returns:
            The result as it is to be kept, `None` if it is nobody's any more; and what changes, `None` if nothing does.
        """
        if not self._is_probed(endpoint):
            return None, None  # it is configured in another way by now, or its address has left
        exchange = self._follow(endpoint, result)
        if not self._is_probed(endpoint):
            # Its address has left just now, or was looked for and found. Where the name leads nowhere at all, that is
            # the failure of the endpoint as a whole.
            endpoint, result = replace(endpoint, only_address=None), replace(result, only_address=None)
            if result.failure is None or not self._is_probed(endpoint):
                return None, exchange
        return result, exchange

    def _is_probed(self, endpoint: Endpoint) -> bool:
        """Whether exactly this is to be probed, and not a former self of it."""
        probed = self._probed.get(endpoint.series)
        return probed is endpoint or probed == endpoint

    def _follow(self, endpoint: Endpoint, result: ProbeResult) -> Exchange | None:
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
        exchange = Exchange(
            gone=tuple(each for series, each in old.items() if series not in new),
            come=tuple(each for series, each in new.items() if series not in old),
            all=tuple(new.values()),
        )
        for each in exchange.gone:
            del self._probed[each.series]
        self._probed |= {each.series: each for each in exchange.come}
        return exchange


def _each(endpoint: Endpoint, addresses: Iterable[str]) -> tuple[Endpoint, ...]:
    """The endpoint once for each address, or as it is if there are none."""
    return tuple(replace(endpoint, only_address=address) for address in addresses) or (endpoint,)


def _question(endpoint: Endpoint) -> tuple[object, ...]:
    """What decides where a name leads to."""
    return endpoint.lookup_name, endpoint.ip_family, endpoint.source_address


def _order(address: str) -> tuple[bool, int]:
    """IPv4 first, then by number: the order of answers changes from one to the next."""
    return ":" in address, int(ip_address(address))
