"""The routes for flows as JSON."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from exporter.metrics.flow_state import FlowState, FlowStates
from exporter.web.flow_api import flow_detail, flow_list
from exporter.web.query import asked_name

JSON = "application/json"


def flow_routes(flows: FlowStates, clock: Callable[[], float]) -> list[web.RouteDef]:
    """The routes.

    Args:
        flows: What to show.
        clock: The time as a Unix timestamp.
    """

    async def api_flows(_: web.Request) -> web.Response:
        return _json(flow_list(flows.snapshot(), clock()))

    async def api_flow(request: web.Request) -> web.Response:
        return _json(flow_detail(found_flow(flows, request), clock()))

    return [
        web.get("/api/v1/flows", api_flows),
        web.get("/api/v1/flow", api_flow),
        web.get("/api/v1/flows/{name:.+}", api_flow),
    ]


def found_flow(flows: FlowStates, request: web.Request) -> tuple[FlowState, ...]:
    """The requested flow, by path or query; 404 if it does not exist, 400 if none is named."""
    name = asked_name(request, "flow")
    states = flows.of(name) or flows.configured(name)
    if not states:
        raise web.HTTPNotFound(text=f'No flow named "{name[:200]}".\n')
    return states


def _json(body: bytes) -> web.Response:
    return web.Response(body=body, content_type=JSON, charset="utf-8")
