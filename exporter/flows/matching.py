"""Messages that somebody else sends: whether one is the awaited one, by patterns for its sender and subject."""

from __future__ import annotations

import re
from email.utils import getaddresses
from typing import Final

from exporter.flows.headers import Headers, decoded
from exporter.model import Awaited

_LITERAL: Final = re.compile(r"[^*?]+")
MAX_SOUGHT: Final = 60
"""Characters of a pattern that a server is asked for."""
MAX_FIELDS: Final = 3
"""`From` fields that are looked at; RFC 5322 3.6 allows one."""
MAX_LOOKED_AT: Final = 1000
"""Characters of a field."""
MAX_COMMENTS: Final = 50
"""Comments in a `From` field. No real one has as many: one that does names nobody."""


def matches(headers: Headers, awaited: Awaited) -> bool:
    """Whether a message is the awaited one."""
    if awaited.sender is not None and not any(_glob(awaited.sender, address) for address in addresses(headers)):
        return False
    if awaited.subject is not None:
        subject = decoded(headers.first("Subject") or "")[:MAX_LOOKED_AT]
        return _glob(awaited.subject, subject)
    return True


def addresses(headers: Headers) -> list[str]:
    """Those in From; none where it cannot be read."""
    # The parser goes one call deeper for every comment within a comment, and how deep it may go differs by Python.
    fields = [value[:MAX_LOOKED_AT] for value in headers.all("From")[:MAX_FIELDS]]
    written = [value for value in fields if value.count("(") <= MAX_COMMENTS]
    try:
        return [address for _, address in getaddresses(written)]
    except (ValueError, IndexError, TypeError):
        return []


def literal(pattern: str | None) -> str | None:
    """The longest piece of a pattern without wildcards, in ASCII: what a server can search for; `None` for none."""
    pieces = [piece for piece in _LITERAL.findall(pattern or "") if piece.isascii()]
    return max(pieces, key=len)[:MAX_SOUGHT] if pieces else None


def _glob(pattern: str, text: str) -> bool:
    """Whether a text fits a pattern, without regard to letter case: `*` is any text, `?` any one character.

    By going back to the last `*` only: a text of somebody else's cannot make it take more than the product of both.
    """
    pattern, text = pattern.casefold(), text.casefold()
    at, place, star, retry = 0, 0, -1, 0
    while at < len(text):
        if place < len(pattern) and pattern[place] == "*":
            star, retry = place, at
            place += 1
        elif place < len(pattern) and pattern[place] in ("?", text[at]):
            at, place = at + 1, place + 1
        elif star >= 0:
            retry += 1
            at, place = retry, star + 1
        else:
            return False
    return not pattern[place:].strip("*")
