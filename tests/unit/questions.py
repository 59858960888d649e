"""One question to nameservers, and what came of it, for tests."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

from exporter.net.dns.dns_query import Failed, QueryOutcome, RecordSet, ask
from exporter.net.dns.nameserver import Nameserver as Address
from tests.servers import dns as servers
from tests.servers.dns import Nameserver, Query

MAIL = "mail.example.test"
GOOD = servers.records(f"{MAIL}. 300 IN A 192.0.2.1")


async def asked(*of: Nameserver, name: str = MAIL, rdtype: str = "A", within: float = 5.0) -> QueryOutcome:
    deadline = asyncio.get_running_loop().time() + within
    addresses = [Address(*server.address) for server in of]
    return await ask(dns.name.from_text(name), dns.rdatatype.from_text(rdtype), addresses, deadline)


def texts(outcome: QueryOutcome) -> list[str]:
    assert isinstance(outcome, RecordSet), outcome
    return [rdata.to_text() for rdata in outcome.rdatas]


def detail(outcome: QueryOutcome) -> str:
    assert isinstance(outcome, Failed), outcome
    return outcome.detail


def nobody() -> Nameserver:
    """A port on loopback that nobody listens on."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return Nameserver(GOOD, address=sock.getsockname())


def lame(query: Query) -> Sequence[bytes]:
    """Refers to the root instead of answering, as authoritative servers did for names that are not theirs."""
    message = servers.response(query, aa=False)
    message.authority.append(dns.rrset.from_text(".", 518400, "IN", "NS", "a.root-servers.net."))
    return servers.sent(query, message)
