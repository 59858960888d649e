"""Loads YAML files: returns the whole configuration, or all its problems.

This file knows the order of things: octets, document, sections, endpoints. How each is read lives beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from exporter.config.configuration import Configuration
from exporter.config.credentials_section import check_for_secrets, check_for_use, read_credentials
from exporter.config.document import YamlDocument, YamlMapping, YamlSequence, YamlValue, is_unusable, read_document
from exporter.config.domains_section import read_domains
from exporter.config.endpoint_schema import DefaultsSection
from exporter.config.endpoints_section import EndpointReader, read_modules
from exporter.config.files import find_files, read_named, read_standard_input
from exporter.config.flows_section import read_flows
from exporter.config.problems import ConfigurationError, Location, Problem, Reading, SectionNotes, key_path, nearest
from exporter.config.schema import SUBJECTS, DnsSection, FileSection, LimitsSection, LoginBackoffSection
from exporter.config.schema_fields import Section
from exporter.config.sections import Layer, M, read_section, unknown_key
from exporter.config.values.durations import format_duration
from exporter.model import DnsSettings, Flows, Limits, LoginBackoff

MINIMUM = "endpoints: [{url: imaps://mail.example.com}]"
"""The shortest configuration."""

_IGNORED = "x-"
"""Top-level keys that begin so belong to their author: a home for YAML anchors."""

_INCLUDING = frozenset({"include", "includes", "import", "imports", "include_files", "config_files"})
_OF_SEVERAL_FILES = (
    "unknown key, for a file includes no other; give --config.file several times, or a pattern such as 'conf.d/*.yaml'"
)


def load(*patterns: str | Path, standard_input: Callable[[], bytes] = read_standard_input) -> Configuration:
    """Reads a configuration, and the certificate files that it names.

    Args:
        patterns: Its files: names, `-`, or patterns such as `conf.d/*.yaml`.
        standard_input: What comes from there.

    Raises:
        ConfigurationError: It cannot be read, or something is wrong with it; all problems in one go.
    """
    documents: list[YamlDocument] = []
    files, problems = find_files(patterns)
    for file in files:
        try:
            name, text = read_named(file, standard_input)
            documents.append(read_document(text, name))
        except ConfigurationError as error:
            problems += error.problems
    if problems:
        raise ConfigurationError([*problems, *_known_anyway(documents)])
    return _put_together(documents)


def parse(text: str, name: str) -> Configuration:
    """Reads a configuration from text; `name` is its file's, for messages and to find files beside it.

    Raises:
        ConfigurationError: Something is wrong with it; all problems in one go.
    """
    return _put_together([read_document(text, name)])


def _known_anyway(documents: Sequence[YamlDocument]) -> list[Problem]:
    """Problems of files beside one that cannot be read: those that its content could neither cause nor solve."""
    if not documents:
        return []
    pieces, by_schema = Pieces(documents), SectionNotes()
    read_section(FileSection, pieces.root, (), by_schema)
    # The schema sees one value at a time. The words are those that the value would meet with in any case.
    places = {note.location for note in by_schema.problems}
    notes = (note for note in _configuration(pieces, ()).problems if note.location in places)
    return [*pieces.problems, *(note.problem(pieces) for note in notes if not is_unusable(pieces.root, note.location))]


def _put_together(documents: Sequence[YamlDocument]) -> Configuration:
    pieces = Pieces(documents)
    reading = _configuration(pieces, tuple(document.name for document in documents))
    notes = (note for note in reading.problems if not is_unusable(pieces.root, note.location))
    problems = [*pieces.problems, *(note.problem(pieces) for note in notes)]
    if problems or reading.value is None:
        raise ConfigurationError(problems)
    warnings = {*pieces.warnings, *(note.problem(pieces) for note in reading.warnings)}
    return replace(reading.value, warnings=tuple(sorted(warnings)))


def _configuration(pieces: Pieces, files: tuple[str, ...]) -> Reading[Configuration]:
    """Reads every section. Warnings are left to be put into it."""
    root, notes = pieces.root, SectionNotes()
    named = [key for key in root if key in SUBJECTS]
    if named and "endpoints" not in named and not any(root[key] for key in named):
        notes.problem((named[0],), f"is empty, so nothing is probed; write at least {MINIMUM}")
    misspelt = any(nearest(key, SUBJECTS) for key in root)
    if not named and not misspelt and (root or not pieces.problems):
        what = "there is no endpoint to probe" if root else "the configuration is empty"
        notes.problem((), f"{what}; write at least {MINIMUM}")
    for key in root.keys() - FileSection.model_fields:
        notes.problem((key,), _OF_SEVERAL_FILES if key in _INCLUDING else unknown_key(FileSection, key))
    defaults = _section(DefaultsSection, root, "defaults", notes)
    credentials = notes.take(read_credentials(root.get("credentials"), pieces)) or {}
    reader = EndpointReader(defaults, credentials, pieces)
    reader.check_defaults()
    readings = [reader.read(value, index) for index, value in enumerate(_endpoints(root, notes))]
    endpoints = [endpoint for reading in readings for endpoint in notes.take(reading) or ()]
    modules = notes.take(read_modules(root.get("modules"), reader, defaults)) or {}
    followed = [each for following in reader.followings for each in following.templates.values()]
    users = [*endpoints, *followed, *(module.template for module in modules.values())]
    check_for_secrets(credentials.values(), users, notes)
    check_for_use(credentials, reader.logins, notes)
    configuration = Configuration(
        files=files,
        endpoints=tuple(endpoints),
        credentials=tuple(entry for entry in credentials.values() if entry is not None),
        dns=DnsSettings(**_set(_section(DnsSection, root, "dns", notes).section)),
        limits=Limits(**_set(_section(LimitsSection, root, "limits", notes).section)),
        login_backoff=_login_backoff(_section(LoginBackoffSection, root, "login_backoff", notes).section, notes),
        modules=MappingProxyType(modules),
        flows=notes.take(read_flows(root, endpoints, defaults, pieces)) or Flows(),
        followings=tuple(reader.followings),
        domains=notes.take(read_domains(root.get("domains"), pieces)) or (),
    )
    return notes.reading(configuration)


def _section(model: type[M], root: YamlMapping, key: str, notes: SectionNotes) -> Layer[M]:
    """The section under a key of the top; empty if it is absent or unusable."""
    value = root.get(key)
    read = None if value is None else read_section(model, value, (key,), notes)
    return read or Layer(model(), (key,), notes)


def _login_backoff(section: LoginBackoffSection, notes: SectionNotes) -> LoginBackoff:
    """If only one of the two is configured, the other is adapted to it."""
    initial, maximum, default = section.initial, section.max, LoginBackoff()
    if initial is not None and maximum is not None and maximum < initial:
        message = f"is shorter than initial; write max: {format_duration(initial)} or more"
        notes.problem(("login_backoff", "max"), message)
    longest = maximum or max(initial or 0.0, default.maximum)
    return LoginBackoff(initial or min(default.initial, longest), longest)


def _endpoints(root: YamlMapping, notes: SectionNotes) -> YamlSequence | tuple[YamlValue, ...]:
    value = root.get("endpoints")
    if isinstance(value, YamlSequence):
        if not value and not any(root.get(key) for key in SUBJECTS):
            notes.problem(("endpoints",), f"there is no endpoint to probe; write at least {MINIMUM}")
        return value
    if value is not None or ("endpoints" in root and not any(root.get(key) for key in SUBJECTS)):
        what = "there is no endpoint to probe; write at least" if value is None else "must be a list; write for example"
        notes.problem(("endpoints",), f"{what} {MINIMUM}")
    return ()


def _set(section: Section) -> dict[str, Any]:
    """What a section says; lists become tuples, as the model has them."""
    values = {key: getattr(section, key) for key in section.model_fields_set}
    return {key: tuple(v) if isinstance(v, list) else v for key, v in values.items() if v is not None}


class Pieces:
    """Documents, put together.

    Attributes:
        root: All that they hold.
        problems: What is wrong with each, and what they contradict each other in.
    """

    def __init__(self, documents: Sequence[YamlDocument]) -> None:
        """Put documents together; at least one."""
        self._first = documents[0].name
        # Where lists and mappings of the top are made of several files, each of their elements has a file of its own.
        self._files: dict[Location, str] = {}
        self.root = YamlMapping()
        self.problems = [problem for document in documents for problem in document.problems]
        self.warnings = [warning for document in documents for warning in document.warnings]
        for document in documents:
            self._add(document)

    def file(self, location: Location) -> str:
        """The file of the value that keys and indices lead to."""
        return self._files.get(location[:2]) or self._files.get(location[:1]) or self._first

    def line(self, location: Location) -> int:
        """The line of that value, or of the last on the way to it that exists."""
        return YamlDocument(self._first, self.root).line(location)

    def _add(self, document: YamlDocument) -> None:
        if not isinstance(document.root, YamlMapping):
            if document.root is not None:
                message = "the configuration must be a mapping of keys to values at its top"
                self.problems.append(Problem(document.name, 1, f"{message}; write at least {MINIMUM}"))
            return
        for key, value in document.root.items():
            if not key.startswith(_IGNORED):
                self._section(key, value, document.name, document.root.lines[key])

    def _section(self, key: str, value: YamlValue, file: str, line: int) -> None:
        before = self.root.get(key)
        match before, value:
            case None, _:
                self.root.set(key, _copy(value), line)
                self._files[(key,)] = file
            case _, None:
                pass
            case YamlSequence(), YamlSequence():
                self._files |= {(key, index): file for index in range(len(before), len(before) + len(value))}
                before.extend(value)
                before.lines.extend(value.lines)
            case YamlMapping(), YamlMapping():
                self._merge(key, before, value, file)
            case _:
                self._twice((key,), file, line)

    def _merge(self, key: str, before: YamlMapping, value: YamlMapping, file: str) -> None:
        for name, each in value.items():
            if name in before:
                self._twice((key, name), file, value.lines[name])
                continue
            before.set(name, each, value.lines[name])
            self._files[(key, name)] = file

    def _twice(self, location: Location, file: str, line: int) -> None:
        other = f"{self.file(location)}:{self.line(location)}"
        message = f"{key_path(location)}: is already set at {other}; leave one of the two out"
        self.problems.append(Problem(file, line, message))


def _copy(value: YamlValue) -> YamlValue:
    """A mapping or sequence of its own, to which more is added: an alias may stand for the written one elsewhere."""
    copy: YamlMapping | YamlSequence
    match value:
        case YamlSequence():
            copy = YamlSequence()
            copy.extend(value)
            copy.lines.extend(value.lines)
        case YamlMapping():
            copy = YamlMapping()
            copy.update(value)
            copy.lines.update(value.lines)
        case _:
            return value
    return copy
