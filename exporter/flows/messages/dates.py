"""When a message arrived, by the server's INTERNALDATE or the message's Received fields."""

from __future__ import annotations

from datetime import datetime

from exporter.flows.messages.headers import Headers
from exporter.flows.messages.hops import read_hops


def internal_date(written: str) -> float | None:
    """An INTERNALDATE (RFC 9051 2.3.3) as a Unix timestamp; `None` if it is malformed."""
    try:
        return datetime.strptime(written.strip()[:40], "%d-%b-%Y %H:%M:%S %z").timestamp()
    except (ValueError, OverflowError):
        return None


def date_of_arrival(headers: Headers) -> float | None:
    """The last time that a server wrote into Received, as a Unix timestamp; `None` if none can be parsed."""
    hops = read_hops(headers, 0.0, float("inf"))
    return next((hop.at for hop in reversed(hops) if hop.at is not None), None)
