"""One section laid over its defaults: which value holds for a key, and where it was written.

A key that is written without a value (`credentials:`, or `null`) takes back what the defaults say. What keys mean does
not live here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from exporter.config.keys import Section
from exporter.config.problems import Location


@dataclass(frozen=True, slots=True)
class Layer:
    """A section, or its absence, and its place in the document.

    Attributes:
        broken: Places within the section whose value was wrong, has been reported, and is missing from it.
    """

    section: Section | None
    at: Location
    broken: frozenset[Location] = frozenset()

    def has(self, key: str) -> bool:
        """Whether the key was written here, even if without a value."""
        return self.section is not None and key in self.section.model_fields_set

    def spoilt(self, key: str) -> bool:
        """Whether the key was written here and could not be used."""
        return (key,) in self.broken


@dataclass(frozen=True, slots=True)
class Layers:
    """A section over its defaults."""

    own: Layer
    default: Layer

    def value(self, key: str) -> Any:
        """What holds for the key; `None` where nothing was written, or nothing that could be used."""
        layer = self._layer(key)
        return None if layer is None or layer.spoilt(key) else getattr(layer.section, key)

    def own_value(self, key: str) -> Any:
        """What the section itself says; `None` where it says nothing."""
        return getattr(self.own.section, key) if self.own.has(key) else None

    def usable(self, *keys: str) -> bool:
        """Whether a statement about these keys makes sense: none of them has been reported already."""
        deciding = [(key, self._layer(key)) for key in keys]
        return not any(layer is not None and layer.spoilt(key) for key, layer in deciding)

    def place(self, key: str) -> Location:
        """Where the key's value was written; in the section itself if nowhere."""
        layer = self._layer(key) or self.own
        return (*layer.at, key)

    def values(self) -> dict[str, Any]:
        """Every key that holds a value."""
        section = self.own.section or self.default.section
        keys = type(section).model_fields if section is not None else ()
        return {key: value for key in keys if (value := self.value(key)) is not None}

    def below(self, key: str) -> Layers:
        """The section under a key, over the defaults under the same key; over nothing if it takes them back."""
        own = _below(self.own, key)
        taken_back = self.own.has(key) and own.section is None
        return Layers(own, Layer(None, own.at) if taken_back else _below(self.default, key))

    def _layer(self, key: str) -> Layer | None:
        """The layer that decides."""
        return next((layer for layer in (self.own, self.default) if layer.has(key) or layer.spoilt(key)), None)


def _below(layer: Layer, key: str) -> Layer:
    section = getattr(layer.section, key) if layer.has(key) else None
    broken = frozenset(place[1:] for place in layer.broken if place[0] == key and place[1:])
    return Layer(section, (*layer.at, key), broken)
