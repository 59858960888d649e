"""Judging an OCSP response that the server stapled to its handshake (RFC 6066 8, RFC 6960).

A response counts only after RFC 6960 3.2: it is for this certificate, signed by the certificate's issuer or by whom the
issuer appointed, and current. Nothing is fetched: a certificate without a staple is not thereby revoked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from exporter.certificates.certificate import Certificate, unwarned
from exporter.model import StapleStatus

REMEMBERED: Final = 4096
"""Responses kept judged. A server staples the same one for hours or days."""

CLOCK_SKEW: Final = 300.0
"""Seconds that the authority's clock and this one may differ: what OpenSSL's tools allow."""

MAX_DELEGATES: Final = 4
"""Certificates in a response that are tried as appointed responders. One is usual; each costs a signature check."""

MALFORMED: Final = (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension)
"""What cryptography raises, at any getter, over a response or certificate that is not what it should be."""

STATUSES: Final = {
    ocsp.OCSPCertStatus.GOOD: StapleStatus.GOOD,
    ocsp.OCSPCertStatus.REVOKED: StapleStatus.REVOKED,
    ocsp.OCSPCertStatus.UNKNOWN: StapleStatus.UNKNOWN,
}


class UnverifiedError(ValueError):
    """The response proves nothing."""


@dataclass(frozen=True, slots=True)
class Staple:
    """What a response says, whenever it is asked.

    Attributes:
        status: Its claim; `INVALID` if nothing proves it.
        valid_from: Unix timestamp; also of the appointed responder's certificate.
        valid_until: Likewise; infinite where newer information is always available (RFC 6960 2.4).
        next_update: As stated, if the signature is good; `None` if it states none.
        revoked_at: Unix timestamp, if revoked.
    """

    status: StapleStatus
    valid_from: float = float("-inf")
    valid_until: float = float("inf")
    next_update: float | None = None
    revoked_at: float | None = None

    def status_at(self, now: float) -> StapleStatus:
        """Its worth at a Unix time (RFC 6960 3.2 items 5 and 6)."""
        current = self.valid_from - CLOCK_SKEW <= now <= self.valid_until + CLOCK_SKEW
        return self.status if current else StapleStatus.INVALID


@lru_cache(REMEMBERED)
@unwarned()
def read(response: bytes, leaf: Certificate | None, issuer: Certificate | None) -> Staple:
    """Take a response apart and check all that does not depend on the time.

    Args:
        response: DER, as stapled.
        leaf: The certificate it should be about.
        issuer: The certificate that issued that. If either is unknown, the response proves nothing.
    """
    if leaf is None or issuer is None:
        return Staple(StapleStatus.INVALID)
    try:
        return _proven(ocsp.load_der_ocsp_response(response), leaf.parsed(), issuer.parsed())
    except (*MALFORMED, InvalidSignature):
        return Staple(StapleStatus.INVALID)


def _proven(response: ocsp.OCSPResponse, leaf: x509.Certificate, issuer: x509.Certificate) -> Staple:
    if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        raise UnverifiedError("the responder refused")
    signer = _signer(response, issuer)
    _check_signature(signer, response)
    single = next((s for s in response.responses if _is_about(s, leaf, issuer)), None)
    if single is None:
        raise UnverifiedError("it is about another certificate")
    next_update = single.next_update_utc.timestamp() if single.next_update_utc else None
    valid_until = float("inf") if next_update is None else next_update
    valid_from = single.this_update_utc.timestamp()
    if signer is not issuer:
        valid_from = max(valid_from, signer.not_valid_before_utc.timestamp())
        valid_until = min(valid_until, signer.not_valid_after_utc.timestamp())
    revoked_at = single.revocation_time_utc.timestamp() if single.revocation_time_utc else None
    return Staple(STATUSES[single.certificate_status], valid_from, valid_until, next_update, revoked_at)


def _is_about(single: ocsp.OCSPSingleResponse, leaf: x509.Certificate, issuer: x509.Certificate) -> bool:
    """RFC 6960 3.2 item 1. The request that one would send for the certificate has the identifier of 4.1.1 in it."""
    asked = ocsp.OCSPRequestBuilder().add_certificate(leaf, issuer, single.hash_algorithm).build()
    return (
        single.serial_number == asked.serial_number
        and single.issuer_name_hash == asked.issuer_name_hash
        and single.issuer_key_hash == asked.issuer_key_hash
    )


def _signer(response: ocsp.OCSPResponse, issuer: x509.Certificate) -> x509.Certificate:
    """The certificate whose key has to have signed: RFC 6960 3.2 items 2 to 4, and 4.2.2.2."""
    for candidate in _candidates(response, issuer):
        if response.responder_name is not None:
            if candidate.subject == response.responder_name:
                return candidate
        elif response.responder_key_hash == x509.SubjectKeyIdentifier.from_public_key(candidate.public_key()).digest:
            return candidate  # both are the SHA-1 of the bits of the key: RFC 6960 4.2.1, RFC 5280 4.2.1.2 method 1
    raise UnverifiedError("the responder is neither the issuer nor appointed by it")


def _candidates(response: ocsp.OCSPResponse, issuer: x509.Certificate) -> Iterator[x509.Certificate]:
    yield issuer
    for delegate in islice(response.certificates, MAX_DELEGATES):
        try:
            usages = delegate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
            delegate.verify_directly_issued_by(issuer)
        except (*MALFORMED, InvalidSignature, x509.ExtensionNotFound):
            continue
        if ExtendedKeyUsageOID.OCSP_SIGNING in usages:
            yield delegate


def _check_signature(signer: x509.Certificate, response: ocsp.OCSPResponse) -> None:
    signature, signed, digest = response.signature, response.tbs_response_bytes, response.signature_hash_algorithm
    match signer.public_key():
        case rsa.RSAPublicKey() as key if digest:
            key.verify(signature, signed, padding.PKCS1v15(), digest)
        case ec.EllipticCurvePublicKey() as key if digest:
            key.verify(signature, signed, ec.ECDSA(digest))
        case ed25519.Ed25519PublicKey() | ed448.Ed448PublicKey() as key:
            key.verify(signature, signed)
        case _:
            raise UnverifiedError("nobody here knows how it is signed")
