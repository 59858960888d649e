"""The way of a message by its Received fields (RFC 5322 3.6.7): who had it, and for how long.

Their times come from as many clocks as there were servers. A difference that our own clock rules out is shown as one
between clocks, and is not a delay.
"""

from __future__ import annotations

import re
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

from exporter.flows.headers import Headers
from exporter.model import Hop

MAX_HOPS: Final = 100
"""RFC 5321 6.3: servers give up on a message with this many."""

TOLERANCE: Final = 2.0
"""Seconds that the clocks of well-kept servers may disagree; the times are in whole seconds."""

_BY: Final = re.compile(r"\bby\s+([^\s;()]{1,255})", re.IGNORECASE)
_FROM: Final = re.compile(r"^from\s+([^\s;()]{1,255})", re.IGNORECASE)


def read_hops(headers: Headers, sent_at: float, took: float) -> tuple[Hop, ...]:
    """The servers that had the message, the first one first.

    Args:
        headers: The message's.
        sent_at: When its submission began, by our clock.
        took: Seconds until it could be read, by our clock.
    """
    hops: list[Hop] = []
    before: float | None = sent_at
    for value in reversed(headers.all("Received")[:MAX_HOPS]):
        at = _time(value)
        delay = None if at is None or before is None else at - before
        differs = delay is not None and not -TOLERANCE <= delay <= took + TOLERANCE
        by, source = _BY.search(value), _FROM.search(value)
        shown = delay if delay is None or differs else max(delay, 0.0)
        hops.append(Hop(by[1] if by else "", source[1] if source else "", at, shown, differs))
        before = at
    return tuple(hops)


def _time(value: str) -> float | None:
    """RFC 5322 3.6.7: the time stands behind the last semicolon."""
    try:
        moment = parsedate_to_datetime(value.rpartition(";")[2].strip()[:100])
        return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
