"""One connection of a client: aiohttp's protocol, with further limits.

aiohttp allows a request's head as much time as a pause between requests, and half a million octets. It writes a
traceback to the log for anything that is not HTTP. `listener` limits the number of connections.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, cast

import structlog
from aiohttp import hdrs, web
from aiohttp.http_exceptions import LineTooLong
from aiohttp.typedefs import Handler

from exporter.web.serving.refusal import put_on_page

HEAD_TIMEOUT: Final = 10.0
"""Seconds from the first octet of a request, or from the connection, to the end of the request's head."""

IDLE_TIMEOUT: Final = 120.0
"""Seconds between two requests: two of Prometheus' usual scrape intervals, so that it finds its connection open."""

LINGERING_TIME: Final = 1.0
"""Seconds for which the body of a refused request is taken and dropped, so that the client gets to read the answer."""

MAX_LINE: Final = 8190
"""Octets of a request line, which holds the target of a probe or an endpoint's name; and of a header."""

MAX_HEADERS: Final = 64
"""Browsers send twenty."""

MAX_HEAD: Final = 32 * 1024
"""Octets of a request's head, all of it. Cookies of other programs on the same host may take a quarter."""

_TOO_LARGE_TEXT: Final = f"The head of this request has more than {MAX_HEAD} octets. Shorten the URL or the headers.\n"
_TOO_LARGE: Final = (
    "HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n"
    f"Content-Length: {len(_TOO_LARGE_TEXT)}\r\n\r\n{_TOO_LARGE_TEXT}"
).encode()
_TOO_LONG: Final = f"A line of this request has more than {MAX_LINE} octets. Shorten the URL or the header.\n"

log = structlog.get_logger()


class HttpConnection(web.RequestHandler):
    """A connection, from before its TLS handshake until it is lost.

    Attributes:
        busy: Whether a request is being answered.
        since: When that began or ended, on the loop's clock.
    """

    __slots__ = ("_deadline", "_head", "_idle", "_lost", "_opened", "_tls_handshake", "busy", "since")

    def __init__(self, server: web.Server, *, lost: Callable[[HttpConnection], None], idle: Callable[[], None]) -> None:
        """Make one that is not open yet.

        Args:
            server: Whose requests these are.
            lost: Is called when the connection is lost.
            idle: Is called when no request is being answered any more.
        """
        loop = asyncio.get_running_loop()
        super().__init__(
            server,
            loop=loop,
            keepalive_timeout=IDLE_TIMEOUT,
            access_log=None,  # type: ignore[arg-type]  # it may be None all the same
            max_line_size=MAX_LINE,
            max_field_size=MAX_LINE,
            max_headers=MAX_HEADERS,
            lingering_time=LINGERING_TIME,
            auto_decompress=False,
        )
        self.busy = False
        self.since = loop.time()
        self._lost, self._idle = lost, idle
        self._head = 0
        self._deadline: asyncio.TimerHandle | None = None
        self._opened: asyncio.Transport | None = None
        self._tls_handshake: asyncio.Task[None] | None = None

    def opened_by(self, task: asyncio.Task[None]) -> None:
        """Say which task waits for the TLS handshake."""
        self._tls_handshake = task

    def abandon(self) -> None:
        """Close at once, to make room for another."""
        if self._opened is not None:
            self._opened.abort()
        elif self._tls_handshake is not None:
            self._tls_handshake.cancel()

    def retire(self) -> None:
        """Close, after answering the current request."""
        if self.busy:
            self.close()
        elif self._opened is not None:
            self.force_close()
        else:
            self.abandon()

    def begin(self) -> None:
        """A request was received and will be answered."""
        self._relax()
        self.busy, self.since = True, self._loop.time()

    def end(self) -> None:
        self._head = 0
        self.busy, self.since = False, self._loop.time()
        self._idle()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is open, after the handshake if there is one."""
        # aiohttp's own reference is gone once it has begun to close, which may take forever.
        self._opened = cast("asyncio.Transport", transport)
        super().connection_made(transport)
        self._hurry()

    def data_received(self, data: bytes) -> None:
        """Received octets: of a head, of a body, or of the next request."""
        if data and not self.busy:
            self._hurry()
            self._head += len(data)
            if self._head > MAX_HEAD:
                self._refuse()
                return
        super().data_received(data)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._relax()
        super().connection_lost(exc)
        self._lost(self)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer anything that is not HTTP briefly and without a traceback, because it is not our error."""
        if status == web.HTTPInternalServerError.status_code:
            super().handle_error(request, status, exc, message)  # writes it to the log
            bug = web.HTTPInternalServerError(text="This is a bug of mail-exporter. Its log has the traceback.\n")
            put_on_page(request, bug)
            answer = _plain(bug)
            answer.force_close()
            return answer
        if status != web.HTTPBadRequest.status_code:
            return super().handle_error(request, status, exc, message)
        log.debug("no HTTP request", remote=request.remote, problem=type(exc).__name__)
        headers = {hdrs.SERVER: "mail-exporter", "X-Content-Type-Options": "nosniff"}
        told = _TOO_LONG if isinstance(exc, LineTooLong) else "This HTTP request cannot be answered.\n"
        answer = web.Response(status=status, text=told, headers=headers)
        answer.force_close()
        return answer

    def _hurry(self) -> None:
        if self._deadline is None:
            self._deadline = self._loop.call_later(HEAD_TIMEOUT, self._give_up)

    def _relax(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        self._deadline = None
        if not self.busy:
            log.debug("closed a client that sends no request", remote=self.peername)
            self.force_close()

    def _refuse(self) -> None:
        log.debug("a request is too large", remote=self.peername)
        if self.transport is not None:
            self.transport.write(_TOO_LARGE)
        self.force_close()


@web.middleware
async def tell_connection(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Lets the connection of a request know when it is busy, and answers without exceptions."""
    connection = request.protocol
    if not isinstance(connection, HttpConnection):
        return await handler(request)
    connection.begin()
    try:
        return await handler(request)
    except web.HTTPException as refusal:
        return _plain(refusal)
    finally:
        connection.end()


def _plain(refusal: web.HTTPException) -> web.Response:
    """The answer of an exception, without the exception.

    With its traceback, which leads back to it through the frames that it passed, each refused request would be 4 KiB of
    garbage that only a full collection finds.
    """
    refusal.__traceback__ = None
    answer = web.Response(
        status=refusal.status, reason=refusal.reason, body=refusal.body, headers=refusal.headers.copy()
    )
    if not refusal.keep_alive and refusal.keep_alive is not None:
        answer.force_close()
    return answer
