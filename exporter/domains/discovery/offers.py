"""The servers that sources name for a domain, and how to connect to them. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from exporter.config.values.hosts import is_ipv4, is_ipv6, parse_host
from exporter.config.values.urls import MAX_PORT, shortest_url
from exporter.model import Encryption, Protocol, Source

MAX_OFFERS = 64
"""The most servers that are used from one source. More of them would be abuse."""


@dataclass(frozen=True, slots=True)
class Offer:
    """One server that a source names.

    Attributes:
        priority: Clients use the lowest first; `None` if the source has no priorities.
        secure: Whether it comes from an answer that was validated with DNSSEC.
        relay: Whether it receives mail for the domain from other servers, and not from the domain's users.
        portless: Whether the source names no port, so that the default port is used.
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
        """The name of the endpoint. It stays the same while the server does."""
        return shortest_url(self.protocol, self.encryption, self.host, self.port)

    @property
    def place(self) -> tuple[Protocol, str, int]:
        """Two offers with the same place are one endpoint."""
        return self.protocol, self.host, self.port


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer of one source.

    Attributes:
        success: Whether it is usable. It may say that there is no server.
        problem: Why it is not usable, or what is wrong with it; empty without a problem.
        ttl: Seconds for which it may be used; `None` if the source has no TTL.
        failed: Whether the source could not be asked, so that its earlier offers stay.
        malformed: Whether it cannot be parsed.
        unreachable: Whether a host that only serves such documents does not answer.
        not_allowed: Whether it leads to a host that we may not connect to.
        wildcard: Whether the host exists only because of a DNS wildcard, so that its answer may be unintended.
        digest_matches: For PACC: whether the digest in DNS is the document's; `None` if there is none.
        expires: Unix time when the certificate of the document's server ends.
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
    """One endpoint, combined from all sources.

    Attributes:
        offer: The offer of the first source that names it.
        sources: All sources that name it, in the order asked.
    """

    offer: Offer
    sources: tuple[Source, ...]


def host_of(text: str) -> str | None:
    """A host of a source in normal form; `None` if it is not a valid host."""
    try:
        host = parse_host(text.strip())
    except ValueError:
        return None
    return host


def is_address(host: str) -> bool:
    """Whether a host is an IP address, also in brackets as in a mail address."""
    host = host.removeprefix("[").removesuffix("]")
    return is_ipv4(host) or is_ipv6(host)


def is_port(number: int) -> bool:
    """Whether the number is a valid port."""
    return 1 <= number <= MAX_PORT


def merge(answers: Iterable[Answered]) -> list[Discovered]:
    """The endpoints of all sources, each once, in the order of the sources and their preferences."""
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
                    # If any source names the server for users, it is not only a relay.
                    relay=known.offer.relay and offer.relay,
                    priority=offer.priority if known.offer.priority is None else known.offer.priority,
                )
                merged[offer.place] = Discovered(first, (*known.sources, offer.source))
    return list(merged.values())
