"""Connections through a proxy: a stream to the proxy that it then connects to a server.

The proxy gets an address and never a name. Names are looked up here, so that the probed address is known and can be
checked against the allowed ones. python-socks speaks to the proxy over the stream's own connection. This module decides
how much is read, takes the times, and interprets refusals. No octet behind the proxy's reply is touched: a mail
server's greeting may come in the same packet.
"""

from __future__ import annotations

import importlib
import os
import re
import socket
from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, Final

from exporter.model import FailureReason, Proxy, ProxyScheme
from exporter.net.peer_clock import PeerClock
from exporter.net.readiness import Watch
from exporter.net.stamps import Arrivals
from exporter.net.stream import Stream
from exporter.net.stream_errors import StreamError
from exporter.protocol.dialogue import quoted
from exporter.threads import computed

MAX_REPLY: Final = 8192
"""The most octets of a proxy's reply to CONNECT, with its header fields: as many as common web servers accept in a
request."""

NO_METHOD: Final = b"\x05\xff"
"""RFC 1928 section 3: the proxy accepts none of the offered login methods. The only one offered is "no login"."""

HTTP: Final = b"HTTP/"
"""How a proxy's reply to CONNECT begins (RFC 9112 section 4)."""

SOCKS5_REPLIES: Final[Mapping[int, tuple[FailureReason, str]]] = MappingProxyType(
    {
        1: (FailureReason.CONNECT_FAILED, "general failure"),
        2: (FailureReason.CONNECT_FAILED, "its rules do not allow the connection"),
        3: (FailureReason.CONNECT_UNREACHABLE, "network unreachable"),
        4: (FailureReason.CONNECT_UNREACHABLE, "host unreachable"),
        5: (FailureReason.CONNECT_REFUSED, "connection refused"),
        6: (FailureReason.CONNECT_UNREACHABLE, "TTL expired"),
        7: (FailureReason.CONNECT_FAILED, "command not supported"),
        8: (FailureReason.CONNECT_FAILED, "address type not supported"),
    }
)
"""RFC 1928 section 6."""

LOGIN_WANTED: Final = 407
"""RFC 9110 section 15.5.8."""

_NO_LOGIN: Final = "wants a login, and mail-exporter logs in at no proxy; have it admit this machine by its address"
_END_OF_HEAD: Final = re.compile(rb"\r?\n\r?\n")
_LIBRARY: Final = "exporter.net.proxy_handshakes"


async def connect_through(
    proxy: Proxy, hop: str, address: str, port: int, source_address: str | None = None, *, watch: Watch | None = None
) -> Stream:
    """Connect to an IP address through a proxy.

    Args:
        proxy: The proxy's protocol and port.
        hop: The proxy's IP address, without brackets.
        address: The server's, likewise.
        port: The server's.
        source_address: This machine's, to connect to the proxy from; `None` lets the system choose.
        watch: As of `Stream.connect`.

    Raises:
        StreamError: The proxy cannot be reached, refuses, or sends an invalid reply.
    """
    try:
        stream = await Stream.connect(hop, proxy.port, source_address, watch)
    except StreamError as error:
        raise StreamError(error.reason, f"the proxy {proxy} cannot be reached: {error.detail}") from None
    try:
        await _agree(stream, proxy, address, port)
    except BaseException:
        stream.close()
        raise
    return stream


async def _agree(stream: Stream, proxy: Proxy, address: str, port: int) -> None:
    """Ask the proxy to connect to a server."""
    # The library is loaded here, in a thread. The stream's clock subtracts that time, because the proxy waits for us.
    library = await computed(partial(importlib.import_module, _LIBRARY), "import")
    with _ProxySide(stream.arrivals, stream.peer_clock, proxy.scheme) as side:
        try:
            code = await library.shake_hands(proxy, side, address, port)
        except library.NonsenseError:
            raise _nonsense(proxy, side) from None
        except OSError as error:
            what = error.strerror or str(error)
            raise StreamError(FailureReason.CONNECT_FAILED, f"the proxy {proxy} broke off: {what}") from None
    if code is not None:
        raise _refusal(proxy, code, side.heard)


def _nonsense(proxy: Proxy, side: _ProxySide) -> StreamError:
    """The error for a reply that breaks the proxy's protocol, or asks for a login (SOCKS5 has no code for that)."""
    heard = bytes(side.heard)
    if proxy.scheme is ProxyScheme.SOCKS5 and heard.startswith(NO_METHOD):
        told = _NO_LOGIN
    elif side.too_long:
        told = f"sent a reply of more than {MAX_REPLY} octets"
    elif side.ended:
        told = f"closed the connection after {quoted(heard)}" if heard else "closed the connection without a reply"
    else:
        told = f"does not speak {_PROTOCOLS[proxy.scheme]}; it said {quoted(heard)}"
    return StreamError(FailureReason.CONNECT_FAILED, f"the proxy {proxy} {told}")


def _refusal(proxy: Proxy, code: int, heard: bytearray) -> StreamError:
    """The error for a negative reply."""
    if proxy.scheme is ProxyScheme.SOCKS5:
        reason, words = SOCKS5_REPLIES[code]
        return StreamError(reason, f"the proxy {proxy} could not connect: {words} (SOCKS5 reply {code})")
    if code == LOGIN_WANTED:
        return StreamError(FailureReason.CONNECT_FAILED, f"the proxy {proxy} {_NO_LOGIN} (HTTP status {code})")
    status = quoted(bytes(heard).split(b"\n", 1)[0].rstrip(b"\r"))
    return StreamError(FailureReason.CONNECT_FAILED, f"the proxy {proxy} did not connect, and answered {status}")


_PROTOCOLS: Final[Mapping[ProxyScheme, str]] = MappingProxyType(
    {ProxyScheme.SOCKS5: "SOCKS5", ProxyScheme.HTTP: "HTTP"}
)


class _ProxySide(socket.socket):
    """A stream's connection as python-socks uses it, while it talks to the proxy.

    It has its own descriptor of the same connection, which is closed and watched separately.

    Attributes:
        heard: All octets from the proxy, at most `MAX_REPLY`.
        ended: Whether it closed the connection.
        too_long: Whether it sent more than that.
    """

    def __init__(self, arrivals: Arrivals, clock: PeerClock, scheme: ProxyScheme) -> None:
        sock = arrivals.socket
        super().__init__(sock.family, sock.type, sock.proto, fileno=os.dup(sock.fileno()))
        self.setblocking(False)
        self.heard = bytearray()
        self.ended = False
        self.too_long = False
        self._arrivals = arrivals
        self._clock = clock
        self._whole_heads = scheme is ProxyScheme.HTTP

    def send(self, data: Any, flags: int = 0, /) -> int:
        """As `socket.send`. Also tells the clock that we wait from now on."""
        self._clock.answering()
        sent = super().send(data, flags)
        self._clock.waiting()
        return sent

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        """As `socket.recv`. Over HTTP, returns the whole head of a reply and nothing that follows it."""
        if not self._whole_heads:
            return self._take(size)
        while (end := _END_OF_HEAD.search(self.heard)) is None:
            ahead = super().recv(MAX_REPLY - len(self.heard), flags | socket.MSG_PEEK)
            found = _END_OF_HEAD.search(self.heard + ahead)
            self._take(found.end() - len(self.heard) if found is not None else max(len(ahead), 1))
            if self.ended:
                return b""
            if found is None and len(self.heard) >= MAX_REPLY:
                self.too_long = True
                return b""
            if not self.heard.startswith(HTTP[: len(self.heard)]):
                break  # it is something else, and may never end
        return bytes(self.heard if end is None else self.heard[: end.end()])

    def _take(self, size: int) -> bytes:
        octets, came_at = self._arrivals.receive(size)
        self._clock.noticed(came_at)
        self.heard += octets
        self.ended = not octets
        return octets
