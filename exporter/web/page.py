"""What a page has to be told, whichever it is. How pages are made stands in `pages`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from aiohttp import web

NAVIGATION: tuple[tuple[str, str], ...] = (
    ("Endpoints", ""),
    ("Flows", "flows"),
    ("Domains", "domains"),
    ("Metrics", "metrics"),
    ("JSON", "api/v1/endpoints"),
    ("Configuration", "config"),
    ("Documentation", "docs/"),
)
"""What every page links to at its top: words, and ways from the root."""

ALWAYS = tuple(entry for entry in NAVIGATION if entry[1] not in ("flows", "domains"))
"""The same where neither flows nor domains are configured."""


ROOT: Final = web.RequestKey("root", str)
"""Where the root is, of a request whose own path does not tell."""


def root_of(request: web.Request) -> str:
    """The way from what is asked for to the root of the interface, relative, so that no proxy has to be known."""
    depth = request.rel_url.raw_path.count("/") - 1
    return request.get(ROOT) or "../" * depth or "./"


def navigation(*, flows: bool, domains: bool) -> tuple[tuple[str, str], ...]:
    """The links of a daemon that has these."""
    absent = {way for way, there in (("flows", flows), ("domains", domains)) if not there}
    return tuple(entry for entry in NAVIGATION if entry[1] not in absent)


@dataclass(frozen=True, slots=True)
class Page:
    """What every page needs.

    Attributes:
        root: The way from the page to `/`, so that the pages work behind a proxy that puts them elsewhere.
        now: Unix timestamp.
        version: The exporter's.
        started_at: When the exporter began to look, likewise.
        refreshed: Whether it shows this moment, so that it should be loaded again after a while.
        navigation: What it links to at its top: words, and ways from the root.
    """

    root: str
    now: float
    version: str
    started_at: float = 0.0
    refreshed: bool = False
    navigation: tuple[tuple[str, str], ...] = ALWAYS
