"""What a source says that a domain has: a server for a protocol, and how it is to be reached. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from exporter.config.values.hosts import is_ipv4, is_ipv6, parse_host
from exporter.config.values.urls import MAX_PORT, shortest_url
from exporter.model import Encryption, Protocol, Source

MAX_OFFERS = 64
"""Servers that are taken from one source: a domain that names more wants to keep us busy."""


@dataclass(frozen=True, slots=True)
class Offer:
    """One server that a source names.

    Attributes:
        priority: The lower, the sooner it is to be used; `None` where the source has none.
        secure: Whether it comes from an answer that was validated by DNSSEC.
        relay: Whether it takes mail for the domain from anybody, and not from its users.
        portless: Whether the source names no port, so that the usual one is meant.
    """

    source: Source
    protocol: Protocol
    host: str
    port: int
    encryption: Encryption
    priority: int | None = None
    secure: bool = False
    relay: bool = False
    portless: bool = False

    @property
    def name(self) -> str:
        """What the endpoint is called: the same for as long as the server is."""
        return shortest_url(self.protocol, self.encryption, self.host, self.port)

    @property
    def place(self) -> tuple[Protocol, str, int]:
        """What makes two offers one endpoint."""
        return self.protocol, self.host, self.port


@dataclass(frozen=True, slots=True)
class Answered:
    """What one source said.

    Attributes:
        success: Whether it says something, be it that there is nothing.
        problem: Why it does not, or what is wrong with what it says; empty if nothing is.
        ttl: Seconds for which it may be used; `None` where the source does not say.
        failed: Whether it could not be asked, so that what is known of it stays.
        malformed: Whether it said something that cannot be understood.
        unreachable: Whether a host that is there for nothing else does not answer.
        not_allowed: Whether it leads to where we do not connect to.
        wildcard: Whether the host is one that any name leads to, so that what it says may not be meant.
        digest_matches: PACC only.
        expires: Unix time: of the certificate that a document was served with.
    """

    source: Source
    success: bool
    offers: tuple[Offer, ...] = ()
    problem: str = ""
    ttl: float | None = None
    failed: bool = False
    malformed: bool = False
    unreachable: bool = False
    not_allowed: bool = False
    wildcard: bool = False
    digest_matches: bool | None = None
    expires: float | None = None


@dataclass(frozen=True, slots=True)
class Discovered:
    """One endpoint, as all sources have it together.

    Attributes:
        offer: The offer of the first source that names it.
        sources: All that do, in the order asked.
    """

    offer: Offer
    sources: tuple[Source, ...]


def host_of(text: str) -> str | None:
    """A host as a source writes it, in the one form that the program knows; `None` if it is none."""
    try:
        host = parse_host(text.strip())
    except ValueError:
        return None
    return host


def is_address(host: str) -> bool:
    """Whether a host is written as an IP address, be it in brackets as in a mail address."""
    host = host.removeprefix("[").removesuffix("]")
    return is_ipv4(host) or is_ipv6(host)


def is_port(number: int) -> bool:
    """Whether somebody can listen there."""
    return 1 <= number <= MAX_PORT


def merge(answers: Iterable[Answered]) -> list[Discovered]:
    """The endpoints of all sources, each once, in the order of the sources and of what they prefer."""
    merged: dict[tuple[Protocol, str, int], Discovered] = {}
    for answer in answers:
        for offer in answer.offers[:MAX_OFFERS]:
            known = merged.get(offer.place)
            if known is None:
                merged[offer.place] = Discovered(offer, (offer.source,))
            elif offer.source not in known.sources:
                first = replace(
                    known.offer,
                    secure=known.offer.secure or offer.secure,
                    # A server that users log in at is not only where mail is handed over.
                    relay=known.offer.relay and offer.relay,
                    priority=offer.priority if known.offer.priority is None else known.offer.priority,
                )
                merged[offer.place] = Discovered(first, (*known.sources, offer.source))
    return list(merged.values())
