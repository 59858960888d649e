"""Mail domains as a configuration has them: those whose endpoints are followed, and those that are judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from exporter.config.allowed import AllowedTargets, NamePattern
from exporter.model import DomainCheck, Encryption, Endpoint, Protocol, Source

NEED = "pip install 'mail-exporter[domains]'"
"""What brings what the judgement of domains needs beyond the rest."""

DEFAULT_SOURCES = (Source.MX, Source.SRV)

DEFAULT_REFRESH = 3600.0
DEFAULT_INTERVAL = 3600.0
DEFAULT_TIMEOUT = 30.0


@dataclass(frozen=True, slots=True)
class Following:
    """An entry of `endpoints` that stands for whatever a domain says that it has.

    Attributes:
        refresh: Seconds between two looks at it.
        templates: What holds for the endpoints of each protocol; their name, host and port are yet to be found.
        allowed: Where its endpoints may lead beside public addresses; `None` for nowhere.
        login_hosts: Hosts beside those of the domain that the login may be shown to.
        encryption: Instead of what the sources say; `None` to believe them.
        verify_relays: Whether the certificates of MX hosts decide, too.
    """

    domain: str
    sources: tuple[Source, ...]
    templates: Mapping[Protocol, Endpoint]
    refresh: float = DEFAULT_REFRESH
    allowed: AllowedTargets | None = None
    login_hosts: tuple[NamePattern, ...] = ()
    encryption: Encryption | None = None
    verify_relays: bool = False


@dataclass(frozen=True, slots=True)
class Domain:
    """An entry of `domains`.

    Attributes:
        name: In A-label form: the value of the label `domain`.
        senders: Addresses that send for it; empty for those of its MX hosts.
        allowed: What may be connected to beside public addresses; `None` for nothing.
        ca_file: PEM file of the authorities to trust; `None` for the system's.
        interval: Seconds between the starts of two judgements.
        timeout: Seconds that one may take.
    """

    name: str
    checks: tuple[DomainCheck, ...]
    dkim_selectors: tuple[str, ...] = ()
    senders: tuple[str, ...] = ()
    dnsbl: tuple[str, ...] = ()
    allowed: AllowedTargets | None = None
    ca_file: Path | None = None
    interval: float = DEFAULT_INTERVAL
    timeout: float = DEFAULT_TIMEOUT
    labels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def key(self) -> tuple[str, str]:
        """What the schedule calls it: no endpoint's name begins like this."""
        return ("\0domain", self.name)

    @property
    def hosts(self) -> tuple[str, ...]:
        """What the schedule bounds connections by: a judgement has bounds of its own."""
        return ()
