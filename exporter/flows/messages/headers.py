"""Parses untrusted message headers into fields. Their number and size are limited, and nothing raises an exception.

The standard library's parser is not used, because it decodes eagerly and takes seconds for hostile headers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.header import decode_header
from typing import Final

MAX_FIELDS: Final = 500
"""The most fields of one header to read. A message has about a hundred after ten servers."""

MAX_FIELD: Final = 16384
"""The most octets of one field. Microsoft's Authentication-Results have two thousand."""

_FIELD: Final = re.compile(rb"([!-9;-~]{1,200})[ \t]*:")
_FOLD: Final = re.compile(rb"\r?\n(?=[ \t])")


@dataclass(frozen=True, slots=True)
class Headers:
    """The fields of a header, from its first line on.

    Attributes:
        fields: Pairs of a lower-case name and an unfolded value. Invalid UTF-8 and control characters are replaced.
    """

    fields: tuple[tuple[str, str], ...]

    def all(self, name: str) -> list[str]:
        """The values of all fields of a name, the topmost first."""
        wanted = name.lower()
        return [value for key, value in self.fields if key == wanted]

    def first(self, name: str) -> str | None:
        """The value of the topmost field of a name; `None` if there is none."""
        return next(iter(self.all(name)), None)


def read_headers(octets: bytes) -> Headers:
    """Parses the header at the beginning of a message. Malformed lines are left out."""
    head = re.split(rb"\r?\n\r?\n", octets, maxsplit=1)[0]
    fields: list[tuple[str, str]] = []
    for line in _FOLD.sub(b"", head).split(b"\n"):
        found = _FIELD.match(line)
        if found is None:
            continue
        if len(fields) == MAX_FIELDS:
            break
        value = line[found.end() : found.end() + MAX_FIELD].strip(b" \t\r")
        fields.append((found[1].decode("ascii").lower(), text(value)))
    return Headers(tuple(fields))


def text(octets: bytes) -> str:
    """Octets as one printable line, with tabs as spaces."""
    words = octets.decode("utf-8", "replace").replace("\t", " ")
    return words if words.isprintable() else "".join(c if c.isprintable() else "\ufffd" for c in words)


def decoded(value: str) -> str:
    """A field with its encoded words (RFC 2047) decoded; unchanged if they cannot be decoded."""
    if "=?" not in value:
        return value
    try:
        parts = decode_header(value[:MAX_FIELD])
        words = "".join(
            part if isinstance(part, str) else part.decode(charset or "ascii", "replace") for part, charset in parts
        )
    except (HeaderParseError, LookupError, ValueError, AssertionError):
        return value
    return text(words.encode("utf-8", "replace"))
