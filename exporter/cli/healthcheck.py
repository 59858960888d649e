"""`mail-exporter healthcheck`: whether the daemon on this machine answers, for containers and scripts.

Runs every few seconds for as long as a container lives, so it imports no more than it needs and asks one question.
It reads no configuration: whether the daemon speaks HTTPS shows when it is asked.
"""

from __future__ import annotations

import http.client
import re
import ssl
import sys
from http import HTTPStatus
from typing import Any, Final

import click

from exporter.cli.version import version_option

PATH: Final = "/-/healthy"

HERE: Final = "127.0.0.1"
"""Where a daemon answers that listens at all addresses. Not `localhost`, which takes a file or a server to look up."""

EVERYWHERE: Final = frozenset({"", "::", "0.0.0.0"})  # noqa: S104 - compared with, not listened at

ADDRESS: Final = re.compile(r"(?:\[(?P<literal>[0-9a-fA-F:.]+)\]|(?P<host>[\w.-]*)):(?P<port>[0-9]{1,5})", re.ASCII)
"""As `ListenAddress` reads it, whose module brings a web server along: it takes three times as long as all of this."""

HIGHEST_PORT: Final = 65535

ALIVE: Final = frozenset({HTTPStatus.OK, HTTPStatus.UNAUTHORIZED, HTTPStatus.TOO_MANY_REQUESTS})
"""What the daemon answers when it is well; the latter two where its web configuration keeps strangers out."""


class AddressType(click.ParamType[tuple[str, int]]):
    """What `run` takes as `--web.listen-address`, as host and port to connect to."""

    name = "address"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        """Read an address, or say what to write."""
        match = ADDRESS.fullmatch(value)
        if match is None or int(match["port"]) > HIGHEST_PORT:
            self.fail(f"{value!r} is no address: write :PORT, HOST:PORT or [IPV6]:PORT, for example :9925", param, ctx)
        host = match["literal"] or match["host"]
        return (HERE if host in EVERYWHERE else host, int(match["port"]))


@click.command()
@click.option(
    "--web.listen-address",
    "address",
    type=AddressType(),
    default=":9925",
    show_default=True,
    help="Where the daemon listens, as `run` was told.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=3.0,
    show_default=True,
    help="Seconds to wait for its answer.",
)
@version_option
def healthcheck(address: tuple[str, int], timeout: float) -> None:
    """Ask the daemon on this machine whether it is well.

    By HTTP or HTTPS, whichever it speaks. Exits with 0 if it is well, and with 1 if it is not or does not answer.
    """
    host, port = address
    try:
        status = _ask(http.client.HTTPConnection(host, port, timeout=timeout))
    except (http.client.HTTPException, ConnectionResetError):
        status = _ask_by_https(host, port, timeout)  # something listens, and does not speak HTTP
    except OSError as error:
        sys.exit(f"mail-exporter: nothing answers at {host} port {port}: {error}")
    if status not in ALIVE:
        sys.exit(f"mail-exporter: {host} port {port} answers {PATH} with {status}")


def _ask_by_https(host: str, port: int, timeout: float) -> int:
    # Who answers at our own port is no question that a certificate, made out to another name, could settle.
    context = ssl._create_unverified_context()  # noqa: S323, SLF001 - see above; no secret is sent
    connection = http.client.HTTPSConnection(host, port, timeout=timeout, context=context)
    shaken = False
    try:
        connection.connect()
        shaken = True
        return _ask(connection)
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


def _ask(connection: http.client.HTTPConnection) -> int:
    try:
        connection.request("GET", PATH)
        return connection.getresponse().status
    finally:
        connection.close()
