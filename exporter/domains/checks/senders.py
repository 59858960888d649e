"""The addresses that send for the domain. SPF, reverse DNS and DNS lists are checked for them."""

from __future__ import annotations

from exporter.domains.checks.examination import Examination


async def senders(here: Examination) -> tuple[str, ...]:
    """The addresses in the settings, else the addresses of the MX hosts; each once."""
    if here.settings.senders:
        return here.settings.senders
    hosts = (await here.exchange()).hosts
    return tuple(dict.fromkeys(address for host in hosts for address in (*host.permitted, *host.unrouted)))
