"""Autoconfig: are the domain's documents for mail clients available, do they agree, and do their servers work?"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from exporter.certificates.text import moment
from exporter.domains.checks.examination import Examination
from exporter.domains.checks.mta_sts import SOON
from exporter.domains.discovery.agreement import agrees
from exporter.domains.discovery.discoverer import Discoverer, Discovery, Wanted
from exporter.domains.discovery.offers import Answered, Offer
from exporter.domains.handshakes import MailService
from exporter.model import DomainProblem, Encryption, Source, SourceFacts

SOURCES = (Source.SRV, Source.AUTOCONFIG, Source.PACC)
"""The sources that the domain itself publishes."""

MAX_SERVERS = 24
"""The most servers of a domain that are checked."""

PATIENCE = 8.0
"""Seconds for a round of requests."""


async def check_autoconfig(here: Examination) -> Mapping[str, Any]:
    """Check SRV records (RFC 6186) and documents (draft-ietf-mailmaint-autoconfig, draft-ietf-mailmaint-pacc-04)."""
    discovery = await _discovery(here)
    answers = discovery.answers
    for answer in answers:
        if answer.not_allowed:
            here.report(DomainProblem.TARGET_NOT_ALLOWED, f"{answer.source}: {answer.problem}")
    published = [answer for answer in answers if _is_published(answer)]
    if not published:
        here.nothing_published()
        for answer in answers:
            # A web site that does not answer is not a mail problem.
            if answer.failed and answer.source is Source.SRV:
                here.report(DomainProblem.DNS_FAILED, f"{answer.source}: {answer.problem}")
        return {}
    for answer in published:
        _judge_answer(here, answer)
    for told in discovery.disagreements:
        here.report(DomainProblem.AUTOCONFIG_DISAGREES, told)
    offers = [each.offer for each in discovery.endpoints if not each.offer.relay][:MAX_SERVERS]
    await asyncio.gather(*(_judge_server(here, offer) for offer in offers))
    return {
        "sources": tuple(
            SourceFacts(answer.source, answer.success, agrees(answer.source, answers), answer.digest_matches)
            for answer in published
        )
    }


async def _discovery(here: Examination) -> Discovery:
    patience = min(PATIENCE, here.settings.timeout / 4)
    wanted = Wanted(here.domain, SOURCES, rule=here.rule, patience=patience)

    async def ask(discoverer: Discoverer) -> Discovery:
        return await discoverer.discover(wanted)

    return await here.discovery(ask)


def _is_published(answer: Answered) -> bool:
    """Whether the domain publishes something here, or tries to."""
    wrong = (answer.malformed or answer.unreachable) and not answer.wildcard
    return answer.success or wrong or answer.digest_matches is False


def _judge_answer(here: Examination, answer: Answered) -> None:
    told = f"{answer.source}: {answer.problem}"
    if answer.digest_matches is False or (answer.source is Source.PACC and answer.success and answer.problem):
        here.report(DomainProblem.AUTOCONFIG_DIGEST_MISMATCH, told)
    elif answer.malformed and answer.failed:
        here.report(DomainProblem.AUTOCONFIG_CERTIFICATE, told)
    elif answer.unreachable:
        here.report(DomainProblem.AUTOCONFIG_UNREACHABLE, told)
    elif answer.malformed or (answer.success and answer.problem):
        here.report(DomainProblem.AUTOCONFIG_INVALID, told)
    if answer.expires is not None and answer.expires < here.now + SOON:
        told = f"{answer.source}: the certificate of the document's server ends {moment(answer.expires)}"
        here.report(DomainProblem.AUTOCONFIG_CERTIFICATE_EXPIRES, told)
    for offer in answer.offers:
        if offer.encryption is Encryption.NONE:
            here.report(DomainProblem.AUTOCONFIG_IN_PLAIN, f"{answer.source} names {offer.name} without encryption")


async def _judge_server(here: Examination, offer: Offer) -> None:
    """Check that a published server answers, with a certificate that clients accept."""
    host = await here.host(offer.host)
    if host.failure:
        here.report(DomainProblem.AUTOCONFIG_SERVER_FAILS, f"{offer.name}: {host.failure}")
    for address in host.refused:
        told = here.rule.refusal(offer.host, address)
        here.report(DomainProblem.TARGET_NOT_ALLOWED, told)
    if not (host.failure or host.permitted or host.refused or host.unrouted):
        here.report(DomainProblem.AUTOCONFIG_SERVER_FAILS, f"{offer.name} has no address")
    if offer.encryption is Encryption.NONE:
        return
    place = MailService(offer.host, offer.port, offer.protocol, offer.encryption)
    for address in host.permitted:
        shown = await here.shown(place, address, offer.host)
        if not shown.chain:
            here.report(DomainProblem.AUTOCONFIG_SERVER_FAILS, f"{offer.name} at {address}: {shown.detail}")
        elif shown.problems:
            told = f"{offer.name} at {address}: the certificate is {', '.join(shown.problems)}"
            here.report(DomainProblem.AUTOCONFIG_CERTIFICATE, told)
        elif shown.not_after is not None and shown.not_after < here.now + SOON:
            told = f"{offer.name} at {address}: the certificate ends {moment(shown.not_after)}"
            here.report(DomainProblem.AUTOCONFIG_CERTIFICATE_EXPIRES, told)
