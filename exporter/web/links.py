"""The relative links to all pages and answers of the interface.

A page puts its relative path to the root in front (`Page.root`), so that pages work behind a proxy with another path.
For a whole URL, put the external URL in front.
"""

from __future__ import annotations

from urllib.parse import quote, urlencode


def endpoint_link(name: str, address: str | None = None) -> str:
    """The page of an endpoint, or of one of its addresses."""
    return _query("endpoint", name=name, address=address)


def failure_link(name: str, failure: str, address: str | None = None) -> str:
    """The page of one failed probe."""
    return _query("failure", name=name, id=failure, address=address)


def flow_link(name: str) -> str:
    """The page of a flow. Not flows/NAME: proxies tidy up the slashes of a path, and then relative links go astray."""
    return _query("flow", name=name)


def domain_link(name: str) -> str:
    return f"domains/{quote(name, safe='')}"


def json_link(kind: str, name: str, address: str | None = None) -> str:
    """A page's content as JSON; `kind` is what the API calls a list of them, such as `endpoints`."""
    return _query(f"api/v1/{kind}/{quote(name, safe='')}", address=address)


def docs_link(page: str, anchor: str = "") -> str:
    """A page of the documentation, or a place on it."""
    return f"docs/{page}#{anchor}" if anchor else f"docs/{page}"


def reason_link(reason: str) -> str:
    """What a failure reason means, and what to do."""
    return docs_link("failures", reason)


def _query(path: str, **asked: str | None) -> str:
    query = urlencode({key: value for key, value in asked.items() if value is not None})
    return f"{path}?{query}" if query else path
