"""A nameserver for tests that misbehaves on demand. The behaviours of `Nameserver` are functions, each named after what
is wrong with its answers.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.rrset

from tests.servers.programs import LOOPBACK, unavailable


@dataclass(frozen=True, slots=True)
class Query:
    """A question as it arrived.

    Attributes:
        name: Without the final dot.
        rdtype: e.g. `AAAA`.
        transport: `udp` or `tcp`.
        edns: Whether it has an OPT record.
        source_port: The port that it was sent from.
        message: The whole message.
    """

    name: str
    rdtype: str
    transport: str
    edns: bool
    source_port: int
    message: dns.message.QueryMessage


Behaviour = Callable[[Query], Sequence[bytes]]
"""The pieces to send back: datagrams for UDP, parts of the stream for TCP."""


@dataclass
class Nameserver:
    """A server on loopback whose answers a test decides.

    Attributes:
        behaviour: Gives the answer to each question; may be changed at any time.
        queries: The questions in their order.
        gate: Questions are answered only while this is set. Tests may clear it.
    """

    behaviour: Behaviour
    queries: list[Query] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    address: tuple[str, int] = ("", 0)
    _arrived: asyncio.Condition = field(default_factory=asyncio.Condition)

    def __str__(self) -> str:
        return f"{self.address[0]}:{self.address[1]}"

    @property
    def asked(self) -> list[tuple[str, str]]:
        """Name and type of each question."""
        return [(query.name, query.rdtype) for query in self.queries]

    async def was_asked(self, times: int) -> None:
        """Waits until so many questions have arrived."""
        async with self._arrived:
            await self._arrived.wait_for(lambda: len(self.queries) >= times)

    async def answer(self, wire: bytes, transport: str, source_port: int) -> Sequence[bytes]:
        """The behaviour's answer to a question, after the gate has opened."""
        message = dns.message.from_wire(wire)
        assert isinstance(message, dns.message.QueryMessage)
        (question,) = message.question
        query = Query(
            name=question.name.to_text(omit_final_dot=True),
            rdtype=dns.rdatatype.to_text(question.rdtype),
            transport=transport,
            edns=message.edns >= 0,
            source_port=source_port,
            message=message,
        )
        async with self._arrived:
            self.queries.append(query)
            self._arrived.notify_all()
        await self.gate.wait()
        return self.behaviour(query)


@asynccontextmanager
async def nameserver(behaviour: Behaviour, host: str = LOOPBACK) -> AsyncIterator[Nameserver]:
    """Serves by UDP and TCP on one port until the block ends.

    Args:
        behaviour: The behaviour at first.
        host: The address to listen at.

    Raises:
        ExceptionGroup: The behaviour itself failed. It is not raised if the block already raised another error.
    """
    udp, tcp = _sockets(host)
    server = Nameserver(behaviour, address=udp.getsockname()[:2])
    server.gate.set()
    serving = [asyncio.create_task(_serve_udp(server, udp)), asyncio.create_task(_serve_tcp(server, tcp))]
    try:
        yield server
    finally:
        for task in serving:
            task.cancel()
        await asyncio.wait(serving)
        udp.close()
        tcp.close()
    for task in serving:
        if not task.cancelled():
            task.result()


async def _serve_udp(server: Nameserver, sock: socket.socket) -> None:
    loop = asyncio.get_running_loop()

    async def reply(wire: bytes, peer: tuple[str, int]) -> None:
        for datagram in await server.answer(wire, "udp", peer[1]):
            await loop.sock_sendto(sock, datagram, peer)

    async with asyncio.TaskGroup() as group:
        while True:
            group.create_task(reply(*await loop.sock_recvfrom(sock, 65535)))


async def _serve_tcp(server: Nameserver, listener: socket.socket) -> None:
    loop = asyncio.get_running_loop()

    async def converse(connection: socket.socket, peer: tuple[str, int]) -> None:
        with closing(connection):
            # A question this short arrives in one piece on loopback: length and message.
            wire = await loop.sock_recv(connection, 65535)
            for piece in await server.answer(wire[2:], "tcp", peer[1]):
                await loop.sock_sendall(connection, piece)

    async with asyncio.TaskGroup() as group:
        while True:
            group.create_task(converse(*await loop.sock_accept(listener)))


def _sockets(host: str) -> tuple[socket.socket, socket.socket]:
    """A UDP socket, and a TCP listener on the same port."""
    while True:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        udp = socket.socket(family, socket.SOCK_DGRAM)
        try:
            udp.bind((host, 0))
        except OSError as error:
            udp.close()
            unavailable(f"no server can be run at {host}: {error}")
        try:
            tcp = socket.create_server(udp.getsockname()[:2], family=family)
        except OSError:  # the port is taken for TCP: the next one the system gives is another
            udp.close()
            continue
        udp.setblocking(False)
        tcp.setblocking(False)
        return udp, tcp


# Building blocks of behaviours.


def response(query: Query, rcode: dns.rcode.Rcode = dns.rcode.NOERROR, *, aa: bool = True) -> dns.message.QueryMessage:
    """An answer without records, like a resolver's."""
    message = dns.message.make_response(query.message, recursion_available=True)
    assert isinstance(message, dns.message.QueryMessage)
    message.set_rcode(rcode)
    if aa:
        message.flags |= dns.flags.AA
    return message


def sent(query: Query, message: dns.message.Message) -> Sequence[bytes]:
    """A message as the query's transport needs it."""
    # By default, dnspython shuffles the records.
    return [message.to_wire(max_size=65535, prepend_length=query.transport == "tcp", want_shuffle=False)]


def soa(zone: str, *, ttl: int = 3600, minimum: int = 300) -> dns.rrset.RRset:
    """The SOA record of a negative answer."""
    return dns.rrset.from_text(zone, ttl, "IN", "SOA", f"ns.{zone} hostmaster.{zone} 1 3600 600 86400 {minimum}")


def records(*lines: str, zone: str = "example.test.", minimum: int = 300) -> Behaviour:
    """Answers from records in the form of a zone file, following aliases; NXDOMAIN or no data for all else.

    Args:
        lines: e.g. `mail.example.test. 300 IN A 192.0.2.1`, names absolute.
        zone: The zone whose SOA record is in negative answers.
        minimum: The negative TTL in that record.
    """
    known: dict[tuple[dns.name.Name, dns.rdatatype.RdataType], dns.rrset.RRset] = {}
    for line in lines:
        name, ttl, rdclass, rdtype, text = line.split(None, 4)
        rrset = dns.rrset.from_text(name, int(ttl), rdclass, rdtype, text)
        known.setdefault((rrset.name, rrset.rdtype), rrset).add(rrset[0], int(ttl))
    names = {name for name, _ in known}

    def behave(query: Query) -> Sequence[bytes]:
        message = response(query)
        (question,) = query.message.question
        name = question.name
        while alias := known.get((name, dns.rdatatype.CNAME)):
            message.answer.append(alias)
            name = dns.name.from_text(alias[0].to_text())
        rrset = known.get((name, question.rdtype))
        if rrset is not None:
            message.answer.append(rrset)
        else:
            message.authority.append(soa(zone, minimum=minimum))
            if name not in names:
                message.set_rcode(dns.rcode.NXDOMAIN)
        return sent(query, message)

    return behave


def by_type(**behaviours: Behaviour) -> Behaviour:
    """A behaviour for each type of record, e.g. `by_type(A=..., AAAA=silent)`."""
    return lambda query: behaviours[query.rdtype](query)


def by_name(behaviours: Mapping[str, Behaviour]) -> Behaviour:
    """A behaviour for each name."""
    return lambda query: behaviours[query.name](query)


def rcode(code: dns.rcode.Rcode, *, because: dns.edns.EDEOption | None = None) -> Behaviour:
    """Answers everything with an error, and the reason for it (RFC 8914)."""

    def behave(query: Query) -> Sequence[bytes]:
        message = response(query, code)
        if because is not None:
            message.use_edns(0, options=[because])
        return sent(query, message)

    return behave


def silent(query: Query) -> Sequence[bytes]:
    """Reads questions and never answers; closes TCP connections."""
    assert query.name
    return []


def garbage(query: Query) -> Sequence[bytes]:
    """Sends the header of an answer, then garbage."""
    return [query.message.to_wire()[:2] + b"\x81\x80" + b"\xff" * 30]


# Misbehaviours on top of a good answer.


def cut_short_by_udp(behaviour: Behaviour) -> Behaviour:
    """Over UDP, sets TC and leaves out the records; over TCP, gives the whole answer."""

    def behave(query: Query) -> Sequence[bytes]:
        if query.transport == "tcp":
            return behaviour(query)
        message = response(query)
        message.flags |= dns.flags.TC
        return sent(query, message)

    return behave


def byte_by_byte(behaviour: Behaviour) -> Behaviour:
    """Sends a TCP answer in the smallest pieces."""

    def behave(query: Query) -> Sequence[bytes]:
        pieces = behaviour(query)
        return [bytes([octet]) for piece in pieces for octet in piece] if query.transport == "tcp" else pieces

    return behave


def without_edns(behaviour: Behaviour) -> Behaviour:
    """Answers FORMERR, with a bare header, to a query with an OPT record, as servers older than RFC 6891 do."""

    def behave(query: Query) -> Sequence[bytes]:
        if not query.edns:
            return behaviour(query)
        flags = dns.flags.QR | dns.rcode.FORMERR
        return [query.message.to_wire()[:2] + int(flags).to_bytes(2) + bytes(8)]

    return behave


def losing_the_first(count: int, behaviour: Behaviour) -> Behaviour:
    """Ignores the first questions."""
    lost = 0

    def behave(query: Query) -> Sequence[bytes]:
        nonlocal lost
        lost += 1
        return [] if lost <= count else behaviour(query)

    return behave
