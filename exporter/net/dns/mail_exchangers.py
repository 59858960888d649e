"""Finds the hosts that accept mail for a domain (RFC 5321 section 5.1)."""

from __future__ import annotations

from typing import Any

import dns.rdatatype
from dns.rdtypes.ANY.MX import MX

from exporter.model import FailureReason
from exporter.net.dns.dns_query import Absent, Failed, RecordSet
from exporter.net.dns.resolve import ResolveError, Resolver

MAX_HOSTS = 64


async def mail_exchangers(names: Resolver, domain: str) -> tuple[str, ...]:
    """The hosts that accept mail for a domain, the most preferred first.

    Raises:
        ResolveError: The domain does not accept mail, does not exist, or the lookup failed.
    """
    outcome = await names.records(domain, dns.rdatatype.MX)
    match outcome:
        case Failed(detail=detail):
            raise ResolveError(FailureReason.DNS_FAILED, f"{domain}: {detail}")
        case Absent(exists=True):
            # RFC 5321 5.1: a domain without MX records is its own mail exchanger.
            return (domain,)
        case Absent():
            raise ResolveError(FailureReason.DNS_NOT_FOUND, f"{domain} does not exist")
        case RecordSet():
            return _in_order(outcome, domain)


def _in_order(records: RecordSet, domain: str) -> tuple[str, ...]:
    found: list[Any] = [rdata for rdata in records.rdatas if isinstance(rdata, MX)]
    ordered = sorted((rdata.preference, rdata.exchange.to_text(omit_final_dot=True).lower()) for rdata in found)
    hosts = tuple(dict.fromkeys(host for _, host in ordered))
    if hosts in ((".",), ("",)):
        # RFC 7505: a null MX.
        raise ResolveError(FailureReason.DNS_NOT_FOUND, f"{domain} takes no mail: its MX record says so")
    named = tuple(host for host in hosts if host not in ("", ".", "@"))
    if not named:
        raise ResolveError(FailureReason.DNS_NOT_FOUND, f"{domain} has MX records that name no host")
    return named[:MAX_HOSTS]
