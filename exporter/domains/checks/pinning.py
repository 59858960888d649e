"""The TLSA records of a server, and whether they match its certificate.

The check of DANE and the summary in delivery.py share this module.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from exporter.domains.checks.examination import Examination, MailHost
from exporter.domains.handshakes import HandshakeResult, MailService
from exporter.domains.lookups import DnssecStatus, tlsa_records
from exporter.domains.posture.tlsa import Tlsa, Weighed, key_type, weigh
from exporter.model import KeyType
from exporter.threads import computed

_OTHER = {KeyType.RSA: KeyType.ECDSA, KeyType.ECDSA: KeyType.RSA}


@dataclass(frozen=True, slots=True)
class Pinned:
    """The TLSA records of one host and port.

    Attributes:
        security: The DNSSEC status. TLSA records count only if it is secure.
        base: The name that has the records below it (RFC 7671 section 7); the host's own name if there are none.
        usable: The records that a sender uses.
        unusable: For people: for each unusable record, why it cannot be used.
        unreadable: The number of records that cannot be read.
        insecure: Whether there are records that do not count because they are not validated.
        failure: Why the records are unknown. Senders then keep mail in their queue (RFC 7672 section 2.1.2).
    """

    security: DnssecStatus
    base: str
    usable: tuple[Tlsa, ...] = ()
    unusable: tuple[str, ...] = ()
    unreadable: int = 0
    insecure: bool = False
    failure: str = ""

    @property
    def published(self) -> bool:
        """Whether validated records exist, usable or not."""
        return bool(self.usable or self.unusable or self.unreadable)


@dataclass(frozen=True, slots=True)
class Presented:
    """What one address presented: with all kinds of keys allowed, and for each kind of key."""

    place: MailService
    address: str
    shown: HandshakeResult
    by_kind: tuple[tuple[KeyType, HandshakeResult], ...]


async def pinned(here: Examination, host: MailHost, port: int) -> Pinned:
    """The TLSA records of a host and port."""
    return await here.shared(("pinned", host.name, port), lambda: _pinned(here, host, port))


async def _pinned(here: Examination, host: MailHost, port: int) -> Pinned:
    answers = [each for each in host.found if not each.failure]
    if any(each.security is DnssecStatus.UNKNOWN for each in answers):
        return Pinned(DnssecStatus.UNKNOWN, host.name)
    if not any(each.rdatas for each in answers):
        return Pinned(DnssecStatus.INSECURE, host.name)
    bases = [host.alias_of, host.name] if host.alias_of else [host.name]
    if not host.secure:
        # RFC 7672 section 2.2.2: the alias itself may be signed, although its target is not.
        alias = await here.find(host.name, "CNAME") if host.alias_of else None
        bases = [host.name] if alias is not None and alias.secure else []
    for base in bases:
        found = await here.find(f"_{port}._tcp.{base}", "TLSA")
        # RFC 7672 section 2.1.1: malformed records count as unusable, and senders do not delay mail because of them.
        if found.failure and not found.unreadable:
            return Pinned(found.security, base, failure=found.failure)
        if (found.rdatas or found.unreadable) and found.secure:
            records = tlsa_records(found)
            return Pinned(
                DnssecStatus.SECURE,
                base,
                usable=tuple(each for each in records if each.fault is None),
                unusable=tuple(f"{each}: {each.fault}" for each in records if each.fault is not None),
                unreadable=found.unreadable,
            )
    insecure = False
    if not bases:
        found = await here.find(f"_{port}._tcp.{host.name}", "TLSA")
        insecure = bool(found.rdatas)
    return Pinned(DnssecStatus.SECURE if bases else DnssecStatus.INSECURE, host.name, insecure=insecure)


async def presented(here: Examination, place: MailService, address: str, server_name: str) -> Presented:
    """Do two handshakes with one address: a normal one, and one for the other kind of key."""
    shown = await here.shown(place, address, server_name)
    kind = key_type(shown.chain)
    by_kind = [(kind, shown)] if kind is not None else []
    if kind is not None:
        other = await here.shown(place, address, server_name, _OTHER[kind])
        if key_type(other.chain) is _OTHER[kind]:
            by_kind.append((_OTHER[kind], other))
    return Presented(place, address, shown, tuple(by_kind))


async def all_presented(here: Examination, host: MailHost, place: MailService, server_name: str) -> list[Presented]:
    """As `presented`, for every address of a host."""
    return await asyncio.gather(*(presented(here, place, each, server_name) for each in host.permitted))


async def weighed(
    here: Examination, records: Sequence[Tlsa], shown: HandshakeResult, names: tuple[str, ...]
) -> Weighed:
    """As `weigh`. It is done once for each chain and in a thread: a hundred records may take a quarter of a second."""
    work = partial(weigh, tuple(records), shown.chain, names, here.now)
    return await here.shared(("weighed", *work.args), lambda: computed(work, "dane"))


async def reference_names(here: Examination, host: MailHost, base: str, *, mx: bool) -> tuple[str, ...]:
    """The names that a certificate may have with usage 2 (RFC 7672 section 3.2.2, RFC 7673 section 4.1).

    As in Postfix, the domain's own name counts also if its MX records are not signed. The name of an MX host that is an
    alias does not count if the TLSA records are those of its target.
    """
    if not mx:
        return tuple(dict.fromkeys((base, host.name, here.domain)))
    exchange = await here.exchange()
    return tuple(dict.fromkeys((base, here.domain, exchange.found.name) if exchange.records else (base,)))
