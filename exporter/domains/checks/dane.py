"""DANE: do the TLSA records match the servers' certificates, at every address and for every kind of key?"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from exporter.certificates.text import moment
from exporter.domains.checks.dnssec import UNKNOWN
from exporter.domains.checks.examination import Examination, MailHost, relay
from exporter.domains.checks.pinning import Pinned, Presented, all_presented, pinned, reference_names, weighed
from exporter.domains.checks.withdrawal import authoritative, judge_presence, report_gone
from exporter.domains.discovery.dns_records import SERVICES
from exporter.domains.handshakes import MailService
from exporter.domains.lookups import DnssecStatus, srv_records
from exporter.domains.posture.memory import MAX_REMEMBERED
from exporter.domains.posture.tlsa import KEY, SERVER, Tlsa, key_digest
from exporter.model import DomainProblem, KeyType, TlsaMatch

RENEWAL_DUE = 1 / 3
"""Certificates are usually renewed when this share of their lifetime is left."""

MOST_NOTICE = 30 * 86400.0
"""Even a certificate that is valid for years should be renewed this many seconds before it ends."""


async def check_dane(here: Examination) -> Mapping[str, Any]:
    """Check the MX hosts (RFC 7672), and the servers in SRV records (RFC 7673)."""
    exchange = await here.exchange()
    servers = [(host, relay(host.name)) for host in exchange.hosts]
    servers += await _offered(here)
    found = await asyncio.gather(*(_judged(here, host, place, mx=place.port == 25) for host, place in servers))  # noqa: PLR2004 - SMTP's
    every = [each for each, _, _ in found]
    if any(each.security is DnssecStatus.UNKNOWN and not each.failure for each in every):
        here.report(DomainProblem.DANE_UNKNOWN, UNKNOWN)
    pins = [(host, place, each.base) for (host, place), each in zip(servers, every, strict=True) if each.usable]
    unseen = bool(pins) and not any([await _is_reached(here, *each) for each in pins])
    if unseen or not any(each.published or each.failure or each.insecure for each in every):
        # If no server can be reached, there is nothing to compare the records with.
        here.nothing_published()
    relays = every[: len(exchange.hosts)]
    bare = [
        host.name
        for host, each in zip(exchange.hosts, relays, strict=True)
        if not each.published and any(found.rdatas for found in host.found)
    ]
    if bare and any(each.published for each in relays) and not any(each.failure for each in relays):
        told = f"MX hosts without TLSA records that count, beside others that have some: {', '.join(bare)}"
        here.report(DomainProblem.DANE_PARTIAL, told)
    if any(each.published for each in relays) and exchange.found.security is DnssecStatus.INSECURE:
        told = (
            f"the MX records of {here.domain} are not signed: DANE protects the hosts that they name, not their choice"
        )
        here.report(DomainProblem.DANE_MX_INSECURE, told)
    ready = {(place.host, place.port): each for (_, place), (_, _, each) in zip(servers, found, strict=True)}
    return {
        "matches": tuple(match for _, matches, _ in found for match in matches),
        "rollover_ready": {key: each for key, each in ready.items() if each is not None},
    }


async def _is_reached(here: Examination, host: MailHost, place: MailService, base: str) -> bool:
    return any([(await here.shown(place, address, base)).reached for address in host.permitted])


async def _offered(here: Examination) -> list[tuple[MailHost, MailService]]:
    """The servers for the domain's users."""
    found = await asyncio.gather(*(here.find(f"{service}._tcp.{here.domain}", "SRV") for service in SERVICES))
    places: dict[MailService, None] = {}
    for (protocol, encryption), each in zip(SERVICES.values(), found, strict=True):
        for record in srv_records(each):
            if record.host and record.port:
                places[MailService(record.host, record.port, protocol, encryption)] = None
    hosts = await asyncio.gather(*(here.host(place.host) for place in places))
    return list(zip(hosts, places, strict=True))


async def _judged(
    here: Examination, host: MailHost, place: MailService, *, mx: bool
) -> tuple[Pinned, list[TlsaMatch], bool | None]:
    """The records of one server, which of them match, and whether it is ready for another key."""
    pins = await pinned(here, host, place.port)
    where = f"_{place.port}._tcp.{pins.base}"
    if pins.failure:
        here.report(DomainProblem.DANE_LOOKUP_FAILED, f"{where}: {pins.failure}")
    if pins.insecure:
        here.report(DomainProblem.DANE_INSECURE, f"{where} has TLSA records that are not signed, and do not count")
    if pins.unreadable:
        here.report(DomainProblem.DANE_MALFORMED, f"{where}: records that cannot be read: {pins.unreadable}")
    for fault in pins.unusable:
        here.report(DomainProblem.DANE_UNUSABLE, f"{where} {fault}")
    judge_presence(here, place, published=pins.published, known=not pins.failure)
    if not pins.usable:
        return pins, [], None
    names = await reference_names(here, host, pins.base, mx=mx)
    shown = await all_presented(here, host, place, pins.base)
    rows = [row for each in shown for row in await _rows(here, pins.usable, each, names)]
    for each in shown:
        outcomes: list[tuple[KeyType | None, bool]] = [
            (match.key_type, match.matches) for match, _ in rows if match.address == each.address
        ]
        if not each.by_kind:
            # There is no series for this kind of key, e.g. Ed25519.
            outcomes = [(None, bool((await weighed(here, pins.usable, each.shown, names)).counting))]
        _judge(here, pins, each, outcomes, await _outdone(here, pins, each, names))
    in_use = {record for match, record in rows if match.matches}
    _remember(here, place, pins, in_use, shown)
    if in_use:
        await _judge_withdrawal(here, pins.base, rows, shown, names)
    ready = _is_ready(here, place, pins, in_use) if in_use else None
    if ready is False:
        _judge_renewal(here, place, in_use, shown)
    return pins, [match for match, _ in rows], ready


async def _judge_withdrawal(
    here: Examination,
    base: str,
    rows: Sequence[tuple[TlsaMatch, Tlsa]],
    shown: Sequence[Presented],
    names: tuple[str, ...],
) -> None:
    """Report records that match now, but that the zone's name servers no longer have."""
    place = shown[0].place
    found = await authoritative(here, f"_{place.port}._tcp.{base}", base)
    if found is None:
        return
    later = [row for each in shown for row, _ in await _rows(here, found, each, names)]
    kept = {(row.address, row.key_type) for row in later if row.matches}
    gone = {record: None for row, record in rows if row.matches and (row.address, row.key_type) not in kept}
    if gone:
        report_gone(here, place, gone)


async def _rows(
    here: Examination, records: Sequence[Tlsa], shown: Presented, names: tuple[str, ...]
) -> list[tuple[TlsaMatch, Tlsa]]:
    rows = []
    for kind, each in shown.by_kind:
        found = set((await weighed(here, records, each, names)).counting)
        for record in records:
            match = TlsaMatch(
                shown.place.host,
                shown.place.port,
                shown.address,
                kind,
                record.usage,
                record.selector,
                record.matching,
                record.short,
                record in found,
            )
            rows.append((match, record))
    return rows


def _judge(
    here: Examination,
    pins: Pinned,
    shown: Presented,
    outcomes: Sequence[tuple[KeyType | None, bool]],
    outdone: Sequence[Tlsa],
) -> None:
    where = f"{shown.place.host} port {shown.place.port} at {shown.address}"
    if not shown.shown.reached:
        return  # the check of MX reports this
    if not shown.shown.chain:
        here.report(DomainProblem.DANE_WITHOUT_STARTTLS, f"{where} has TLSA records, and no TLS: {shown.shown.detail}")
        return
    kinds = {kind: any(matched for one, matched in outcomes if one == kind) for kind, _ in outcomes}
    failing = [str(kind) for kind, matched in kinds.items() if not matched]
    records = "; ".join(map(str, pins.usable[:4]))
    if outdone:
        records += f"; {outdone[0]} would match, and does not count beside a stronger digest"
    if len(failing) == len(kinds):
        here.report(DomainProblem.DANE_MISMATCH, f"{where}: no record matches its certificate ({records})")
    elif failing:
        told = f"{where}: no record matches its certificate for {failing[0]} keys ({records})"
        here.report(DomainProblem.DANE_KEY_TYPE_MISMATCH, told)


async def _outdone(here: Examination, pins: Pinned, shown: Presented, names: tuple[str, ...]) -> list[Tlsa]:
    """The records that match a certificate, and do not count because of records with a stronger digest."""
    every = [await weighed(here, pins.usable, one, names) for one in (shown.shown, *(one for _, one in shown.by_kind))]
    return [record for each in every for record in each.outdone]


def _remember(
    here: Examination, place: MailService, pins: Pinned, in_use: set[Tlsa], shown: Sequence[Presented]
) -> None:
    memory, digests = here.memory, _keys(shown)
    if len(memory.matched) + len(memory.served) + len(memory.withdrawn) > MAX_REMEMBERED:
        # Keep only what is published and served by this server.
        memory.matched &= {_key(place, record) for record in pins.usable}
        memory.served = {key: at for key, at in memory.served.items() if key[2] in digests}
        memory.withdrawn.clear()
    memory.matched.update(_key(place, record) for record in in_use)
    for digest in digests:
        memory.served.setdefault((place.host, place.port, digest), here.now)


def _keys(shown: Sequence[Presented]) -> set[bytes]:
    digests = (key_digest(one.chain) for each in shown for _, one in each.by_kind)
    return {digest for digest in digests if digest is not None}


def _keeps_its_key(here: Examination, place: MailService, shown: Presented, begin: float) -> bool:
    """Whether the key is older than the certificate. Then the last renewal kept it, and the next one will, too."""
    digest = key_digest(shown.shown.chain)
    return digest is not None and here.memory.served.get((place.host, place.port, digest), begin) < begin


def _is_ready(here: Examination, place: MailService, pins: Pinned, in_use: set[Tlsa]) -> bool:
    """Whether a record is for a future key: one that was never served."""
    return any(record not in in_use and _key(place, record) not in here.memory.matched for record in pins.usable)


def _key(place: MailService, record: Tlsa) -> tuple[str, int, int, int, int, bytes]:
    return place.host, place.port, record.usage, record.selector, record.matching, record.data


def _judge_renewal(here: Examination, place: MailService, in_use: set[Tlsa], shown: Sequence[Presented]) -> None:
    """Report a certificate that is due for renewal while all records are for the current one."""
    if any(record.usage != SERVER for record in in_use):
        return  # the authority stays the same
    by_key = any(record.selector == KEY for record in in_use)
    for each in shown:
        begin, end = each.shown.not_before, each.shown.not_after
        if begin is None or end is None or (by_key and _keeps_its_key(here, place, each, begin)):
            continue
        notice = min((end - begin) * RENEWAL_DUE, MOST_NOTICE)
        if here.now > end - notice:
            told = (
                f"{place.host} port {place.port}: the certificate ends {moment(end)}, and no record is for another key"
            )
            here.report(DomainProblem.DANE_RENEWAL_UNPREPARED, told)
            return
