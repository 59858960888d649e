"""Recognises awaited messages, which somebody else sends, by patterns for sender and subject."""

from __future__ import annotations

import re
from email.utils import getaddresses
from typing import Final

from exporter.flows.messages.headers import Headers, decoded
from exporter.model import Awaited

_LITERAL: Final = re.compile(r"[^*?]+")
MAX_SOUGHT: Final = 60
"""The most characters of a pattern to search for on the server."""
MAX_FIELDS: Final = 3
"""The most `From` fields to read. RFC 5322 3.6 allows one."""
MAX_LOOKED_AT: Final = 1000
"""The most characters of a field to read."""
MAX_COMMENTS: Final = 50
"""The most comments in a `From` field. Fields with more are hostile and ignored."""


def matches(headers: Headers, awaited: Awaited) -> bool:
    if awaited.sender is not None and not any(_glob(awaited.sender, address) for address in addresses(headers)):
        return False
    if awaited.subject is not None:
        subject = decoded(headers.first("Subject") or "")[:MAX_LOOKED_AT]
        return _glob(awaited.subject, subject)
    return True


def addresses(headers: Headers) -> list[str]:
    """The addresses in From; empty if it cannot be parsed."""
    # The parser recurses for each nested comment, and the recursion limit depends on the version of Python.
    fields = [value[:MAX_LOOKED_AT] for value in headers.all("From")[:MAX_FIELDS]]
    written = [value for value in fields if value.count("(") <= MAX_COMMENTS]
    try:
        return [address for _, address in getaddresses(written)]
    except (ValueError, IndexError, TypeError):
        return []


def literal(pattern: str | None) -> str | None:
    """The longest ASCII part of a pattern without wildcards, for a search on the server; `None` if there is none."""
    pieces = [piece for piece in _LITERAL.findall(pattern or "") if piece.isascii()]
    return max(pieces, key=len)[:MAX_SOUGHT] if pieces else None


def _glob(pattern: str, text: str) -> bool:
    """Whether a text matches a pattern, ignoring case: `*` is any text, `?` is any one character.

    It backtracks only to the last `*`. So hostile text cannot take more steps than the product of both lengths.
    """
    pattern, text = pattern.casefold(), text.casefold()
    at = place = retry = 0
    star: int | None = None
    while at < len(text):
        if place < len(pattern) and pattern[place] == "*":
            star, retry = place, at
            place += 1
        elif place < len(pattern) and pattern[place] in ("?", text[at]):
            at, place = at + 1, place + 1
        elif star is not None:
            retry += 1
            at, place = retry, star + 1
        else:
            return False
    return not pattern[place:].strip("*")
