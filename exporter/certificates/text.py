"""Makes a certificate's texts printable and short, because their author is not trusted.

This module only formats.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

MAX_SHOWN: Final = 512
"""Characters of one name. RFC 5280's upper bounds let an honest one of eight attributes of 64 characters through."""

MAX_QUOTED: Final = 100
"""Characters of one name inside a sentence."""

MAX_LISTED: Final = 3
"""Names of a certificate that a sentence spells out."""


def printable(text: str) -> str:
    r"""The text with every character that does not print, such as a line feed or a change of direction, as `\XX`."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else "".join(f"\\{octet:02X}" for octet in c.encode()) for c in text)


def shortened(text: str, limit: int) -> str:
    """The text, with a visible mark where it was cut."""
    return text if len(text) <= limit else text[: limit - 3] + "..."


def quoted(text: str) -> str:
    """For use inside a sentence: in quotation marks, ASCII, short."""
    ascii_only = text.encode("ascii", "backslashreplace").decode("ascii")
    return f'"{shortened(printable(ascii_only), MAX_QUOTED)}"'


def listed(names: Sequence[str]) -> str:
    """The first few of the names, and how many more there are."""
    shown = ", ".join(quoted(name) for name in names[:MAX_LISTED])
    more = len(names) - MAX_LISTED
    return f"{shown} and {more} more" if more > 0 else shown


def moment(timestamp: float) -> str:
    """A Unix timestamp as people write it."""
    return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
