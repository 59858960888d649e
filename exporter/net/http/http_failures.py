"""What the errors of the HTTP client mean, in our own words: the text of an exception may come from the server."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from enum import Enum, auto
from typing import Any, Final

import aiohttp


class Broken(Enum):
    """Where an exchange broke off."""

    CERTIFICATE = auto()
    UNREACHABLE = auto()
    """There was no connection, or no answer."""
    CUT_SHORT = auto()
    """The answer is incomplete."""
    NOT_HTTP = auto()
    """The answer is something else."""


class TooLargeError(ValueError):
    """The answer has more octets than are taken; the message says so, and completes "https://example.com/ ..."."""


async def whole(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """The body of an answer.

    Raises:
        TooLargeError: It is longer than `limit` octets.
    """
    try:
        await response.content.readexactly(limit + 1)
    except asyncio.IncompleteReadError as end:
        return end.partial
    raise TooLargeError(f"answers with more than {limit} octets")


def explained(error: Exception) -> tuple[Broken, str]:
    """Where it broke off, and words that complete "https://example.com/ ..."."""
    return next(
        ((broken, words(error)) for kind, broken, words in _WORDS if isinstance(error, kind)),
        (Broken.UNREACHABLE, "cannot be asked"),
    )


def _reason(error: Any) -> str:
    number = error.os_error.errno
    return f": {os.strerror(number)}" if number and number > 0 else ""


_WORDS: Final[tuple[tuple[type[Exception], Broken, Callable[[Any], str]], ...]] = (
    (
        aiohttp.ClientConnectorCertificateError,
        Broken.CERTIFICATE,
        lambda error: (
            f"has an invalid certificate: {getattr(error.certificate_error, 'verify_message', 'it does not fit')}"
        ),
    ),
    (
        aiohttp.ClientHttpProxyError,
        Broken.UNREACHABLE,
        lambda error: f"cannot be reached: the proxy answers HTTP {error.status}",
    ),
    (aiohttp.ClientConnectorDNSError, Broken.UNREACHABLE, lambda _: "cannot be found: its name has no address"),
    (aiohttp.ClientConnectorSSLError, Broken.UNREACHABLE, lambda _: "does not speak TLS as we do"),
    (aiohttp.ClientConnectorError, Broken.UNREACHABLE, lambda error: f"cannot be reached{_reason(error)}"),
    (aiohttp.ServerDisconnectedError, Broken.UNREACHABLE, lambda _: "closes the connection without an answer"),
    (aiohttp.ClientPayloadError, Broken.CUT_SHORT, lambda _: "closes the connection in the middle of its answer"),
    (aiohttp.ClientResponseError, Broken.NOT_HTTP, lambda _: "answers with something other than HTTP"),
    (
        aiohttp.ClientOSError,
        Broken.UNREACHABLE,
        lambda error: f"cannot be asked: {error.strerror or 'the connection breaks'}",
    ),
)
"""The narrower ones first."""
