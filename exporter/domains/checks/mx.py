"""MX records: do they name hosts that have addresses, and do these hosts accept mail?"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from exporter.domains.checks.examination import Examination, MailExchange, MailHost, relay
from exporter.domains.discovery.dns_records import is_null_mx
from exporter.domains.discovery.offers import is_address
from exporter.domains.handshakes import HandshakeResult
from exporter.model import DomainProblem, FailureReason

_REFUSALS = frozenset({FailureReason.SERVER_REFUSED, FailureReason.SERVER_BUSY, FailureReason.COMMAND_REFUSED})


async def check_mx(here: Examination) -> Mapping[str, Any]:
    """Check the records and hosts (RFC 5321 section 5.1, RFC 7505, RFC 2181 section 10.3)."""
    exchange = await here.exchange()
    if exchange.found.failure:
        here.report(DomainProblem.DNS_FAILED, f"MX records of {here.domain}: {exchange.found.failure}")
        return {}
    if not exchange.found.exists:
        here.report(DomainProblem.DOMAIN_NOT_FOUND, f"{here.domain} does not exist")
        return {"mx_records": 0}
    if is_null_mx(exchange.records):
        return {"mx_records": 0}
    _judge_records(here, exchange)
    outcomes = await asyncio.gather(*(_shown(here, host) for host in exchange.hosts))
    _judge_servers(here, exchange, [each for outcome in outcomes for each in outcome])
    return {"mx_records": sum(bool(record.host) for record in exchange.records)}


def _judge_records(here: Examination, exchange: MailExchange) -> None:
    if exchange.found.unreadable:
        here.report(DomainProblem.MX_MALFORMED, f"MX records that cannot be read: {exchange.found.unreadable}")
    if any(not record.host for record in exchange.records):
        here.report(DomainProblem.MX_NULL_BESIDE_OTHERS, 'a null MX (".") stands beside other MX records')
    if exchange.implicit:
        told = f"{here.domain} has no MX record"
        if exchange.hosts:
            here.report(DomainProblem.MX_IMPLICIT, f"{told}; its mail goes to its own address")
        else:
            here.report(DomainProblem.MX_MISSING, f"{told}, and no address that could stand for it")
    for host in exchange.hosts:
        _judge_host(here, host, named=not exchange.implicit)


def _judge_host(here: Examination, host: MailHost, *, named: bool) -> None:
    if is_address(host.name):
        here.report(DomainProblem.MX_IS_ADDRESS, f"an MX record names the address {host.name}")
    elif host.failure:
        here.report(DomainProblem.DNS_FAILED, f"{host.name}: {host.failure}")
    elif not (host.permitted or host.refused or host.unrouted):
        here.report(DomainProblem.MX_WITHOUT_ADDRESS, f"{host.name} has no address")
    if host.alias_of and named:
        here.report(DomainProblem.MX_IS_ALIAS, f"{host.name} is an alias of {host.alias_of}")
    for address in host.refused:
        here.report(DomainProblem.TARGET_NOT_ALLOWED, here.rule.refusal(host.name, address))


async def _shown(here: Examination, host: MailHost) -> list[tuple[MailHost, str, HandshakeResult]]:
    shown = await asyncio.gather(*(here.shown(relay(host.name), each, host.name) for each in host.permitted))
    return [(host, address, each) for address, each in zip(host.permitted, shown, strict=True)]


def _judge_servers(
    here: Examination, exchange: MailExchange, shown: list[tuple[MailHost, str, HandshakeResult]]
) -> None:
    unreached = [(host, address, each) for host, address, each in shown if not each.reached]
    if shown and len(unreached) == len(shown):
        host, address, each = unreached[0]
        told = (
            f"no address can be connected to on port 25 ({len(shown)} tried); {host.name} at {address}: {each.detail}"
        )
        here.report(DomainProblem.MX_ALL_UNREACHABLE, told)
    else:
        for host, address, each in unreached:
            here.report(DomainProblem.MX_UNREACHABLE, f"{host.name} at {address}: {each.detail}")
    if not shown and any(host.unrouted for host in exchange.hosts):
        here.report(DomainProblem.NO_ROUTE, "this machine has no route to any address of the MX hosts")
    for host, address, each in shown:
        if each.reached and not each.speaks and each.reason in _REFUSALS:
            here.report(DomainProblem.MX_REFUSES, f"{host.name} at {address}: {each.detail}")
        elif each.reached and not each.speaks:
            here.report(DomainProblem.MX_UNREACHABLE, f"{host.name} at {address}: {each.detail}")
