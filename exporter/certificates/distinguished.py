"""Distinguished names for people (RFC 4514), from any octets.

The names are only shown. Anything that is not text is written as hex and never an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from exporter.certificates import text
from exporter.certificates.der import dotted, some

ATTRIBUTES: Final[Mapping[str, str]] = {
    "2.5.4.3": "CN",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "2.5.4.6": "C",
    "2.5.4.9": "STREET",
    "0.9.2342.19200300.100.1.25": "DC",
    "0.9.2342.19200300.100.1.1": "UID",
}
"""RFC 4514 section 3; the others go by their number."""

CHARACTERS: Final[Mapping[int, str]] = {
    0x0C: "utf-8",  # UTF8String
    0x12: "latin-1",  # NumericString
    0x13: "latin-1",  # PrintableString, which has no `&` by the book and many in practice
    0x14: "latin-1",  # TeletexString, as everybody takes it
    0x16: "latin-1",  # IA5String
    0x1A: "latin-1",  # VisibleString
    0x1C: "utf-32-be",  # UniversalString
    0x1E: "utf-16-be",  # BMPString
}
"""The encoding of each kind of string."""

MAX_ATTRIBUTES: Final = 100
"""Attributes of one name that are looked at: far more than fit into what is shown."""

MAX_HEX: Final = 32
"""How many octets of a non-text value are shown."""

MEANINGFUL: Final = '\\"+,;<>'
"""RFC 4514 2.4: characters that a backslash has to stand before."""


def shown(name: bytes) -> str:
    """A name in RFC 4514 form, printable and short.

    Args:
        name: DER, with its header.
    """
    relatives = [relative for whole in some(name, 1) for relative in some(whole.content, MAX_ATTRIBUTES)]
    parts = ["+".join(_attribute(each.content) for each in some(one.content, MAX_ATTRIBUTES)) for one in relatives]
    return text.shortened(text.printable(",".join(reversed(parts))), text.MAX_SHOWN)


def _attribute(content: bytes) -> str:
    try:
        kind, value = some(content, 2)
    except ValueError:
        return f"#{content[:MAX_HEX].hex()}"
    number = dotted(kind.content)
    encoding = CHARACTERS.get(value.tag)
    if encoding is None:
        written = f"#{value.whole[:MAX_HEX].hex()}"
    else:
        # Four octets a character at most; what is cut here, nobody would be shown.
        written = _escaped(value.content[: 4 * text.MAX_SHOWN].decode(encoding, "replace"))
    return f"{ATTRIBUTES.get(number, number)}={written}"


def _escaped(value: str) -> str:
    """RFC 4514 2.4."""
    written = "".join(f"\\{c}" if c in MEANINGFUL else "\\00" if c == "\0" else c for c in value)
    if value.startswith("#") or (value.startswith(" ") and value != " "):
        written = "\\" + written
    return written[:-1] + "\\ " if value.endswith(" ") else written
