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
from exporter.config.endpoint_schema import EndpointSection
from exporter.config.endpoint_target import Target
from exporter.config.problems import Location, Places, Reading, SectionNotes, directory, elsewhere, quoted
from exporter.config.schema import DomainSection
from exporter.config.sections import Layer, Layers, read_section
from exporter.config.values.allowed import AllowedTargets, NamePattern
from exporter.config.values.durations import format_duration
from exporter.config.values.urls import default_port
from exporter.model import DomainCheck, Encryption, Endpoint, Protocol, Source

_SAID_BY_THE_DOMAIN = ("name", "url", "provider", "protocols", "protocol", "host", "port")
"""Keys of a single endpoint, which discovered endpoints cannot share."""

ONLY_FOR_DOMAINS = ("discover", "refresh", "allowed_targets", "login_hosts")
"""Keys of an entry of `endpoints` that are only used with `domain`."""

_FETCHED = frozenset({Source.AUTOCONFIG, Source.AUTOCONFIG_HTTP, Source.ISPDB})
"""Sources that need the extra `domains` of the package."""

_KEYS_OF_CHECKS: Mapping[DomainCheck, str] = {DomainCheck.DKIM: "dkim_selectors", DomainCheck.DNSBL: "dnsbl"}


def read_following(keys: Layers, template: Callable[[Target], Endpoint]) -> Following | None:
    """Reads an entry with `domain`; `None` if the domain is invalid.

    Args:
        keys: The entry with its defaults.
        template: Makes an endpoint from a target, with all other keys of the entry.
    """
    own = keys.own
    for key in _SAID_BY_THE_DOMAIN:
        if own.written(key):
            own.problem("is for one endpoint, and the domain beside it stands for many; leave it out", key)
    if own.is_empty("discover"):
        own.problem("is empty; write some of its sources, such as [mx, srv], or leave it out", "discover")
    chosen = tuple(dict.fromkeys(own.value("discover") or DEFAULT_SOURCES))
    if not _FETCHED.isdisjoint(chosen) and not is_installed():
        own.problem(f"autoconfig and ispdb need a library that is not installed; run {NEED}", "discover")
    encryption: Encryption | None = own.value("encryption")
    templates = {protocol: template(_target(protocol, encryption)) for protocol in Protocol}
    domain = own.value("domain")
    if domain is None:
        if not own.spoilt("domain"):
            own.problem("has no value; write one, or a url instead", "domain")
        return None
    return Following(
        domain,
        chosen,
        MappingProxyType(templates),
        own.value("refresh") or DEFAULT_REFRESH,
        _allowed(own.value("allowed_targets")),
        _patterns(own),
        encryption,
        verify_relays=own.below("tls").value("verify") is True,
    )


def check_not_following(entry: Layer[EndpointSection]) -> None:
    """Reports keys of domains in entries without `domain`."""
    for key in ONLY_FOR_DOMAINS:
        if entry.written(key):
            entry.problem("is for domain, which is not there; leave it out", key)


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
        read = read_section(DomainSection, entry, at, notes)
        domain = None if read is None else _domain(read, directory(places, at))
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


def _domain(read: Layer[DomainSection], folder: Path) -> Domain | None:
    """The domain of an entry; `None` if it has no valid name."""
    section = read.section
    for name in type(section).model_fields:
        if read.has(name) and read.value(name) is None and not read.spoilt(name):
            read.problem("has no value; write one, or leave it out", name)
    ca_file = section.tls.ca_file if section.tls is not None else None
    if ca_file is not None:
        from exporter.config.pem_files import check_authorities  # noqa: PLC0415 - it says why

        ca_file = folder / ca_file
        try:
            check_authorities(ca_file)
        except ValueError as error:
            read.problem(str(error), "tls", "ca_file")
    checks = _checks(read)
    if section.name is None:
        if not read.written("name"):
            read.problem("has no name; write name: example.com")
        return None
    _check_timing(read)
    labels = {name: text for name, text in sorted((section.labels or {}).items()) if text}
    return Domain(
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


def _check_timing(read: Layer[DomainSection]) -> None:
    """Warns of a timeout that is longer than the interval.

    For endpoints this is a problem. But most judgements take a fraction of their timeout, and one that is due while the
    one before still runs is skipped.
    """
    interval, timeout = read.section.interval or DEFAULT_INTERVAL, read.section.timeout
    if timeout is not None and timeout > interval and not read.spoilt("interval"):
        longest = format_duration(interval)
        told = f"is longer than the interval of {longest}, so that a slow judgement makes the next one be skipped"
        read.warning(f"{told}; write timeout: {longest} or less", "timeout")


def _checks(read: Layer[DomainSection]) -> tuple[DomainCheck, ...]:
    """The configured checks in the usual order. Without the key `checks`, all checks whose required keys are there."""
    section = read.section
    written = section.checks
    if written is None:
        return tuple(
            check for check in DomainCheck if check not in _KEYS_OF_CHECKS or getattr(section, _KEYS_OF_CHECKS[check])
        )
    if read.is_empty("checks"):
        read.problem("is empty; write some of them, or leave it out for all", "checks")
    for check, key in _KEYS_OF_CHECKS.items():
        if check in written and (read.missing(key) or read.is_empty(key)):
            read.problem(f"{check} needs the key {key}; write it beside checks", "checks")
    return tuple(check for check in DomainCheck if check in written)


def _target(protocol: Protocol, encryption: Encryption | None) -> Target:
    chosen = encryption or Encryption.TLS
    return Target(protocol, "", default_port(protocol, chosen), chosen, "")


def _allowed(entries: Any) -> AllowedTargets | None:
    return AllowedTargets(tuple(entries)) if entries else None


def _patterns(own: Layer[EndpointSection]) -> tuple[NamePattern, ...]:
    """Name patterns only, because an address does not identify a server's owner."""
    entries = own.value("login_hosts") or ()
    for entry in entries:
        if not isinstance(entry, NamePattern):
            own.problem(f"{entry} is an address; write the name of the host, or *. and a domain", "login_hosts")
    return tuple(entry for entry in entries if isinstance(entry, NamePattern))
