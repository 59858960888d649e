"""Reverse DNS: do the names of sending addresses resolve to these addresses, and does the HELO name?"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

from exporter.domains.checks.examination import Examination, relay
from exporter.domains.lookups import addresses, pointers
from exporter.model import DomainProblem

MAX_NAMES = 10
"""The most names of one address that are checked, the same limit as in SPF."""


async def check_reverse_dns(here: Examination) -> Mapping[str, Any]:
    """Check the sending addresses (RFC 1912 section 2.1, as receivers apply it)."""
    found = await here.senders()
    if not found:
        here.nothing_published()
    await asyncio.gather(*(_judge(here, address) for address in found))
    await _judge_helo(here, found)
    return {}


async def _judge(here: Examination, address: str) -> None:
    found = await here.find(ip_address(address).reverse_pointer, "PTR")
    if found.failure:
        here.report(DomainProblem.DNS_FAILED, f"the name of {address}: {found.failure}")
        return
    names = [name for name in pointers(found) if name][:MAX_NAMES]
    if not names:
        here.report(DomainProblem.REVERSE_DNS_MISSING, f"{address} has no name in reverse DNS")
        return
    confirmed = await asyncio.gather(*(_leads_to(here, name, address) for name in names))
    if not any(confirmed):
        called = f"{address} is called {', '.join(names)}, which"
        if any(each is None for each in confirmed):
            here.report(DomainProblem.DNS_FAILED, f"{called} cannot be looked up")
        else:
            here.report(DomainProblem.REVERSE_DNS_UNCONFIRMED, f"{called} does not lead back to it")


async def _judge_helo(here: Examination, sending: tuple[str, ...]) -> None:
    """Check the HELO name of MX hosts that also send."""
    for host in (await here.exchange()).hosts:
        for address in host.permitted:
            if address not in sending:
                continue
            shown = await here.shown(relay(host.name), address, host.name)
            if shown.helo and await _leads_to(here, shown.helo, address) is False:
                told = f"{host.name} at {address} calls itself {shown.helo}, which does not lead to this address"
                here.report(DomainProblem.HELO_UNCONFIRMED, told)


async def _leads_to(here: Examination, name: str, address: str) -> bool | None:
    """Whether a name has the address; `None` if this is unknown."""
    found = await here.find(name, "AAAA" if ":" in address else "A")
    if found.failure:
        return None
    return any(ip_address(each) == ip_address(address) for each in addresses(found))
