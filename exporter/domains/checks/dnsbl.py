"""DNS lists: is a sending address listed? A list that fails on its own test entries is ignored (RFC 5782)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from exporter.domains.checks.examination import Examination
from exporter.domains.lookups import addresses, texts
from exporter.domains.posture.dns_list import CLEAN, LISTED, NotAListingError, dnsbl_name, is_listed
from exporter.domains.tags import shown
from exporter.model import DomainProblem


async def check_dnsbl(here: Examination) -> Mapping[str, Any]:
    """Check the sending addresses in all configured lists (RFC 5782 sections 2 and 5)."""
    found = await here.senders()
    if not found:
        here.nothing_published()
    rows = await asyncio.gather(*(_of_zone(here, zone, found) for zone in here.settings.dnsbl))
    listed = {(address, zone): on for zone, row in zip(here.settings.dnsbl, rows, strict=True) for address, on in row}
    if found and not listed:
        here.nothing_published()
    return {"listed": listed}


async def _of_zone(here: Examination, zone: str, sending: tuple[str, ...]) -> list[tuple[str, bool]]:
    rows: list[tuple[str, bool]] = []
    for version in (4, 6):
        concerned = [address for address in sending if (":" in address) is (version == 6)]  # noqa: PLR2004 - IPv6
        if not concerned:
            continue
        fault = await _fault(here, zone, version)
        if fault:
            here.report(DomainProblem.DNSBL_UNUSABLE, f"{zone} (IPv{version}): {fault}")
            continue
        for address in concerned:
            on = await _is_on(here, zone, address)
            if isinstance(on, str):
                here.report(DomainProblem.DNSBL_UNUSABLE, f"{zone}: {on}")
            else:
                rows.append((address, on))
                if on:
                    reason = await _reason(here, zone, address)
                    here.report(DomainProblem.DNSBL_LISTED, f"{address} is on {zone}{reason}")
    return rows


async def _fault(here: Examination, zone: str, version: int) -> str:
    """Why the list cannot be used; empty if it can."""
    listed, clean = await asyncio.gather(_is_on(here, zone, LISTED[version]), _is_on(here, zone, CLEAN[version]))
    for outcome in (listed, clean):
        if isinstance(outcome, str):
            return outcome
    if not listed:
        return f"its test entry {LISTED[version]} is not listed"
    return f"it lists everything, even {CLEAN[version]}" if clean else ""


async def _is_on(here: Examination, zone: str, address: str) -> bool | str:
    """Whether an address is listed; a text if the list does not answer."""
    found = await here.find(dnsbl_name(address, zone), "A")
    if found.failure:
        return found.failure
    try:
        return is_listed(addresses(found))
    except NotAListingError as error:
        return str(error)


async def _reason(here: Examination, zone: str, address: str) -> str:
    """The reason that the list gives for an entry."""
    said = texts(await here.find(dnsbl_name(address, zone), "TXT"))
    return f": {shown(said[0])}" if said else ""
