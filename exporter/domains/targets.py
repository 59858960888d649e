"""Where we connect to on the word of a domain's records: public addresses, and what `allowed_targets` adds. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from exporter.config.values.allowed import AllowedTargets, NamePattern, leads_to


@dataclass(frozen=True, slots=True)
class TargetRule:
    """What holds for one domain.

    Attributes:
        allowed: What may be connected to beside public addresses; `None` for nothing else.
    """

    allowed: AllowedTargets | None = None

    def permitted(self, host: str, addresses: Sequence[str]) -> tuple[str, ...]:
        """Those of a host's addresses that may be connected to, in their order."""
        return tuple(address for address in addresses if self._may(host, address))

    def objection(self, host: str, addresses: Sequence[str]) -> str | None:
        """What is to be said against a host, of which one address is enough; `None` for nothing."""
        permitted = self.permitted(host, addresses)
        for address in addresses:
            if address not in permitted:
                return self.refusal(host, address)
        return None

    def refusal(self, host: str, address: str) -> str:
        """Why an address is not connected to, and what can be done."""
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


ONLY_PUBLIC = TargetRule()
