"""The evaluation of SPF (RFC 7208 section 4): would a receiver accept mail from this address for this domain?

It is a generator: it yields questions to DNS, and the caller sends it the answers. So the RFC's test suite can test it
without a network. It asks only for TXT, A, AAAA, MX and PTR records, within the limits below. It does not look up the
text that `exp` names (section 6.2), because nobody would see it.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from exporter.domains.posture.spf_macros import SenderIdentity, expand, needs_validated_name, shortened
from exporter.domains.posture.spf_record import (
    MAX_SHOWN,
    Qualifier,
    SpfMechanism,
    SpfRecord,
    Term,
    is_spf,
    parse_spf,
)
from exporter.domains.tags import RecordError

MAX_LOOKUPS = 10
"""Section 4.6.4: the most terms that cause look-ups, in all records together."""

MAX_VOID = 2
"""Section 4.6.4: the most look-ups that find nothing."""

MAX_NAMES = 10
"""Section 4.6.4: the most hosts of one `mx`, and names of one `ptr`."""


class SpfResult(StrEnum):
    """The results of an evaluation (section 2.6)."""

    NONE = "none"
    NEUTRAL = "neutral"
    PASS = "pass"  # noqa: S105 - the word of RFC 7208
    FAIL = "fail"
    SOFTFAIL = "softfail"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


class SpfMistake(StrEnum):
    """Why a record cannot be used (permerror)."""

    SYNTAX = "syntax"
    SEVERAL = "several"
    LOOKUPS = "lookups"
    VOID = "void"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Ask:
    """A question to DNS. The caller sends back a `Told`."""

    name: str
    rdtype: str


@dataclass(frozen=True, slots=True)
class Told:
    """The answer of DNS.

    Attributes:
        values: TXT as text, addresses as text, MX as hosts in the order of preference, PTR as names.
        failed: Whether there was no usable answer.
    """

    values: tuple[str, ...] = ()
    failed: bool = False


@dataclass(slots=True)
class Judgement:
    """The result of an evaluation.

    Attributes:
        mistake: The mistake that caused a permerror.
        detail: For people: what decided the result.
        lookups: The number of terms that caused look-ups until the evaluation ended.
        void: The number of look-ups that found nothing.
    """

    result: SpfResult = SpfResult.NONE
    mistake: SpfMistake | None = None
    detail: str = ""
    lookups: int = 0
    void: int = 0


Evaluation = Generator[Ask, Told, SpfResult]

_OF_QUALIFIER = {
    Qualifier.PASS: SpfResult.PASS,
    Qualifier.FAIL: SpfResult.FAIL,
    Qualifier.SOFTFAIL: SpfResult.SOFTFAIL,
    Qualifier.NEUTRAL: SpfResult.NEUTRAL,
}


class _PermError(Exception):
    def __init__(self, mistake: SpfMistake, detail: str) -> None:
        super().__init__(detail)
        self.mistake = mistake


class _TempError(Exception):
    pass


def check_host(session: SenderIdentity, domain: str) -> Generator[Ask, Told, Judgement]:
    """Evaluate SPF for a mail, as the function of this name in section 4 does.

    Args:
        session: The mail. An IPv4-mapped IPv6 address counts as an IPv4 address.
        domain: The sender's domain.
    """
    mapped = session.address.ipv4_mapped if isinstance(session.address, IPv6Address) else None
    if mapped is not None:
        session = SenderIdentity(mapped, session.sender, session.helo)
    run = _Run(session)
    try:
        run.judgement.result = yield from run.check(domain)
    except _PermError as error:
        run.judgement.result, run.judgement.mistake = SpfResult.PERMERROR, error.mistake
        run.judgement.detail = str(error)
    except _TempError as error:
        run.judgement.result, run.judgement.detail = SpfResult.TEMPERROR, str(error)
    return run.judgement


@dataclass(slots=True)
class _Run:
    """One evaluation, with its counts of look-ups."""

    session: SenderIdentity
    judgement: Judgement = field(default_factory=Judgement)
    validated: dict[str, str] = field(default_factory=dict)

    def check(self, domain: str) -> Evaluation:
        """Find a domain's record and evaluate it (sections 4.3 to 4.7)."""
        if not _is_domain(domain):
            return SpfResult.NONE
        told = yield Ask(domain, "TXT")
        if told.failed:
            raise _TempError(f"the TXT records of {domain} cannot be looked up")
        found = [text for text in told.values if is_spf(text)]
        if not found:
            return SpfResult.NONE
        if len(found) > 1:
            raise _PermError(SpfMistake.SEVERAL, f"{domain} has {len(found)} SPF records")
        try:
            record = parse_spf(found[0])
        except RecordError as error:
            raise _PermError(SpfMistake.SYNTAX, f"{domain}: {error}") from None
        return (yield from self.evaluate(record, domain))

    def evaluate(self, record: SpfRecord, domain: str) -> Evaluation:
        """Evaluate the terms of a record (section 4.6)."""
        for term in record.terms:
            if (yield from self.matches(term, domain)):
                self.judgement.detail = f"{term.text[:MAX_SHOWN]} of {domain}"
                return _OF_QUALIFIER[term.qualifier]
        if not record.redirect:
            self.judgement.detail = f"no mechanism of {domain} matches"
            return SpfResult.NEUTRAL
        self.count_lookup(f"redirect={record.redirect[:MAX_SHOWN]}")
        target = yield from self.expand(record.redirect, domain)
        result = yield from self.check(target)
        if result is SpfResult.NONE:
            raise _PermError(SpfMistake.MISSING, f"{domain} redirects to {target}, which has no SPF record")
        return result

    def matches(self, term: Term, domain: str) -> Generator[Ask, Told, bool]:
        """Whether a mechanism matches (section 5)."""
        address = self.session.address
        if term.mechanism is SpfMechanism.ALL:
            return True
        if term.network is not None:
            return address in term.network
        self.count_lookup(term.text[:MAX_SHOWN])
        target = (yield from self.expand(term.domain, domain)) if term.domain else domain
        if term.mechanism is SpfMechanism.INCLUDE:
            return (yield from self.include(target, domain))
        if term.mechanism is SpfMechanism.EXISTS:
            return bool((yield from self.ask(target, "A")))
        if term.mechanism is SpfMechanism.PTR:
            names = yield from self.names_of_client(counts=True)
            return any(_is_below(name, target) for name in names)
        hosts: Iterable[str] = [target]
        if term.mechanism is SpfMechanism.MX:
            hosts = yield from self.ask(target, "MX")
            if len(tuple(hosts)) > MAX_NAMES:
                raise _PermError(SpfMistake.LOOKUPS, f"{target} has more than {MAX_NAMES} MX records")
        length = term.lengths[1 if isinstance(address, IPv6Address) else 0]
        for host in hosts:
            addresses = yield from self.ask(host, _rdtype(address), counts=term.mechanism is SpfMechanism.A)
            if any(address in ip_network(f"{each}/{length}", strict=False) for each in addresses):
                return True
        return False

    def include(self, target: str, domain: str) -> Generator[Ask, Told, bool]:
        """Whether an `include` matches, by the table in section 5.2."""
        result = yield from self.check(target)
        if result is SpfResult.NONE:
            raise _PermError(SpfMistake.MISSING, f"{domain} includes {target}, which has no SPF record")
        return result is SpfResult.PASS

    def count_lookup(self, text: str) -> None:
        """Count a look-up, and enforce the limit (section 4.6.4)."""
        self.judgement.lookups += 1
        if self.judgement.lookups > MAX_LOOKUPS:
            raise _PermError(SpfMistake.LOOKUPS, f"{text} is look-up {self.judgement.lookups} of at most {MAX_LOOKUPS}")

    def ask(self, name: str, rdtype: str, *, counts: bool = True) -> Generator[Ask, Told, tuple[str, ...]]:
        """Ask a question for a mechanism. A question that finds nothing is a void look-up.

        Section 4.6.4 counts terms, so the questions for the hosts of `mx` do not count.
        """
        if not _can_be_asked(name):
            told = Told()
        else:
            told = yield Ask(name, rdtype)
        if told.failed:
            raise _TempError(f"the {rdtype} records of {name[:MAX_SHOWN]} cannot be looked up")
        if not told.values and counts:
            self.count_void(name)
        return told.values

    def count_void(self, name: str) -> None:
        """Count a term whose look-up finds nothing, and enforce the limit (section 4.6.4)."""
        self.judgement.void += 1
        if self.judgement.void > MAX_VOID:
            text = f"{name[:MAX_SHOWN]} is look-up {self.judgement.void} that finds nothing, of at most {MAX_VOID}"
            raise _PermError(SpfMistake.VOID, text)

    def names_of_client(self, *, counts: bool = False) -> Generator[Ask, Told, tuple[str, ...]]:
        """Section 5.5: the names of the client's address that resolve to it. Failures count as no names."""
        address = self.session.address
        told = yield Ask(address.reverse_pointer, "PTR")
        if counts and not told.values and not told.failed:
            self.count_void(address.reverse_pointer)
        confirmed: list[str] = []
        for name in told.values[:MAX_NAMES]:
            if _can_be_asked(name):
                addresses = yield Ask(name, _rdtype(address))
                if any(ip_address(each) == address for each in addresses.values):
                    confirmed.append(name.removesuffix("."))
        return tuple(confirmed)

    def expand(self, text: str, domain: str) -> Generator[Ask, Told, str]:
        """Expand the macros of a domain-spec."""
        validated = (yield from self.validated_name(domain)) if needs_validated_name(text) else ""
        return shortened(expand(text, domain, self.session, validated))

    def validated_name(self, domain: str) -> Generator[Ask, Told, str]:
        """Section 7.3, the macro `p`: the domain itself, else a name below it, else any, else `unknown`."""
        if domain not in self.validated:
            names = yield from self.names_of_client()
            same = [name for name in names if name.lower() == domain.lower()]
            below = [name for name in names if _is_below(name, domain)]
            self.validated[domain] = next(iter([*same, *below, *names]), "unknown")
        return self.validated[domain]


def _is_domain(domain: str) -> bool:
    """Section 4.3: at least two labels, each of 1 to 63 characters."""
    labels = domain.removesuffix(".").split(".")
    return len(labels) > 1 and _can_be_asked(domain)


def _can_be_asked(name: str) -> bool:
    labels = name.removesuffix(".").split(".")
    return len(name) <= 254 and all(1 <= len(label) <= 63 for label in labels) and name.isascii()  # noqa: PLR2004 - RFC 1035


def _is_below(name: str, domain: str) -> bool:
    name, domain = name.removesuffix(".").lower(), domain.removesuffix(".").lower()
    return name == domain or name.endswith(f".{domain}")


def _rdtype(address: IPv4Address | IPv6Address) -> str:
    return "AAAA" if isinstance(address, IPv6Address) else "A"
