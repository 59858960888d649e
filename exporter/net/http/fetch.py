"""Fetches documents by HTTP from untrusted URLs, with limits for size, time, redirections and addresses.

Our own resolver looks up names, and addresses are checked before each connection, also after a redirection. Proxies are
not used, because they would connect to unchecked addresses. Other modules parse the documents.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from exporter.model import FailureReason, IpFamily
from exporter.net.detours import NO_DETOURS, Detours
from exporter.net.dns.resolve import AddressResolver, ResolveError
from exporter.net.dns.system_names import normal_address
from exporter.net.http.http_failures import Broken, TooLargeError, explained, whole
from exporter.net.http.http_session import http_session
from exporter.threads import computed

MAX_REDIRECTS = 3
"""The most redirections that are followed, if any. Hosted domains use one, and another one for https."""

TRUSTED_FOR = 60.0
"""Seconds after which the authorities are read again."""

_REDIRECTIONS = frozenset({301, 302, 303, 307, 308})
_OK = 200
_TOO_MANY = 429
_SERVER_ERROR = 500

Objection = Callable[[str, Sequence[str]], str | None]
"""Returns the objection to connecting to a host at these addresses; `None` if there is none."""


class Lost(StrEnum):
    """Why there is no document."""

    NOT_FOUND = "not_found"
    """The host name does not exist, or the server says that the document does not."""
    NOT_ALLOWED = "not_allowed"
    CERTIFICATE = "certificate"
    UNREACHABLE = "unreachable"
    """Any other failure, which may be temporary."""
    UNUSABLE = "unusable"
    """The server's answer cannot be used."""


class FetchError(Exception):
    """There is no document.

    Attributes:
        detail: For people: one line of printable ASCII that completes "https://example.com/ ...".
    """

    def __init__(self, lost: Lost, detail: str) -> None:
        super().__init__(detail)
        self.lost = lost
        self.detail = detail


@dataclass(frozen=True, slots=True)
class FetchedDocument:
    """A fetched document.

    Attributes:
        media_type: In lower case, without parameters.
        expires: Unix time when the server's certificate ends; `None` without TLS.
    """

    body: bytes
    media_type: str
    expires: float | None


class _Response(aiohttp.ClientResponse):
    """Keeps the certificate's details, which are lost when the connection closes."""

    expires: float | None = None

    async def start(self, connection: Any) -> aiohttp.ClientResponse:
        tls = connection.transport.get_extra_info("ssl_object") if connection.transport is not None else None
        certificate = tls.getpeercert() if tls is not None else None
        if certificate:
            self.expires = float(ssl.cert_time_to_seconds(certificate["notAfter"]))
        return await super().start(connection)


class _JudgedNames(AbstractResolver):
    """Our resolver, adapted for aiohttp. It checks the addresses."""

    def __init__(self, names: AddressResolver, objection: Objection, detours: Detours) -> None:
        self._names = names
        self._objection = objection
        self._detours = detours

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of a host, if we may connect to all of them."""
        found = (await self._names.resolve(f"{host.removesuffix('.')}.", _FAMILIES[family])).addresses
        objection = self._objection(host, found)
        if objection is not None:
            raise FetchError(Lost.NOT_ALLOWED, f"is not asked: {objection}")
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address, port in (self._detours.get((each, port), (each, port)) for each in found)
        ]

    async def close(self) -> None:
        """Does nothing."""


_FAMILIES = {
    socket.AF_UNSPEC: IpFamily.ANY,
    socket.AF_INET: IpFamily.IPV4,
    socket.AF_INET6: IpFamily.IPV6,
}


class Fetcher:
    """Fetches documents, each with its own connection."""

    def __init__(self, names: AddressResolver, *, ca_file: Path | None = None, detours: Detours = NO_DETOURS) -> None:
        self._names = names
        self._ca_file = ca_file
        self._detours = detours
        self._made: tuple[float, ssl.SSLContext] | None = None

    async def get(
        self, url: str, objection: Objection, *, limit: int, within: float, redirects: int = MAX_REDIRECTS
    ) -> FetchedDocument:
        """Fetch one document.

        Args:
            url: A URL with the scheme http or https.
            objection: Decides where we may connect to.
            limit: The most octets of the document.
            within: Seconds for everything, including redirections.
            redirects: The most redirections that are followed.

        Raises:
            FetchError: There is no document.
        """
        try:
            async with asyncio.timeout(within):
                return await self._follow(url, objection, await self._trust(), limit, redirects)
        except TimeoutError:
            raise FetchError(Lost.UNREACHABLE, f"did not answer within {within:g} s") from None

    async def _trust(self) -> ssl.SSLContext:
        """The trusted authorities. They are read again from time to time, because the file may change."""
        now = asyncio.get_running_loop().time()
        if self._made is None or now - self._made[0] > TRUSTED_FOR:
            # Reading them would block the event loop for tens of milliseconds.
            self._made = now, await computed(self._context, "trust")
        return self._made[1]

    def _context(self) -> ssl.SSLContext:
        try:
            return ssl.create_default_context(cafile=self._ca_file)
        except OSError:
            raise FetchError(Lost.CERTIFICATE, f"is not asked: {str(self._ca_file)!r} cannot be read as PEM") from None

    async def _follow(
        self, url: str, objection: Objection, context: ssl.SSLContext, limit: int, redirects: int
    ) -> FetchedDocument:
        secure = url.lower().startswith("https:")
        for _ in range(redirects + 1):
            found = await self._ask(url, objection, context, limit)
            if isinstance(found, FetchedDocument):
                return found
            url = urljoin(url, found)
            if secure and not url.lower().startswith("https:"):
                raise FetchError(Lost.UNUSABLE, "redirects to a place without TLS")
        raise FetchError(
            Lost.UNUSABLE, f"redirects more than {redirects} times" if redirects else "redirects elsewhere"
        )

    async def _ask(self, url: str, objection: Objection, context: ssl.SSLContext, limit: int) -> FetchedDocument | str:
        """The document, or the target of a redirection."""
        host = _host(url)
        if normal_address(host) is not None and (told := objection(host, (host,))) is not None:
            raise FetchError(Lost.NOT_ALLOWED, f"is not asked: {told}")
        names = _JudgedNames(self._names, objection, self._detours)
        session = http_session(
            {"ssl": context, "resolver": names, "use_dns_cache": False},
            cookie_jar=aiohttp.DummyCookieJar(),
            # The caller limits the time.
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=False,
            response_class=_Response,
        )
        # Without compression, a small response cannot expand to a huge one.
        headers = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "mail-exporter"}
        try:
            async with session as client, client.get(url, headers=headers, allow_redirects=False) as response:
                if response.status in _REDIRECTIONS and "Location" in response.headers:
                    return response.headers["Location"]
                if response.status != _OK:
                    temporary = response.status == _TOO_MANY or response.status >= _SERVER_ERROR
                    lost = Lost.UNREACHABLE if temporary else Lost.UNUSABLE
                    lost = Lost.NOT_FOUND if response.status in (404, 410) else lost
                    raise FetchError(lost, f"answers with HTTP {response.status}")
                body = await whole(response, limit)
                expires = response.expires if isinstance(response, _Response) else None
                return FetchedDocument(body, response.content_type.lower(), expires)
        except ResolveError as error:
            raise _unresolved(error) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _failure(error) from None


def _host(url: str) -> str:
    """The host of an untrusted URL.

    Raises:
        FetchError: The URL may not be fetched.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        host, parts = "", urlsplit("")
    if parts.scheme not in ("http", "https") or not host or parts.username is not None:
        raise FetchError(Lost.UNUSABLE, "redirects to what is not a web address")
    return host


def _unresolved(error: ResolveError) -> FetchError:
    lost = Lost.NOT_FOUND if error.reason is FailureReason.DNS_NOT_FOUND else Lost.UNREACHABLE
    return FetchError(lost, f"cannot be looked up: {error.detail}")


def _failure(error: Exception) -> FetchError:
    # aiohttp takes what our resolver raises for an error of its own.
    cause: BaseException | None = error if isinstance(error, aiohttp.ClientConnectorError) else None
    while cause is not None:
        if isinstance(cause, FetchError):
            return cause
        if isinstance(cause, ResolveError):
            return _unresolved(cause)
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, TooLargeError):
        return FetchError(Lost.UNUSABLE, str(error))
    broken, words = explained(error)
    return FetchError(_LOST.get(broken, Lost.UNREACHABLE), words)


_LOST = {Broken.CERTIFICATE: Lost.CERTIFICATE, Broken.NOT_HTTP: Lost.UNUSABLE}
