"""Presets: which servers a mail provider has, by its name or a mail domain. The table is in providers.yaml.

Endpoints use them elsewhere.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

import yaml

from exporter.config.problems import MAX_QUOTED, quoted
from exporter.config.values.urls import parse_url
from exporter.model import Encryption, Protocol, SecretKind

_ANY_DOMAIN = "DOMAIN"
"""Stands in a host for the mail domain that somebody names."""

_LOGINS: Mapping[str, SecretKind] = {"password": SecretKind.PASSWORD, "oauth2": SecretKind.TOKEN}

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class ProviderServer:
    """A provider's server for one protocol.

    Attributes:
        logins: The kinds of login that it accepts; empty if it needs none.
    """

    protocol: Protocol
    host: str
    port: int
    encryption: Encryption
    logins: frozenset[SecretKind]


@dataclass(frozen=True, slots=True)
class Preset:
    """A mail provider.

    Attributes:
        name: The short common name if it has one, else a domain: the label `provider`.
        title: What people call it.
        also: Further names it goes by.
        domains: The mail domains it is known for.
        servers: One for each protocol it has.
    """

    name: str
    title: str
    also: tuple[str, ...]
    domains: tuple[str, ...]
    servers: tuple[ProviderServer, ...]


def find_preset(name: str) -> Preset:
    """The provider that goes by a name or has a mail domain, without regard to case.

    Raises:
        ValueError: It does not exist; the message suggests the nearest.
    """
    index, folded = _index(), name.casefold().removesuffix(".")
    if folded not in index:
        near = difflib.get_close_matches(folded[:MAX_QUOTED], index, n=3, cutoff=0.7)
        mend = f"did you mean {' or '.join(near)}?" if near else "write its servers as url instead;"
        raise ValueError(f"there is no preset {quoted(name)}; {mend} docs/providers.md lists all")
    return _preset(index[folded], folded)


def all_presets() -> tuple[Preset, ...]:
    return tuple(_preset(name, "") for name in _table())


@lru_cache(maxsize=1)
def _table() -> Mapping[str, Mapping[str, Any]]:
    """The file, which is read only if a preset is used: 30 ms, or 300 ms without the parser that is written in C."""
    text = files("exporter.config").joinpath("providers.yaml").read_text(encoding="utf-8")
    table: dict[str, Mapping[str, Any]] = yaml.load(text, Loader=_LOADER)  # noqa: S506 - either is a safe loader
    return MappingProxyType(table)


@lru_cache(maxsize=1)
def _index() -> Mapping[str, str]:
    """The name of each provider by everything that it can be called."""
    return MappingProxyType(
        {
            each.casefold(): name
            for name, entry in _table().items()
            for each in (name, *entry.get("also", ()), *entry["domains"])
        }
    )


def _preset(name: str, asked: str) -> Preset:
    """A provider, with the servers of the mail domain that it was asked by, or else of its first."""
    entry = _table()[name]
    domains = tuple(entry["domains"])
    domain = asked if asked in domains else domains[0]
    servers = tuple(_server(entry[protocol], domain) for protocol in Protocol if protocol in entry)
    return Preset(name, entry["title"], tuple(entry.get("also", ())), domains, servers)


def _server(entry: Mapping[str, Any], domain: str) -> ProviderServer:
    url = parse_url(entry["url"].replace(_ANY_DOMAIN, domain))
    encryption = Encryption(entry["encryption"]) if "encryption" in entry else url.scheme.encryption
    logins = frozenset(_LOGINS[each] for each in entry.get("logins", ("password",)))
    return ProviderServer(url.scheme.protocol, url.host, url.port or url.scheme.port, encryption, logins)
