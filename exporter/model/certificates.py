"""What a TLS handshake shows: the session, the certificates, and what is wrong with them.

`exporter.certificates` makes the judgement.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class CertificateProblem(StrEnum):
    """What can be wrong with a chain: the values of the label `error` of `mail_tls_verification_error_info`.

    In the order in which an administrator would repair them. An earlier problem either needs a new certificate, which
    may also solve the later ones, or makes the later ones irrelevant.
    """

    REVOKED = "revoked"
    """The server staples a verified OCSP response in which the authority takes the certificate back (RFC 6960)."""
    EXPIRED = "expired"
    """A certificate on the path, not only the leaf, is past its notAfter."""
    NOT_YET_VALID = "not_yet_valid"
    """A certificate on the path is not valid yet; often a clock is wrong."""
    NAME_MISMATCH = "name_mismatch"
    """No subjectAltName matches the name (RFC 9525); the common name is never used."""
    SELF_SIGNED = "self_signed"
    """The leaf is self-signed and not among the trusted certificates."""
    INCOMPLETE_CHAIN = "incomplete_chain"
    """The server does not send the intermediate that issued its certificate."""
    UNKNOWN_AUTHORITY = "unknown_authority"
    """The path ends at an authority that is not trusted."""
    FINGERPRINT_MISMATCH = "fingerprint_mismatch"
    """Neither the certificate nor its key is one of those that the endpoint expects."""
    INVALID = "invalid"
    """A signature does not verify, an extension forbids it, or it cannot be read at all."""
    WRONG_PURPOSE = "wrong_purpose"
    """A certificate is used for what its key usages exclude, e.g. a client's for a server."""
    WEAK_KEY = "weak_key"
    """A key on the path has less than 112 bits of strength, e.g. RSA below 2048 bits."""
    WEAK_SIGNATURE = "weak_signature"
    """A certificate below the trust anchor is signed over a hash of less than 112 bits: SHA-1, MD5."""
    STAPLE_MISSING = "staple_missing"
    """The certificate demands a stapled OCSP response (RFC 7633), and the server sends no valid one."""
    WRONG_ORDER = "wrong_order"
    """The path is complete, but not in the order that TLS 1.2 demands; most clients accept that."""

    @property
    def fails(self) -> bool:
        """Whether a chain with this problem counts as not verified.

        `WRONG_ORDER` does not: RFC 8446 4.4.2 asks clients to accept any order, and OpenSSL does. Nor does
        `STAPLE_MISSING`: OpenSSL, Go and most mail clients do not ask for it (docs/decisions).
        """
        return self not in (CertificateProblem.WRONG_ORDER, CertificateProblem.STAPLE_MISSING)


class StapleStatus(StrEnum):
    """The result of checking a stapled OCSP response."""

    GOOD = "good"
    REVOKED = "revoked"
    UNKNOWN = "unknown"
    """The responder does not know the certificate."""
    INVALID = "invalid"
    """Unreadable, not for this certificate, not signed by an authorized responder, or not valid now."""


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """One certificate, as an administrator reads it. Times are Unix timestamps.

    Attributes:
        subject: The distinguished name in RFC 4514 form.
        issuer: Likewise.
        serial: In lower-case hexadecimal, as `openssl x509 -serial` prints it.
        not_before: `None` if it cannot be read; likewise `not_after`.
        names: The DNS names and IP addresses of subjectAltName.
        fingerprint_sha256: The hash of the DER encoding, lower-case hexadecimal.
        key: Kind and size or curve, e.g. `RSA 2048`, `EC P-256`, `Ed25519`.
        signature: The signature algorithm, e.g. `sha256WithRSAEncryption`.
        public_key_sha256: The hash of the public key with its algorithm, DER, lower-case hexadecimal.
    """

    subject: str
    issuer: str
    serial: str
    not_before: float | None
    not_after: float | None
    names: tuple[str, ...]
    fingerprint_sha256: str
    key: str
    signature: str
    public_key_sha256: str


OF_THE_SERVER: Final = frozenset({CertificateProblem.NAME_MISMATCH, CertificateProblem.FINGERPRINT_MISMATCH})
"""Problems of the certificate's identity, not of its path."""


@dataclass(frozen=True, slots=True)
class TlsFacts:
    """What one handshake showed.

    Attributes:
        version: e.g. `TLSv1.3`.
        cipher: OpenSSL's name of the cipher suite.
        group: The key exchange group; `None` where OpenSSL does not tell.
        chain: The certificates as presented, the leaf first; empty if none could be read.
        problems: Everything that is wrong with the chain, in the order of `CertificateProblem`.
        detail: The problems in words, for people, printable ASCII, one line; empty if there are none.
        ocsp_stapled: Whether the server sent an OCSP response.
        verified_chain: The path that was judged, from the leaf to the trust anchor, or to where it broke off.
        ocsp_status: What the stapled response is worth; `None` if there is none.
        ocsp_next_update: When newer revocation information is due, as a Unix timestamp; `None` unless a response that
            the authority signed for this certificate says so. It may lie in the past.
        finished: Whether the handshake was completed and not aborted afterwards. Before that, the server has
            not proven that it has the certificate's key, or that it accepts us as a client.
    """

    version: str
    cipher: str
    group: str | None
    chain: tuple[CertificateFacts, ...]
    problems: tuple[CertificateProblem, ...]
    detail: str
    ocsp_stapled: bool
    verified_chain: tuple[CertificateFacts, ...] = ()
    ocsp_status: StapleStatus | None = None
    ocsp_next_update: float | None = None
    finished: bool = True

    @property
    def chain_not_after(self) -> float | None:
        """When the first of the presented certificates expires; `None` if that is not known."""
        return _first_end(self.chain)

    @property
    def verified_chain_not_after(self) -> float | None:
        """When the first certificate on the path that was verified expires; `None` if none was.

        The name is not considered: a path may be valid although the name does not match.
        """
        good = not any(problem.fails and problem not in OF_THE_SERVER for problem in self.problems)
        return _first_end(self.verified_chain) if good else None

    @property
    def verified(self) -> bool:
        """Whether handshake, chain and name are valid: no problem was found that `fails`."""
        return self.finished and not any(problem.fails for problem in self.problems)


def _first_end(chain: tuple[CertificateFacts, ...]) -> float | None:
    return min((each.not_after for each in chain if each.not_after is not None), default=None)
