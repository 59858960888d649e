"""What a proxy may say, and what a connection by way of it makes of that: scripted proxies of both kinds."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.model import FailureReason, Proxy, ProxyScheme
from exporter.net.proxies import MAX_REPLY, connect_through
from exporter.net.readiness import best_watch
from exporter.net.stream import Stream
from exporter.net.stream_errors import StreamError
from tests.probes import nothing_left_behind

LOOPBACK = "127.0.0.1"
TARGET = "192.0.2.10"
PORT = 993
SOCKS5, HTTP = ProxyScheme.SOCKS5, ProxyScheme.HTTP

NO_LOGIN = b"\x05\x00"
CONNECTED = b"\x05\x00\x00\x01" + bytes(6)
GREETING = b"* OK ready\r\n"
WANTS_A_LOGIN = "wants a login, and mail-exporter logs in at no proxy; have it admit this machine by its address"

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Scripted:
    """A proxy that says one thing after each thing that it hears."""

    replies: tuple[bytes, ...]
    in_pieces: bool = False
    hangs_up: bool = True
    heard: list[bytes] = field(default_factory=list)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for reply in self.replies:
            self.heard.append(await reader.read(1024))
            for piece in [reply[at : at + 1] for at in range(len(reply))] if self.in_pieces else [reply]:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
        if not self.hangs_up:
            await reader.read(1)


@asynccontextmanager
async def serving(scheme: ProxyScheme, serve: Serve) -> AsyncIterator[Proxy]:
    served = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(OSError):
                await serve(reader, writer)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
            served.set()

    server = await asyncio.start_server(handle, LOOPBACK, 0)
    async with server:
        yield Proxy(scheme, LOOPBACK, server.sockets[0].getsockname()[1])
        await served.wait()


async def through(proxy: Proxy, address: str = TARGET) -> Stream:
    return await connect_through(proxy, LOOPBACK, address, PORT)


async def refused(scheme: ProxyScheme, *replies: bytes) -> tuple[FailureReason, str]:
    """Reason and detail of the failure, the proxy's port left out."""
    async with nothing_left_behind(), serving(scheme, Scripted(replies)) as proxy:
        with pytest.raises(StreamError) as raised:
            await through(proxy)
    assert raised.value.detail.isascii()
    assert raised.value.detail.isprintable()
    assert str(proxy) in raised.value.detail
    return raised.value.reason, raised.value.detail.replace(f"the proxy {proxy} ", "")


@pytest.mark.parametrize("in_pieces", [False, True], ids=["whole", "octet by octet"])
@pytest.mark.parametrize(
    "bound",
    [b"\x01" + bytes(4), b"\x04" + bytes(16), b"\x03\x0bproxy.local"],
    ids=["IPv4", "IPv6", "a name"],
)
async def test_socks5_leads_to_the_server_and_the_greeting_is_kept(bound: bytes, in_pieces: bool) -> None:
    script = Scripted((NO_LOGIN, b"\x05\x00\x00" + bound + b"\x04\x38" + GREETING), in_pieces)
    async with serving(SOCKS5, script) as proxy:
        stream = await through(proxy)
        assert b"* OK ready" == await stream.read_line(100)
        stream.close()
    assert [b"\x05\x01\x00", b"\x05\x01\x00\x01\xc0\x00\x02\x0a\x03\xe1"] == script.heard


async def test_socks5_is_given_ipv6_addresses_as_such() -> None:
    script = Scripted((NO_LOGIN, CONNECTED))
    async with serving(SOCKS5, script) as proxy:
        (await through(proxy, "2001:db8::1")).close()
    assert b"\x05\x01\x00\x04" + socket.inet_pton(socket.AF_INET6, "2001:db8::1") + b"\x03\xe1" == script.heard[1]


@pytest.mark.parametrize("in_pieces", [False, True], ids=["whole", "octet by octet"])
@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 Connection established\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nProxy-Agent: tinyproxy/1.11.1\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\nVia: 1.1 x\r\n\r\n",
        b"HTTP/1.1 200 OK\nServer: old\n\n",
    ],
)
async def test_connect_leads_to_the_server_and_the_greeting_is_kept(head: bytes, in_pieces: bool) -> None:
    script = Scripted((head + GREETING,), in_pieces)
    async with serving(HTTP, script) as proxy:
        stream = await through(proxy)
        assert b"* OK ready" == await stream.read_line(100)
        stream.close()
    assert script.heard[0].startswith(b"CONNECT 192.0.2.10:993 HTTP/1.1\r\nHost: 192.0.2.10:993\r\n")


async def test_connect_is_given_ipv6_addresses_in_brackets() -> None:
    script = Scripted((b"HTTP/1.1 200 OK\r\n\r\n",))
    async with serving(HTTP, script) as proxy:
        (await through(proxy, "2001:db8::1")).close()
    assert script.heard[0].startswith(b"CONNECT [2001:db8::1]:993 HTTP/1.1\r\nHost: [2001:db8::1]:993\r\n")


@pytest.mark.parametrize("scheme", ProxyScheme)
async def test_it_works_beside_the_daemon_s_own_watch(scheme: ProxyScheme) -> None:
    replies = (NO_LOGIN, CONNECTED + GREETING) if scheme is SOCKS5 else (b"HTTP/1.1 200 OK\r\n\r\n" + GREETING,)
    watch = best_watch()
    async with serving(scheme, Scripted(replies, in_pieces=True)) as proxy:
        stream = await connect_through(proxy, LOOPBACK, TARGET, PORT, watch=watch)
        assert b"* OK ready" == await stream.read_line(100)
        stream.close()
    watch.close()


@pytest.mark.parametrize(
    ("code", "reason", "words"),
    [
        (1, FailureReason.CONNECT_FAILED, "general failure"),
        (2, FailureReason.CONNECT_FAILED, "its rules do not allow the connection"),
        (3, FailureReason.CONNECT_UNREACHABLE, "network unreachable"),
        (4, FailureReason.CONNECT_UNREACHABLE, "host unreachable"),
        (5, FailureReason.CONNECT_REFUSED, "connection refused"),
        (6, FailureReason.CONNECT_UNREACHABLE, "TTL expired"),
        (7, FailureReason.CONNECT_FAILED, "command not supported"),
        (8, FailureReason.CONNECT_FAILED, "address type not supported"),
    ],
)
async def test_every_refusal_of_socks5_has_its_reason(code: int, reason: FailureReason, words: str) -> None:
    told = await refused(SOCKS5, NO_LOGIN, bytes([5, code, 0, 1]) + bytes(6))
    assert (reason, f"could not connect: {words} (SOCKS5 reply {code})") == told


@pytest.mark.parametrize(
    ("replies", "told"),
    [
        ((b"\x05\xff",), WANTS_A_LOGIN),
        ((b"\x05\x02",), 'does not speak SOCKS5; it said "\\x05\\x02"'),
        ((b"\x04\x00",), 'does not speak SOCKS5; it said "\\x04\\x00"'),
        ((b"220 mail.example.com ESMTP\r\n",), 'does not speak SOCKS5; it said "22"'),
        ((b"",), "closed the connection without a reply"),
        ((b"\x05",), 'closed the connection after "\\x05"'),
        ((NO_LOGIN, b"\x05\x00\x00\x01\x7f"), 'closed the connection after "\\x05\\x00\\x05\\x00\\x00\\x01\\x7f"'),
        ((NO_LOGIN, b"\x05\x09\x00\x01"), 'does not speak SOCKS5; it said "\\x05\\x00\\x05\\x09\\x00"'),
        ((NO_LOGIN, b"\x05\x00\x00\x07"), 'does not speak SOCKS5; it said "\\x05\\x00\\x05\\x00\\x00\\x07"'),
        ((NO_LOGIN, b"\x05\x00\x00\x03\x01\xff\0\0"), 'does not speak SOCKS5; it said "\\x05\\x00\\x05\\x00\\x00'),
    ],
)
async def test_what_is_no_socks5_is_a_failure_to_connect(replies: tuple[bytes, ...], told: str) -> None:
    reason, detail = await refused(SOCKS5, *replies)
    assert FailureReason.CONNECT_FAILED == reason
    assert detail.startswith(told)


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", f"{WANTS_A_LOGIN} (HTTP status 407)"),
        (b"HTTP/1.1 403 Forbidden\r\n\r\nno", 'did not connect, and answered "HTTP/1.1 403 Forbidden"'),
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", 'did not connect, and answered "HTTP/1.1 502 Bad Gateway"'),
        (b"HTTP/1.1 200\xff\x00\r\n\r\n", 'does not speak HTTP; it said "HTTP/1.1 200\\xff\\x00\\x0d\\x0a\\x0d\\x0a"'),
        (b"HTTP/1.1 5\xff\xfe\x1b[31m\n\n", 'does not speak HTTP; it said "'),
        (b"SSH-2.0-OpenSSH\r\n\r\n", 'does not speak HTTP; it said "SSH-2.0-OpenSSH\\x0d\\x0a\\x0d\\x0a"'),
        (b"\r\n\r\n", 'does not speak HTTP; it said "\\x0d\\x0a\\x0d\\x0a"'),
        (b"", "closed the connection without a reply"),
        (b"HTTP/1.1 200 OK\r\nVia: ", 'closed the connection after "HTTP/1.1 200 OK\\x0d\\x0aVia: "'),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * MAX_REPLY, f"sent a reply of more than {MAX_REPLY} octets"),
        # A server that waits for a command: there is no end of a head to wait for.
        (b"220 mail.example.com ESMTP\r\n", 'does not speak HTTP; it said "220 mail.example.com ESMTP\\x0d\\x0a"'),
        (b"HTTQ", 'does not speak HTTP; it said "HTTQ"'),
        (b"HTTP/" + b"\0" * 1_000_000, f"sent a reply of more than {MAX_REPLY} octets"),
    ],
    ids=lambda value: value[:20].decode("latin1") if isinstance(value, bytes) else None,
)
async def test_what_is_no_success_of_connect_is_a_failure_to_connect(reply: bytes, told: str) -> None:
    reason, detail = await refused(HTTP, reply)
    assert FailureReason.CONNECT_FAILED == reason
    assert detail.startswith(told)


@pytest.mark.parametrize("scheme", ProxyScheme)
async def test_a_proxy_that_tears_the_connection_down_is_a_failure_to_connect(scheme: ProxyScheme) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async with nothing_left_behind(), serving(scheme, serve) as proxy:
        with pytest.raises(StreamError) as raised:
            await through(proxy)
    expected = (FailureReason.CONNECT_FAILED, f"the proxy {proxy} broke off: Connection reset by peer")
    assert expected == (raised.value.reason, raised.value.detail)


async def test_a_proxy_that_nobody_is_at_is_named() -> None:
    with socket.create_server((LOOPBACK, 0)) as listener:
        proxy = Proxy(SOCKS5, LOOPBACK, listener.getsockname()[1])
    with pytest.raises(StreamError) as raised:
        await through(proxy)
    expected = (FailureReason.CONNECT_REFUSED, f"the proxy {proxy} cannot be reached: Connection refused")
    assert expected == (raised.value.reason, raised.value.detail)


async def test_the_source_address_is_for_the_connection_to_the_proxy() -> None:
    clients = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        clients.append(writer.get_extra_info("peername")[0])
        await Scripted((b"HTTP/1.1 200 OK\r\n\r\n",))(reader, writer)

    async with serving(HTTP, serve) as proxy:
        stream = await connect_through(proxy, LOOPBACK, TARGET, PORT, "127.0.0.2")
        assert "127.0.0.2" == stream.local_address
        stream.close()
    assert ["127.0.0.2"] == clients


@pytest.mark.parametrize("said", [b"", b"\x05", b"H"], ids=["nothing", "a begun method", "a begun head"])
@pytest.mark.parametrize("scheme", ProxyScheme)
async def test_who_waits_for_a_proxy_that_says_no_more_can_be_told_to_stop(scheme: ProxyScheme, said: bytes) -> None:
    waiting = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1024)
        writer.write(said)
        waiting.set()
        await reader.read(1)

    async with nothing_left_behind(), serving(scheme, serve) as proxy:
        connecting = asyncio.create_task(through(proxy))
        await waiting.wait()
        connecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connecting


async def test_our_own_time_is_not_the_proxy_s_and_its_is_not_ours() -> None:
    """The proxy takes its time for the reply: none of that is taken off."""
    late = 0.1

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1024)
        await asyncio.sleep(late)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await reader.read(1)

    loop = asyncio.get_running_loop()
    async with serving(HTTP, serve) as proxy:
        begun = loop.time()
        stream = await through(proxy)
        took = loop.time() - begun
        assert late <= took - stream.peer_clock.behind() <= took
        stream.close()


BEGINNINGS = {SOCKS5: (b"", NO_LOGIN, NO_LOGIN + b"\x05\x00\x00"), HTTP: (b"", b"HTTP/1.1 ", b"HTTP/1.1 200 OK\r\n")}


@settings(max_examples=40)
@given(st.sampled_from(ProxyScheme), st.integers(0, 2), st.binary(max_size=40))
def test_nothing_that_a_proxy_says_raises_anything_else(scheme: ProxyScheme, beginning: int, rest: bytes) -> None:
    async def scenario() -> None:
        async with serving(scheme, Scripted((BEGINNINGS[scheme][beginning] + rest,))) as proxy:
            with suppress(StreamError):
                (await through(proxy)).close()

    asyncio.run(asyncio.wait_for(scenario(), 20))
