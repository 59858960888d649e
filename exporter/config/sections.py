"""Reads a section of the document with its pydantic model. Wrong values become problems, and the others are kept.

A wrong value is reported and removed, so that the other values can still be checked and a user sees all problems at
once. A table translates pydantic's errors. Other modules check sections against each other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import UnionType
from typing import Any, Generic, TypeGuard, TypeVar, get_args, get_origin

import yaml
from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from exporter.config.endpoint_schema import CredentialsSection, DefaultsSection, EndpointSection
from exporter.config.problems import Location, SectionNotes, did_you_mean
from exporter.config.schema import FileSection
from exporter.config.schema_fields import Section
from exporter.config.values import plain_text

M = TypeVar("M", bound=Section)
S = TypeVar("S", bound=Section | None)

_RENAMED: Mapping[str, str] = {"from": "sender"}
"""Keys that are words of Python, and what the schema calls them."""

_KEY = "[key]"
"""Pydantic appends this to a location if the key is wrong, not the value."""

_MESSAGES: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "string_type": lambda _: "must be text",
    "bool_type": lambda _: "must be true or false",
    "bool_parsing": lambda _: "must be true or false",
    "int_type": lambda _: "must be a whole number",
    "int_parsing": lambda _: "must be a whole number",
    "int_parsing_size": lambda _: "must be a smaller number",
    "int_from_float": lambda _: "must be a whole number",
    "greater_than_equal": lambda context: f"must be at least {context['ge']}",
    "less_than_equal": lambda context: f"must be at most {context['le']}",
    "list_type": lambda _: "must be a list",
    "dict_type": lambda _: "must be a mapping of keys to values",
    "model_type": lambda _: "must be a mapping of keys to values",
    "value_error": lambda context: str(context["error"]),
}
"""Our message for each kind of error that the models can cause."""

_SELF_EXPLANATORY = frozenset({"value_error", "bool_type", "bool_parsing"})
"""Errors whose message already says what to write."""


@dataclass(frozen=True, slots=True)
class Layer(Generic[S]):
    """A section, which may be absent, its place in the document, and the notes about it.

    Attributes:
        section: The section without its wrong values; `None` if it is absent.
        at: Its place.
        notes: Receives the messages about it.
        broken: The places of its wrong values, relative to the section. They were reported, and cause no further
            problems.
    """

    section: S
    at: Location
    notes: SectionNotes
    broken: frozenset[Location] = frozenset()

    def has(self, key: str) -> bool:
        """Whether the key was written here, with or without a value."""
        return self.section is not None and _attribute(key) in self.section.model_fields_set

    def spoilt(self, key: str) -> bool:
        """Whether the key was written here with a wrong value."""
        return (key,) in self.broken

    def written(self, key: str) -> bool:
        """Whether the key was written here, with whatever value."""
        return self.has(key) or self.spoilt(key)

    def value(self, key: str) -> Any:
        """The value that was written here; `None` if there is none."""
        return None if self.section is None else getattr(self.section, _attribute(key))

    def missing(self, key: str) -> bool:
        """Whether the key has no value, and no wrong value was reported for it or for a part of it."""
        return self.value(key) is None and not any(place[0] == key for place in self.broken)

    def is_empty(self, key: str) -> bool:
        """Whether the key was written with an empty list, not with one whose elements were all wrong."""
        return self.value(key) == [] and not any(place[0] == key for place in self.broken)

    def below(self, key: str) -> Layer[Any]:
        """The section under a key."""
        broken = frozenset(place[1:] for place in self.broken if place[0] == key and place[1:])
        return Layer(self.value(key), (*self.at, key), self.notes, broken)

    def problem(self, message: str, *key: str) -> None:
        """Reports a problem of the section, or of one of its keys."""
        self.notes.problem((*self.at, *key), message)

    def warning(self, message: str, *key: str) -> None:
        """Warns of the section, or of one of its keys."""
        self.notes.warning((*self.at, *key), message)


def read_section(model: type[M], value: object, at: Location, notes: SectionNotes) -> Layer[M] | None:
    """Reads the section at a place of the document; `None` if it is not a mapping. Its problems go to `notes`."""
    try:
        return Layer(model.model_validate(value), at, notes)
    except ValidationError as error:
        details = error.errors(include_url=False)
    for detail in details:
        place = _place(detail)
        notes.problem(at + place, _complaint(model, detail, at, place))
    broken = {_place(detail) for detail in details}
    if () in broken:
        return None
    return Layer(model.model_validate(_without(value, broken)), at, notes, frozenset(broken))


def check_name(name: str, at: Location, notes: SectionNotes) -> None:
    """Checks the name of an entry, for sections whose keys are names."""
    try:
        plain_text.name(name)
    except ValueError as error:
        notes.problem(at, f"the name {error}")


def _place(detail: ErrorDetails) -> Location:
    location: Location = detail["loc"]
    return location[:-1] if location[-1:] == (_KEY,) else location


def _without(value: object, places: set[Location]) -> object:
    """A copy of `value` without the values at `places`."""
    below: dict[str | int, set[Location]] = {}
    for place in places:
        below.setdefault(place[0], set()).add(place[1:])
    if isinstance(value, dict):
        return {k: _without(v, below.get(k, set())) for k, v in value.items() if () not in below.get(k, ())}
    if isinstance(value, list):
        return [_without(v, below.get(i, set())) for i, v in enumerate(value) if () not in below.get(i, ())]
    return value


def written_keys(section: type[Section]) -> dict[str, FieldInfo]:
    """The keys of a section, as written in the file."""
    return {field.alias or name: field for name, field in section.model_fields.items()}


def unknown_key(section: type[Section], key: str) -> str:
    """The message about a key that a section does not have."""
    keys = tuple(written_keys(section))
    if issubclass(section, DefaultsSection) and key in CredentialsSection.model_fields:
        return "belongs into an entry of credentials; write it there, and here credentials: with the entry's name"
    for name in keys:
        nested = _section_at(section, (name,))
        if nested and key in written_keys(nested):
            return f"belongs under {name}; write {name}: {{{key}: ...}}"
    if section is DefaultsSection and key in EndpointSection.model_fields:
        return "cannot be a default, because it tells endpoints apart; write it at each endpoint"
    longer = [name for name in keys if name.startswith(f"{key}_")]
    return f"unknown key; {did_you_mean(key, tuple(longer) if len(longer) == 1 else keys)}"


def _complaint(model: type[Section], detail: ErrorDetails, at: Location, place: Location) -> str:
    """The message about an error: what is wrong, and what to write."""
    if detail["type"] == "extra_forbidden":
        return unknown_key(_section_at(model, place[:-1]) or model, str(place[-1]))
    if detail["input"] is None:
        return "has no value; write one, or leave it out"
    if detail["type"] == "model_type" and isinstance(detail["input"], str):
        keys = written_keys(_section_at(model, place) or model)
        if detail["input"].partition(":")[0] in keys:
            return "must be a mapping of keys to values; write a space after the colon"
        if "://" in detail["input"] and "url" in keys:
            return "must be a mapping of keys to values; write url: before it"
    words = _MESSAGES.get(detail["type"])
    message = words(detail.get("ctx", {})) if words else detail["msg"]
    example = None if detail["type"] in _SELF_EXPLANATORY else _example(model, at, place)
    return f"{message}; write for example {example}" if example else message


def _example(model: type[Section], at: Location, place: Location) -> str | None:
    """How to write the key at a place of a section, on one line; `None` if no example is known.

    For a whole section, it shows the key at the top of the file.

    Args:
        model: The section's schema.
        at: The place of the section; empty if the section is the whole file.
        place: The place of the key, relative to the section.
    """
    key, fields = (str(at[0]), FileSection.model_fields) if at else ("", written_keys(model))
    for depth, part in enumerate(place):
        section = _section_at(model, place[:depth])
        if section is not None and isinstance(part, str):
            key, fields = part, written_keys(section)
    examples = fields[key].examples
    if not examples:
        return None
    return yaml.safe_dump({key: examples[0]}, default_flow_style=True, sort_keys=False, width=1000).strip()[1:-1]


def _section_at(model: type[Section], place: Location) -> type[Section] | None:
    """The model that reads the value at `place`; `None` if that is not a section."""
    kind: Any = model
    for part in place:
        if _is_section(kind):
            field = kind.model_fields.get(str(part))
            kind = None if field is None else field.annotation
        else:  # an index of a list, or a name in a mapping
            kind = next(iter(get_args(kind)[-1:]), None)
        kind = next((each for each in get_args(kind) if get_origin(kind) is UnionType), kind)  # without None
    return kind if _is_section(kind) else None


def _is_section(kind: Any) -> TypeGuard[type[Section]]:
    return get_origin(kind) is None and isinstance(kind, type) and issubclass(kind, Section)


@dataclass(frozen=True, slots=True)
class Layers:
    """A section and its defaults, which apply if the section itself does not have a key."""

    own: Layer[Any]
    default: Layer[Any]

    @property
    def notes(self) -> SectionNotes:
        """The notes about the section itself."""
        return self.own.notes

    def value(self, key: str) -> Any:
        """The value that applies; `None` if the key was not written, or its value was wrong."""
        layer = self._layer(key)
        return None if layer is None or layer.spoilt(key) else layer.value(key)

    def usable(self, *keys: str) -> bool:
        """Whether these keys can be checked further, because no value of theirs was reported already."""
        deciding = [(key, self._layer(key)) for key in keys]
        return not any(layer is not None and layer.spoilt(key) for key, layer in deciding)

    def place(self, key: str) -> Location:
        """Where the key was written; its place in the section itself if it was not written."""
        layer = self._layer(key) or self.own
        return (*layer.at, key)

    def problem(self, message: str, key: str) -> None:
        """Reports a problem of a key, where it was written."""
        self.notes.problem(self.place(key), message)

    def warning(self, message: str, key: str) -> None:
        """Warns of a key, where it was written."""
        self.notes.warning(self.place(key), message)

    def values(self) -> dict[str, Any]:
        """All keys that have a value, with that value."""
        section = self.own.section or self.default.section
        keys = type(section).model_fields if section is not None else ()
        return {key: value for key in keys if (value := self.value(key)) is not None}

    def below(self, key: str) -> Layers:
        """The section under a key, with its defaults. An empty key in the section itself removes these defaults."""
        own = self.own.below(key)
        taken_back = self.own.has(key) and own.section is None
        return Layers(own, Layer(None, own.at, own.notes) if taken_back else self.default.below(key))

    def _layer(self, key: str) -> Layer[Any] | None:
        """The layer whose value applies; `None` if the key was not written."""
        return next((layer for layer in (self.own, self.default) if layer.written(key)), None)


def _attribute(key: str) -> str:
    """The attribute of a section that has the value of a key."""
    return _RENAMED.get(key, key)
