"""Detects requests from pages of other sites, which browsers send with the visitor's own rights."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

from aiohttp import hdrs, web


def is_own(request: web.Request, origins: Collection[str]) -> bool:
    """Whether a request does not come from a page of another site.

    Browsers send `Sec-Fetch-Site`, but not over plain HTTP. With POST they always send `Origin` (the Fetch standard,
    "append a request Origin header"). Other programs send neither.

    Args:
        request: A request that changes something.
        origins: Of our own pages, beside what the request's Host says.
    """
    if request.headers.get("Sec-Fetch-Site", "none") not in {"none", "same-origin"}:
        return False
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is None:
        return True
    authority = _authority(origin)
    own = {_authority(each) for each in (*origins, f"http://{request.host}")}
    return authority is not None and authority in own


def _authority(origin: str) -> tuple[str, int | None] | None:
    """Host and port of an origin, `None` for the usual port of either scheme; `None` if it is not an origin."""
    try:
        parts = urlsplit(origin)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return None
    return parts.hostname, None if port in {80, 443} else port
