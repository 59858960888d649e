"""A parsed chain, and its problems that do not depend on the name or the time.

`examine` runs once for each distinct chain and trust store. OpenSSL has built the path and checked the signatures.
This module names its findings and adds its own.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterator, Sequence
from dataclasses import dataclass
from math import inf
from typing import Final, TypeAlias

from exporter.certificates import certificate, text, trust
from exporter.certificates.certificate import OVERHEAD, Certificate
from exporter.certificates.verification import (
    DATES,
    NO_ISSUER,
    REPORTS,
    UNEXPECTED,
    WEAKNESSES,
    Code,
    VerificationFinding,
)
from exporter.model import CertificateFacts
from exporter.model import CertificateProblem as Problem

NOBODY: Final = b"\x30\0"
"""An empty distinguished name, which RFC 5280 4.1.2.6 forbids for authorities."""

LEAF: Final = "the certificate"
"""The name of the leaf in a sentence."""

MAX_SHOWN: Final = 20
"""How many of the sent certificates are shown. Three are usual, and six are many."""

Steps: TypeAlias = Sequence[Certificate | None]
"""A path from the leaf up, with `None` for unreadable certificates."""


@dataclass(frozen=True, slots=True)
class ChainFault:
    """One problem of a chain.

    Attributes:
        words: For people, printable ASCII.
    """

    problem: Problem
    words: str


@dataclass(frozen=True, slots=True, eq=False)
class Chain:
    """A parsed chain, with its problems that do not depend on the time or the name.

    Attributes:
        presented: As sent, the leaf first, up to a limit, without unreadable certificates.
        path: As OpenSSL built it, from the leaf to the trust anchor or to its last certificate; likewise.
        leaf: `None` if it is missing or unreadable.
        issuer: The issuer of the leaf; `None` if unknown.
        faults: In the order of the path, the leaf's first.
        excluded: DNS names, also those below them, that an authority of the path may not issue for.
        valid_from: When all of the path begins to be valid, as a Unix timestamp.
        valid_until: When the first certificate of the path expires, likewise.
    """

    presented: tuple[CertificateFacts, ...]
    path: tuple[CertificateFacts, ...]
    leaf: Certificate | None
    issuer: Certificate | None
    faults: tuple[ChainFault, ...]
    excluded: frozenset[str]
    valid_from: float
    valid_until: float

    @property
    def sound(self) -> bool:
        """Whether the chain would be verified, apart from dates and name."""
        return not any(fault.problem.fails for fault in self.faults)

    @property
    def size(self) -> int:
        """The approximate size in memory, in octets, without sharing."""
        kept = sum(each.size for each in (self.leaf, self.issuer) if each is not None)
        return kept + OVERHEAD * (len(self.presented) + len(self.path))

    def is_current(self, now: float) -> bool:
        """Whether all of the path is valid at a Unix time. RFC 5280 4.1.2.5 includes both ends, in whole seconds."""
        return self.valid_from <= now < self.valid_until + 1


def examine(
    presented: Sequence[bytes],
    path: Sequence[bytes],
    findings: Collection[VerificationFinding],
    *,
    finished: bool,
    refusal: str | None = None,
    anchors: Container[bytes] = frozenset(),
) -> Chain:
    """Parse a chain.

    Args:
        presented: What the server sent, DER, the leaf first.
        path: The path that OpenSSL built.
        findings: What OpenSSL reported about the path.
        finished: Whether OpenSSL went through the whole path, down to the leaf. If not, the chain is not sound.
        refusal: Why we stopped OpenSSL, in words; `None` if we did not.
        anchors: The names of the trusted authorities, DER, as far as they are known.
    """
    steps = [_readable(der) for der in path]
    known = [step for step in steps if step is not None]
    leaf = _readable(presented[0]) if presented else None
    faults = [*_broken_off(steps, findings, anchors), *_reported(steps, findings), *_noticed(steps, findings)]
    faults += _contradicted(steps, findings)
    if leaf is None:
        faults.append(ChainFault(Problem.INVALID, "the server presented no certificate that can be read"))
    if not path or not finished:
        faults.append(ChainFault(Problem.INVALID, refusal or "OpenSSL could not verify the chain"))
    if not _is_in_order(presented, path):
        faults.append(ChainFault(Problem.WRONG_ORDER, "the server does not send its chain in order"))
    return Chain(
        presented=tuple(c.facts for c in map(_readable, presented[:MAX_SHOWN]) if c is not None),
        path=tuple(step.facts for step in known),
        leaf=leaf,
        issuer=next(iter(steps[1:]), None),
        faults=tuple(dict.fromkeys(faults)),
        excluded=frozenset(name for step in known[1:] if step.constrained for name in trust.excluded(step.fields())),
        valid_from=max((begin for step in known if (begin := step.facts.not_before) is not None), default=-inf),
        valid_until=min((end for step in known if (end := step.facts.not_after) is not None), default=inf),
    )


def _readable(der: bytes) -> Certificate | None:
    try:
        return certificate.read(der)
    except certificate.UnreadableError:
        return None


def _broken_off(
    steps: Steps, findings: Collection[VerificationFinding], anchors: Container[bytes]
) -> Iterator[ChainFault]:
    """The problems if the issuer of the last certificate is unknown."""
    last = len(steps) - 1
    if steps and (end := steps[last]) and any(code in NO_ISSUER for code, _ in findings):
        if any(len(found) > 1 for found in end.fields().extensions.values()):
            yield ChainFault(
                Problem.INVALID, f"{_whose(steps, last)} has an extension twice, so OpenSSL seeks no issuer of it"
            )
            return
        missing = trust.missing_issuer(end, anchors, is_leaf=last == 0, whose=_whose(steps, last))
        yield from (ChainFault(problem, words) for problem, words in missing.items())


def _reported(steps: Steps, findings: Collection[VerificationFinding]) -> Iterator[ChainFault]:
    """OpenSSL's other findings."""
    for code, depth in findings:
        problem, words = REPORTS.get(code, UNEXPECTED)
        if code in DATES | NO_ISSUER:
            continue
        if code in WEAKNESSES and depth < len(steps) and _is_weak(steps[depth], problem):
            continue  # noticed here as well, and better said
        if code == Code.INVALID_PURPOSE and (Code.INVALID_CA, depth) in findings:
            continue  # who is not an authority does not serve the purpose of one, either
        if code == Code.INVALID_PURPOSE and depth == 0 and steps and steps[0] and steps[0].for_servers:
            continue  # only its keyUsage is unusual, such as an authority's: clients do not look at a server's
        yield ChainFault(problem, words.format(whose=_whose(steps, depth), code=code))


def _noticed(steps: Steps, findings: Collection[VerificationFinding]) -> Iterator[ChainFault]:
    """Problems that are found without OpenSSL."""
    unfinished = any(code in NO_ISSUER for code, _ in findings)
    for depth, step in enumerate(steps):
        whose = _whose(steps, depth)
        if step is None:
            yield ChainFault(Problem.INVALID, f"{whose} cannot be read")
            continue
        if depth and step.fields().subject == NOBODY:
            yield ChainFault(Problem.INVALID, "an issuing certificate has no subject")
        if depth and step.constrained and not trust.constrains(step.fields()):
            yield ChainFault(Problem.INVALID, f"{whose} has name constraints that are empty, or cannot be read")
        if step.facts.not_before is None or step.facts.not_after is None:
            yield ChainFault(Problem.INVALID, f"the dates of {whose} cannot be read")
        if _is_weak(step, Problem.WEAK_KEY):
            yield ChainFault(Problem.WEAK_KEY, f"the key of {whose} is too weak ({step.facts.key})")
        # The last is the trust anchor: trusted for being in the store, not for its signature (RFC 5280 6.1).
        if (depth < len(steps) - 1 or unfinished) and _is_weak(step, Problem.WEAK_SIGNATURE):
            yield ChainFault(Problem.WEAK_SIGNATURE, f"the signature of {whose} is too weak ({step.facts.signature})")


def _contradicted(steps: Steps, findings: Collection[VerificationFinding]) -> Iterator[ChainFault]:
    """A root that names another key as its signer. OpenSSL accepts it only as a trust anchor."""
    root = steps[-1] if steps else None
    if root is not None and not any(code in NO_ISSUER for code, _ in findings) and trust.denies_itself(root.fields()):
        words = f"{_whose(steps, len(steps) - 1)} says that it was signed by another (authorityKeyIdentifier)"
        yield ChainFault(Problem.INVALID, words)


def _is_weak(step: Certificate | None, problem: Problem) -> bool:
    if step is None:
        return False
    return step.weak_key if problem is Problem.WEAK_KEY else step.weak_signature


def _is_in_order(presented: Sequence[bytes], path: Sequence[bytes]) -> bool:
    """Each certificate is followed by the one that certifies it (RFC 5246 7.4.2), as far as the path goes.

    What comes after the path, such as a second version of an intermediate, is left alone: RFC 8446 4.4.2 knows servers
    that send both for a while.
    """
    places = [presented.index(der) for der in path if der in presented]
    return places == list(range(len(places)))


def _whose(steps: Steps, depth: int) -> str:
    """The name of the certificate at a depth in a sentence."""
    step = steps[depth] if depth < len(steps) else None
    if depth == 0:
        return LEAF
    return f"certificate {depth} of the path" if step is None else issuing(step.facts)


def issuing(facts: CertificateFacts) -> str:
    """The name of a certificate above the leaf in a sentence."""
    return f"the issuing certificate {text.quoted(facts.subject)}"
