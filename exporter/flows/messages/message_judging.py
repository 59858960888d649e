"""Judges a message that arrived: collects its facts and all its faults."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from exporter.flows.messages.alterations import alteration, new_subject
from exporter.flows.messages.authentication import authentication_results
from exporter.flows.messages.headers import read_headers
from exporter.flows.messages.hops import read_hops
from exporter.flows.messages.spam_scores import spam_scores
from exporter.model import Arrival, Expected, Flow, MessageFault, Outcome

PRECEDENCE: Final = (
    Outcome.JUNK,
    Outcome.DUPLICATE,
    Outcome.ALTERED,
    Outcome.UNAUTHENTICATED,
    Outcome.LATE,
)
"""The order of outcomes if a message has several faults: the worst first, and causes before their effects."""

MAX_SHOWN: Final = 10
"""The most copies whose mailboxes are listed."""


@dataclass(frozen=True, slots=True)
class Copy:
    """One copy of a message, as it was fetched.

    Attributes:
        mailbox: The mailbox's name in the flow's configuration.
        octets: The message, or the part of it that was fetched.
    """

    mailbox: str
    octets: bytes


def judge(
    flow: Flow, token: str, copies: Sequence[Copy], sent_at: float, took: float
) -> tuple[Arrival, list[MessageFault]]:
    """The facts of a message that arrived, and its faults, the worst first.

    Args:
        flow: The flow that it belongs to.
        token: The token that it was sent with.
        copies: At least one copy. The copy in the expected mailbox is judged, else the first.
        sent_at: When its submission began, as a Unix timestamp.
        took: Seconds from the submission until it could be read.
    """
    expected = flow.expected
    copy = next((each for each in copies if each.mailbox == expected.mailbox), copies[0])
    headers = read_headers(copy.octets)
    arrival = Arrival(
        mailbox=copy.mailbox,
        hops=read_hops(headers, sent_at, took),
        authentication=authentication_results(headers, flow.receiving.authserv_id),
        spam_scores=spam_scores(headers),
    )
    faults: list[MessageFault] = []
    if copy.mailbox != expected.mailbox:
        faults.append(MessageFault(Outcome.JUNK, f"it arrived in {copy.mailbox} instead of {expected.mailbox}"))
    if len(copies) > 1:
        places = ", ".join(each.mailbox for each in copies[:MAX_SHOWN])
        faults.append(MessageFault(Outcome.DUPLICATE, f"{len(copies)} copies arrived: in {places}"))
    changes = alteration(copy.octets, token, headers), new_subject(headers, flow.name)
    if any(changes):
        faults.append(MessageFault(Outcome.ALTERED, "; ".join(each for each in changes if each)))
    unauthenticated = _authentication_fault(arrival, expected, flow.receiving.authserv_id)
    if unauthenticated is not None:
        faults.append(MessageFault(Outcome.UNAUTHENTICATED, unauthenticated))
    if expected.within is not None and took > expected.within:
        faults.append(MessageFault(Outcome.LATE, f"it took {took:.1f} s, and {expected.within:g} s are expected"))
    return arrival, sorted(faults, key=lambda fault: PRECEDENCE.index(fault.outcome))


def _authentication_fault(arrival: Arrival, expected: Expected, authserv_id: str | None) -> str | None:
    wrong = [
        f"{method} is {result} instead of {wanted}" if result is not None else f"{authserv_id} says nothing of {method}"
        for method, wanted in expected.auth.items()
        if (result := arrival.authentication.get(method)) is not wanted
    ]
    return "; ".join(wrong) or None
