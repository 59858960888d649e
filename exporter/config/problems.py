"""Problems of a configuration with their places, and helpers for their messages.

Every message is one printable line that says what is wrong and what to write instead. Finding problems does not live
here.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final, Generic, TypeAlias, TypeVar
from typing import Protocol as Interface

T = TypeVar("T")

MAX_QUOTED = 60
"""Characters of a value that a message repeats: enough to recognise it, and a message stays one line of a terminal."""

MAX_PATH = 1024
"""Characters of a path that a message repeats: all of it, as a rule, for a path cut short finds no file."""

_MAX_LOOKED_AT = 2048
"""Characters in which a user and password are looked for: more than a URL has."""

WHOLE_FILE: Final = 1
"""The line of a problem that is in no line: there is no such file, or it cannot be read. Editors want a number."""

_USERINFO = re.compile(r"[^\s/@]*:[^@]*@")
_BARE_KEY = re.compile(r"[\w.-]{1,60}")


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong, and where.

    Attributes:
        file: The file's name as it was given.
        line: Counted from 1.
        message: What is wrong and what to write.
    """

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"

    @property
    def place(self) -> dict[str, str | int]:
        """The file and the line, for the log."""
        return {"file": self.file, "line": self.line}


class ConfigurationError(ValueError):
    """A configuration cannot be used.

    Attributes:
        problems: Everything that is wrong with it, in the order of its lines; never empty.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(map(str, self.problems)))


def quoted(text: str, longest: int = MAX_QUOTED) -> str:
    """`text` fit for a message: shortened, on one line, and without what looks like a user and password of a URL."""
    text = _USERINFO.sub("<redacted>@", text[:_MAX_LOOKED_AT])
    if len(text) > longest:
        text = text[: longest - 3] + "..."
    return '"' + "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text) + '"'


@lru_cache(maxsize=256)
def nearest(word: str, choices: tuple[str, ...]) -> str | None:
    """The one of `choices` that `word` is most likely a slip of, without regard to case; `None` if it is like none.

    Remembered, because the same slip is often made in every endpoint of a long file.
    """
    folded = {choice.casefold(): choice for choice in choices}
    close = difflib.get_close_matches(word[:MAX_QUOTED].casefold(), folded, n=1, cutoff=0.65)
    return folded[close[0]] if close else None


def did_you_mean(word: str, choices: tuple[str, ...]) -> str:
    """The end of a message about the unknown `word`: a suggestion if one is near, else all that could be written."""
    suggestion = nearest(word, choices)
    if suggestion is not None:
        return f'did you mean "{suggestion}"?'
    return f"write {'one of ' if len(choices) > 1 else ''}{', '.join(choices)}"


Location: TypeAlias = tuple[str | int, ...]
"""Keys and indices from the top of the document to a value."""


class Places(Interface):
    """Knows where the values of a document stand, which may come from several files."""

    def file(self, location: Location) -> str:
        """The file of a value, as messages call it."""

    def line(self, location: Location) -> int: ...


def directory(places: Places, location: Location) -> Path:
    """Where relative paths that are written at a place begin.

    Absolute, but with its symlinks: a mounted ConfigMap is replaced by turning one.
    """
    return Path(places.file(location)).parent.absolute()


def elsewhere(places: Places, location: Location, *, seen_from: Location) -> str:
    """The name of a place in a message at another place."""
    file, line = places.file(location), places.line(location)
    return f"line {line}" if file == places.file(seen_from) else f"{file}:{line}"


@dataclass(frozen=True, slots=True)
class Note:
    """A message about a place."""

    location: Location
    message: str

    def problem(self, places: Places) -> Problem:
        """The same for people, who know files and lines."""
        key = key_path(self.location)
        message = f"{key}: {self.message}" if key else self.message
        return Problem(places.file(self.location), places.line(self.location), message)


@dataclass(frozen=True, slots=True)
class Reading(Generic[T]):
    """The result of reading a part of the document.

    Attributes:
        value: `None` if there is none that could be used.
        problems: What makes the configuration unusable; there may be a value in spite of it, to judge other parts by.
        warnings: Problems that do not make it unusable.
    """

    value: T | None
    problems: tuple[Note, ...] = ()
    warnings: tuple[Note, ...] = ()


class SectionNotes:
    """The messages about the part that is being read."""

    def __init__(self) -> None:
        self.problems: list[Note] = []
        self.warnings: list[Note] = []

    def problem(self, location: Location, message: str) -> None:
        """Adds a problem at a place."""
        self.problems.append(Note(location, message))

    def warning(self, location: Location, message: str) -> None:
        """Adds a warning at a place."""
        self.warnings.append(Note(location, message))

    def take(self, reading: Reading[T]) -> T | None:
        """The value of a smaller part, whose notes become notes of this one."""
        self.problems += reading.problems
        self.warnings += reading.warnings
        return reading.value

    def reading(self, value: T | None) -> Reading[T]:
        """The result, with or without problems."""
        return Reading(value, tuple(self.problems), tuple(self.warnings))

    def value_or_problems(self, value: T | None) -> Reading[T]:
        """The result, without a value if there are problems."""
        return self.reading(None if self.problems else value)


def key_path(location: Location) -> str:
    """How a message calls a place: `tls.ca_file`, `dns.nameservers[1]`; those of endpoints and flows have no number."""
    match location:
        case ("endpoints" | "flows" | "domains", int(), _, *_):
            parts = location[2:]
        case _:
            parts = location
    path = ""
    for part in parts:
        if isinstance(part, int):
            path += f"[{part}]"
        else:
            path += "." * bool(path) + (part if _BARE_KEY.fullmatch(part) else quoted(part))
    return path
