"""Who sends for the domain: the addresses that SPF, reverse DNS and DNS lists are checked for."""

from __future__ import annotations

from exporter.domains.checks.examination import Examination


async def senders(here: Examination) -> tuple[str, ...]:
    """Those of the settings; else the addresses of the MX hosts, each once."""
    if here.settings.senders:
        return here.settings.senders
    hosts = (await here.exchange()).hosts
    return tuple(dict.fromkeys(address for host in hosts for address in (*host.permitted, *host.unrouted)))
