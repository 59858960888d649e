"""The data that every page needs. `pages` renders them."""

from __future__ import annotations

from dataclasses import dataclass

NAVIGATION: tuple[tuple[str, str], ...] = (
    ("Endpoints", ""),
    ("Flows", "flows"),
    ("Domains", "domains"),
    ("Metrics", "metrics"),
    ("JSON", "api/v1/endpoints"),
    ("Configuration", "config"),
    ("Documentation", "docs/"),
)
"""The links at the top of every page: texts, and paths from the root."""

ALWAYS = tuple(entry for entry in NAVIGATION if entry[1] not in ("flows", "domains"))
"""The same without flows and domains."""


def navigation(*, flows: bool, domains: bool) -> tuple[tuple[str, str], ...]:
    """The links of a daemon that has these."""
    absent = {way for way, there in (("flows", flows), ("domains", domains)) if not there}
    return tuple(entry for entry in NAVIGATION if entry[1] not in absent)


@dataclass(frozen=True, slots=True)
class Page:
    """The data that every page needs.

    Attributes:
        root: The relative path from the page to `/`, so that pages work behind a proxy with another path.
        now: Unix timestamp.
        version: The exporter's.
        started_at: When the exporter started, likewise.
        refreshed: Whether it shows this moment, and is reloaded regularly.
        navigation: The links at its top: texts, and paths from the root.
        files: The files of the configuration.
    """

    root: str
    now: float
    version: str
    started_at: float = 0.0
    refreshed: bool = False
    navigation: tuple[tuple[str, str], ...] = ALWAYS
    files: tuple[str, ...] = ()
