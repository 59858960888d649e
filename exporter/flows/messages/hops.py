"""The servers that a message went through and their delays, by its Received fields (RFC 5322 3.6.7).

Each server uses its own clock. A delay that is impossible by our clock is reported as a difference between clocks.
"""

from __future__ import annotations

import re
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

from exporter.flows.messages.headers import Headers
from exporter.model import Hop

MAX_HOPS: Final = 100
"""RFC 5321 6.3: servers reject a message with this many Received fields."""

TOLERANCE: Final = 2.0
"""Seconds by which clocks of well-kept servers may differ. Received fields have whole seconds."""

MAX_NESTED: Final = 4
"""The most comments that stand in each other (RFC 5322 3.2.2)."""

MAX_TIME: Final = 100
"""The most characters of a time that are read. RFC 5322 writes it in 31."""

_COMMENT: Final = re.compile(r"\([^()]*\)")
_BY: Final = re.compile(r"\bby\s+([^\s;()]{1,255})", re.IGNORECASE)
_FROM: Final = re.compile(r"^from\s+([^\s;()]{1,255})", re.IGNORECASE)


def read_hops(headers: Headers, sent_at: float, took: float) -> tuple[Hop, ...]:
    """The servers that the message went through, the first one first.

    Args:
        headers: The header of the message.
        sent_at: When its submission began, as a Unix timestamp by our clock.
        took: Seconds until it could be read, by our clock.
    """
    hops: list[Hop] = []
    before: float | None = sent_at
    credible = sent_at
    for written in reversed(headers.all("Received")[:MAX_HOPS]):
        value = _without_comments(written)
        at = _time(value)
        delay = None if at is None else at - (credible if before is None else before)
        differs = delay is not None and not _is_possible(delay, took)
        if at is not None and differs and _is_possible(at - credible, took):
            # The clock of the server before is wrong. What it took there must not go missing.
            delay, differs = at - credible, False
        by, source = _BY.search(value), _FROM.search(value)
        shown = delay if delay is None or differs else max(delay, 0.0)
        hops.append(Hop(by[1] if by else "", source[1] if source else "", at, shown, differs))
        before = at
        if at is not None and _is_possible(at - sent_at, took):
            credible = at
    return tuple(hops)


def _is_possible(delay: float, took: float) -> bool:
    return -TOLERANCE <= delay <= took + TOLERANCE


def _without_comments(written: str) -> str:
    """A field without its comments, in which servers write what they like: "by", names, semicolons."""
    for _ in range(MAX_NESTED):
        written = _COMMENT.sub(" ", written)
    return written


def _time(value: str) -> float | None:
    """RFC 5322 3.6.7: the time follows the last semicolon."""
    try:
        moment = parsedate_to_datetime(value.rpartition(";")[2].strip()[:MAX_TIME])
        return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
