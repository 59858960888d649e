"""What a hostile server can do to a stream: nothing that holds up the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from OpenSSL import SSL

from exporter.model import FailureReason, TlsPolicy
from exporter.net.tls import TlsContexts
from tests.authority import Party, issue, pem, rsa_key
from tests.certificates import NAME, world
from tests.handshakes import server_context
from tests.servers.hostile_tls import (
    KEY_UPDATE,
    TICKET,
    Session,
    choosing_group,
    flooding,
    greeting_with_hello_requests,
)
from tests.unit.streams import LIMIT, TLS12, TLS13, connected, failure, in_pieces, server

DELAYED_ACKNOWLEDGEMENT = 0.04
"""Seconds (TCP_DELACK_MIN of the kernel)."""

MOST_HELD = 0.25
"""Seconds for which the loop may be held up. It is 0.02 on a machine that does nothing else, and was 4 to 30."""


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> SSL.Context:
    file: Path = tmp_path_factory.mktemp("trust") / "authorities.pem"
    file.write_bytes(pem(*world().trusted))
    return TlsContexts().context(TlsPolicy(ca_file=file))


@pytest.fixture(scope="module")
def rsa_leaf() -> Party:
    return issue(NAME, world().root, alternatives=[NAME], key=rsa_key(2048, "choosing a group"))


class Watch:
    """The longest time for which the event loop did not turn."""

    def __init__(self) -> None:
        self.longest = 0.0

    async def run(self) -> None:
        last = time.thread_time()
        while True:
            # Time in which the machine did something else is not ours: only this thread's counts.
            await asyncio.sleep(0)
            now = time.thread_time()
            self.longest, last = max(self.longest, now - last), now


@asynccontextmanager
async def watched() -> AsyncIterator[Watch]:
    watch = Watch()
    task = asyncio.get_running_loop().create_task(watch.run())
    try:
        yield watch
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.mark.parametrize("message", [TICKET, KEY_UPDATE], ids=["session tickets", "key updates"])
@pytest.mark.parametrize("first", [b"", b"220 hello\r\n"], ids=["before the greeting", "after it"])
async def test_messages_of_tls_without_end_are_too_much_and_hold_nobody_up(
    context: SSL.Context, message: bytes, first: bytes
) -> None:
    async with connected(flooding(server, message, first=first)) as stream, watched() as watch:
        await stream.start_tls(context, NAME, time.time())
        if first:
            assert b"220 hello" == await stream.read_line(LIMIT)
        reason, _ = await failure(stream.read_line(LIMIT))

    # OpenSSL itself allows 32 key updates in a row (SSL_R_TOO_MANY_KEY_UPDATES).
    expected = FailureReason.TLS_HANDSHAKE_FAILED if message == KEY_UPDATE else FailureReason.RESPONSE_TOO_LARGE
    assert expected == reason
    assert watch.longest < MOST_HELD


async def test_hello_requests_without_end_are_too_much_and_hold_nobody_up(context: SSL.Context) -> None:
    async with connected(greeting_with_hello_requests()) as stream, watched() as watch:
        reason, _ = await failure(stream.start_tls(context, NAME, time.time()))

    assert FailureReason.RESPONSE_TOO_LARGE == reason
    assert watch.longest < MOST_HELD


async def test_closing_reads_nothing(context: SSL.Context) -> None:
    async with connected(flooding(server, TICKET, first=b"220 hello\r\n")) as stream, watched() as watch:
        await stream.start_tls(context, NAME, time.time())
        await stream.read_line(LIMIT)

    assert watch.longest < MOST_HELD


@pytest.mark.parametrize("versions", [TLS12, TLS13], ids=["TLS 1.2", "TLS 1.3"])
async def test_a_handshake_may_come_octet_by_octet(context: SSL.Context, versions: tuple[int, int]) -> None:
    async with connected(in_pieces(server(versions), list(range(1, 700)))) as stream:
        facts = await stream.start_tls(context, NAME, time.time())
        assert facts.verified
        assert b"220 hello" == await stream.read_line(LIMIT)


@pytest.mark.parametrize("cut", [1, 4, 5, 6, 50, 127, 128, 133, 200, 512])
async def test_a_flight_that_comes_in_two_pieces_is_no_answer_in_plain(context: SSL.Context, cut: int) -> None:
    async with connected(in_pieces(server(), [cut])) as stream:
        assert (await stream.start_tls(context, NAME, time.time())).verified


async def test_records_of_one_octet_are_read(context: SSL.Context) -> None:
    words = b"220 " + 2000 * b"x" + b"\r\n"

    def act(sock: socket.socket) -> None:
        session = Session(sock, server())
        sock.sendall(b"".join(session.record(23, words[at : at + 1]) for at in range(len(words))))
        sock.recv(1 << 16)

    async with connected(act) as stream, watched() as watch:
        await stream.start_tls(context, NAME, time.time())
        assert words.rstrip() == await stream.read_line(LIMIT)

    assert watch.longest < MOST_HELD


async def test_a_large_group_is_computed_in_beside_the_loop(rsa_leaf: Party, context: SSL.Context) -> None:
    async with connected(choosing_group(rsa_leaf, 4096)) as stream, watched() as watch:
        told = await failure(stream.start_tls(context, NAME, time.time()))
        assert stream.unfinished is not None

    # It got as far as the server's Finished, which this one never sends.
    assert (FailureReason.CONNECTION_CLOSED, "the server closed the connection") == told
    assert watch.longest < MOST_HELD


async def test_a_group_too_large_is_not_computed_in(rsa_leaf: Party, context: SSL.Context) -> None:
    async with connected(choosing_group(rsa_leaf, 10_000)) as stream, watched() as watch:
        told = await failure(stream.start_tls(context, NAME, time.time()))

    expected = "the server's Diffie-Hellman group has 10000 bits, more than 8192"
    assert (FailureReason.TLS_HANDSHAKE_FAILED, expected) == told
    assert watch.longest < MOST_HELD


async def test_who_gives_up_while_a_thread_computes_leaves_the_session_alone(
    rsa_leaf: Party, context: SSL.Context
) -> None:
    async with connected(choosing_group(rsa_leaf, 8192)) as stream:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await stream.start_tls(context, NAME, time.time())

        assert stream.unfinished is None


async def test_a_server_that_writes_in_pieces_does_not_wait_for_our_kernel() -> None:
    def act(sock: socket.socket) -> None:
        # Nagle's algorithm is on, as it is by default: what is written second waits until the first is acknowledged.
        sock.sendall(b"220 hello\r\n")
        while sock.recv(100):
            for piece in (b"250-first\r\n", b"250-second\r\n", b"250 third\r\n"):
                sock.sendall(piece)

    took = []
    async with connected(act) as stream:
        await stream.read_line(LIMIT)
        for _ in range(20):
            begun = time.perf_counter()
            await stream.send(b"EHLO\r\n")
            lines = [await stream.read_line(LIMIT) for _ in range(3)]
            took.append(time.perf_counter() - begun)
            assert [b"250-first", b"250-second", b"250 third"] == lines

    # The kernel would put it off for 40 ms each time.
    assert min(took) < DELAYED_ACKNOWLEDGEMENT


async def test_a_hundred_certificates_are_read_and_hold_nobody_up(context: SSL.Context) -> None:
    leaf = issue(NAME, world().root, alternatives=[NAME])
    others = [issue(f"Authority {number}", world().root, authority=True) for number in range(99)]
    presented = server_context(leaf, *others)

    async with connected(in_pieces(presented, [])) as stream, watched() as watch:
        facts = await stream.start_tls(context, NAME, time.time())

    assert NAME in facts.chain[0].names
    assert watch.longest < MOST_HELD
