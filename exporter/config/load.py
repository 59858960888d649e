"""From a YAML file to the endpoints that it describes: all of it, or everything that is wrong with it.

This file knows the order of things: octets, document, sections, endpoints. How each is read lives beside it.
"""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import Any

from exporter.config.configuration import Configuration
from exporter.config.credentials import check_for_secrets, read_credentials
from exporter.config.document import Value, YamlMapping, YamlSequence, read_document
from exporter.config.durations import format_duration
from exporter.config.endpoints import EndpointReader
from exporter.config.files import read_text
from exporter.config.flows import read_flows
from exporter.config.keys import Section
from exporter.config.login_schema import LoginBackoffSection
from exporter.config.modules import read_modules
from exporter.config.problems import ConfigurationError, Journal
from exporter.config.schema import DefaultsSection, DnsSection, FileSection, LimitsSection
from exporter.config.sections import Read, S, read_section, unknown_key
from exporter.model import DnsSettings, Limits, LoginBackoff

_MINIMUM = "endpoints: [{url: imaps://mail.example.com}]"


def load(path: Path) -> Configuration:
    """Reads a configuration file, and the certificate files that it names.

    Raises:
        ConfigurationError: It cannot be read, or something is wrong with it; all problems in one go.
    """
    return parse(read_text(path), str(path))


def parse(text: str, name: str) -> Configuration:
    """Reads a configuration from text; `name` is its file's, for messages and to find files beside it.

    Raises:
        ConfigurationError: Something is wrong with it; all problems in one go.
    """
    document = read_document(text, name)
    journal = Journal(name, document.line)
    journal.problems += document.problems
    if not isinstance(document.root, YamlMapping):
        empty = document.root is None
        message = "is empty" if empty else "must be a mapping of keys to values at its top"
        journal.problem((), f"the configuration {message}; write at least {_MINIMUM}")
        raise ConfigurationError(journal.problems)
    configuration = _sections(document.root, Path(name), journal)
    if journal.problems:
        raise ConfigurationError(journal.problems)
    return configuration


def _sections(root: YamlMapping, path: Path, journal: Journal) -> Configuration:
    """Reads every section; the result is of use only if the journal has no problems."""
    for key in root.keys() - FileSection.model_fields:
        journal.problem((key,), unknown_key(FileSection, key))
    defaults = _section(DefaultsSection, root, "defaults", journal)
    # Absolute, but with its symlinks: a mounted ConfigMap is replaced by turning one.
    directory = path.parent.absolute()
    credentials = read_credentials(root.get("credentials"), directory, journal)
    dns = _section(DnsSection, root, "dns", journal)
    limits = _section(LimitsSection, root, "limits", journal)
    login_backoff = _login_backoff(_section(LoginBackoffSection, root, "login_backoff", journal), journal)
    reader = EndpointReader(defaults, credentials, directory, journal)
    reader.check_defaults()
    endpoints = [
        endpoint for index, value in enumerate(_endpoints(root, journal)) for endpoint in reader.read(value, index)
    ]
    modules = read_modules(root.get("modules"), reader, defaults, journal)
    flows = read_flows(root, endpoints, defaults, directory, journal)
    users = [*endpoints, *(module.template for module in modules.values())]
    check_for_secrets(credentials.values(), users, journal)
    return Configuration(
        path=path,
        endpoints=tuple(endpoints),
        credentials=tuple(entry for entry in credentials.values() if entry is not None),
        dns=DnsSettings(**_set(dns.section)),
        limits=Limits(**_set(limits.section)),
        login_backoff=login_backoff,
        modules=MappingProxyType(modules),
        flows=flows,
        warnings=tuple(sorted(set(journal.warnings))),
    )


def _section(model: type[S], root: YamlMapping, key: str, journal: Journal) -> Read[S]:
    """The section under a key of the top; empty if it is absent or unusable."""
    value = root.get(key)
    read = None if value is None else read_section(model, value, (key,), journal)
    return read or Read(model(), frozenset())


def _login_backoff(read: Read[LoginBackoffSection], journal: Journal) -> LoginBackoff:
    """Where only one of the two is written, the other gives way to it."""
    initial, maximum, default = read.section.initial, read.section.max, LoginBackoff()
    if initial is not None and maximum is not None and maximum < initial:
        message = f"is shorter than initial; write max: {format_duration(initial)} or more"
        journal.problem(("login_backoff", "max"), message)
    longest = maximum or max(initial or 0.0, default.maximum)
    return LoginBackoff(initial or min(default.initial, longest), longest)


def _endpoints(root: YamlMapping, journal: Journal) -> YamlSequence | tuple[Value, ...]:
    value = root.get("endpoints")
    if isinstance(value, YamlSequence) and value:
        return value
    at = ("endpoints",) if "endpoints" in root else ()
    if value is None or value == []:
        journal.problem(at, f"there is no endpoint to probe; write at least {_MINIMUM}")
    else:
        journal.problem(at, f"must be a list; write for example {_MINIMUM}")
    return ()


def _set(section: Section) -> dict[str, Any]:
    """What a section says; lists become tuples, as the model has them."""
    values = {key: getattr(section, key) for key in section.model_fields_set}
    return {key: tuple(v) if isinstance(v, list) else v for key, v in values.items() if v is not None}
