"""The checks before every request: the rate limit, the client's certificate, and the login.

They apply to all routes. This module also adds the headers of the web configuration to all answers.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Callable
from typing import Any, Final

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from exporter.web.policy.policy import ClientAuth, Policy, RateLimit
from exporter.web.serving.refusal import put_on_page
from exporter.web.serving.users import BusyError, Users

CHALLENGE: Final = 'Basic realm="mail-exporter", charset="UTF-8"'
"""RFC 7617 sections 2 and 2.1."""


class TokenBucket:
    """Lets a number of requests pass at once, and then one in each interval."""

    def __init__(self, limit: RateLimit, clock: Callable[[], float]) -> None:
        self.limit = limit
        self._clock = clock
        self._tokens = float(limit.burst)
        self._at = clock()

    def take(self) -> float:
        """Returns 0 if a request may pass, else the seconds until the next one may."""
        now = self._clock()
        self._tokens = min(self._tokens + (now - self._at) / self.limit.interval, float(self.limit.burst))
        self._at = now
        if self._tokens < 1.0:
            return (1.0 - self._tokens) * self.limit.interval
        self._tokens -= 1.0
        return 0.0


class Security:
    """Protects an interface by the policy in force."""

    def __init__(self, policy: Policy, clock: Callable[[], float]) -> None:
        """Prepare to let requests pass.

        Args:
            policy: In force until it is replaced.
            clock: Monotonic seconds.
        """
        self._clock = clock
        self._bucket: TokenBucket | None = None
        self._users = Users()
        self.replace(policy)

    def replace(self, policy: Policy) -> None:
        """Use this policy from now on."""
        self.policy = policy
        self._users.replace(policy.config.users)
        limit = policy.config.rate_limit
        if limit is None:
            self._bucket = None
        elif self._bucket is None or self._bucket.limit != limit:
            self._bucket = TokenBucket(limit, self._clock)

    def protect(self, application: web.Application) -> None:
        """Protect an application, which must not be served yet."""
        application.middlewares.insert(0, self._guard)
        application.on_response_prepare.append(self._add_headers)
        application.on_cleanup.append(self._close)

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            await self._admit(request)
        except web.HTTPError as refusal:
            put_on_page(request, refusal)
            raise
        return await handler(request)

    async def _admit(self, request: web.Request) -> None:
        wait = 0.0 if self._bucket is None else self._bucket.take()
        if wait:
            headers = {hdrs.RETRY_AFTER: str(math.ceil(wait))}
            raise web.HTTPTooManyRequests(
                text="More requests than rate_limit allows. Try again later.\n", headers=headers
            )
        self._check_certificate(request)
        await self._check_login(request)
        if request.can_read_body:
            refusal = web.HTTPRequestEntityTooLarge(0, 0, text="No path takes a body. Leave it out.\n")
            refusal.force_close()
            raise refusal

    def _check_certificate(self, request: web.Request) -> None:
        """Check the client's certificate, because TLS may have accepted a client that is not allowed here.

        It may also have been let in before certificates were asked for.
        """
        tls = self.policy.config.tls
        if tls is None or tls.client_auth is not ClientAuth.REQUIRE:
            return
        certificate = request.get_extra_info("peercert")
        if not certificate:
            raise web.HTTPForbidden(text="A client certificate is needed by now. Connect again.\n")
        if tls.client_allowed_sans and tls.client_allowed_sans.isdisjoint(_names(certificate)):
            raise web.HTTPForbidden(text="The names in your certificate are not among client_allowed_sans.\n")

    async def _check_login(self, request: web.Request) -> None:
        if not self._users or self._is_open(request):
            return
        login = _login(request.headers.get(hdrs.AUTHORIZATION, ""))
        try:
            admitted = login is not None and await self._users.admit(*login, request.remote)
        except BusyError:
            headers = {hdrs.RETRY_AFTER: "1"}
            raise web.HTTPTooManyRequests(text="Too many logins at once. Try again later.\n", headers=headers) from None
        if not admitted:
            headers = {hdrs.WWW_AUTHENTICATE: CHALLENGE}
            text = "Log in as one of basic_auth_users of the web configuration.\n"
            raise web.HTTPUnauthorized(text=text, headers=headers)

    def _is_open(self, request: web.Request) -> bool:
        """Whether this path needs no login."""
        reads = request.method in {hdrs.METH_GET, hdrs.METH_HEAD}
        return reads and request.path in self.policy.config.auth_excluded_paths

    async def _add_headers(self, _: web.Request, response: web.StreamResponse) -> None:
        response.headers.update(self.policy.config.headers)

    async def _close(self, _: web.Application) -> None:
        self._users.close()


def _names(certificate: dict[str, Any]) -> set[str]:
    """The subjectAltNames of a certificate as `ssl` gives it: DNS names, addresses, URIs and mail addresses."""
    return {str(name) for _, name in certificate.get("subjectAltName", ())}


def _login(header: str) -> tuple[str, bytes] | None:
    """User and password of an Authorization header (RFC 7617 section 2); `None` if it holds none."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, colon, password = base64.b64decode(encoded.strip(), validate=True).partition(b":")
        return (name.decode(), password) if colon else None
    except (binascii.Error, ValueError):
        return None
