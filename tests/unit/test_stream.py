"""One connection: octets in, octets out, and what the system reports in the words of the closed set."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from OpenSSL import SSL

from exporter.model import FailureReason, TlsPolicy
from exporter.net.buffer import MAX_CONVERSATION
from exporter.net.stream import Stream, StreamError
from exporter.net.tls import TlsContexts
from tests.authority import issue, pem
from tests.certificates import NAME, world
from tests.handshakes import server_context

LOOPBACK = "127.0.0.1"
LIMIT = 8192

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> SSL.Context:
    file: Path = tmp_path_factory.mktemp("trust") / "authorities.pem"
    file.write_bytes(pem(*world().trusted))
    return TlsContexts().context(TlsPolicy(ca_file=file))


@asynccontextmanager
async def connected(serve: Serve) -> AsyncIterator[Stream]:
    """A stream to a server that does this, and then closes the connection."""

    served = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
            served.set()

    server = await asyncio.start_server(handle, LOOPBACK, 0)
    async with server:
        stream = await Stream.connect(LOOPBACK, server.sockets[0].getsockname()[1])
        try:
            yield stream
        finally:
            stream.close()
            await served.wait()


def says(*pieces: bytes) -> Serve:
    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()

    return serve


async def failure(work: Awaitable[object]) -> tuple[FailureReason, str]:
    with pytest.raises(StreamError) as raised:
        await work
    return raised.value.reason, raised.value.detail


async def test_lines_and_counts_are_read_as_they_are_asked_for() -> None:
    async with connected(says(b"* {3}\r\na\r\n", b")\r\nlast\n")) as stream:
        assert [b"* {3}", b"a\r\n", b")", b"last"] == [
            await stream.read_line(LIMIT),
            await stream.read_exactly(3),
            await stream.read_line(LIMIT),
            await stream.read_line(LIMIT),
        ]


async def test_all_of_it_is_sent_however_slowly_the_server_reads() -> None:
    sent = bytes(range(256)) * 40_000
    heard = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        heard.set_result(await reader.readexactly(len(sent)))

    async with connected(serve) as stream:
        await stream.send(sent)
        assert sent == await heard


async def test_a_connection_that_ends_says_what_came_last() -> None:
    async with connected(says(b"220 hello\r\n421 goodb")) as stream:
        assert b"220 hello" == await stream.read_line(LIMIT)
        expected = 'the server closed the connection after "421 goodb...", in the middle of a line'
        assert (FailureReason.CONNECTION_CLOSED, expected) == await failure(stream.read_line(LIMIT))


async def test_a_connection_that_ends_within_a_message_shows_nothing_of_it() -> None:
    expected = "the server closed the connection in the middle of a message"
    async with connected(says(b"Subject: secret")) as stream:
        assert (FailureReason.CONNECTION_CLOSED, expected) == await failure(stream.read_piece(LIMIT))
    async with connected(says(b"Subject: secret")) as stream:
        assert (FailureReason.CONNECTION_CLOSED, expected) == await failure(stream.read_exactly(99, of_content=True))


async def test_a_connection_that_is_torn_down_is_reset() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(4)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async with connected(serve) as stream:
        await stream.send(b"EHLO")
        assert (FailureReason.CONNECTION_RESET, "Connection reset by peer") == await failure(stream.read_line(LIMIT))


@pytest.mark.parametrize(
    ("pieces", "limit", "detail"),
    [
        ((b"x" * 101,), 100, "the server sent a line of more than 100 octets"),
        ((b"x" * 101 + b"\r\n",), 100, "the server sent a line of more than 100 octets"),
        (
            (b"x" * 100 + b"\n",) * (MAX_CONVERSATION // 100),
            100,
            f"the server sent more than {MAX_CONVERSATION} octets in one conversation",
        ),
    ],
    ids=["without end", "with an end", "of many lines"],
)
async def test_more_than_a_cap_is_too_large(pieces: tuple[bytes, ...], limit: int, detail: str) -> None:
    async def read_all(stream: Stream) -> None:
        while True:
            await stream.read_line(limit)

    async with connected(says(*pieces)) as stream:
        assert (FailureReason.RESPONSE_TOO_LARGE, detail) == await failure(read_all(stream))


async def test_a_port_that_nobody_listens_at_refuses() -> None:
    with socket.socket() as reserved:
        reserved.bind((LOOPBACK, 0))
        reason, detail = await failure(Stream.connect(LOOPBACK, reserved.getsockname()[1]))

    assert (FailureReason.CONNECT_REFUSED, "Connection refused") == (reason, detail)


async def test_a_source_address_that_is_not_this_machine_s_is_a_failure_to_connect() -> None:
    reason, detail = await failure(Stream.connect(LOOPBACK, 9, source_address="192.0.2.7"))

    assert (FailureReason.CONNECT_FAILED, "Cannot assign requested address") == (reason, detail)


async def test_what_came_and_was_not_read_can_be_looked_at() -> None:
    async with connected(says(b"220 ready\r\n250 injected\r\n")) as stream:
        await stream.read_line(LIMIT)

        assert b"250 injected\r\n" == stream.take_unread()


@pytest.mark.parametrize("waits_for_hello", [False, True], ids=["together with our hello", "after our hello"])
@pytest.mark.parametrize(
    "words", ["* OK IMAP ready", "a2 BAD Unknown command", "454 4.7.0 TLS not available", "-ERR no", "J\\x00\\x0a5.7"]
)
async def test_a_server_that_answers_a_handshake_in_plain_is_quoted_from_its_first_octet_on(
    context: SSL.Context, words: str, waits_for_hello: bool
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if waits_for_hello:
            await reader.read(1)
        writer.write(words.encode().decode("unicode_escape").encode() + b"\r\n")

    async with connected(serve) as stream:
        expected = rf'the server did not answer with TLS, but in plain: "{words}\x0d\x0a"'
        told = await failure(stream.start_tls(context, NAME, time.time()))

    assert (FailureReason.TLS_HANDSHAKE_FAILED, expected) == told


@pytest.mark.parametrize("kind", [20, 21, 22, 23, 24, 25, 26], ids=lambda kind: f"type {kind}")
async def test_no_record_of_tls_is_called_plain(context: SSL.Context, kind: int) -> None:
    async with connected(says(bytes([kind]) + b"\x03\x03\0\2\1\0")) as stream:
        _, detail = await failure(stream.start_tls(context, NAME, time.time()))

    assert "in plain" not in detail


@pytest.mark.parametrize("record", [b"\x15\x03\x01\x00\x02\x02\x28", b"\x16\x03\x03\x00\x7a"])
async def test_a_record_of_tls_where_a_line_is_due_is_not_waited_out(record: bytes) -> None:
    gone = asyncio.Event()

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(record)
        await gone.wait()

    async with connected(serve) as stream:
        reason, detail = await failure(stream.read_line(LIMIT))
        gone.set()

    assert FailureReason.PROTOCOL_ERROR == reason
    assert detail.startswith('not a greeting: "\\x1')


async def test_a_handshake_that_is_given_up_keeps_what_it_has_shown(context: SSL.Context) -> None:
    # In TLS 1.2 the certificate comes two messages before the end: time enough to stall.
    leaf = issue(NAME, world().root, alternatives=[NAME])
    server = server_context(leaf, versions=(SSL.TLS1_2_VERSION, SSL.TLS1_2_VERSION))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = SSL.Connection(server)
        connection.set_accept_state()
        connection.bio_write(await reader.read(65536))
        with pytest.raises(SSL.WantReadError):
            connection.do_handshake()
        writer.write(connection.bio_read(65536))
        # The client has seen all of that by the time that it goes on.
        await reader.read(65536)
        patience.reschedule(asyncio.get_running_loop().time())
        await reader.read()

    patience = asyncio.timeout(60.0)
    async with connected(serve) as stream:
        with pytest.raises(TimeoutError):
            async with patience:
                await stream.start_tls(context, NAME, time.time())
        shown = stream.unfinished

    assert shown is not None
    assert "TLSv1.2" == shown.version
    assert NAME in shown.chain[0].names


async def test_a_wait_that_is_cancelled_leaves_a_stream_that_can_be_closed() -> None:
    async def serve(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async with connected(serve) as stream:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await stream.read_line(LIMIT)


async def test_whoever_waits_for_the_server_learns_whether_it_spoke_in_time_and_misses_nothing() -> None:
    heard = asyncio.Event()

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await heard.wait()
        writer.write(b"* 1 EXISTS\r\n")
        await writer.drain()

    async with connected(serve) as stream:
        assert not await stream.heard_within(0.01)
        heard.set()
        assert await stream.heard_within(30.0)
        assert await stream.heard_within(0.0)
        assert b"* 1 EXISTS" == await stream.read_line(LIMIT)
        assert FailureReason.CONNECTION_CLOSED == (await failure(stream.heard_within(30.0)))[0]
