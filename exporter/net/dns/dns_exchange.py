"""One DNS question put to one nameserver: by UDP, and again by TCP if the answer was cut short (RFC 7766).

Sockets and bytes only. Which server is asked next, when to give up, and what an answer means are decided by the
callers; nothing here knows of hosts, caches or probes.

Each exchange opens and closes a socket of its own, for which the kernel picks a random source port. The port and the
random id protect against forged answers (RFC 5452 section 9.2). The socket is connected, so that it only receives from
the server asked, and reports a closed port at once.
"""

from __future__ import annotations

import asyncio
import socket
import time
from dataclasses import dataclass
from functools import partial

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype

from exporter.net.dns.dns_wire import MAX_MESSAGE, Answer, BadAnswer, read_answer
from exporter.net.dns.nameserver import Nameserver
from exporter.net.readiness import Readiness, Wait
from exporter.net.stamps import CLOCK_WAS_SET, ask_for_stamps, clock_offset, receive
from exporter.threads import computed

EDNS_PAYLOAD = 1232
"""Octets we offer to take by UDP: what passes every path without fragments, as agreed on DNS flag day 2020."""

MAX_AT_ONCE = 512
"""The longest answer, in octets, that is parsed in the event loop. Parsing takes 0.2 ms for a usual answer, but 50 ms
for 4 KiB of records with the longest possible name. Longer answers are parsed in a thread, so that no probe waits."""

MAX_STRAYS = 16
"""Unrelated datagrams after which a server is given up, so that it cannot keep the loop busy."""

_NO_EDNS = frozenset({dns.rcode.FORMERR, dns.rcode.NOTIMP})


@dataclass(slots=True)
class Stamps:
    """When a question was asked: from its first packet to the last one that answered it.

    One question may take several exchanges: with servers that are dead or err, with repetitions, by TCP. All that lies
    between the first packet and the last is time that the network took, whichever exchange succeeded.

    Attributes:
        checking_disabled: Whether it asks for what the server has found to be wrong, too (RFC 4035 section 3.2.2).
        asked_at: When the first packet of the first exchange left, by `time.perf_counter`; `None` if none has.
        answered_at: When the last answer had come, whenever it was noticed and read; likewise.
    """

    checking_disabled: bool = False
    asked_at: float | None = None
    answered_at: float | None = None
    _offset: float = 0.0

    def leaves(self) -> float:
        """A packet leaves now. Returns the time."""
        self._offset = clock_offset()
        now = time.perf_counter()
        if self.asked_at is None:
            self.asked_at = now
        return now

    def comes(self, left: float, lateness: float) -> None:
        """An answer came so many seconds ago, to a packet that left at that time."""
        now = time.perf_counter()
        # The kernel's stamps are of the system's time, which may have been set while we waited.
        was_set = abs(clock_offset() - self._offset) > CLOCK_WAS_SET
        self.answered_at = now if was_set or not 0.0 <= lateness <= now - left else now - lateness


async def exchange(
    name: dns.name.Name, rdtype: dns.rdatatype.RdataType, server: Nameserver, patience: float, stamps: Stamps
) -> Answer:
    """Asks once, and returns whatever answer comes, error codes included.

    Args:
        name: Absolute.
        rdtype: The kind of records.
        server: The server to ask.
        patience: Seconds to wait for each of the answers this may take.
        stamps: The stamps of the question; also set if the exchange fails.

    Raises:
        TimeoutError: No usable answer in time; the message is a `BadAnswer`'s if unusable ones came.
        BadAnswer: Something came that ends the exchange.
        OSError: The server cannot be talked to.
    """
    question = _Question(server, patience, stamps)
    answer = await _ask(name, rdtype, question, edns=True)
    if answer.message.rcode() in _NO_EDNS and answer.message.edns < 0:
        # RFC 6891 section 7: a server that knows no EDNS answers like this, and knows the question without it.
        answer = await _ask(name, rdtype, question, edns=False)
    return answer


@dataclass(frozen=True, slots=True)
class _Question:
    """The server, the timeout, and where to record the times."""

    server: Nameserver
    patience: float
    stamps: Stamps


async def _ask(name: dns.name.Name, rdtype: dns.rdatatype.RdataType, question: _Question, *, edns: bool) -> Answer:
    query = _query(name, rdtype, question, edns=edns)
    answer = await _by_udp(query, question)
    if answer.message.flags & dns.flags.TC:
        # RFC 2181 section 9: what is in a truncated answer is not used; it is asked for again by TCP.
        answer = await _by_tcp(query, question)
    return answer


def _query(
    name: dns.name.Name, rdtype: dns.rdatatype.RdataType, question: _Question, *, edns: bool
) -> dns.message.QueryMessage:
    query = dns.message.make_query(name, rdtype, use_edns=0 if edns else False, payload=EDNS_PAYLOAD)
    # RFC 6840 section 5.7: that we want to know whether the answer was validated.
    query.flags |= dns.flags.AD
    if question.stamps.checking_disabled:
        query.flags |= dns.flags.CD
    return query


async def _by_udp(query: dns.message.QueryMessage, question: _Question) -> Answer:
    server, stamps = question.server, question.stamps
    stray: BadAnswer | None = None
    with socket.socket(server.family, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        ask_for_stamps(sock)
        sock.connect(server.socket_address())
        wire = query.to_wire()
        left = stamps.leaves()
        sock.send(wire)
        try:
            async with asyncio.timeout(question.patience):
                for _ in range(MAX_STRAYS):
                    received, lateness = await _datagram(sock)
                    stamps.comes(left, lateness)
                    try:
                        return await _read(received, query)
                    except BadAnswer as error:
                        # RFC 5452 section 9.1: may be a forger's attempt; the true answer may still come.
                        stray = error
        except TimeoutError:
            if stray is None:
                raise
            raise TimeoutError(str(stray)) from None
    raise BadAnswer(f"sent {MAX_STRAYS} datagrams that answer nothing, the last of which {stray}")


async def _datagram(sock: socket.socket) -> tuple[bytes, float]:
    """The next datagram, and how many seconds it waited before it was noticed."""
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


async def _by_tcp(query: dns.message.QueryMessage, question: _Question) -> Answer:
    loop = asyncio.get_running_loop()
    server, stamps = question.server, question.stamps
    with socket.socket(server.family, socket.SOCK_STREAM) as sock:
        sock.setblocking(False)
        async with asyncio.timeout(question.patience):
            left = stamps.leaves()
            await loop.sock_connect(sock, server.socket_address())
            await loop.sock_sendall(sock, query.to_wire(prepend_length=True))
            length = int.from_bytes(await _exactly(2, sock))
            if length > MAX_MESSAGE:
                raise BadAnswer(f"sent an answer of {length} octets, more than the {MAX_MESSAGE} we take")
            received = await _exactly(length, sock)
            # A stamp of the kernel may be older than the segment that a stream had to wait for: none is asked for.
            stamps.comes(left, 0.0)
            response = await _read(received, query)
    if response.message.flags & dns.flags.TC:
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


async def _read(wire: bytes, query: dns.message.QueryMessage) -> Answer:
    """As `read_answer`, without blocking the loop."""
    if len(wire) <= MAX_AT_ONCE or len(wire) > MAX_MESSAGE:
        return read_answer(wire, query)
    return await computed(partial(read_answer, wire, query), "dns-answer")
