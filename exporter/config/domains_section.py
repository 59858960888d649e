"""Reads entries of `endpoints` with a mail domain, and the section `domains`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any

from exporter.config.configuration import (
    DEFAULT_INTERVAL,
    DEFAULT_REFRESH,
    DEFAULT_SOURCES,
    DEFAULT_TIMEOUT,
    NEED,
    Domain,
    Following,
)
from exporter.config.document import YamlSequence, YamlValue
from exporter.config.endpoint_target import Target
from exporter.config.problems import Location, Places, Reading, SectionNotes, directory, elsewhere, quoted
from exporter.config.schema import DomainSection
from exporter.config.sections import Layers, Read, read_section
from exporter.config.values.allowed import AllowedTargets, NamePattern
from exporter.config.values.urls import default_port
from exporter.model import DomainCheck, Encryption, Endpoint, Protocol, Source

_SAID_BY_THE_DOMAIN = ("name", "url", "provider", "protocols", "protocol", "host", "port")
"""Keys of a single endpoint, which discovered endpoints cannot share."""

ONLY_FOR_DOMAINS = ("discover", "refresh", "allowed_targets", "login_hosts")
"""Keys of an entry of `endpoints` that are only used with `domain`."""

_FETCHED = frozenset({Source.AUTOCONFIG, Source.AUTOCONFIG_HTTP, Source.ISPDB})
"""Sources that need the extra `domains` of the package."""

_KEYS_OF_CHECKS: Mapping[DomainCheck, str] = MappingProxyType(
    {DomainCheck.DKIM: "dkim_selectors", DomainCheck.DNSBL: "dnsbl"}
)


def read_following(keys: Layers, template: Callable[[Target], Endpoint]) -> Reading[Following]:
    """Reads an entry with `domain`; without a value if the domain is invalid.

    Args:
        keys: The entry with its defaults.
        template: Makes an endpoint from a target, with all other keys of the entry.
    """
    notes, at = SectionNotes(), keys.own.at
    for key in _SAID_BY_THE_DOMAIN:
        if keys.own.has(key) or keys.own.spoilt(key):
            notes.problem((*at, key), "is for one endpoint, and the domain beside it stands for many; leave it out")
    sources = keys.own_value("discover")
    if sources == [] and not any(place[0] == "discover" for place in keys.own.broken):
        notes.problem((*at, "discover"), "is empty; write some of its sources, such as [mx, srv], or leave it out")
    chosen = tuple(dict.fromkeys(sources or DEFAULT_SOURCES))
    if not _FETCHED.isdisjoint(chosen) and not is_installed():
        notes.problem((*at, "discover"), f"autoconfig and ispdb need a library that is not installed; run {NEED}")
    encryption: Encryption | None = keys.own_value("encryption")
    templates = {protocol: template(_target(protocol, encryption)) for protocol in Protocol}
    domain = keys.own_value("domain")
    if domain is None:
        if not keys.own.spoilt("domain"):
            notes.problem((*at, "domain"), "has no value; write one, or a url instead")
        return notes.reading(None)
    following = Following(
        domain,
        chosen,
        MappingProxyType(templates),
        keys.own_value("refresh") or DEFAULT_REFRESH,
        _allowed(keys.own_value("allowed_targets")),
        _patterns(keys.own_value("login_hosts"), (*at, "login_hosts"), notes),
        encryption,
        verify_relays=keys.below("tls").own_value("verify") is True,
    )
    return notes.reading(following)


def check_not_following(keys: Layers, notes: SectionNotes) -> None:
    """Reports keys of domains in entries without `domain`."""
    for key in ONLY_FOR_DOMAINS:
        if keys.own.has(key) or keys.own.spoilt(key):
            notes.problem((*keys.own.at, key), "is for domain, which is not there; leave it out")


def read_domains(value: YamlValue, places: Places) -> Reading[tuple[Domain, ...]]:
    """Reads the section `domains`. Entries with problems are left out."""
    notes = SectionNotes()
    if value is None:
        return notes.reading(())
    if not isinstance(value, YamlSequence):
        notes.problem(("domains",), "must be a list; write for example domains: [{name: example.com}]")
        return notes.reading(())
    if not is_installed():
        notes.problem(("domains",), f"needs a library that is not installed; run {NEED}")
    domains: dict[str, Domain] = {}
    named: dict[str, Location] = {}
    for index, entry in enumerate(value):
        at: Location = ("domains", index)
        domain = notes.take(_domain(entry, at, directory(places, at)))
        if domain is None:
            continue
        place = (*at, "name")
        if domain.name in named:
            other = elsewhere(places, named[domain.name], seen_from=place)
            notes.problem(place, f"{quoted(domain.name)} stands at {other} too; leave one out")
        named.setdefault(domain.name, place)
        domains.setdefault(domain.name, domain)
    return notes.reading(tuple(domains.values()))


def is_installed() -> bool:
    """Whether the extra `domains` of the package is installed."""
    return find_spec("defusedxml") is not None


def _domain(entry: YamlValue, at: Location, folder: Path) -> Reading[Domain]:
    notes = SectionNotes()
    read = notes.take(read_section(DomainSection, entry, at))
    if read is None:
        return notes.reading(None)
    section = read.section
    for name in type(section).model_fields:
        if name in section.model_fields_set and getattr(section, name) is None and (name,) not in read.broken:
            notes.problem((*at, name), "has no value; write one, or leave it out")
    ca_file = section.tls.ca_file if section.tls is not None else None
    if ca_file is not None:
        from exporter.config.pem_files import check_authorities  # noqa: PLC0415 - it says why

        ca_file = folder / ca_file
        try:
            check_authorities(ca_file)
        except ValueError as error:
            notes.problem((*at, "tls", "ca_file"), str(error))
    checks = _checks(read, at, notes)
    if section.name is None:
        if ("name",) not in read.broken and "name" not in section.model_fields_set:
            notes.problem(at, "has no name; write name: example.com")
        return notes.reading(None)
    labels = {name: text for name, text in sorted((section.labels or {}).items()) if text}
    domain = Domain(
        section.name,
        checks,
        tuple(dict.fromkeys(section.dkim_selectors or ())),
        tuple(dict.fromkeys(section.senders or ())),
        tuple(dict.fromkeys(section.dnsbl or ())),
        _allowed(section.allowed_targets),
        ca_file,
        section.interval or DEFAULT_INTERVAL,
        section.timeout or DEFAULT_TIMEOUT,
        MappingProxyType(labels),
    )
    return notes.reading(domain)


def _checks(read: Read[DomainSection], at: Location, notes: SectionNotes) -> tuple[DomainCheck, ...]:
    """The configured checks in the usual order. Without the key `checks`, all checks whose required keys are there."""
    section = read.section
    written = section.checks
    if written is None:
        return tuple(
            check for check in DomainCheck if check not in _KEYS_OF_CHECKS or getattr(section, _KEYS_OF_CHECKS[check])
        )
    if not written and not any(place[0] == "checks" for place in read.broken):
        notes.problem((*at, "checks"), "is empty; write some of them, or leave it out for all")
    for check, key in _KEYS_OF_CHECKS.items():
        if check in written and not getattr(section, key) and not any(place[0] == key for place in read.broken):
            notes.problem((*at, "checks"), f"{check} needs the key {key}; write it beside checks")
    return tuple(check for check in DomainCheck if check in written)


def _target(protocol: Protocol, encryption: Encryption | None) -> Target:
    chosen = encryption or Encryption.TLS
    return Target(protocol, "", default_port(protocol, chosen), chosen, "")


def _allowed(entries: Any) -> AllowedTargets | None:
    return AllowedTargets(tuple(entries)) if entries else None


def _patterns(entries: Any, at: Location, notes: SectionNotes) -> tuple[NamePattern, ...]:
    """Name patterns only, because an address does not identify a server's owner."""
    for entry in entries or ():
        if not isinstance(entry, NamePattern):
            notes.problem(at, f"{entry} is an address; write the name of the host, or *. and a domain")
    return tuple(entry for entry in entries or () if isinstance(entry, NamePattern))
