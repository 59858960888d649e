"""What a page has to be told, whichever it is. How pages are made stands in `pages`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Page:
    """What every page needs.

    Attributes:
        root: The way from the page to `/`, so that the pages work behind a proxy that puts them elsewhere.
        now: Unix timestamp.
        version: The exporter's.
        documentation: Where the documentation is, with a slash at its end; `None` if there is no link to it.
    """

    root: str
    now: float
    version: str
    documentation: str | None
