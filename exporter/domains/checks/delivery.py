"""The summary: would each kind of sender deliver to each address, with the records that are published now?

A sender that honours DANE also uses it if the MX records are unsigned but the MX host's own records are signed. Postfix
does this, and RFC 7672 section 2.2.1 allows it. If nothing usable is published, every sender is opportunistic: it uses
any encryption that the server offers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from exporter.domains.checks.examination import Examination, MailHost, relay
from exporter.domains.checks.mta_sts import policy_of
from exporter.domains.checks.pinning import pinned, presented, reference_names, weighed
from exporter.domains.discovery.dns_records import SMTP_PORT
from exporter.domains.handshakes import HandshakeResult
from exporter.domains.lookups import DnssecStatus
from exporter.domains.posture.sts_policy import Mode
from exporter.model import Delivery, Sender


async def sum_up(here: Examination) -> Mapping[str, Any]:
    """One row for each MX host, address and kind of sender. Rows with an unknown result are left out."""
    exchange = await here.exchange()
    rows = await asyncio.gather(*(_rows(here, host, address) for host in exchange.hosts for address in host.permitted))
    shown = await asyncio.gather(
        *(here.shown(relay(host.name), address, host.name) for host in exchange.hosts for address in host.permitted)
    )
    if not any(each.reached for each in shown):
        return {}
    return {"deliveries": tuple(row for each in rows for row in each)}


async def _rows(here: Examination, host: MailHost, address: str) -> list[Delivery]:
    shown = await here.shown(relay(host.name), address, host.name)
    verdicts = {Sender.OPPORTUNISTIC: _opportunistic(shown)}
    if not shown.reached or not shown.speaks:
        verdicts |= {Sender.DANE: verdicts[Sender.OPPORTUNISTIC], Sender.MTA_STS: verdicts[Sender.OPPORTUNISTIC]}
    else:
        verdicts[Sender.MTA_STS] = await _mta_sts(here, host, shown)
        dane = await _dane(here, host, address)
        if dane is not None:
            verdicts[Sender.DANE] = dane
    return [Delivery(host.name, address, sender, *verdicts[sender]) for sender in Sender if sender in verdicts]


def _opportunistic(shown: HandshakeResult) -> tuple[bool, str]:
    if not shown.reached:
        return False, f"cannot be connected to: {shown.detail}"
    if not shown.speaks:
        return False, f"turns us away: {shown.detail}"
    if shown.chain:
        return True, "takes mail, encrypted"
    return True, f"takes mail, in plain: {shown.detail}"


async def _mta_sts(here: Examination, host: MailHost, shown: HandshakeResult) -> tuple[bool, str]:
    policy = (await policy_of(here)).policy
    if policy is None or policy.mode is not Mode.ENFORCE:
        able, detail = _opportunistic(shown)
        return able, f"no MTA-STS policy is enforced; {detail}"
    if not policy.lists(host.name):
        return False, "the MTA-STS policy does not list this host"
    if not shown.chain:
        return False, f"the MTA-STS policy wants TLS: {shown.detail}"
    if shown.problems:
        return False, f"the MTA-STS policy wants a good certificate, and this one is {', '.join(shown.problems)}"
    return True, "keeps to the MTA-STS policy"


async def _dane(here: Examination, host: MailHost, address: str) -> tuple[bool, str] | None:
    """`None` if no trusted resolver validates DNSSEC."""
    pins = await pinned(here, host, SMTP_PORT)
    if pins.failure:
        return False, f"the TLSA records cannot be looked up, and mail is held back: {pins.failure}"
    if pins.security is DnssecStatus.UNKNOWN:
        return None
    place = relay(host.name)
    if not pins.published:
        able, detail = _opportunistic(await here.shown(place, address, host.name))
        return able, f"no TLSA records count; {detail}"
    shown = await presented(here, place, address, pins.base)
    if not shown.shown.chain:
        return False, f"TLSA records ask for TLS: {shown.shown.detail}"
    if not pins.usable:
        return True, "none of the TLSA records can be used: encrypted, and not authenticated"
    names = await reference_names(here, host, pins.base, mx=True)
    found = (await weighed(here, pins.usable, shown.shown, names)).counting
    return (True, f"matches {found[0]}") if found else (False, "no TLSA record matches the certificate")
