"""Several documents as one: a configuration that is kept in pieces.

Lists are joined in the order of the files' names, and so are mappings, in which a key may stand only once. What the
keys mean does not live here.
"""

from __future__ import annotations

from collections.abc import Sequence

from exporter.config.document import Document, Value, YamlMapping, YamlSequence
from exporter.config.problems import Location, Problem, key_path

MINIMUM = "endpoints: [{url: imaps://mail.example.com}]"
"""The shortest configuration."""

_IGNORED = "x-"
"""Top-level keys that begin so belong to their author: a home for YAML anchors."""


class Pieces:
    """Documents, put together.

    Attributes:
        root: All that they hold.
        problems: What is wrong with each, and what they contradict each other in.
    """

    def __init__(self, documents: Sequence[Document]) -> None:
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
        return Document(self._first, self.root).line(location)

    def _add(self, document: Document) -> None:
        if not isinstance(document.root, YamlMapping):
            if document.root is not None:
                message = "the configuration must be a mapping of keys to values at its top"
                self.problems.append(Problem(document.name, 1, f"{message}; write at least {MINIMUM}"))
            return
        for key, value in document.root.items():
            if not key.startswith(_IGNORED):
                self._section(key, value, document.name, document.root.lines[key])

    def _section(self, key: str, value: Value, file: str, line: int) -> None:
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


def _copy(value: Value) -> Value:
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
