"""One request to a token endpoint: octets there and back, over verified TLS and within bounds.

`exporter.protocol.oauth2` builds requests and parses answers. `exporter.visiting.tokens` decides when to ask.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import ssl
import time
from collections.abc import Callable
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

from exporter.model import OAuth2Client, TokenOutcome
from exporter.protocol.oauth2 import Material, TokenAnswer, TokenError, TokenRequest, token_answer, token_request
from exporter.threads import in_own_thread

TIMEOUT: Final = 10.0
"""Seconds for all of it. Token endpoints answer within one; Microsoft's own library waits about as long."""

MAX_ANSWER: Final = 64 * 1024
"""Octets. A token of Microsoft with every claim it can have is 4 KiB."""


async def fetch_token(client: OAuth2Client, material: Material) -> TokenAnswer:
    """Ask for a token.

    Args:
        client: Who asks, where and for what.
        material: Its secrets.

    Raises:
        KeyUnusable: One of the secrets is not what it should be; nobody was asked.
        TokenError: There is no token.
    """
    # Signing takes milliseconds and reading the trusted authorities tens of them: not on the event loop.
    # Nor where others wait for a thread: the authorities may lie on a file system that hangs.
    request, context = await in_own_thread(partial(_prepared, client, material), "oauth2-files")
    try:
        return await _exchange(client.token_url, request, context)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        outcome, words = _explained(error)
        raise TokenError(outcome, f"the token endpoint {urlsplit(client.token_url).hostname} {words}") from None


def _prepared(client: OAuth2Client, material: Material) -> tuple[TokenRequest, ssl.SSLContext]:
    request = token_request(client, material, time.time(), secrets.token_urlsafe(16))
    return request, _context(client.ca_file)


def _context(ca_file: Path | None) -> ssl.SSLContext:
    """A new TLS context each time: a token is fetched once an hour, and the file may have changed."""
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError:  # what ssl.SSLError is
        raise TokenError(TokenOutcome.UNREACHABLE, f"oauth2.ca_file {str(ca_file)!r} cannot be read as PEM") from None


async def _exchange(url: str, request: TokenRequest, context: ssl.SSLContext) -> TokenAnswer:
    headers = {
        "Accept": "application/json",
        # What is not compressed cannot unfold.
        "Accept-Encoding": "identity",
        "Content-Type": "application/x-www-form-urlencoded",
        "User-Agent": "mail-exporter",
    }
    if request.authorization is not None:
        headers["Authorization"] = request.authorization.reveal().decode()
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=context),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=TIMEOUT),
        auto_decompress=False,
    )
    # A redirection would carry the secrets to another server.
    async with (
        session,
        session.post(
            url, data=request.body.reveal(), headers=headers, proxy=_proxy(url), allow_redirects=False
        ) as response,
    ):
        body = await _whole(response)
        return token_answer(response.status, response.headers.get("Retry-After"), body, request.hidden, time.time())


async def _whole(response: aiohttp.ClientResponse) -> bytes:
    try:
        await response.content.readexactly(MAX_ANSWER + 1)
    except asyncio.IncompleteReadError as end:
        return end.partial
    raise TokenError(TokenOutcome.INVALID, f"the token endpoint answers with more than {MAX_ANSWER} octets")


def _proxy(url: str) -> str | None:
    """The proxy of the environment. Not by aiohttp's `trust_env`, which would look into ~/.netrc for logins as well."""
    parts = urlsplit(url)
    if _is_this_machine(parts.hostname or "") or proxy_bypass(parts.netloc):
        return None
    return getproxies().get(parts.scheme)


def _is_this_machine(host: str) -> bool:
    """Whether a host is this machine by its name. Such hosts are never asked through a proxy."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _explained(error: Exception) -> tuple[TokenOutcome, str]:
    """What went wrong, in our words, because an exception's text may come from the server."""
    return next(
        ((outcome, words(error)) for kind, outcome, words in _LOSSES if isinstance(error, kind)),
        (TokenOutcome.UNREACHABLE, "cannot be asked"),
    )


def _because(error: Any) -> str:
    number = error.os_error.errno
    return f"cannot be reached: {os.strerror(number)}" if number and number > 0 else "cannot be reached"


_LOSSES: Final[tuple[tuple[type[Exception], TokenOutcome, Callable[[Any], str]], ...]] = (
    (TimeoutError, TokenOutcome.UNREACHABLE, lambda _: f"does not answer within {TIMEOUT:g} s"),
    (
        aiohttp.ClientConnectorCertificateError,
        TokenOutcome.UNREACHABLE,
        lambda error: (
            f"has an invalid certificate: {getattr(error.certificate_error, 'verify_message', 'it does not fit')}"
        ),
    ),
    (
        aiohttp.ClientHttpProxyError,
        TokenOutcome.UNREACHABLE,
        lambda error: f"cannot be reached: the proxy answers HTTP {error.status}",
    ),
    (aiohttp.ClientConnectorDNSError, TokenOutcome.UNREACHABLE, lambda _: "cannot be found: its name has no address"),
    (aiohttp.ClientConnectorSSLError, TokenOutcome.UNREACHABLE, lambda _: "does not speak TLS as we do"),
    (aiohttp.ClientConnectorError, TokenOutcome.UNREACHABLE, _because),
    (aiohttp.ServerDisconnectedError, TokenOutcome.UNREACHABLE, lambda _: "closes the connection without an answer"),
    (aiohttp.ClientPayloadError, TokenOutcome.INVALID, lambda _: "closes the connection in the middle of its answer"),
    (aiohttp.ClientResponseError, TokenOutcome.INVALID, lambda _: "answers with something other than HTTP"),
    (
        aiohttp.ClientOSError,
        TokenOutcome.UNREACHABLE,
        lambda error: f"cannot be asked: {error.strerror or 'the connection breaks'}",
    ),
)
"""What each way to fail means, the narrower ones first."""
