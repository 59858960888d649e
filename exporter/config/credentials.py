"""The section `credentials`: from its entries to `Credentials`, and what is doubtful about where secrets are kept.

A password file that is not there is no problem of the configuration: secrets may be mounted later and are rotated
while the program runs. Reading secrets does not live here.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from exporter.config import text
from exporter.config.document import Value, YamlMapping
from exporter.config.problems import MAX_PATH, Journal, Location, quoted
from exporter.config.schema import CredentialsSection
from exporter.config.secrets import EnvSecret, FileSecret, InlineSecret
from exporter.config.sections import Read, read_section
from exporter.model import Credentials, SecretSource

_SOURCES: Mapping[str, Callable[[Any, Path], SecretSource]] = MappingProxyType(
    {
        "password_file": lambda path, directory: FileSecret(directory / path),
        "password_env": lambda name, _: EnvSecret(name),
        "password": lambda secret, _: InlineSecret(secret),
    }
)
"""Where a password can come from, by key; paths are relative to a directory."""


def read_credentials(value: Value, directory: Path, journal: Journal) -> dict[str, Credentials | None]:
    """Every entry by its name; `None` for one with problems, which endpoints may still name."""
    if value is None:
        return {}
    if not isinstance(value, YamlMapping):
        journal.problem(("credentials",), "must be a mapping of names to a username and a password_file each")
        return {}
    return {name: _entry(name, entry, directory, journal) for name, entry in value.items()}


def _entry(name: str, value: Value, directory: Path, journal: Journal) -> Credentials | None:
    at: Location = ("credentials", name)
    try:
        text.name(name)
    except ValueError as error:
        journal.problem(at, f"the name {error}")
    read = read_section(CredentialsSection, value, at, journal)
    if read is None:
        return None
    username = _required(read, "username", at, journal, "write the user's name as the server knows it")
    source = _source(read, directory, at, journal)
    return Credentials(name, username, source) if username is not None and source is not None else None


def _required(read: Read[CredentialsSection], key: str, at: Location, journal: Journal, mend: str) -> Any:
    value = getattr(read.section, key)
    if value is None and (key,) not in read.broken:
        journal.problem((*at, key), f"is missing; {mend}")
    return value


def _source(read: Read[CredentialsSection], directory: Path, at: Location, journal: Journal) -> SecretSource | None:
    """The one place that the password comes from."""
    written = [key for key in _SOURCES if key in read.section.model_fields_set or (key,) in read.broken]
    if not written and not read.broken:
        journal.problem(at, f"has no password; write one of {', '.join(_SOURCES)}")
    for key in written[1:]:
        journal.problem((*at, key), f"{written[0]} is there too; write only one of {', '.join(_SOURCES)}")
    if len(written) != 1 or (written[0],) in read.broken:
        return None
    key = written[0]
    value = getattr(read.section, key)
    if value is None:
        journal.problem((*at, key), "has no value; write one, or another way to the password")
        return None
    source = _SOURCES[key](value, directory)
    doubt = _doubt(source)
    if doubt:
        journal.warning((*at, key), doubt)
    return source


def _doubt(source: SecretSource) -> str | None:
    """What is not good about a source, but works or may work later."""
    match source:
        case InlineSecret():
            return "a password in the configuration is seen by all who may read it; better write password_file"
        case FileSecret(path):
            shown = quoted(str(path), MAX_PATH)
            try:
                mode = path.stat().st_mode
            except OSError as error:
                return f"{shown} cannot be read at present ({error.strerror}); logins fail until it can"
            if mode & stat.S_IROTH:
                return f"every user of this machine may read {shown}; better chmod o-r"
    return None
