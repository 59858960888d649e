"""One DNS question put to one nameserver: by UDP, and again by TCP if the answer was cut short (RFC 7766).

Sockets and bytes only. Which server is asked next, when to give up, and what an answer means are decided by the
callers; nothing here knows of hosts, caches or probes.

Each exchange has a socket of its own, made for it and closed after it: the kernel picks a random source port, which
together with the random id is what protects an answer from being forged (RFC 5452 section 9.2). The socket is
connected, so that nobody but the server asked is heard, and so that a port nobody listens on is told at once.
"""

from __future__ import annotations

import asyncio
import socket
import time
from dataclasses import dataclass, replace

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype

from exporter.net.nameserver import Nameserver
from exporter.net.readiness import Readiness, Wait
from exporter.net.turns import ask_for_stamps, receive

EDNS_PAYLOAD = 1232
"""Octets we offer to take by UDP: what passes every path without fragments, as agreed on DNS flag day 2020."""

MAX_MESSAGE = 4096
"""Octets of an answer: ten times what the longest one of a mail host needs."""

MAX_AT_ONCE = 512
"""Octets that are read at once. dnspython takes 0.2 ms for a usual answer, but 50 ms for 4 KiB of records whose name is
made as long as can be, and all other probes would wait: longer answers are read in a thread."""

MAX_STRAYS = 16
"""Datagrams that are no answer to our question before the server is given up on: it may not keep the loop busy."""

_NO_EDNS = frozenset({dns.rcode.FORMERR, dns.rcode.NOTIMP})


class BadAnswer(ValueError):
    """What the server sent cannot be used. The message completes "192.0.2.53 ...", e.g. "answered SERVFAIL"."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered.

    Attributes:
        asked_at: When the question had been made and left, by `time.perf_counter`.
        answered_at: When the answer had come, whenever it was noticed and read; likewise.
    """

    message: dns.message.QueryMessage
    asked_at: float
    answered_at: float


async def exchange(name: dns.name.Name, rdtype: dns.rdatatype.RdataType, server: Nameserver, patience: float) -> Answer:
    """Asks once, and returns whatever answer comes, error codes included.

    Args:
        name: Absolute.
        rdtype: The kind of records.
        server: Whom to ask.
        patience: Seconds to wait for each of the answers this may take.

    Raises:
        TimeoutError: No usable answer in time; the message is a `BadAnswer`'s if unusable ones came.
        BadAnswer: Something came that ends the exchange.
        OSError: The server cannot be talked to.
    """
    answer = await _ask(name, rdtype, server, patience, edns=True)
    if answer.message.rcode() in _NO_EDNS and answer.message.edns < 0:
        # RFC 6891 section 7: a server that knows no EDNS answers like this, and knows the question without it.
        second = await _ask(name, rdtype, server, patience, edns=False)
        answer = replace(second, asked_at=answer.asked_at)
    return answer


async def _ask(
    name: dns.name.Name, rdtype: dns.rdatatype.RdataType, server: Nameserver, patience: float, *, edns: bool
) -> Answer:
    query = dns.message.make_query(name, rdtype, use_edns=0 if edns else False, payload=EDNS_PAYLOAD)
    answer = await _by_udp(query, server, patience)
    if answer.message.flags & dns.flags.TC:
        # RFC 2181 section 9: what is in a truncated answer is not used; it is asked for again by TCP.
        message = await _by_tcp(query, server, patience)
        answer = Answer(message, answer.asked_at, time.perf_counter())
    return answer


async def _by_udp(query: dns.message.QueryMessage, server: Nameserver, patience: float) -> Answer:
    stray: BadAnswer | None = None
    with socket.socket(server.family, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        ask_for_stamps(sock)
        sock.connect(server.socket_address())
        wire = query.to_wire()
        asked_at = time.perf_counter()
        sock.send(wire)
        try:
            async with asyncio.timeout(patience):
                for _ in range(MAX_STRAYS):
                    received, lateness = await _datagram(sock)
                    answered_at = time.perf_counter() - lateness
                    try:
                        return Answer(await _read(received, query), asked_at, answered_at)
                    except BadAnswer as error:
                        # RFC 5452 section 9.1: may be a forger's attempt; the true answer may still come.
                        stray = error
        except TimeoutError:
            if stray is None:
                raise
            raise TimeoutError(str(stray)) from None
    raise BadAnswer(f"sent {MAX_STRAYS} datagrams that answer nothing, the last of which {stray}")


async def _datagram(sock: socket.socket) -> tuple[bytes, float]:
    """The next one, and for how many seconds it lay here before it was noticed."""
    readiness = Readiness(sock.fileno())
    try:
        while True:
            await readiness.of(Wait.READ)
            try:
                return receive(sock, MAX_MESSAGE + 1)
            except BlockingIOError:
                continue  # its checksum was wrong (select(2))
    finally:
        readiness.close()


async def _by_tcp(query: dns.message.QueryMessage, server: Nameserver, patience: float) -> dns.message.QueryMessage:
    loop = asyncio.get_running_loop()
    with socket.socket(server.family, socket.SOCK_STREAM) as sock:
        sock.setblocking(False)
        async with asyncio.timeout(patience):
            await loop.sock_connect(sock, server.socket_address())
            await loop.sock_sendall(sock, query.to_wire(prepend_length=True))
            length = int.from_bytes(await _exactly(2, sock))
            if length > MAX_MESSAGE:
                raise BadAnswer(f"sent an answer of {length} octets, more than the {MAX_MESSAGE} we take")
            response = await _read(await _exactly(length, sock), query)
    if response.flags & dns.flags.TC:
        raise BadAnswer("sent an answer that is cut short even by TCP")
    return response


async def _exactly(count: int, sock: socket.socket) -> bytes:
    loop = asyncio.get_running_loop()
    received = b""
    while len(received) < count:
        piece = await loop.sock_recv(sock, count - len(received))
        if not piece:
            raise BadAnswer("closed the TCP connection before the answer was complete")
        received += piece
    return received


async def _read(wire: bytes, query: dns.message.QueryMessage) -> dns.message.QueryMessage:
    """As `_answer`, without holding up the loop."""
    if len(wire) <= MAX_AT_ONCE or len(wire) > MAX_MESSAGE:
        return _answer(wire, query)
    return await asyncio.to_thread(_answer, wire, query)


def _answer(wire: bytes, query: dns.message.QueryMessage) -> dns.message.QueryMessage:
    """Reads a message, and makes sure that it answers this question (RFC 5452 section 9.1).

    A truncated one is returned whatever its records are worth; the caller sees its TC flag.

    Raises:
        BadAnswer: It does not answer it, or is no DNS message.
    """
    if len(wire) > MAX_MESSAGE:
        raise BadAnswer(f"sent a datagram of more than {MAX_MESSAGE} octets")
    try:
        message = dns.message.from_wire(wire, raise_on_truncation=True)
    except dns.message.Truncated as truncated:
        message = truncated.message()  # type: ignore[no-untyped-call] # dnspython left this one out
    except dns.exception.DNSException as error:
        raise BadAnswer(f"sent what is no DNS message ({type(error).__name__})") from error
    if not isinstance(message, dns.message.QueryMessage) or not query.is_response(message):
        raise BadAnswer("sent an answer to another question")
    return message
