"""The routes of the pages for people and their files. `pages` renders them."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from importlib.resources import files
from types import MappingProxyType
from typing import TYPE_CHECKING

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from exporter.metrics.store import Store
from exporter.web import query
from exporter.web.pages.page import Page, navigation
from exporter.web.serving.negotiation import prefers_html
from exporter.web.serving.prefix import root_of
from exporter.web.serving.refusal import is_for_the_api, put_in_json
from exporter.web.serving.streaming import Streamer
from exporter.web.survey import survey

if TYPE_CHECKING:
    from exporter.web.pages.documentation import Documentation
    from exporter.web.pages.pages import Pages

HTML = "text/html; charset=utf-8"

STATIC_TYPES: Mapping[str, str] = MappingProxyType(
    {"style.css": "text/css", "page.js": "text/javascript", "icon.svg": "image/svg+xml"}
)


class PageRoutes:
    """The handlers of the pages, and what they need."""

    def __init__(self, store: Store, clock: Callable[[], float], streamer: Streamer) -> None:
        """Prepare to show pages.

        Args:
            store: What to show.
            clock: The time as a Unix timestamp.
            streamer: Sends them.
        """
        self._store = store
        self._clock = clock
        self._streamer = streamer
        self._made: asyncio.Task[tuple[Pages, Documentation]] | None = None

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/", self.status_page),
            web.get("/endpoint", self.endpoint_page),
            web.get("/failure", self.failure_page),
            web.get("/endpoints/{name:.+}/failures/{id}", self.failure_page),
            web.get("/endpoints/{name:.+}", self.endpoint_page),
            web.get("/flows", self.flows_page),
            web.get("/flow", self.flow_page),
            web.get("/flows/{name:.+}", self.flow_page),
            web.get("/domains", self.domains_page),
            web.get("/domain", self.domain_page),
            web.get("/domains/{name:.+}", self.domain_page),
            web.get("/docs", self.documentation_index),
            web.get("/docs/", self.documentation_page),
            web.get("/docs/images/{name}", self.documentation_picture),
            web.get("/docs/{page}", self.documentation_page),
            *(web.get(f"/static/{name}", _static(name, kind)) for name, kind in STATIC_TYPES.items()),
        ]

    async def status_page(self, request: web.Request) -> web.StreamResponse:
        """All endpoints, or the selected ones."""
        selection, number = query.selection(request), query.page_number(request)
        snapshot, page = self._store.snapshot(), self.page(request, refreshed=True)
        found = await survey(snapshot, selection, page.now, self._streamer.give_way)
        pages, _ = await self._pages()
        return await self._respond(request, pages.status(page, found, snapshot, selection, number))

    async def endpoint_page(self, request: web.Request) -> web.StreamResponse:
        state, others = query.states(self._store, request)
        pages, _ = await self._pages()
        return await self._respond(request, pages.endpoint(self.page(request, refreshed=True), state, others))

    async def failure_page(self, request: web.Request) -> web.StreamResponse:
        if query.names_an_endpoint(self._store, request):
            return await self.endpoint_page(request)
        state, kept = query.failure(self._store, request)
        pages, _ = await self._pages()
        return await self._respond(request, pages.failure(self.page(request), state, kept))

    async def flows_page(self, request: web.Request) -> web.StreamResponse:
        pages, _ = await self._pages()
        body = pages.flows(self.page(request, refreshed=True), self._store.flows.snapshot())
        return await self._respond(request, body)

    async def flow_page(self, request: web.Request) -> web.StreamResponse:
        states = query.flow(self._store, request)
        pages, _ = await self._pages()
        return await self._respond(request, pages.flow(self.page(request, refreshed=True), states))

    async def domains_page(self, request: web.Request) -> web.StreamResponse:
        pages, _ = await self._pages()
        body = pages.domains(self.page(request, refreshed=True), *self._store.domains.snapshot())
        return await self._respond(request, body)

    async def domain_page(self, request: web.Request) -> web.StreamResponse:
        """One judged mail domain."""
        state = query.domain(self._store, request)
        pages, _ = await self._pages()
        return await self._respond(request, pages.domain(self.page(request, refreshed=True), state))

    async def documentation_index(self, request: web.Request) -> web.StreamResponse:
        """The links of a page are relative, so it matters where it is."""
        raise web.HTTPFound(self.page(request).root + "docs/")

    async def documentation_page(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info.get("page", "index").removesuffix(".md")
        pages, documentation = await self._pages()
        document = await asyncio.to_thread(documentation.document, name)
        if document is None:
            raise web.HTTPNotFound(text=f'No page "{name}" in the documentation.\n')
        return await self._respond(request, pages.document(self.page(request), document, documentation.contents))

    async def documentation_picture(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        _, documentation = await self._pages()
        picture = await asyncio.to_thread(documentation.picture, name)
        if picture is None:
            raise web.HTTPNotFound(text=f'No picture "{name}" in the documentation.\n')
        return web.Response(body=picture, content_type="image/png")

    def page(self, request: web.Request, *, refreshed: bool = False) -> Page:
        exporter = self._store.snapshot().exporter
        links = navigation(flows=self._store.flows.are_configured, domains=not self._store.domains.is_empty)
        now, version = self._clock(), exporter.build.version
        return Page(root_of(request), now, version, exporter.started_at, refreshed, links, exporter.files)

    @web.middleware
    async def explain(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Explains an invalid request in a sentence. Browsers get a page with links."""
        try:
            return await handler(request)
        except web.HTTPError as refusal:
            _put_in_words(request, refusal)
            if is_for_the_api(request):
                put_in_json(refusal)
                raise
            if refusal.text is None or not prefers_html(",".join(request.headers.getall(hdrs.ACCEPT, ()))):
                raise
            pages, _ = await self._pages()
            phrase = HTTPStatus(refusal.status).phrase
            body = b"".join(pages.error(self.page(request), refusal.status, phrase, refusal.text.strip()))
            headers = {name: value for name, value in refusal.headers.items() if name not in _OF_THE_BODY}
            return web.Response(body=body, status=refusal.status, headers={**headers, hdrs.CONTENT_TYPE: HTML})

    async def _pages(self) -> tuple[Pages, Documentation]:
        """The renderer of the pages, made on the first request, because many daemons never get one."""
        if self._made is None:
            self._made = asyncio.create_task(asyncio.to_thread(_pages))
        # A client that goes away must not cancel it for the others.
        return await asyncio.shield(self._made)

    async def _respond(self, request: web.Request, body: Iterator[bytes]) -> web.StreamResponse:
        return await self._streamer.respond(request, body, HTML)


_OF_THE_BODY = frozenset({hdrs.CONTENT_TYPE, hdrs.CONTENT_LENGTH})


def _put_in_words(request: web.Request, refusal: web.HTTPError) -> None:
    if isinstance(refusal, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(refusal.allowed_methods))
        refusal.text = f"{request.path} takes {allowed}, not {request.method}.\n"
    elif isinstance(refusal, web.HTTPNotFound) and refusal is request.match_info.http_exception:
        refusal.text = f"There is nothing at {request.path}. Start at /.\n"


def _pages() -> tuple[Pages, Documentation]:
    from exporter.web.pages.documentation import Documentation  # noqa: PLC0415 - as below
    from exporter.web.pages.pages import Pages  # noqa: PLC0415 - it takes a tenth of a second and some megabytes

    return Pages(), Documentation()


def _static(name: str, kind: str) -> Handler:
    """Serves a file of the package, which is read now."""
    content = files("exporter.web.pages").joinpath("static", name).read_bytes()
    tag = hashlib.sha256(content).hexdigest()[:16]

    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.Response(body=content, content_type=kind, charset="utf-8")
        response.etag = tag
        response.headers[hdrs.CACHE_CONTROL] = "no-cache"
        if any(known.value in (tag, "*") for known in request.if_none_match or ()):
            return web.Response(status=304, headers={hdrs.ETAG: response.headers[hdrs.ETAG]})
        return response

    return handle
