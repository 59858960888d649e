"""The prefix of every path, for an interface behind a proxy with another path.

It is removed before anything else sees the request, and the links of pages are relative: `root_of` says to what. So no
other code needs it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from aiohttp import web
from aiohttp.typedefs import Handler
from yarl import URL

ROOT: Final = web.RequestKey("root", str)
"""Where the root is, of a request whose own path does not tell."""


def root_of(request: web.BaseRequest) -> str:
    """The relative path from the requested page to the root. It works behind any proxy."""
    depth = request.rel_url.raw_path.count("/") - 1
    return request.get(ROOT) or "../" * depth or "./"


def take_off(prefix: str, make_request: Callable[..., web.BaseRequest]) -> Callable[..., web.BaseRequest]:
    """Removes the prefix from requests. `stay_inside` answers requests without it."""

    def make(message: Any, *rest: Any) -> web.BaseRequest:
        path = message.url.raw_path
        if not path.startswith(f"{prefix}/"):
            request = make_request(message, *rest)
            request[ROOT] = f"{prefix}/"
            return request
        url = URL.build(path=path.removeprefix(prefix), query_string=message.url.raw_query_string, encoded=True)
        return make_request(message._replace(path=str(url), url=url), *rest)

    return make


def stay_inside(prefix: str) -> Callable[..., Any]:
    """The middleware that answers what is asked outside the prefix."""

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        if ROOT not in request:
            return await handler(request)
        if request.path in {"/", prefix}:
            raise web.HTTPFound(f"{prefix}/")
        raise web.HTTPNotFound(text=f"There is nothing at {request.path}. Start at {prefix}/.\n")

    return guard
