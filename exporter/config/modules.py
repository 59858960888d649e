"""The section `modules`, read: how to probe a target that somebody names, and which targets those may be.

A module is an endpoint that lacks its host (see `module`). From the defaults it takes those that are about the way to
a server; what is done there it has to say itself, above all whether to log in: credentials go only where the
configuration binds them.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from exporter.config import text
from exporter.config.allowed import AllowedTargets, parse_allowed
from exporter.config.document import Value, YamlMapping
from exporter.config.endpoints import EndpointReader
from exporter.config.layers import Layer, Layers
from exporter.config.module import Module
from exporter.config.problems import Journal, Location
from exporter.config.schema import DefaultsSection, ModuleSection
from exporter.config.sections import Read, read_section
from exporter.config.targets import read_module_target
from exporter.model import Endpoint

_INHERITED: Final = frozenset({"timeout", "labels", "ip_family", "source_address", "proxy", "helo", "tls"})
"""Keys of the defaults that hold for modules."""

_SCHEDULED: Final = MappingProxyType(
    {"interval": "a module probes when it is asked to", "addresses": "a module probes one address when it is asked to"}
)
"""Keys that mean nothing to a module, and why."""

_NAME_THEM = "write allowed_targets, such as [mail.example.com, 192.0.2.0/24]"


def read_modules(
    value: Value, reader: EndpointReader, defaults: Read[DefaultsSection], journal: Journal
) -> dict[str, Module]:
    """Every module by its name; those with problems are left out."""
    if value is None:
        return {}
    if not isinstance(value, YamlMapping):
        journal.problem(
            ("modules",), "must be a mapping of names to a url each; write for example imaps: {url: imaps://}"
        )
        return {}
    inherited = _inherited(defaults)
    modules = [_module(name, entry, reader, inherited, journal) for name, entry in value.items()]
    return {module.name: module for module in modules if module is not None}


def _inherited(defaults: Read[DefaultsSection]) -> Layer:
    kept = {key: getattr(defaults.section, key) for key in _INHERITED & defaults.section.model_fields_set}
    broken = frozenset(place for place in defaults.broken if place[0] in _INHERITED)
    return Layer(DefaultsSection.model_construct(set(kept), **kept), ("defaults",), broken)


def _module(name: str, value: Value, reader: EndpointReader, inherited: Layer, journal: Journal) -> Module | None:
    at: Location = ("modules", name)
    try:
        text.name(name)
    except ValueError as error:
        journal.problem(at, f"the name {error}")
    if isinstance(value, YamlMapping) and "prober" in value:
        message = "is a module of blackbox_exporter; docs/from-blackbox-exporter.md shows what to write instead"
        journal.problem((*at, "prober"), message)
        return None
    read = read_section(ModuleSection, value, at, journal)
    if read is None:
        return None
    for key, why in _SCHEDULED.items():
        if key in read.section.model_fields_set:
            journal.problem((*at, key), f"{why}; leave it out")
    keys = Layers(Layer(read.section, at, read.broken), inherited)
    template = reader.template(keys, read_module_target(keys, at, journal), name)
    if template is None:
        return None
    return Module(name, template, _allowed(read, template, at, journal))


def _allowed(read: Read[ModuleSection], template: Endpoint, at: Location, journal: Journal) -> AllowedTargets | None:
    """What the module may be asked for; with a host of its own, that alone unless more is written."""
    entries = tuple(read.section.allowed_targets or ())
    written = "allowed_targets" in read.section.model_fields_set
    if any(place[0] == "allowed_targets" for place in read.broken):
        return None
    if written and not entries:
        journal.problem((*at, "allowed_targets"), f"allows nothing; {_NAME_THEM}")
    shown = "credentials" if template.credentials is not None else "client_cert_file"
    if template.credentials is not None or template.tls.client_cert_file is not None:
        _check_binding(shown, AllowedTargets(entries), at, journal)
    elif not entries and not template.host:
        journal.warning(at, f"anyone who may ask can have any server probed; {_NAME_THEM}")
    if entries:
        return AllowedTargets(entries)
    return AllowedTargets((parse_allowed(template.host),)) if template.host else None


def _check_binding(shown: str, allowed: AllowedTargets, at: Location, journal: Journal) -> None:
    """Anyone who is shown credentials must be somebody that the configuration knows."""
    if not allowed.entries:
        journal.problem(at, f"would show {shown} to every server that somebody names; {_NAME_THEM}")
    elif allowed.everything is not None:
        message = (
            f"{allowed.everything} is every address, to which {shown} would be shown; write the networks of the servers"
        )
        journal.problem((*at, "allowed_targets"), message)
