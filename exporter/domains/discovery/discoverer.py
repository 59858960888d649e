"""Asks all sources of a domain at the same time. Each has its own timeout, and its failure does not affect others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from urllib.parse import urlsplit

import structlog

from exporter.domains.discovery import autoconfig_document, pacc
from exporter.domains.discovery.agreement import disagreements
from exporter.domains.discovery.autoconfig_document import DocumentError
from exporter.domains.discovery.dns_records import SERVICES, is_null_mx, mx_answer, srv_offers
from exporter.domains.discovery.offers import Answered, Discovered, Offer, merge
from exporter.domains.discovery.presets import preset_answer
from exporter.domains.lookups import Found, Lookups, addresses, mx_records, srv_records, texts
from exporter.domains.registrable import registrable_domain
from exporter.domains.target_rule import ONLY_PUBLIC, DomainTargetRule
from exporter.model import Source
from exporter.net.http.fetch import FetchedDocument, Fetcher, FetchError, Lost
from exporter.threads import computed

SHORT = 1.3
"""Seconds for each of the two rounds of requests if a person waits. The total stays below three."""

LONG = 10.0
"""Seconds for each round in the daemon."""

NOBODY = "mail-exporter-looks-for-a-wildcard"
"""A label that no domain uses. It only resolves below a wildcard."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to discover.

    Attributes:
        domain: In A-label form.
        address: A mail address that a person gave; `None` if only the domain is known.
        rule: The hosts that documents may be fetched from.
        patience: Seconds for a round of requests.
    """

    domain: str
    sources: tuple[Source, ...]
    address: str | None = None
    rule: DomainTargetRule = ONLY_PUBLIC
    patience: float = LONG


@dataclass(frozen=True, slots=True)
class Discovery:
    """The results of all sources.

    Attributes:
        answers: One for each source, in the order asked.
    """

    domain: str
    answers: tuple[Answered, ...]

    @property
    def endpoints(self) -> list[Discovered]:
        return merge(self.answers)

    @property
    def disagreements(self) -> list[str]:
        """The differences between the sources, for people."""
        return disagreements(self.answers)

    @property
    def ttl(self) -> float:
        """Seconds for which the answers are valid. Asking again earlier is useless."""
        return min((answer.ttl for answer in self.answers if answer.ttl is not None), default=0.0)


class Discoverer:
    """Asks the sources of domains."""

    def __init__(self, lookups: Lookups, fetcher: Fetcher) -> None:
        self._lookups = lookups
        self._fetcher = fetcher

    async def discover(self, wanted: Wanted) -> Discovery:
        """Ask every wanted source once."""
        answers = await asyncio.gather(*(self._bounded(source, wanted) for source in wanted.sources))
        return Discovery(wanted.domain, tuple(answers))

    async def _bounded(self, source: Source, wanted: Wanted) -> Answered:
        ask = _SOURCES[source]
        try:
            async with asyncio.timeout(2 * wanted.patience):
                return await ask(self, wanted)
        except TimeoutError:
            told = f"did not answer within {2 * wanted.patience:g} s"
        except Exception:
            log.exception("a source of a domain cannot be judged", domain=wanted.domain, source=source.value)
            told = "an error of mail-exporter, see its log"
        return Answered(source, success=False, problem=told, failed=True)

    async def mx(self, wanted: Wanted) -> Answered:
        """Look up the MX records (RFC 5321 section 5.1)."""
        found = await self._lookups.find(wanted.domain, "MX")
        if found.failure:
            return Answered(Source.MX, success=False, problem=found.failure, failed=True)
        if not found.exists:
            return Answered(Source.MX, success=False, problem=f"{wanted.domain} does not exist", ttl=found.ttl)
        records = mx_records(found)
        implicit = False
        if not records:
            own = await asyncio.gather(*(self._lookups.find(wanted.domain, kind) for kind in ("A", "AAAA")))
            if any(each.failure for each in own) and not any(each.rdatas for each in own):
                told = next(each.failure for each in own if each.failure)
                return Answered(Source.MX, success=False, problem=told, failed=True)
            implicit = any(each.rdatas for each in own)
        answer = mx_answer(records, wanted.domain, ttl=found.ttl, secure=found.secure, implicit=implicit)
        return _with_unreadable(answer, found)

    async def srv(self, wanted: Wanted) -> Answered:
        """Look up the SRV records (RFC 6186 and RFC 8314)."""
        names = [f"{service}._tcp.{wanted.domain}" for service in SERVICES]
        found = await asyncio.gather(*(self._lookups.find(name, "SRV") for name in names))
        offers: list[Offer] = []
        notes = list(dict.fromkeys(each.failure for each in found if each.failure))
        failed = bool(notes)
        for service, each in zip(SERVICES, found, strict=True):
            told, wrong = srv_offers(service, srv_records(each), secure=each.secure)
            offers += told
            notes += wrong
            if each.unreadable:
                notes.append(f"records of {service} that cannot be read: {each.unreadable}")
        published = any(each.rdatas for each in found)
        if not published and not notes:
            notes.append("no SRV record of RFC 6186 or RFC 8314")
        return Answered(
            Source.SRV,
            success=published and not failed,
            offers=tuple(offers),
            problem="; ".join(notes),
            ttl=min(each.ttl for each in found),
            failed=failed,
        )

    async def autoconfig(self, wanted: Wanted) -> Answered:
        """Ask the domain's own URLs by HTTPS. If they have no document, ask those of its mail provider."""
        own = await self._first(Source.AUTOCONFIG, autoconfig_document.own_urls(wanted.domain, wanted.address), wanted)
        if own.success:
            return own
        hosts = await self._provider_domains(wanted)
        urls = [url for host in hosts for url in autoconfig_document.own_urls(host, wanted.address)]
        hosted = await self._first(Source.AUTOCONFIG, urls, wanted) if urls else own
        # Use the message of the source that failed: another one would name the wrong host.
        return hosted if hosted.success or (hosted.failed and not own.failed) else own

    async def autoconfig_http(self, wanted: Wanted) -> Answered:
        """As `autoconfig`, without TLS: attackers in the network can change the document."""
        urls = autoconfig_document.own_urls(wanted.domain, wanted.address, scheme="http")
        return await self._first(Source.AUTOCONFIG_HTTP, urls, wanted)

    async def ispdb(self, wanted: Wanted) -> Answered:
        """Ask Mozilla's database about the domain, and about the domain of its MX host."""
        own = await self._first(Source.ISPDB, [autoconfig_document.ispdb_url(wanted.domain)], wanted)
        if own.success:
            return own
        urls = [autoconfig_document.ispdb_url(each) for each in await self._provider_domains(wanted)]
        hosted = await self._first(Source.ISPDB, urls, wanted) if urls else own
        return hosted if hosted.success else own

    async def pacc(self, wanted: Wanted) -> Answered:
        """Fetch the document and its digests in DNS."""
        url = pacc.pacc_url(wanted.domain)
        document, found = await asyncio.gather(
            self._get(url, pacc.MAX_DOCUMENT, wanted), self._lookups.find(pacc.digest_name(wanted.domain), "TXT")
        )
        if isinstance(document, FetchError):
            lost = _lost(Source.PACC, url, document)
            # If a digest is published, the document should exist.
            promised = bool(pacc.digests(texts(found)))
            return replace(lost, unreachable=True) if promised else await self._unless_wild(lost, url)
        matches = None if found.failure else pacc.digest_matches(document.body, texts(found))
        try:
            offers = pacc.parse_pacc(document.body)
        except DocumentError as error:
            answer = Answered(
                Source.PACC, success=False, problem=f"{url}: {error}", malformed=True, digest_matches=matches
            )
            return await self._unless_wild(answer, url)
        name = pacc.digest_name(wanted.domain)
        problem = f"{name} has the digest of another document" if matches is False else ""
        if matches is None and not found.failure:
            problem = f"{name} has no digest of the document, without which clients do not use it"
        return Answered(
            Source.PACC,
            # Do not use a document with a wrong digest.
            success=matches is not False,
            offers=offers if matches is not False else (),
            problem=problem,
            digest_matches=matches,
            expires=document.expires,
        )

    async def presets(self, wanted: Wanted) -> Answered:
        """Look the domain up in the built-in presets. This uses a thread, because the first time reads a big table."""
        return await computed(partial(preset_answer, wanted.domain, await self._mx_hosts(wanted)), "presets")

    async def _provider_domains(self, wanted: Wanted) -> list[str]:
        """The domains of the best MX host, each once, without the domain itself, which was asked already."""
        best = (await self._mx_hosts(wanted))[:1]
        domains = [each for mx in best for each in autoconfig_document.mx_domains(mx, registrable_domain(mx))]
        return [each for each in dict.fromkeys(domains) if each != wanted.domain]

    async def _mx_hosts(self, wanted: Wanted) -> list[str]:
        records = mx_records(await self._lookups.find(wanted.domain, "MX"))
        return [] if is_null_mx(records) else [record.host for record in records if record.host]

    async def _first(self, source: Source, urls: Sequence[str], wanted: Wanted) -> Answered:
        """Ask these URLs at the same time. The first one in their order that has a document counts."""
        tasks = [asyncio.create_task(self._document(source, url, wanted)) for url in urls]
        best: Answered | None = None
        try:
            for task in tasks:
                answer = await task
                if answer.success:
                    return answer
                # Errors are more important than missing documents.
                if best is None or _weight(answer) > _weight(best):
                    best = answer
        finally:
            for task in tasks:
                task.cancel()
        return best or Answered(source, success=False, problem="there is nowhere to ask")

    async def _document(self, source: Source, url: str, wanted: Wanted) -> Answered:
        document = await self._get(url, autoconfig_document.MAX_DOCUMENT, wanted)
        if isinstance(document, FetchError):
            return await self._unless_wild(_lost(source, url, document), url)
        try:
            parse = partial(autoconfig_document.parse_document, document.body, source, wanted.domain, wanted.address)
            offers = await computed(parse, "autoconfig")
        except DocumentError as error:
            # Some web sites answer every path with a page. This is not a broken document.
            meant = _is_dedicated(url) or "xml" in document.media_type
            answer = Answered(source, success=False, problem=f"{_bare(url)}: {error}", malformed=meant)
            return await self._unless_wild(answer, url)
        return Answered(source, success=True, offers=offers, expires=document.expires)

    async def _unless_wild(self, answer: Answered, url: str) -> Answered:
        """Mark an answer without a document if its host only exists because of a DNS wildcard (RFC 4592)."""
        host = urlsplit(url).hostname or ""
        if not _is_dedicated(url) or not (answer.malformed or answer.unreachable):
            return answer
        nobody = f"{NOBODY}.{host.partition('.')[2]}"
        kinds = ("A", "AAAA")
        found = await asyncio.gather(*(self._lookups.find(name, kind) for name in (host, nobody) for kind in kinds))
        ours, others = ({address for each in pair for address in addresses(each)} for pair in (found[:2], found[2:]))
        if not ours:
            # The host does not exist, but the fetch timed out before this was known.
            return replace(answer, malformed=False, unreachable=False)
        return replace(answer, wildcard=ours == others)

    async def _get(self, url: str, limit: int, wanted: Wanted) -> FetchedDocument | FetchError:
        try:
            return await self._fetcher.get(url, wanted.rule.objection, limit=limit, within=wanted.patience)
        except FetchError as error:
            return error


_SOURCES: Mapping[Source, Callable[[Discoverer, Wanted], Awaitable[Answered]]] = {
    Source.MX: Discoverer.mx,
    Source.SRV: Discoverer.srv,
    Source.AUTOCONFIG: Discoverer.autoconfig,
    Source.AUTOCONFIG_HTTP: Discoverer.autoconfig_http,
    Source.ISPDB: Discoverer.ispdb,
    Source.PACC: Discoverer.pacc,
    Source.PRESETS: Discoverer.presets,
}


_DEDICATED = ("autoconfig.", "ua-auto-config.")
"""Prefixes of hosts that only serve documents. If such a host has no web server, this is a problem."""


def _lost(source: Source, url: str, error: FetchError) -> Answered:
    return Answered(
        source,
        success=False,
        problem=f"{_bare(url)} {error.detail}",
        failed=error.lost in (Lost.UNREACHABLE, Lost.CERTIFICATE),
        # How the domain's web site answers an unknown path is not a mail problem.
        malformed=error.lost in (Lost.CERTIFICATE, Lost.UNUSABLE) and _is_dedicated(url),
        unreachable=error.lost is Lost.UNREACHABLE and _is_dedicated(url),
        not_allowed=error.lost is Lost.NOT_ALLOWED,
    )


def _weight(answer: Answered) -> tuple[bool, bool, bool]:
    """How important the problem of an answer without a document is."""
    return answer.malformed, answer.failed, answer.not_allowed


def _is_dedicated(url: str) -> bool:
    return (urlsplit(url).hostname or "").startswith(_DEDICATED)


def _bare(url: str) -> str:
    """The URL without its query, which may contain a person's mail address."""
    return url.partition("?")[0]


def _with_unreadable(answer: Answered, found: Found) -> Answered:
    if not found.unreadable:
        return answer
    told = f"MX records that cannot be read: {found.unreadable}"
    return replace(answer, problem="; ".join(filter(None, (answer.problem, told))), malformed=True)
