"""A configuration as a value, after its files were read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from exporter.config.problems import Problem
from exporter.config.values.allowed import AllowedTargets, NamePattern
from exporter.config.values.urls import ProbeTarget, parse_asked, shortest_url
from exporter.model import (
    Credentials,
    DnsSettings,
    DomainCheck,
    Encryption,
    Endpoint,
    Flows,
    Limits,
    LoginBackoff,
    Protocol,
    Source,
)

NEED = "pip install defusedxml"
"""The library that reads autoconfig documents, which is the extra `domains`."""

DEFAULT_SOURCES = (Source.MX, Source.SRV)

DEFAULT_REFRESH = 3600.0
DEFAULT_INTERVAL = 3600.0
DEFAULT_TIMEOUT = 30.0


@dataclass(frozen=True, slots=True)
class Following:
    """An entry of `endpoints` for all servers that a domain publishes.

    Attributes:
        refresh: Seconds between two looks at it.
        templates: A template for the endpoints of each protocol, without name, host and port.
        allowed: The non-public addresses that its endpoints may have; `None` for none.
        login_hosts: Hosts outside the domain that the login may be sent to.
        encryption: Overrides the sources; `None` to use what they say.
        verify_relays: Whether invalid certificates of MX hosts fail probes, too.
    """

    domain: str
    sources: tuple[Source, ...]
    templates: Mapping[Protocol, Endpoint]
    refresh: float = DEFAULT_REFRESH
    allowed: AllowedTargets | None = None
    login_hosts: tuple[NamePattern, ...] = ()
    encryption: Encryption | None = None
    verify_relays: bool = False

    @property
    def ca_file(self) -> Path | None:
        """The authorities to trust for documents, as for the endpoints; `None` for the system's."""
        return next((each.tls.ca_file for each in self.templates.values()), None)


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


@dataclass(frozen=True, slots=True)
class Module:
    """How to probe a target that a client names.

    Attributes:
        template: An endpoint without a name. Its host is empty, unless it has a default target.
        allowed: `None` if every target is.
    """

    name: str
    template: Endpoint
    allowed: AllowedTargets | None

    def endpoint(self, target: str) -> Endpoint:
        """The endpoint for a target, named by its shortest URL.

        This does not check whether it is allowed.

        Args:
            target: A URL, a host, or a host and port; empty for the module's own.

        Raises:
            ValueError: It is not a target, or not one for this module; the message says what to write.
        """
        template = self.template
        if not target and not template.host:
            raise ValueError("is missing; write target=mail.example.com")
        asked = parse_asked(target) if target else ProbeTarget(None, template.lookup_name, None)
        scheme = asked.scheme
        if scheme is not None and (scheme.protocol, _at_once(scheme.encryption)) != (
            template.protocol,
            _at_once(template.encryption),
        ):
            own = shortest_url(template.protocol, template.encryption, "", template.port)
            raise ValueError(
                f"{scheme.name}:// is not what the module {self.name} is for; write {own}, or only the host"
            )
        port = asked.port or (template.port if scheme is None else scheme.port)
        name = shortest_url(template.protocol, template.encryption, asked.host, port)
        host, absolute = asked.host.removesuffix("."), asked.host.endswith(".")
        return replace(template, name=name, host=host, port=port, absolute=absolute)


@dataclass(frozen=True, slots=True)
class Configuration:
    """The content of all files, with all defaults applied.

    Attributes:
        files: The files that it was read from, as named in messages.
        endpoints: In the order of the files, with unique names.
        modules: By name.
        credentials: Every entry, used or not.
        followings: Entries of endpoints for the servers of a domain.
        domains: The judged domains.
        warnings: The warnings, in the order of their lines.
    """

    files: tuple[str, ...]
    endpoints: tuple[Endpoint, ...]
    credentials: tuple[Credentials, ...] = ()
    dns: DnsSettings = field(default_factory=DnsSettings)
    limits: Limits = field(default_factory=Limits)
    login_backoff: LoginBackoff = field(default_factory=LoginBackoff)
    modules: Mapping[str, Module] = field(default_factory=lambda: MappingProxyType({}))
    flows: Flows = field(default_factory=Flows)
    followings: tuple[Following, ...] = ()
    domains: tuple[Domain, ...] = ()
    warnings: tuple[Problem, ...] = ()


def _at_once(encryption: Encryption) -> bool:
    return encryption is Encryption.TLS
