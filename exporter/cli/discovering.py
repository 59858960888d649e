"""Discovery for the commands that take a mail domain or address."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click

from exporter.cli.loading import detours
from exporter.config.configuration import Configuration, Domain, Following
from exporter.config.values.hosts import parse_domain
from exporter.domains.assembly import discoverer
from exporter.domains.discovery.discoverer import SHORT, Discovery, Wanted
from exporter.domains.discovery.following import endpoints_of
from exporter.domains.target_rule import DomainTargetRule
from exporter.model import DnsSettings, Encryption, Endpoint, Protocol, Source
from exporter.net.dns.resolve import Resolver

ASKED = (Source.MX, Source.SRV, Source.AUTOCONFIG, Source.PACC, Source.PRESETS)
"""The default sources: those that neither trust the network nor tell third parties."""

RESERVED: Mapping[Source, str] = {
    Source.AUTOCONFIG_HTTP: "its answer is not encrypted, and may be anybody's",
    Source.ISPDB: "it tells Mozilla the domain",
}
"""Sources that are only asked on request, with the reason."""


@dataclass(frozen=True, slots=True)
class Subject:
    """The subject of a discovery.

    Attributes:
        address: The mail address, if it is one.
        following: The entry of the configuration about this domain, or one with the defaults.
        ca_file: The authorities to trust for documents; `None` for the system's.
    """

    domain: str
    address: str | None
    following: Following
    dns: DnsSettings
    ca_file: Path | None = None

    def wanted(self, sources: Sequence[Source] = ()) -> Wanted:
        rule = DomainTargetRule(self.following.allowed)
        return Wanted(self.domain, tuple(sources) or self.following.sources, self.address, rule, SHORT)

    def endpoints(self, discovery: Discovery) -> list[Endpoint]:
        """The discovered servers as endpoints."""
        return list(endpoints_of(self.following, discovery.endpoints))


def subject(text: str, configuration: Configuration | None) -> Subject:
    """Parse a domain or mail address.

    Raises:
        click.UsageError: It is neither.
    """
    local, at, written = text.rpartition("@")
    if not written:
        raise click.UsageError(f"{text[:80]!r} has no domain; write one like example.com or user@example.com")
    try:
        domain = parse_domain(written)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    if "@" in local and not (len(local) > 2 and local[0] == local[-1] == '"'):  # noqa: PLR2004 - quotes around it
        # RFC 5321 4.1.2: an @ before the last one stands in quotes. Without them, nobody knows which domain is meant.
        raise click.UsageError(f"{text[:80]!r} has more than one @; write one like user@example.com")
    if at and not (local.isprintable() and local and len(local) <= 64 and " " not in local):  # noqa: PLR2004 - RFC 5321
        raise click.UsageError(f"{text[:80]!r} is not a mail address; write one like user@example.com")
    read = configuration or Configuration((), ())
    judged = next((each for each in read.domains if each.name == domain), Domain(domain, ()))
    usual = Following(domain, ASKED, _TEMPLATES, allowed=judged.allowed)
    following = next((each for each in read.followings if each.domain == domain), usual)
    ca_file = judged.ca_file or following.ca_file
    return Subject(domain, f"{local}@{domain}" if at else None, following, read.dns, ca_file)


async def discover(subject: Subject, sources: Sequence[Source] = ()) -> Discovery:
    """Asks every source once."""
    asking = discoverer(Resolver(_hasty(subject.dns)), detours(), subject.ca_file)
    return await asking.discover(subject.wanted(sources))


def _hasty(dns: DnsSettings) -> DnsSettings:
    """Limits the wait for a silent nameserver to that for a web server."""
    return replace(dns, timeout=min(dns.timeout, SHORT))


_TEMPLATES: Mapping[Protocol, Endpoint] = {
    protocol: Endpoint("", protocol, "", 0, Encryption.TLS) for protocol in Protocol
}
