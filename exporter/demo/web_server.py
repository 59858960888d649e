"""Web servers on loopback that serve the documents of the demo's domains by HTTPS, each at a free port."""

from __future__ import annotations

import ssl
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import web

Documents = Mapping[tuple[str, str], tuple[str, str]]
"""Media type and text by host and path. `{turn}` in a policy stands for how often it was asked for."""

TURN: Final = "{turn}"


@asynccontextmanager
async def web_server(documents: Documents, tls: ssl.SSLContext, address: str) -> AsyncIterator[int]:
    """Serve from entry to exit; gives the port."""
    asked: Counter[tuple[str, str]] = Counter()

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        place = (request.host.partition(":")[0], request.path)
        found = documents.get(place)
        if found is None:
            return web.Response(status=404, text="There is no such document.\n")
        asked[place] += 1
        media_type, text = found
        return web.Response(text=text.replace(TURN, str(asked[place])), content_type=media_type)

    # Who looks at certificates hangs up as it likes: nothing of that is news.
    server = web.ServerRunner(web.Server(answer, access_log=None), shutdown_timeout=0.1)
    await server.setup()
    try:
        await web.TCPSite(server, address, 0, ssl_context=tls).start()
        yield server.addresses[0][1]
    finally:
        await server.cleanup()
