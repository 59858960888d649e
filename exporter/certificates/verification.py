"""What OpenSSL reports while it verifies a chain, and which problem each report is.

The numbers are X509_V_ERR_... of OpenSSL's x509_vfy.h, part of its stable interface; pyOpenSSL names only some of them.
A report that is not in the table counts as `INVALID`, so that it does not make a certificate trusted.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Final, NamedTuple

from exporter.model import CertificateProblem as Problem


class VerificationFinding(NamedTuple):
    """One report of OpenSSL's verification.

    Attributes:
        code: An X509_V_ERR_... number.
        depth: Which certificate of the path; 0 is the leaf.
    """

    code: int
    depth: int


class Code(IntEnum):
    """The reports that are looked for by name."""

    UNABLE_TO_GET_ISSUER_CERT = 2
    UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY = 6
    CERT_SIGNATURE_FAILURE = 7
    CERT_NOT_YET_VALID = 9
    CERT_HAS_EXPIRED = 10
    ERROR_IN_CERT_NOT_BEFORE_FIELD = 13
    ERROR_IN_CERT_NOT_AFTER_FIELD = 14
    DEPTH_ZERO_SELF_SIGNED_CERT = 18
    SELF_SIGNED_CERT_IN_CHAIN = 19
    UNABLE_TO_GET_ISSUER_CERT_LOCALLY = 20
    UNABLE_TO_VERIFY_LEAF_SIGNATURE = 21
    CERT_CHAIN_TOO_LONG = 22
    CERT_REVOKED = 23
    PATH_LENGTH_EXCEEDED = 25
    INVALID_PURPOSE = 26
    CERT_UNTRUSTED = 27
    CERT_REJECTED = 28
    KEYUSAGE_NO_CERTSIGN = 32
    UNHANDLED_CRITICAL_EXTENSION = 34
    KEYUSAGE_NO_DIGITAL_SIGNATURE = 39
    INVALID_EXTENSION = 41
    PERMITTED_VIOLATION = 47
    EXCLUDED_VIOLATION = 48
    EE_KEY_TOO_SMALL = 66
    CA_KEY_TOO_SMALL = 67
    CA_MD_TOO_WEAK = 68
    INVALID_CA = 79


DATES: Final = frozenset({Code.CERT_NOT_YET_VALID, Code.CERT_HAS_EXPIRED})
"""Judged here by the time given, and not taken from OpenSSL: they are a question of now, the rest is not."""

WEAKNESSES: Final = frozenset({Code.EE_KEY_TOO_SMALL, Code.CA_KEY_TOO_SMALL, Code.CA_MD_TOO_WEAK})
"""Judged here as well, see `strength`; OpenSSL's report counts too where this machine's policy is stricter."""

NO_ISSUER: Final = frozenset({Code.UNABLE_TO_GET_ISSUER_CERT_LOCALLY, Code.UNABLE_TO_VERIFY_LEAF_SIGNATURE})
"""The path breaks off: who issued its last certificate was neither sent nor is trusted. `trust` says what it means."""

REPORTS: Final[Mapping[int, tuple[Problem, str]]] = {
    Code.UNABLE_TO_GET_ISSUER_CERT: (
        Problem.UNKNOWN_AUTHORITY,
        "{whose} is among the trusted ones, but is not self-signed, and its issuer is not among them",
    ),
    Code.UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY: (Problem.INVALID, "the key of the issuer of {whose} cannot be read"),
    Code.ERROR_IN_CERT_NOT_BEFORE_FIELD: (
        Problem.INVALID,
        "the notBefore of {whose} is not a date that certificates have",
    ),
    Code.ERROR_IN_CERT_NOT_AFTER_FIELD: (
        Problem.INVALID,
        "the notAfter of {whose} is not a date that certificates have",
    ),
    Code.CERT_SIGNATURE_FAILURE: (Problem.INVALID, "the signature of {whose} is not by the issuer that it names"),
    Code.DEPTH_ZERO_SELF_SIGNED_CERT: (Problem.SELF_SIGNED, "{whose} is self-signed, and not among the trusted ones"),
    Code.SELF_SIGNED_CERT_IN_CHAIN: (Problem.UNKNOWN_AUTHORITY, "{whose} is not among the trusted ones"),
    Code.CERT_CHAIN_TOO_LONG: (Problem.INVALID, "the chain is too long"),
    Code.CERT_REVOKED: (Problem.REVOKED, "{whose} is revoked"),
    Code.PATH_LENGTH_EXCEEDED: (Problem.INVALID, "{whose} may not have as many intermediates below it"),
    Code.INVALID_PURPOSE: (
        Problem.WRONG_PURPOSE,
        "{whose} may not be used for a TLS server (extendedKeyUsage, keyUsage)",
    ),
    Code.CERT_UNTRUSTED: (Problem.UNKNOWN_AUTHORITY, "{whose} is not trusted for TLS servers"),
    Code.CERT_REJECTED: (Problem.UNKNOWN_AUTHORITY, "{whose} is marked as not to be trusted"),
    Code.KEYUSAGE_NO_CERTSIGN: (Problem.WRONG_PURPOSE, "{whose} may not sign certificates (keyUsage)"),
    Code.UNHANDLED_CRITICAL_EXTENSION: (Problem.INVALID, "{whose} has an unknown critical extension"),
    Code.KEYUSAGE_NO_DIGITAL_SIGNATURE: (Problem.WRONG_PURPOSE, "{whose} may not make signatures (keyUsage)"),
    Code.INVALID_EXTENSION: (Problem.INVALID, "{whose} has a malformed extension"),
    Code.PERMITTED_VIOLATION: (
        Problem.INVALID,
        "an authority above {whose} may not issue for its names (nameConstraints)",
    ),
    Code.EXCLUDED_VIOLATION: (
        Problem.INVALID,
        "an authority above {whose} may not issue for its names (nameConstraints)",
    ),
    Code.EE_KEY_TOO_SMALL: (Problem.WEAK_KEY, "the key of {whose} is too weak"),
    Code.CA_KEY_TOO_SMALL: (Problem.WEAK_KEY, "the key of {whose} is too weak"),
    Code.CA_MD_TOO_WEAK: (Problem.WEAK_SIGNATURE, "the signature of {whose} is too weak"),
    Code.INVALID_CA: (
        Problem.INVALID,
        "{whose} is not an authority's, and may not issue certificates (basicConstraints)",
    ),
}
"""Each report's problem, and the words for it; `{whose}` stands for the certificate at its depth."""

UNEXPECTED: Final = (Problem.INVALID, "OpenSSL does not accept {whose} (X509_V_ERR {code})")
"""For a report that is not in the table."""
