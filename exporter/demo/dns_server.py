"""A nameserver on loopback for the demo's domains: it answers from a table, by UDP, and asks nobody.

It claims to have validated what a scene calls signed, as a resolver does; nothing is signed here. Names that are not in
the table do not exist, so no question of the demo leaves the machine.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, cast

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset

TTL: Final = 5
"""Seconds: as short as the demo's patience."""

MAX_ALIASES: Final = 16

_RECORD: Final = re.compile(r"(\S+)\s+([A-Z]+)\s+(.+)")


@dataclass
class Zone:
    """One domain.

    Attributes:
        signed: Whether answers are called validated.
        bogus: Names whose signatures are called wrong; every name if it is the zone's own.
    """

    name: dns.name.Name
    signed: bool = True
    bogus: frozenset[dns.name.Name] = frozenset()
    records: dict[tuple[dns.name.Name, int], dns.rrset.RRset] = field(default_factory=dict)

    def is_bogus(self, name: dns.name.Name) -> bool:
        """Whether a name's signatures are called wrong."""
        return name in self.bogus or self.name in self.bogus

    def add(self, owner: str, rdtype: str, text: str) -> None:
        """Put in a record, with its owner relative to the zone."""
        kind = dns.rdatatype.from_text(rdtype)
        name = dns.name.from_text(owner, self.name) if owner != "@" else self.name
        if text.startswith("\\#"):
            # Octets that make a malformed record: a mistake that a zone file cannot have.
            octets = bytes.fromhex("".join(text.split()[2:]))
            rdata: dns.rdata.Rdata = dns.rdata.GenericRdata(dns.rdataclass.IN, kind, octets)
        else:
            rdata = dns.rdata.from_text(dns.rdataclass.IN, kind, text, self.name, relativize=False)
        rrset = self.records.setdefault((name, kind), dns.rrset.RRset(name, dns.rdataclass.IN, kind))
        rrset.add(rdata, TTL)

    def find(self, name: dns.name.Name, kind: int) -> dns.rrset.RRset | None:
        """The records of a kind at a name, if need be by a wildcard right above it."""
        found = self.records.get((name, kind))
        if found is not None or self.exists(name):
            return found
        wild = self.records.get((dns.name.Name([b"*", *name.labels[1:]]), kind))
        if wild is None:
            return None
        made = dns.rrset.RRset(name, dns.rdataclass.IN, wild.rdtype)
        for rdata in wild:
            made.add(rdata, TTL)
        return made

    def exists(self, name: dns.name.Name) -> bool:
        """Whether there is anything at a name or below it."""
        return any(owner.is_subdomain(name) for owner, _ in self.records)


def zone(name: str, lines: Iterable[str], *, signed: bool = True, bogus: Iterable[str] = ()) -> Zone:
    """A zone of lines such as `mx A 127.25.0.1`."""
    origin = dns.name.from_text(name)
    made = Zone(
        origin,
        signed,
        frozenset(dns.name.from_text(each, origin) if each != "@" else origin for each in bogus),
    )
    for line in lines:
        match = _RECORD.fullmatch(line.strip())
        if match is None:
            raise ValueError(f"not a record: {line!r}")
        made.add(*match.groups())
    return made


class Zones:
    """Answers."""

    def __init__(self, zones: Iterable[Zone]) -> None:
        self._zones = {each.name: each for each in zones}

    def answer(self, wire: bytes) -> bytes | None:
        """The answer to a question; `None` for anything else."""
        try:
            query = dns.message.from_wire(wire)
        except (dns.exception.DNSException, ValueError):
            return None
        if len(query.question) != 1 or query.flags & dns.flags.QR:
            return None
        response = dns.message.make_response(query, recursion_available=True)
        (question,) = query.question
        unchecked = bool(query.flags & dns.flags.CD)
        self._fill(response, question.name, question.rdtype, unchecked=unchecked)
        return response.to_wire(max_size=65535)

    def _fill(self, response: dns.message.Message, name: dns.name.Name, kind: int, *, unchecked: bool) -> None:
        signed = True
        for _ in range(MAX_ALIASES):
            home = self._zone_of(name)
            if home is None:
                break
            signed = signed and home.signed
            if home.is_bogus(name) and not unchecked:
                response.answer.clear()
                response.set_rcode(dns.rcode.SERVFAIL)
                reason = dns.edns.EDEOption(dns.edns.EDECode.DNSSEC_BOGUS, "the demo says so")
                response.use_edns(0, options=[reason])
                return
            found = home.find(name, kind)
            alias = None if found is not None else home.find(name, dns.rdatatype.CNAME)
            if found is not None:
                response.answer.append(found)
                self._call_signed(response, signed=signed)
                return
            if alias is None:
                break
            response.answer.append(alias)
            target: Any = alias[0]
            name = target.target
        home = self._zone_of(name)
        if home is None or not home.exists(name):
            response.set_rcode(dns.rcode.NXDOMAIN)
        origin = home.name if home is not None else dns.name.root
        soa = f"ns.{origin} hostmaster.{origin} 1 3600 600 86400 {TTL}" if home is not None else ". . 1 1 1 1 1"
        response.authority.append(dns.rrset.from_text(origin, TTL, "IN", "SOA", soa))
        self._call_signed(response, signed=signed and home is not None)

    def _zone_of(self, name: dns.name.Name) -> Zone | None:
        while name != dns.name.root:
            found = self._zones.get(name)
            if found is not None:
                return found
            name = name.parent()
        return None

    @staticmethod
    def _call_signed(response: dns.message.Message, *, signed: bool) -> None:
        if signed:
            response.flags |= dns.flags.AD


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, zones: Zones) -> None:
        self._zones = zones
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        answer = self._zones.answer(data)
        if answer is not None and self._transport is not None:
            self._transport.sendto(answer, addr)


@asynccontextmanager
async def nameserver(zones: Iterable[Zone], address: str) -> AsyncIterator[int]:
    """Answer at a free port of an address, from entry to exit; gives the port."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(Zones(zones)), local_addr=(address, 0))
    try:
        yield transport.get_extra_info("sockname")[1]
    finally:
        transport.close()
