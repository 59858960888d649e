"""Where a domain's records may lead us: to public addresses, and to those in `allowed_targets`. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from exporter.config.values.allowed import AllowedTargets, NamePattern, leads_to


@dataclass(frozen=True, slots=True)
class DomainTargetRule:
    """The rule for one domain.

    Attributes:
        allowed: Allowed targets in addition to public addresses; `None` if only these are allowed.
    """

    allowed: AllowedTargets | None = None

    def permitted(self, host: str, addresses: Sequence[str]) -> tuple[str, ...]:
        """The addresses of a host that we may connect to, in their order."""
        return tuple(address for address in addresses if self._may(host, address))

    def objection(self, host: str, addresses: Sequence[str]) -> str | None:
        """The objection to a host, if one of its addresses is not permitted; else `None`."""
        permitted = self.permitted(host, addresses)
        for address in addresses:
            if address not in permitted:
                return self.refusal(host, address)
        return None

    def refusal(self, host: str, address: str) -> str:
        """Why we do not connect to an address, and how to allow it."""
        way = address if host == address else f"{host} leads to {address}, which"
        return f"{way} is not a public address; allowed_targets can allow it"

    def _may(self, host: str, address: str) -> bool:
        ip = leads_to(address)
        if ip.is_global and not ip.is_multicast:
            return True
        if self.allowed is None:
            return False
        patterns = [entry for entry in self.allowed.entries if isinstance(entry, NamePattern)]
        networks = [entry for entry in self.allowed.entries if not isinstance(entry, NamePattern)]
        if any(ip in network for network in networks):
            return True
        named = AllowedTargets(tuple(patterns))
        if not patterns or host == address or named.objection(host) is not None:
            return False
        return named.objection_to_addresses(host, (address,)) is None


ONLY_PUBLIC = DomainTargetRule()
