"""Turns MX and SRV records into offers (RFC 5321 section 5.1, RFC 7505, RFC 6186, RFC 8314 section 5.1). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from exporter.domains.discovery.offers import Answered, Offer, host_of, is_address, is_port
from exporter.model import Encryption, Protocol, Source

SMTP_PORT = 25

SERVICES: Mapping[str, tuple[Protocol, Encryption]] = {
    "_submissions": (Protocol.SMTP, Encryption.TLS),
    "_submission": (Protocol.SMTP, Encryption.STARTTLS),
    "_imaps": (Protocol.IMAP, Encryption.TLS),
    "_imap": (Protocol.IMAP, Encryption.STARTTLS),
    "_pop3s": (Protocol.POP3, Encryption.TLS),
    "_pop3": (Protocol.POP3, Encryption.STARTTLS),
}
"""Names of services. Those with TLS from the start come first (RFC 8314 section 5.1)."""


@dataclass(frozen=True, slots=True)
class Mx:
    """One MX record.

    Attributes:
        host: The name without the final dot; empty for the root.
    """

    preference: int
    host: str


@dataclass(frozen=True, slots=True)
class Srv:
    """One SRV record. Its host has the same form as that of `Mx`."""

    priority: int
    weight: int
    port: int
    host: str


def is_null_mx(records: Sequence[Mx]) -> bool:
    """Whether the domain declares that it does not accept mail (RFC 7505)."""
    return len(records) == 1 and not records[0].host


def mx_answer(records: Sequence[Mx], domain: str, *, ttl: float, secure: bool, implicit: bool = False) -> Answered:
    """The answer of the source MX.

    Args:
        records: The records; empty if there are none.
        domain: The domain of the records.
        ttl: The TTL of the answer.
        secure: Whether the answer was validated.
        implicit: Whether the domain has addresses itself. Without MX records it is then its own MX host (RFC 5321
            section 5.1).
    """
    if is_null_mx(records):
        return Answered(Source.MX, success=True, problem="the domain takes no mail (null MX, RFC 7505)", ttl=ttl)
    if not records:
        if not implicit:
            return Answered(
                Source.MX, success=False, problem="no MX record, and no address that could stand for it", ttl=ttl
            )
        records = [Mx(0, domain)]
    offers, notes = _mx_offers(records, secure=secure)
    problem = "; ".join(notes)
    return Answered(
        Source.MX, success=bool(offers), offers=tuple(offers), problem=problem, ttl=ttl, malformed=bool(notes)
    )


def _mx_offers(records: Iterable[Mx], *, secure: bool) -> tuple[list[Offer], list[str]]:
    """The servers in the order of preference, and the problems of the records."""
    offers, notes = [], []
    for record in sorted(records, key=lambda record: (record.preference, record.host)):
        host = host_of(record.host) if record.host else None
        if host is None:
            notes.append(f"MX {record.preference} {ascii(record.host or '.')[1:-1][:80]} is not a host")
        elif is_address(host):
            notes.append(f"MX {record.preference} {host} is an address, and has to be a name")
        else:
            offers.append(
                Offer(
                    Source.MX,
                    Protocol.SMTP,
                    host,
                    SMTP_PORT,
                    Encryption.STARTTLS,
                    priority=record.preference,
                    secure=secure,
                    relay=True,
                )
            )
    return offers, notes


def srv_offers(service: str, records: Iterable[Srv], *, secure: bool) -> tuple[list[Offer], list[str]]:
    """The servers of one service, in the order of priority and weight; and the problems of the records.

    The target "." means that there is no such service (RFC 6186 section 3.4). This is neither an offer nor a problem.
    """
    protocol, encryption = SERVICES[service]
    offers, notes = [], []
    for record in sorted(records, key=lambda record: (record.priority, -record.weight, record.host)):
        if not record.host:
            continue
        host = host_of(record.host)
        if host is None or is_address(host) or not is_port(record.port):
            notes.append(f"{service} {ascii(record.host)[1:-1][:80]}:{record.port} is not a server")
        else:
            offers.append(
                Offer(Source.SRV, protocol, host, record.port, encryption, priority=record.priority, secure=secure)
            )
    return offers, notes
