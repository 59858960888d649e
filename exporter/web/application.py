"""The HTTP interface: its routes, access rules and headers.

It changes nothing itself and passes requests to reload on. `page_routes` has the pages, `api` and the exposition have
the other answers. `streaming` sends large answers, and `server` listens.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import islice
from types import MappingProxyType
from typing import Final

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler
from prometheus_client import CollectorRegistry

from exporter.metrics.exposition import expose
from exporter.metrics.store import Store
from exporter.reloading import Reload
from exporter.web import query
from exporter.web.api import endpoint_detail, endpoint_list, failure_detail
from exporter.web.domain_api import domain_detail, domain_list
from exporter.web.flow_api import flow_detail, flow_list
from exporter.web.pages.page_routes import PageRoutes
from exporter.web.serving.negotiation import preferred_format
from exporter.web.serving.origin import is_own
from exporter.web.serving.streaming import Streamer
from exporter.web.survey import survey

JSON = "application/json; charset=utf-8"

SECURITY_HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "Content-Security-Policy": (
            "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
            "form-action 'self'; base-uri 'none'; "
            "frame-ancestors 'none'"
        ),
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }
)
"""On every answer: nothing but our own style sheet, script and icon is loaded, and no page of others shows ours."""

LINES_A_SLICE: Final = 256
"""Lines of the configuration that are made at a time: below a millisecond's work."""


def create_application(
    *,
    store: Store,
    ready: Callable[[], bool],
    configuration: Callable[[], Iterator[str]],
    process: CollectorRegistry | None = None,
    clock: Callable[[], float] = time.time,
    reload: Reload | None = None,
    origins: Collection[str] = (),
) -> web.Application:
    """Makes the interface; more routes may be added to it before it is served.

    Args:
        store: What to show.
        ready: Whether probes run: what `/-/ready` says.
        configuration: The lines of the configuration in force as YAML, without secrets, each with its line feed.
        process: Metrics of the process to add to `/metrics`.
        clock: The time as a Unix timestamp.
        reload: Loads the configuration again, and tells what is wrong with it; `None` if nobody may ask for that.
        origins: The origins of our own pages, besides the request's Host, which a proxy may have changed.
    """
    streamer = Streamer()
    pages = PageRoutes(store, clock, streamer)
    interface = _Interface(
        store=store, streamer=streamer, ready=ready, configuration=configuration, process=process, clock=clock
    )
    application = web.Application(middlewares=[pages.explain])
    application.on_response_prepare.append(_secure)
    application.on_cleanup.append(interface.close)
    application.add_routes(
        [*pages.routes(), *interface.routes(), web.post("/-/reload", _reloading(reload, origins))],
    )
    return application


class _Interface:
    """The handlers of the routes, and what they need."""

    def __init__(
        self,
        *,
        store: Store,
        streamer: Streamer,
        ready: Callable[[], bool],
        configuration: Callable[[], Iterator[str]],
        process: CollectorRegistry | None,
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._ready = ready
        self._configuration = configuration
        self._process = process
        self._clock = clock
        self._streamer = streamer

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/metrics", self.metrics),
            web.get("/api/v1/endpoints", self.api_endpoints),
            web.get("/api/v1/endpoint", self.api_endpoint),
            web.get("/api/v1/failure", self.api_failure),
            web.get("/api/v1/endpoints/{name:.+}/failures/{id}", self.api_failure),
            web.get("/api/v1/endpoints/{name:.+}", self.api_endpoint),
            web.get("/api/v1/flows", self.api_flows),
            web.get("/api/v1/flow", self.api_flow),
            web.get("/api/v1/flows/{name:.+}", self.api_flow),
            web.get("/api/v1/domains", self.api_domains),
            web.get("/api/v1/domain", self.api_domain),
            web.get("/api/v1/domains/{name:.+}", self.api_domain),
            web.get("/config", self.configuration),
            web.get("/-/healthy", self.healthy),
            web.get("/-/ready", self.readiness),
        ]

    async def close(self, _: web.Application) -> None:
        self._streamer.close()

    async def metrics(self, request: web.Request) -> web.StreamResponse:
        form = preferred_format(",".join(request.headers.getall(hdrs.ACCEPT, ())))
        loop = asyncio.get_running_loop()
        began = loop.time()
        body = expose(self._store.snapshot(), form, self._process)
        response = await self._streamer.respond(request, body, form.value)
        if request.method != hdrs.METH_HEAD:
            self._store.exporter.observe_scrape(loop.time() - began)
        return response

    async def api_endpoints(self, request: web.Request) -> web.StreamResponse:
        now = self._clock()
        found = await survey(self._store.snapshot(), query.selection(request), now, self._streamer.give_way)
        return await self._streamer.respond(request, endpoint_list(found, now), JSON)

    async def api_endpoint(self, request: web.Request) -> web.StreamResponse:
        state, others = query.states(self._store, request)
        body = endpoint_detail(state, others, self._clock())
        return await self._streamer.respond(request, body, JSON)

    async def api_failure(self, request: web.Request) -> web.StreamResponse:
        if query.names_an_endpoint(self._store, request):
            return await self.api_endpoint(request)
        state, kept = query.failure(self._store, request)
        return await self._streamer.respond(request, failure_detail(state, kept, self._clock()), JSON)

    async def api_flows(self, _: web.Request) -> web.Response:
        return _json(flow_list(self._store.flows.snapshot(), self._clock()))

    async def api_flow(self, request: web.Request) -> web.Response:
        return _json(flow_detail(query.flow(self._store, request), self._clock()))

    async def api_domains(self, _: web.Request) -> web.Response:
        return _json(domain_list(*self._store.domains.snapshot(), self._clock()))

    async def api_domain(self, request: web.Request) -> web.Response:
        return _json(domain_detail(query.domain(self._store, request), self._clock()))

    async def configuration(self, request: web.Request) -> web.StreamResponse:
        lines = self._configuration()
        body = iter(lambda: "".join(islice(lines, LINES_A_SLICE)).encode(), b"")
        return await self._streamer.respond(request, body, "text/plain; charset=utf-8")

    async def healthy(self, _: web.Request) -> web.Response:
        return web.Response(text="mail-exporter is healthy.\n")

    async def readiness(self, _: web.Request) -> web.Response:
        if self._ready():
            return web.Response(text="mail-exporter is ready.\n")
        return web.Response(status=503, text="mail-exporter is not ready: it does not probe (yet, or any more).\n")


def _json(body: bytes) -> web.Response:
    return web.Response(body=body, headers={hdrs.CONTENT_TYPE: JSON})


def _reloading(reload: Reload | None, origins: Collection[str]) -> Handler:
    """Handles a request to reload, and refuses it from pages of other sites."""

    async def handle(request: web.Request) -> web.StreamResponse:
        if reload is None:
            return web.Response(status=403, text="Reloading by request is off. Start with --web.enable-lifecycle.\n")
        if not is_own(request, origins):
            return web.Response(status=403, text="Pages of other sites may not ask for this.\n")
        problems = await reload()
        if problems:
            found = "\n".join(map(str, problems))
            return web.Response(
                status=500, text=f"The configuration is not reloaded, the old one stays in force:\n{found}\n"
            )
        return web.Response(text="The configuration is reloaded.\n")

    return handle


async def _secure(_: web.Request, response: web.StreamResponse) -> None:
    """Adds headers to every answer. Answers must not be cached, because they show this moment."""
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault(hdrs.CACHE_CONTROL, "no-store")
    response.headers[hdrs.SERVER] = "mail-exporter"
