"""Whether the sources of a domain agree. Pure.

MX records are for mail from others, and are not compared. Two sources agree about a service if both name at least one
common server. A source without servers for a service is not compared for that service.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from exporter.domains.discovery.offers import Answered, Offer
from exporter.model import Protocol, Source

_TITLES = {Protocol.SMTP: "submission", Protocol.IMAP: "IMAP", Protocol.POP3: "POP3"}


def disagreements(answers: Sequence[Answered]) -> list[str]:
    """The differences between each two sources, for people."""
    told = []
    speaking = [answer for answer in answers if _says_something(answer)]
    for number, one in enumerate(speaking):
        for other in speaking[number + 1 :]:
            for protocol in Protocol:
                ours, theirs = _of(one, protocol), _of(other, protocol)
                if ours and theirs and not _meet(ours, theirs):
                    told.append(
                        f"{_TITLES[protocol]}: {one.source} says {_listed(ours)}, {other.source} says {_listed(theirs)}"
                    )
    return told


def agrees(source: Source, answers: Sequence[Answered]) -> bool | None:
    """Whether a source agrees with the others; `None` if there is nothing to compare."""
    own = next((answer for answer in answers if answer.source is source and _says_something(answer)), None)
    if own is None:
        return None
    verdicts = [
        _meet(ours, theirs)
        for other in answers
        if other.source is not source and _says_something(other)
        for protocol in Protocol
        if (ours := _of(own, protocol)) and (theirs := _of(other, protocol))
    ]
    return all(verdicts) if verdicts else None


def _says_something(answer: Answered) -> bool:
    return answer.success and answer.source is not Source.MX and bool(answer.offers)


def _of(answer: Answered, protocol: Protocol) -> list[Offer]:
    return [offer for offer in answer.offers if offer.protocol is protocol]


def _meet(ours: Iterable[Offer], theirs: Iterable[Offer]) -> bool:
    return any(_same(one, other) for one in ours for other in theirs)


def _same(one: Offer, other: Offer) -> bool:
    if one.host != other.host:
        return False
    return one.portless or other.portless or (one.port, one.encryption) == (other.port, other.encryption)


def _listed(offers: Iterable[Offer]) -> str:
    return ", ".join(offer.name for offer in offers)
