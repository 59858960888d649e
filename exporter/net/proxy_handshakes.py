"""The handshake with a proxy, by python-socks, over an existing connection.

Apart from `proxies`, because only those who have a proxy need the library: that file loads this one.
"""

from __future__ import annotations

import socket
from typing import Any, Final

from python_socks import ProxyError, ProxyType
from python_socks.async_.asyncio import Proxy as Handshake

from exporter.model import Proxy, ProxyScheme

_TYPES: Final = {ProxyScheme.SOCKS5: ProxyType.SOCKS5, ProxyScheme.HTTP: ProxyType.HTTP}

_FOR_EVER: Final = 2 * 24 * 3600.0
"""Seconds: longer than any probe, whose deadline is what counts. The library's own cannot be turned off."""

_SUCCESSFUL: Final = range(200, 300)
"""RFC 9110 section 9.3.6: any of these means that the connection stands; the library knows 200 only."""


class NonsenseError(Exception):
    """The proxy's reply does not follow its protocol."""


class _Ready(Handshake):
    """Replaces the library's connection attempt: returns the existing connection.

    python-socks can have a proxy behind a proxy (`forward`), and asks the first for a socket to the second.
    """

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(ProxyType.SOCKS5, "", 0)
        self._sock = sock

    async def connect(self, dest_host: str, dest_port: int, timeout: float | None = None, **_: Any) -> socket.socket:  # noqa: ARG002, ASYNC109 - the signature is the library's
        return self._sock


async def shake_hands(proxy: Proxy, sock: socket.socket, address: str, port: int) -> int | None:
    """Ask a proxy to connect to an address. Returns the code of its refusal, or `None` after success.

    Args:
        proxy: The proxy.
        sock: Connected to it, not blocking. Is closed if it fails.
        address: The server's, an IP address without brackets.
        port: The server's.

    Raises:
        NonsenseError: The proxy breaks its protocol, closes the connection, or wants a login.
        OSError: The connection to it broke.
    """
    handshake = Handshake(_TYPES[proxy.scheme], proxy.host, proxy.port, forward=_Ready(sock))
    try:
        await handshake.connect(address, port, timeout=_FOR_EVER)
    except ProxyError as error:
        if error.error_code is None:
            raise NonsenseError(str(error)) from None
        return None if proxy.scheme is ProxyScheme.HTTP and error.error_code in _SUCCESSFUL else error.error_code
    except (AssertionError, LookupError, ValueError) as error:
        # What the library does not expect of a proxy, such as a name that is not UTF-8.
        raise NonsenseError(str(error)) from None
    return None
