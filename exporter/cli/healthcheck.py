"""`mail-exporter healthcheck`: whether the daemon on this machine answers, for containers and scripts.

Runs every few seconds for as long as a container lives, so it imports no more than it needs and asks one question.
It reads no configuration: whether the daemon speaks HTTPS shows when it is asked.
"""

from __future__ import annotations

import http.client
import re
import socket
import ssl
import sys
from http import HTTPStatus
from typing import Final

import click

from exporter.cli.options import Parsed, version_option

PATH: Final = "/-/healthy"

HERE: Final = "127.0.0.1"
"""Where a daemon answers that listens at all addresses. Not `localhost`, which takes a file or a server to look up."""

EVERYWHERE: Final = frozenset({"", "::", "0.0.0.0"})  # noqa: S104 - compared with, not listened at

ADDRESS: Final = re.compile(r"(?:\[(?P<literal>[0-9a-fA-F:.]+)\]|(?P<host>[\w.-]*)):(?P<port>[0-9]{1,5})", re.ASCII)
"""As `ListenAddress` reads it, whose module brings a web server along: it takes three times as long as all of this."""

HIGHEST_PORT: Final = 65535

ALIVE: Final = frozenset({HTTPStatus.OK, HTTPStatus.UNAUTHORIZED, HTTPStatus.TOO_MANY_REQUESTS})
"""The status codes of a healthy daemon. The last two mean that its web configuration demands a login."""


UNIX: Final = "unix:"


def _place(text: str) -> tuple[str, int]:
    """What `run` takes as `--web.listen-address`, as host and port to connect to; a unix socket's path has port 0."""
    if text.startswith(UNIX) and text != UNIX:
        return text, 0
    match = ADDRESS.fullmatch(text)
    if match is None or int(match["port"]) > HIGHEST_PORT:
        raise ValueError(
            f"{text!r} is not an address: write :PORT, HOST:PORT, [IPV6]:PORT or unix:PATH, for example :9925"
        )
    host = match["literal"] or match["host"]
    return (HERE if host in EVERYWHERE else host, int(match["port"]))


@click.command()
@click.option(
    "--web.listen-address",
    "address",
    type=Parsed("address", _place),
    default=":9925",
    show_default=True,
    help="Where the daemon listens, as given to `run`.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    default=3.0,
    show_default=True,
    help="How long to wait for its answer.",
)
@click.option(
    "--web.route-prefix", "prefix", default="/", show_default=True, help="The prefix of every route, as given to `run`."
)
@version_option
def healthcheck(address: tuple[str, int], timeout: float, prefix: str) -> None:
    """Ask the daemon on this machine whether it is healthy.

    Uses HTTP or HTTPS, as the daemon does. Exits with 0 if it is healthy, and with 1 if it is not or does not answer.
    """
    host, port = address
    where = host if host.startswith(UNIX) else f"{host} port {port}"
    path = f"/{prefix.strip('/')}{PATH}" if prefix.strip("/") else PATH
    try:
        status = _ask(_connection(host, port, timeout), path)
    except (http.client.HTTPException, ConnectionResetError):
        status = _ask_by_https(host, port, timeout, path)  # something listens, and does not speak HTTP
    except OSError as error:
        sys.exit(f"mail-exporter: nothing answers at {where}: {error}")
    if status not in ALIVE:
        sys.exit(f"mail-exporter: {where} answers {path} with {status}")


class _OverUnix(http.client.HTTPConnection):
    """HTTP, or HTTPS, at a unix socket."""

    def __init__(self, path: str, timeout: float, context: ssl.SSLContext | None) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path
        self._context = context

    def connect(self) -> None:
        """Connect, and shake hands."""
        opened = _unix(self._path, self.timeout)
        self.sock = opened if self._context is None else self._context.wrap_socket(opened)


def _connection(
    host: str, port: int, timeout: float, context: ssl.SSLContext | None = None
) -> http.client.HTTPConnection:
    """A connection that is not open yet: to a port or to a unix socket, with TLS if there is a context."""
    if host.startswith(UNIX):
        return _OverUnix(host.removeprefix(UNIX), timeout, context)
    if context is None:
        return http.client.HTTPConnection(host, port, timeout=timeout)
    return http.client.HTTPSConnection(host, port, timeout=timeout, context=context)


def _unix(path: str, timeout: float | None) -> socket.socket:
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    opened.settimeout(timeout)
    try:
        opened.connect(path)
    except OSError:
        opened.close()
        raise
    return opened


def _ask_by_https(host: str, port: int, timeout: float, path: str) -> int:
    # The certificate is for another name, so it cannot tell who answers at our own port.
    context = ssl._create_unverified_context()  # noqa: S323, SLF001 - see above; no secret is sent
    connection = _connection(host, port, timeout, context)
    shaken = False
    try:
        connection.connect()
        shaken = True
        return _ask(connection, path)
    except TimeoutError as error:
        sys.exit(f"mail-exporter: {host} port {port} does not answer: {error}")
    except (http.client.HTTPException, OSError) as error:
        # It wants a client certificate: TLS 1.2 says so in the handshake, TLS 1.3 after it (RFC 8446 4.4.2.4).
        alert = isinstance(error, ssl.SSLError) and "ALERT" in (error.reason or "")
        if alert or shaken:
            return HTTPStatus.OK
        sys.exit(f"mail-exporter: {host} port {port} speaks neither HTTP nor HTTPS: {error}")
    finally:
        connection.close()


def _ask(connection: http.client.HTTPConnection, path: str) -> int:
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()
