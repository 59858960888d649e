"""The relative links to all pages and answers of the interface.

A page puts its relative path to the root in front (`Page.root`), so that pages work behind a proxy with another path.
For a whole URL, put the external URL in front.

Names stand in the query: proxies decode the path, merge its slashes, or refuse encoded ones.
"""

from __future__ import annotations

from urllib.parse import urlencode


def endpoint_link(name: str, address: str | None = None) -> str:
    """The page of an endpoint, or of one of its addresses."""
    return _query("endpoint", name=name, address=address)


def failure_link(name: str, failure: str, address: str | None = None) -> str:
    """The page of one failed probe."""
    return _query("failure", name=name, id=failure, address=address)


def flow_link(name: str) -> str:
    return _query("flow", name=name)


def domain_link(name: str) -> str:
    return _query("domain", name=name)


def json_link(page: str) -> str:
    """The content of one of these pages as JSON."""
    return f"api/v1/{page}"


def docs_link(page: str, anchor: str = "") -> str:
    """A page of the documentation, or a place on it."""
    return f"docs/{page}#{anchor}" if anchor else f"docs/{page}"


def reason_link(reason: str) -> str:
    """What a failure reason means, and what to do."""
    return docs_link("failures", reason)


def _query(path: str, **asked: str | None) -> str:
    query = urlencode({key: value for key, value in asked.items() if value is not None})
    return f"{path}?{query}" if query else path
