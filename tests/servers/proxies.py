"""Small proxies of the tests: SOCKS5 (RFC 1928) and HTTP CONNECT, which relay to where they are asked to.

What they are asked for is written down. Proxies that misbehave are scripts of the tests themselves.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from exporter.model import Proxy, ProxyScheme
from tests.servers.programs import LOOPBACK

_ADDRESS_SIZES = {1: 4, 4: 16}
_PIECE = 65536


@dataclass(frozen=True, slots=True)
class RunningProxy:
    """One that relays.

    Attributes:
        proxy: Where it is.
        asked: Where it was asked to connect to.
        clients: The addresses of those who asked.
    """

    proxy: Proxy
    asked: list[tuple[str, int]] = field(default_factory=list)
    clients: list[str] = field(default_factory=list)


@asynccontextmanager
async def relaying(scheme: ProxyScheme) -> AsyncIterator[RunningProxy]:
    """Relays until the block ends."""
    clients: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        clients.add(task)
        try:
            running.clients.append(writer.get_extra_info("peername")[0])
            host, port = await (_socks5_request if scheme is ProxyScheme.SOCKS5 else _http_request)(reader, writer)
            running.asked.append((host, port))
            await _relay(scheme, host, port, reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            clients.discard(task)

    server = await asyncio.start_server(handle, LOOPBACK, 0)
    running = RunningProxy(Proxy(scheme, LOOPBACK, server.sockets[0].getsockname()[1]))
    async with server:
        yield running
        for task in clients:
            task.cancel()
        await asyncio.gather(*clients, return_exceptions=True)


async def _socks5_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[str, int]:
    version, methods = await reader.readexactly(2)
    assert 5 == version
    assert 0 in await reader.readexactly(methods)
    writer.write(b"\x05\x00")
    version, command, _, kind = await reader.readexactly(4)
    assert (5, 1) == (version, command)
    address = ipaddress.ip_address(await reader.readexactly(_ADDRESS_SIZES[kind]))
    return str(address), int.from_bytes(await reader.readexactly(2))


async def _http_request(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> tuple[str, int]:
    head = await reader.readuntil(b"\r\n\r\n")
    method, authority, _version = head.decode().splitlines()[0].split()
    assert "CONNECT" == method
    host, _colon, port = authority.rpartition(":")
    return host.strip("[]"), int(port)


async def _relay(
    scheme: ProxyScheme, host: str, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    socks = scheme is ProxyScheme.SOCKS5
    try:
        far_reader, far_writer = await asyncio.open_connection(host, port)
    except OSError:
        writer.write(b"\x05\x05\x00\x01" + bytes(6) if socks else b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
        return
    writer.write(b"\x05\x00\x00\x01" + bytes(6) if socks else b"HTTP/1.1 200 Connection established\r\n\r\n")
    try:
        await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
    finally:
        far_writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while octets := await reader.read(_PIECE):
        writer.write(octets)
        await writer.drain()
    with suppress(OSError):
        writer.write_eof()
