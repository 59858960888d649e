"""Flows and mail domains of all kinds, as pages show them beside the endpoints of a population."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

from exporter.config.configuration import Domain
from exporter.metrics.domain_state import DomainStates, FollowedState
from exporter.metrics.flow_state import FlowStates
from exporter.model import (
    Arrival,
    AuthMethod,
    AuthResult,
    Awaited,
    Delivery,
    DomainCheck,
    DomainFinding,
    DomainProblem,
    DomainReport,
    Flow,
    Hop,
    KeyType,
    Leg,
    Outcome,
    Receiving,
    Sender,
    Sending,
    Settled,
    TlsaMatch,
)
from tests.unit.flow_samples import FLOW, IMAP, SUBMISSION

LONG_FLOW = "from the ticket system of the customers' department / to the archive, by way of the relay in Frankfurt"
LONG_DOMAIN = "a-very-long-label-that-somebody-chose.department.customer.example.com"

REFUSED = (
    "550-5.7.26 This mail has been blocked because the sender is unauthenticated. "
    "https://support.example.com/mail/answer/81126#authentication 4fb4d7f45d1cf-5d0cd5c8d5fsi123 - gsmtp"
)


def flow_states(now: float) -> FlowStates:
    """One that delivers, one that fails now and then, by MX hosts, one with a long name, two that await, a new one."""
    states = FlowStates(lambda: now)
    long = replace(FLOW, name=LONG_FLOW, labels=MappingProxyType({"team": "mail", "site": "frankfurt"}))
    by_mx = replace(FLOW, name="by mx", sending=Sending("a@example.com", "d@example.net", SUBMISSION, mx="example.net"))
    awaited = [
        Flow(name, Receiving(IMAP), awaited=Awaited(86_400.0, "backup@*.example.com", "*finished*"))
        for name in ("nightly report", "weekly report")
    ]
    states.configure((replace(FLOW, name="office-to-gmail"), long, by_mx, *awaited, replace(FLOW, name="new")))
    for number in range(60):
        sent_at = now - (60 - number) * 300.0
        states.settled(_settled("office-to-gmail", sent_at))
        good = number % 9 < 7
        states.settled(_settled(LONG_FLOW, sent_at) if good and number < 58 else _refused(LONG_FLOW, sent_at))
        states.settled(replace(_settled("by mx", sent_at), mx="mx1.example.net"))
        states.settled(replace(_refused("by mx", sent_at), mx="mx2.example.net", outcome=Outcome.LOST))
    states.newest("nightly report", now - 3600.0)
    states.newest("weekly report", now - 2 * 86_400.0)
    states.held_up(LONG_FLOW, "", "11 messages are under way, so no more are sent")
    return states


def _settled(flow: str, sent_at: float) -> Settled:
    legs = {Leg.SUBMIT: 0.5, Leg.TRANSIT: 2.5, Leg.RETRIEVE: 0.25, Leg.REMOVE: 0.125}
    hops = (
        Hop("relay.example.com", "monitor.example.com", sent_at + 1, 1.0, clocks_differ=False),
        Hop("mx.example.net", "relay.example.com", sent_at + 3600, 3599.0, clocks_differ=True),
    )
    results = MappingProxyType({AuthMethod.SPF: AuthResult.PASS, AuthMethod.DKIM: AuthResult.FAIL})
    arrival = Arrival("INBOX", hops, results, MappingProxyType({"rspamd": -1.5}))
    return Settled(
        flow, "", "token", Outcome.DELIVERED, None, "", "", sent_at, sent_at + 6, MappingProxyType(legs), 3.0, arrival
    )


def _refused(flow: str, sent_at: float) -> Settled:
    return Settled(flow, "", "token", Outcome.REFUSED, Leg.SUBMIT, "5.7.26", REFUSED, sent_at, sent_at + 1)


def judge(domains: DomainStates, now: float) -> None:
    """One domain that passes, one that fails in many ways, one that is new; and two that are followed."""
    domains.configure(
        [Domain(name, (), labels={"team": "mail"}) for name in ("example.com", LONG_DOMAIN, "new.example")],
        ["example.org", "away.example"],
    )
    good = DomainReport("example.com", now - 60.0, 1.5, MappingProxyType(dict.fromkeys(DomainCheck, True)))
    domains.judged(good)
    domains.judged(replace(good, domain=LONG_DOMAIN, checked_at=now - 7200.0))
    domains.judged(
        DomainReport(
            LONG_DOMAIN,
            now - 60.0,
            2.5,
            MappingProxyType(
                {
                    DomainCheck.MX: True,
                    DomainCheck.DANE: False,
                    DomainCheck.MTA_STS: None,
                    DomainCheck.SPF: False,
                    DomainCheck.DMARC: True,
                }
            ),
            findings=(
                DomainFinding(
                    DomainCheck.DANE, DomainProblem.DANE_MISMATCH, f"no record matches what mx1.{LONG_DOMAIN} serves"
                ),
                DomainFinding(DomainCheck.SPF, DomainProblem.SPF_SYNTAX, f'"{"include:spf.example.com " * 9}~al"'),
            ),
            deliveries=tuple(
                Delivery(
                    f"mx{host}.{LONG_DOMAIN}",
                    "2001:db8:1234:5678:9abc:def0:1234:5678",
                    sender,
                    deliverable=good,
                    detail="",
                )
                for host in (1, 2)
                for sender, good in ((Sender.OPPORTUNISTIC, True), (Sender.DANE, False))
            ),
            mx_records=2,
            matches=(
                TlsaMatch(f"mx1.{LONG_DOMAIN}", 25, "2001:db8::1", KeyType.ECDSA, 3, 1, 1, "01234567", matches=False),
            ),
        )
    )
    domains.followed(FollowedState("example.org", success=True, last_success_at=now - 60.0, count=4))
    problems = ("mx: SERVFAIL by 192.0.2.53", "srv: SERVFAIL by 192.0.2.53")
    domains.followed(FollowedState("away.example", success=False, last_success_at=None, count=0, problems=problems))
