"""One request to a token endpoint: octets there and back, over verified TLS and within bounds.

`exporter.protocol.oauth2` builds requests and parses answers. `exporter.visiting.access_tokens` decides when to ask.
"""

from __future__ import annotations

import secrets
import ssl
import time
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

from exporter.model import OAuth2Client, TokenOutcome
from exporter.net.http.http_failures import Broken, TooLargeError, explained, whole
from exporter.net.http.http_session import http_session
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
    except TooLargeError as error:
        raise TokenError(TokenOutcome.INVALID, f"the token endpoint {error}") from None
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        outcome, words = _lost(error)
        raise TokenError(outcome, f"the token endpoint {urlsplit(client.token_url).hostname} {words}") from None


def _prepared(client: OAuth2Client, material: Material) -> tuple[TokenRequest, ssl.SSLContext | None]:
    request = token_request(client, material, time.time(), secrets.token_urlsafe(16))
    return request, _context(client.ca_file) if client.token_url.startswith("https:") else None


def _context(ca_file: Path | None) -> ssl.SSLContext:
    """A new TLS context each time: a token is fetched once an hour, and the file may have changed."""
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError:  # what ssl.SSLError is
        raise TokenError(TokenOutcome.UNREACHABLE, f"oauth2.ca_file {str(ca_file)!r} cannot be read as PEM") from None


async def _exchange(url: str, request: TokenRequest, context: ssl.SSLContext | None) -> TokenAnswer:
    headers = {
        "Accept": "application/json",
        # What is not compressed cannot unfold.
        "Accept-Encoding": "identity",
        "Content-Type": "application/x-www-form-urlencoded",
        "User-Agent": "mail-exporter",
    }
    if request.authorization is not None:
        headers["Authorization"] = request.authorization.reveal().decode()
    session = http_session(
        {} if context is None else {"ssl": context},
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=TIMEOUT),
        auto_decompress=False,
    )
    # A redirection would carry the secrets to another server.
    async with (
        session as client,
        client.post(
            url, data=request.body.reveal(), headers=headers, proxy=_proxy(url), allow_redirects=False
        ) as response,
    ):
        body = await whole(response, MAX_ANSWER)
        return token_answer(response.status, response.headers.get("Retry-After"), body, request.hidden, time.time())


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


def _lost(error: Exception) -> tuple[TokenOutcome, str]:
    if isinstance(error, TimeoutError):
        return TokenOutcome.UNREACHABLE, f"does not answer within {TIMEOUT:g} s"
    broken, words = explained(error)
    return TokenOutcome.INVALID if broken in _ANSWERED else TokenOutcome.UNREACHABLE, words


_ANSWERED: Final = frozenset({Broken.CUT_SHORT, Broken.NOT_HTTP})
