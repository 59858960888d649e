"""YAML text to plain mappings, sequences and text that remember their lines.

It uses the parser's events, because the node tree takes seven times as long and, for 10,000 endpoints, 65 MiB. Every
scalar stays text, and the schema decides its type. So `password: 007`, `site: no` and `interval: 1:30` do not become 7,
false and 90.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, TypeAlias
from typing import Protocol as Interface

import yaml

from exporter.config.problems import ConfigurationError, Problem, quoted

MAX_NODES = 2_000_000
"""Values in a document with every alias written out: 20 times what 10,000 endpoints need, and aliases of aliases of
aliases ("billion laughs") meet it within milliseconds."""

MAX_DEPTH = 32
"""The configuration itself nests five deep."""

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_MERGE = "<<"
_CUT_SHORT = frozenset({"password", "client_secret", "refresh_token", "flow_key"})
"""Keys of secrets. An incomplete secret would not be noticed."""

_COMMENT = re.compile(r"[ \t]+#")
_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
"""What ends a line in YAML 1.1, by which marks are counted."""
_TEXT_TAGS = frozenset({"!", "tag:yaml.org,2002:str"})
_KNOWN_TAGS = (
    _TEXT_TAGS | {None} | {f"tag:yaml.org,2002:{kind}" for kind in ("null", "bool", "int", "float", "map", "seq")}
)
_ODD_SPACE = re.compile("[\xa0\u2000-\u200b\u202f\u205f\u3000\ufeff]")
"""What looks like a space or like nothing, and is part of a key or value."""
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""YAML 1.2, 5.1: what a stream may not contain."""

_MENDS: Mapping[str, str] = {
    "found character that cannot start any token": "write spaces where a tab indents, "
    "and quotes around a value that begins with one of % @ `",
    "mapping values are not allowed in this context": "check the indentation, "
    "and write quotes around a value with a colon and a space in it",
    "found unknown escape character": "write single quotes around a value with a backslash in it",
    "could not find expected ':'": "check the indentation, and that a colon and a space follow the key",
    "did not find expected key": "check the indentation, and that quotes and brackets are closed",
    "did not find expected '-' indicator": "check the indentation of the list",
    "did not find expected ',' or ']'": "close the bracket, or write the comma",
    "did not find expected ',' or '}'": "close the brace, or write the comma",
    "did not find expected alphabetic or numeric character": "write quotes around a value that begins with * or &",
    "found a tab character that violates indentation": "write spaces where a tab indents",
    "found unexpected end of stream": "close the quotes",
    "found undefined tag handle": "write quotes around a value that begins with !",
}
"""Messages of the parser, and the usual remedy."""


class YamlMapping(dict[str, "YamlValue"]):
    """A mapping, and the line of each key."""

    __slots__ = ("lines",)

    def __init__(self) -> None:
        super().__init__()
        self.lines: dict[str, int] = {}

    def set(self, key: str, value: YamlValue, line: int) -> None:
        """Adds a key that begins at `line`."""
        self[key] = value
        self.lines[key] = line


class YamlSequence(list["YamlValue"]):
    """A sequence, and the line of each element."""

    __slots__ = ("lines",)

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[int] = []


class Unusable(str):
    """Stands for a value that the document has reported already. No further problem of it is reported."""

    __slots__ = ()


YamlValue: TypeAlias = str | YamlMapping | YamlSequence | None


@dataclass(frozen=True, slots=True)
class YamlDocument:
    """The content of a file.

    Attributes:
        name: The file's name in messages.
        root: `None` for an empty file.
        problems: Problems of the YAML that leave the rest readable, such as a duplicate key.
        warnings: Ambiguous places.
    """

    name: str
    root: YamlValue
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()

    def file(self, location: Sequence[str | int]) -> str:  # noqa: ARG002 - it is all one file
        """The file of the value that keys and indices lead to."""
        return self.name

    def line(self, location: Sequence[str | int]) -> int:
        """The line of the value that keys and indices lead to, or of the last on the way that exists."""
        return [1, *(line for line, _ in _way(self.root, location))][-1]


def is_unusable(root: YamlValue, location: Sequence[str | int]) -> bool:
    """Whether the value at a place was reported already as the document was read."""
    values = [root, *(value for _, value in _way(root, location))]
    return len(values) > len(location) and isinstance(values[-1], Unusable)


def _way(root: YamlValue, location: Sequence[str | int]) -> Iterator[tuple[int, YamlValue]]:
    """The values on the way to a place, as far as they exist, each with its line."""
    value = root
    for part in location:
        match value, part:
            case YamlMapping(), str() if part in value:
                line, value = value.lines[part], value[part]
            case YamlSequence(), int() if part < len(value):
                line, value = value.lines[part], value[part]
            case _:
                return
        yield line, value


def read_document(text: str, file: str) -> YamlDocument:
    """Reads YAML.

    Raises:
        ConfigurationError: It is not YAML, or is too large to be read safely.
    """
    unprintable = _UNPRINTABLE.search(text)
    if unprintable:
        line = text.count("\n", 0, unprintable.start()) + 1
        character = f"U+{ord(unprintable[0]):04X}"
        message = f"contains the character {character}, which YAML does not allow; save it as plain UTF-8 text"
        raise ConfigurationError([Problem(file, line, message)])
    composer = _Composer(yaml.parse(text, Loader=_LOADER), file, text)
    try:
        root = composer.document()
    except yaml.MarkedYAMLError as error:
        last_line = max(1, text.count("\n") + (not text.endswith("\n")))
        problem = Problem(file, min(_line(error.problem_mark), last_line), _syntax(error, text))
        raise ConfigurationError([*composer.problems, problem]) from None
    return YamlDocument(file, root, tuple(composer.problems), tuple(composer.warnings))


class _Composer:
    """Builds the document from the parser's events."""

    def __init__(self, events: Iterator[Any], file: str, text: str) -> None:
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []
        self._text = text
        self._events = events
        self._file = file
        self._nodes = 0
        self._anchors: dict[str, tuple[YamlValue, int]] = {}
        self._keys: dict[str, str] = {}

    def document(self) -> YamlValue:
        """The first document; a second one is a problem."""
        next(self._events)  # the start of the stream
        if isinstance(next(self._events), yaml.StreamEndEvent):
            return None
        root = self._node(next(self._events), 0)
        next(self._events)  # the end of the document
        following = next(self._events)
        if isinstance(following, yaml.DocumentStartEvent):
            self._complain(following, 'a second YAML document begins here; write one document, without "---"')
        return root

    def _node(self, event: yaml.NodeEvent, depth: int) -> YamlValue:
        """The value that begins with `event`."""
        before = self._nodes
        self._count(event, 1)
        value: YamlValue
        match event:
            case yaml.AliasEvent():
                return self._alias(event)
            case yaml.ScalarEvent():
                value = self._scalar(event)
            case _ if depth == MAX_DEPTH:
                self._give_up(event, f"is nested deeper than {MAX_DEPTH} levels; close brackets, or indent less")
            case yaml.SequenceStartEvent():
                value = self._sequence(event, depth + 1)
            case _:
                value = self._mapping(event, depth + 1)
        if event.anchor is not None:
            self._anchors[event.anchor] = (value, self._nodes - before)
        return value

    def _alias(self, event: yaml.AliasEvent) -> YamlValue:
        """The value of an alias. Messages do not contain its name, because an unquoted password may begin with `*`."""
        if event.anchor not in self._anchors:
            self._complain(
                event, "the alias (*) has no anchor (&) before it; write quotes around a value that begins with *"
            )
            return Unusable()
        value, size = self._anchors[event.anchor]
        self._count(event, size)
        return value

    def _scalar(self, event: yaml.ScalarEvent) -> str | None:
        if not self._check_tag(event, event.tag):
            return Unusable()
        plain = not event.style and event.tag not in _TEXT_TAGS
        return None if plain and event.value in _NULLS else event.value

    def _sequence(self, event: yaml.NodeEvent, depth: int) -> YamlSequence:
        self._check_tag(event, getattr(event, "tag", None))
        sequence = YamlSequence()
        while not isinstance(element := next(self._events), yaml.SequenceEndEvent):
            sequence.append(self._node(element, depth))
            sequence.lines.append(_line(element.start_mark))
        return sequence

    def _mapping(self, event: yaml.NodeEvent, depth: int) -> YamlMapping:
        self._check_tag(event, getattr(event, "tag", None))
        mapping = YamlMapping()
        merged: list[YamlMapping] = []
        while not isinstance(key_event := next(self._events), yaml.MappingEndEvent):
            key = self._node(key_event, depth)
            value_event = next(self._events)
            value = self._node(value_event, depth)
            if isinstance(key, str) and key in _CUT_SHORT:
                self._look_for_comment(key, value_event)
            if key == _MERGE and not key_event.style:
                merged += self._merged(key_event, value)
            elif not isinstance(key, str) or not key:
                self._complain(key_event, "a key must be plain text; check the part before the colon")
            elif key in mapping:
                message = f"{quoted(key)} is already set at line {mapping.lines[key]}; leave one of the two out"
                self._complain(key_event, message)
            else:
                # The same few keys in every endpoint need to be in memory once.
                mapping.set(self._keys.setdefault(key, key), value, _line(key_event.start_mark))
        for source in merged:
            for key in source:
                if key not in mapping:
                    mapping.set(key, source[key], source.lines[key])
        return mapping

    def _look_for_comment(self, key: str, event: yaml.NodeEvent) -> None:
        """Warns if the end of a secret may have been parsed as a comment."""
        if not isinstance(event, yaml.ScalarEvent) or event.style or event.end_mark is None:
            return
        line = _BREAK.split(self._text, event.end_mark.line + 1)[event.end_mark.line]
        if _COMMENT.match(line, event.end_mark.column):
            message = f"{key}: what follows # is a comment; write quotes around a {key.replace('_', ' ')} that holds it"
            self.warnings.append(Problem(self._file, _line(event.end_mark), message))

    def _merged(self, event: yaml.NodeEvent, value: YamlValue) -> list[YamlMapping]:
        """The mappings whose keys `<<` adds where they are not set, the first of them first."""
        sources = value if isinstance(value, YamlSequence) else [value]
        mappings = [source for source in sources if isinstance(source, YamlMapping)]
        if any(not isinstance(source, YamlMapping | Unusable) for source in sources):
            self._complain(event, "<<: only mappings can be merged; write an alias (*) to one")
        return mappings

    def _check_tag(self, event: yaml.NodeEvent, tag: str | None) -> bool:
        if tag not in _KNOWN_TAGS:
            self._complain(
                event, "a YAML tag (!), which has no meaning here; write quotes around a value that begins with !"
            )
        return tag in _KNOWN_TAGS

    def _count(self, event: yaml.NodeEvent, nodes: int) -> None:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            self._give_up(
                event, f"has more than {MAX_NODES} values once its aliases (*) are written out; use fewer aliases"
            )

    def _complain(self, event: yaml.Event, message: str) -> None:
        self.problems.append(Problem(self._file, _line(event.start_mark), message))

    def _give_up(self, event: yaml.Event, message: str) -> NoReturn:
        self._complain(event, message)
        raise ConfigurationError(self.problems)


class _Mark(Interface):
    """A place as the parser has it, be it written in C or in Python."""

    @property
    def line(self) -> int:
        """Counted from 0."""


def _line(mark: _Mark | None) -> int:
    """Counted from 1."""
    return 1 if mark is None else mark.line + 1


def _syntax(error: yaml.MarkedYAMLError, text: str) -> str:
    """A message of the parser, with the start of the construct and the usual remedy."""
    complaint = error.problem or "cannot be understood"
    began, noticed = _line(error.context_mark), _line(error.problem_mark)
    context = f" {error.context} that begins at line {began}" if error.context_mark and began != noticed else ""
    mend = _MENDS.get(complaint, "check indentation, quotes and brackets")
    lines = "\n".join(_BREAK.split(text, noticed)[max(0, noticed - 2) : noticed])
    odd = _ODD_SPACE.search(lines)
    if odd:
        mend = f"write a plain space in place of the character U+{ord(odd[0]):04X}"
    elif "expected ','" in complaint and _COMMENT.search(lines):
        mend += "; what follows # is a comment, so write quotes around a value that holds it"
    return f"not valid YAML: {complaint}{context}; {mend}"
