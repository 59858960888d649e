"""The HTTP interface: which path gives what, to whom, and with which headers.

Requests to answers; it only reads, but for passing on the request to reload. What the answers show is the subject of
`pages`, `api` and the exposition, how large ones are sent that of `streaming`, and where the server listens that of
`server`.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from importlib.resources import files
from itertools import islice
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler
from prometheus_client import CollectorRegistry

from exporter.metrics.endpoint_state import EndpointState, Health
from exporter.metrics.exposition import expose
from exporter.metrics.store import Store
from exporter.web.api import endpoint_detail, endpoint_list
from exporter.web.negotiation import preferred_format
from exporter.web.page import Page
from exporter.web.streaming import Streamer
from exporter.web.survey import Selection, survey

if TYPE_CHECKING:
    from exporter.web.pages import Pages

Reload = Callable[[], Awaitable[Sequence[object]]]

HTML = "text/html; charset=utf-8"
JSON = "application/json; charset=utf-8"

SECURITY_HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "Content-Security-Policy": (
            "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
            "frame-ancestors 'none'"
        ),
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }
)
"""On every answer: nothing but our own style sheet and icon is loaded, and no page of others shows ours."""

_URGENCY = tuple(Health)

LINES_A_SLICE: Final = 256
"""Lines of the configuration that are made at a time: below a millisecond's work."""

STATIC_TYPES: Mapping[str, str] = MappingProxyType({"style.css": "text/css", "icon.svg": "image/svg+xml"})


def create_application(
    *,
    store: Store,
    ready: Callable[[], bool],
    configuration: Callable[[], Iterator[str]],
    process: CollectorRegistry | None = None,
    clock: Callable[[], float] = time.time,
    documentation: str | None = None,
    reload: Reload | None = None,
) -> web.Application:
    """Makes the interface; more routes may be added to it before it is served.

    Args:
        store: What to show.
        ready: Whether probes run: what `/-/ready` says.
        configuration: The lines of the configuration in force as YAML, without secrets, each with its line feed.
        process: Metrics of the process to add to `/metrics`.
        clock: The time as a Unix timestamp.
        documentation: Where the documentation is, with a slash at its end; `None` for no links to it.
        reload: Loads the configuration anew, and tells what is wrong with it; `None` if nobody may ask for that.
    """
    interface = _Interface(
        store=store,
        ready=ready,
        configuration=configuration,
        process=process,
        clock=clock,
        documentation=documentation,
    )
    application = web.Application(middlewares=[_explain])
    application.on_response_prepare.append(_secure)
    application.on_cleanup.append(interface.close)
    application.add_routes(
        [
            web.get("/", interface.status_page),
            web.get("/endpoints/{name:.+}", interface.endpoint_page),
            web.get("/metrics", interface.metrics),
            web.get("/api/v1/endpoints", interface.api_endpoints),
            web.get("/api/v1/endpoints/{name:.+}", interface.api_endpoint),
            web.get("/config", interface.configuration),
            web.get("/-/healthy", interface.healthy),
            web.get("/-/ready", interface.readiness),
            web.post("/-/reload", _reloading(reload)),
            *(web.get(f"/static/{name}", _static(name, kind)) for name, kind in STATIC_TYPES.items()),
        ]
    )
    return application


class _Interface:
    """The handlers of the routes, and what they need."""

    def __init__(
        self,
        *,
        store: Store,
        ready: Callable[[], bool],
        configuration: Callable[[], Iterator[str]],
        process: CollectorRegistry | None,
        clock: Callable[[], float],
        documentation: str | None,
    ) -> None:
        self._store = store
        self._ready = ready
        self._configuration = configuration
        self._process = process
        self._clock = clock
        self._documentation = documentation
        self._pages: asyncio.Task[Pages] | None = None
        self._streamer = Streamer()

    async def close(self, _: web.Application) -> None:
        self._streamer.close()

    async def status_page(self, request: web.Request) -> web.StreamResponse:
        selection = _selection(request)
        number = _page_number(request)
        snapshot = self._store.snapshot()
        found = await survey(snapshot, selection, self._streamer.give_way)
        pages = await self._made_pages()
        body = pages.status(self._page(request), found, snapshot.exporter, selection, number)
        return await self._streamer.respond(request, body, HTML)

    async def endpoint_page(self, request: web.Request) -> web.StreamResponse:
        state, others = self._states(request)
        body = (await self._made_pages()).endpoint(self._page(request), state, others)
        return await self._streamer.respond(request, body, HTML)

    async def _made_pages(self) -> Pages:
        """What makes the pages; had when somebody looks at one for the first time, which many daemons never see."""
        if self._pages is None:
            self._pages = asyncio.create_task(asyncio.to_thread(_pages))
        # One who goes away must not take it from those who wait too.
        return await asyncio.shield(self._pages)

    async def metrics(self, request: web.Request) -> web.StreamResponse:
        form = preferred_format(",".join(request.headers.getall(hdrs.ACCEPT, ())))
        loop = asyncio.get_running_loop()
        began = loop.time()
        body = expose(self._store.snapshot(), form, self._process)
        response = await self._streamer.respond(request, body, form.value)
        if request.method != hdrs.METH_HEAD:
            self._store.observe_scrape(loop.time() - began)
        return response

    async def api_endpoints(self, request: web.Request) -> web.StreamResponse:
        found = await survey(self._store.snapshot(), _selection(request), self._streamer.give_way)
        return await self._streamer.respond(request, endpoint_list(found, self._clock()), JSON)

    async def api_endpoint(self, request: web.Request) -> web.StreamResponse:
        state, others = self._states(request)
        body = endpoint_detail(state, others, self._clock())
        return await self._streamer.respond(request, body, JSON)

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

    def _states(self, request: web.Request) -> tuple[EndpointState, Sequence[EndpointState]]:
        """What is asked for, and all the addresses of the endpoint if each has a state of its own.

        Without an address in the query it is the most urgent one.

        Raises:
            web.HTTPNotFound: There is no such endpoint, or it is not probed at that address.
        """
        name = request.match_info["name"]
        states = self._store.states(name)
        if not states:
            raise web.HTTPNotFound(text=f"There is no endpoint {name}. / lists those that there are.\n")
        each = states if states[0].endpoint.only_address is not None else ()
        asked = request.query.get("address")
        if asked is None:
            return min(states, key=lambda state: _URGENCY.index(state.health)), each
        for state in each:
            if state.endpoint.only_address == asked:
                return state, each
        raise web.HTTPNotFound(text=f"Endpoint {name} is not probed at the address {asked}. / lists those that are.\n")

    def _page(self, request: web.Request) -> Page:
        depth = request.rel_url.raw_path.count("/") - 1
        root = "../" * depth or "./"
        return Page(root, self._clock(), self._store.snapshot().exporter.build.version, self._documentation)


def _pages() -> Pages:
    from exporter.web.pages import Pages  # noqa: PLC0415 - it takes a tenth of a second and some megabytes

    return Pages()


def _reloading(reload: Reload | None) -> Handler:
    """Takes the request to reload, which is not for other sites' pages to make."""

    async def handle(request: web.Request) -> web.StreamResponse:
        if reload is None:
            return web.Response(status=403, text="Reloading by request is off. Start with --web.enable-lifecycle.\n")
        if request.headers.get("Sec-Fetch-Site", "none") not in {"none", "same-origin"}:
            return web.Response(status=403, text="Pages of other sites may not ask for this.\n")
        problems = await reload()
        if problems:
            found = "\n".join(map(str, problems))
            return web.Response(
                status=500, text=f"The configuration is not reloaded, the old one stays in force:\n{found}\n"
            )
        return web.Response(text="The configuration is reloaded.\n")

    return handle


def _selection(request: web.Request) -> Selection:
    """What a query asks for.

    Raises:
        web.HTTPBadRequest: It names a state that there is not.
    """
    asked = request.query.get("state", "")
    try:
        return Selection(Health(asked) if asked else None, request.query.get("q", "").strip())
    except ValueError:
        known = ", ".join(Health)
        raise web.HTTPBadRequest(text=f"There is no state {asked!r}. Write one of: {known}.\n") from None


def _page_number(request: web.Request) -> int:
    """Which page a query asks for.

    Raises:
        web.HTTPBadRequest: It is no number from 1.
    """
    asked = request.query.get("page", "1")
    if not (asked.isascii() and asked.isdecimal() and len(asked) <= len("999999") and int(asked) > 0):
        raise web.HTTPBadRequest(text=f"There is no page {asked!r}. Write a number from 1.\n")
    return int(asked)


def _static(name: str, kind: str) -> Handler:
    """Gives a file of the package, which is read now."""
    content = files("exporter.web").joinpath("static", name).read_bytes()
    tag = hashlib.sha256(content).hexdigest()[:16]

    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.Response(body=content, content_type=kind, charset="utf-8")
        response.etag = tag
        response.headers[hdrs.CACHE_CONTROL] = "no-cache"
        if any(known.value == tag for known in request.if_none_match or ()):
            return web.Response(status=304, headers={hdrs.ETAG: response.headers[hdrs.ETAG]})
        return response

    return handle


async def _secure(_: web.Request, response: web.StreamResponse) -> None:
    """What every answer carries; what is shown is of the moment, so nobody is to keep it."""
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault(hdrs.CACHE_CONTROL, "no-store")
    response.headers[hdrs.SERVER] = "mail-exporter"


@web.middleware
async def _explain(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Says in a sentence what is wrong with a path or a method."""
    try:
        return await handler(request)
    except web.HTTPMethodNotAllowed as refusal:
        allowed = ", ".join(sorted(refusal.allowed_methods))
        refusal.text = f"{request.path} takes {allowed}, not {request.method}.\n"
        raise
    except web.HTTPNotFound as refusal:
        if refusal is request.match_info.http_exception:
            refusal.text = f"There is nothing at {request.path}. Start at /.\n"
        raise
