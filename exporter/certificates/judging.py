"""Judges a chain for a name at a time: all its problems, in the order in which one would repair them.

Every probe calls `judge`. `exporter.certificates.chain` has already found everything that does not depend on the time
or name, so little work is left for a valid chain.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cachetools import LRUCache, cached

from exporter.certificates import names, text
from exporter.certificates.certificate import Certificate, alternatives
from exporter.certificates.chain import LEAF, Chain, ChainFault, issuing
from exporter.model import CertificateFacts, FailureReason, StapleStatus
from exporter.model import CertificateProblem as Problem

NAMES_REMEMBERED: Final = 16384
"""Pairs of a leaf and a name whose answer is kept: one for each endpoint of a large process."""

REASONS: Final[Mapping[Problem, FailureReason]] = {
    Problem.REVOKED: FailureReason.TLS_CERTIFICATE_INVALID,
    Problem.EXPIRED: FailureReason.TLS_CERTIFICATE_EXPIRED,
    Problem.NOT_YET_VALID: FailureReason.TLS_CERTIFICATE_NOT_YET_VALID,
    Problem.NAME_MISMATCH: FailureReason.TLS_NAME_MISMATCH,
    Problem.SELF_SIGNED: FailureReason.TLS_UNTRUSTED,
    Problem.INCOMPLETE_CHAIN: FailureReason.TLS_UNTRUSTED,
    Problem.UNKNOWN_AUTHORITY: FailureReason.TLS_UNTRUSTED,
    Problem.FINGERPRINT_MISMATCH: FailureReason.TLS_UNTRUSTED,
    Problem.INVALID: FailureReason.TLS_CERTIFICATE_INVALID,
    Problem.WRONG_PURPOSE: FailureReason.TLS_CERTIFICATE_INVALID,
    Problem.WEAK_KEY: FailureReason.TLS_CERTIFICATE_INVALID,
    Problem.WEAK_SIGNATURE: FailureReason.TLS_CERTIFICATE_INVALID,
}

IMPORTANCE: Final[Mapping[Problem, int]] = {problem: place for place, problem in enumerate(Problem)}


@dataclass(frozen=True, slots=True)
class ChainVerdict:
    """The problems of a chain for a name at a time.

    Attributes:
        problems: In the order of `CertificateProblem`, each once.
        detail: In words; empty if there are none.
        ocsp_status: `None` without a staple.
        ocsp_next_update: Unix timestamp; `None` unless a signed staple states it.
    """

    problems: tuple[Problem, ...]
    detail: str
    ocsp_status: StapleStatus | None
    ocsp_next_update: float | None


def judge(chain: Chain, server_name: str, stapled: bytes, now: float) -> ChainVerdict:
    """Find the problems of a chain.

    Args:
        chain: From `examine`.
        server_name: The DNS name or IP address that the certificate has to be for.
        stapled: The OCSP response that came with it; empty if none did.
        now: Unix time.
    """
    faults = list(chain.faults)
    if not chain.is_current(now):
        faults += _outdated(chain.path, now)
    if chain.leaf is not None and not _is_for(chain.leaf, server_name):
        faults.append(ChainFault(Problem.NAME_MISMATCH, _names_in_words(chain.leaf, server_name)))
    if _is_excluded(server_name, chain.excluded):
        wanted = text.quoted(server_name)
        faults.append(ChainFault(Problem.INVALID, f"an authority may not issue for {wanted} (nameConstraints)"))
    ocsp_status = ocsp_next_update = None
    if stapled:
        from exporter.certificates import staple  # noqa: PLC0415 - few servers staple, and it takes a megabyte

        response = staple.read(stapled, chain.leaf, chain.issuer)
        ocsp_status, ocsp_next_update = response.status_at(now), response.next_update
        if ocsp_status is StapleStatus.REVOKED:
            since = f" on {text.moment(response.revoked_at)}" if response.revoked_at is not None else ""
            faults.append(ChainFault(Problem.REVOKED, f"the authority revoked the certificate{since}"))
    if chain.leaf is not None and chain.leaf.must_staple and ocsp_status in (None, StapleStatus.INVALID):
        sent = "sends none" if ocsp_status is None else "sends one that proves nothing"
        words = f"the certificate demands a stapled OCSP response (must-staple), and the server {sent}"
        faults.append(ChainFault(Problem.STAPLE_MISSING, words))
    faults.sort(key=lambda fault: IMPORTANCE[fault.problem])
    problems = tuple(dict.fromkeys(fault.problem for fault in faults))
    return ChainVerdict(problems, "; ".join(fault.words for fault in faults), ocsp_status, ocsp_next_update)


def failure_reason(problems: Collection[Problem]) -> FailureReason:
    """The failure reason for these problems: that of the one to be repaired first.

    Raises:
        ValueError: None of them fails a probe.
    """
    return REASONS[min((problem for problem in problems if problem.fails), key=IMPORTANCE.__getitem__)]


def _outdated(path: Sequence[CertificateFacts], now: float) -> Iterator[ChainFault]:
    for depth, facts in enumerate(path):
        whose = LEAF if depth == 0 else issuing(facts)
        if facts.not_after is not None and now >= facts.not_after + 1:
            yield ChainFault(Problem.EXPIRED, f"{whose} expired on {text.moment(facts.not_after)}")
        elif facts.not_before is not None and now < facts.not_before:
            yield ChainFault(Problem.NOT_YET_VALID, f"{whose} is not valid before {text.moment(facts.not_before)}")


# The key is the fingerprint, so that the cache does not keep certificates in memory.
@cached(LRUCache(NAMES_REMEMBERED), key=lambda leaf, server_name: (leaf.facts.fingerprint_sha256, server_name))
def _is_for(leaf: Certificate, server_name: str) -> bool:
    return names.matches(alternatives(leaf.fields()), server_name)


def _is_excluded(server_name: str, excluded: Collection[str]) -> bool:
    """Whether an authority of the path may not issue for this name.

    OpenSSL only checks the certificate's own names, so a wildcard could cover a forbidden name (CVE-2025-61727).
    """
    host = names.server_name_indication(server_name) if excluded else None
    labels = host.decode().split(".") if host else []
    return any(".".join(labels[place:]) in excluded for place in range(len(labels)))


def _names_in_words(leaf: Certificate, server_name: str) -> str:
    wanted = text.quoted(server_name)
    if leaf.flaw is not None:
        return f"the certificate is not for {wanted}, as far as can be read: {leaf.flaw}"
    if not leaf.facts.names:
        return f"the certificate has no host as subjectAltName, so it is not for {wanted}; common names do not count"
    if server_name in leaf.facts.names and names.server_name_indication(server_name) is None:
        return f"the certificate has {wanted} as a DNS name, and not as the IP address that it is"
    return f"the certificate is for {text.listed(leaf.facts.names)}, not for {wanted}"
