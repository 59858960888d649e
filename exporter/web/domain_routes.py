"""The routes for mail domains as JSON."""

from __future__ import annotations

import time
from collections.abc import Callable

from aiohttp import web

from exporter.metrics.domain_state import DomainState, DomainStates
from exporter.web.domain_api import domain_detail, domain_list
from exporter.web.query import asked_name

JSON = "application/json"


def domain_routes(domains: DomainStates, clock: Callable[[], float] = time.time) -> list[web.RouteDef]:
    """The routes.

    Args:
        domains: What to show.
        clock: The time as a Unix timestamp.
    """

    async def api_domains(_: web.Request) -> web.Response:
        return _json(domain_list(*domains.snapshot(), clock()))

    async def api_domain(request: web.Request) -> web.Response:
        return _json(domain_detail(found_domain(domains, request), clock()))

    return [
        web.get("/api/v1/domains", api_domains),
        web.get("/api/v1/domain", api_domain),
        web.get("/api/v1/domains/{name:.+}", api_domain),
    ]


def found_domain(domains: DomainStates, request: web.Request) -> DomainState:
    """The requested domain, by path or query; 404 if it does not exist, 400 if none is named."""
    name = asked_name(request, "domain")
    state = domains.of(name.lower().removesuffix("."))
    if state is None:
        raise web.HTTPNotFound(text=f'No domain named "{name[:200]}".\n')
    return state


def _json(body: bytes) -> web.Response:
    return web.Response(body=body, content_type=JSON, charset="utf-8")
