"""Judges an OCSP response that the server stapled to its handshake (RFC 6066 8, RFC 6960).

A response counts only after RFC 6960 3.2: it is for this certificate, signed by the certificate's issuer or by a
responder that the issuer appointed, and current. Nothing is fetched, so a certificate without a staple does not count
as revoked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from cachetools import LRUCache, cached
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, load_der_public_key
from cryptography.x509 import ocsp

from exporter.certificates import strength
from exporter.certificates.certificate import Certificate
from exporter.certificates.der import SEQUENCE, MalformedError, elements, first, timestamp
from exporter.certificates.fields import EXTENDED_KEY_USAGE, Fields, take_apart
from exporter.model import StapleStatus

REMEMBERED: Final = 4096
"""The number of remembered responses. A server staples the same one for hours or days."""

CLOCK_SKEW: Final = 300.0
"""The most seconds by which the authority's clock and this one may differ, as in OpenSSL's tools."""

MAX_DELEGATES: Final = 4
"""The most certificates in a response that are tried as appointed responders. Usually there is one. Each costs a
signature check."""

MAX_EFFORT: Final = 10_000.0
"""The most microseconds that the check of a signature may take. A response with a slower key counts as invalid."""

OCSP_SIGNING: Final = bytes.fromhex("2b06010505070309")
"""1.3.6.1.5.5.7.3.9 (RFC 6960 4.2.2.2)."""

UNPROVEN: Final = (ValueError, TypeError, KeyError, UnsupportedAlgorithm, InvalidSignature)
"""The errors that cryptography raises for an unusable responder. The next one may be usable."""

STATUSES: Final = {
    ocsp.OCSPCertStatus.GOOD: StapleStatus.GOOD,
    ocsp.OCSPCertStatus.REVOKED: StapleStatus.REVOKED,
    ocsp.OCSPCertStatus.UNKNOWN: StapleStatus.UNKNOWN,
}


class UnverifiedError(ValueError):
    """The response proves nothing."""


@dataclass(frozen=True, slots=True)
class Staple:
    """The content of a response.

    Attributes:
        status: Its claim; `INVALID` if it is not proven.
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
        """The status at a Unix time (RFC 6960 3.2 items 5 and 6)."""
        current = self.valid_from - CLOCK_SKEW <= now <= self.valid_until + CLOCK_SKEW
        return self.status if current else StapleStatus.INVALID


def _key(response: bytes, leaf: Certificate | None, issuer: Certificate | None) -> tuple[bytes | str | None, ...]:
    """The keys are digests, so that the cache does not keep responses in memory."""
    parties = [None if each is None else each.facts.fingerprint_sha256 for each in (leaf, issuer)]
    return hashlib.sha256(response).digest(), *parties


@cached(LRUCache(REMEMBERED), key=_key)
def read(response: bytes, leaf: Certificate | None, issuer: Certificate | None) -> Staple:
    """Parse a response and check everything that does not depend on the time.

    Args:
        response: DER, as stapled.
        leaf: The certificate it should be about.
        issuer: The certificate that issued that. If either is unknown, the response proves nothing.
    """
    if leaf is None or issuer is None:
        return Staple(StapleStatus.INVALID)
    try:
        return _proven(response, leaf.fields(), issuer.fields())
    except Exception:  # noqa: BLE001 - any getter of cryptography may raise a dozen kinds of errors for bad data
        return Staple(StapleStatus.INVALID)


def _proven(response: bytes, leaf: Fields, issuer: Fields) -> Staple:
    parsed = ocsp.load_der_ocsp_response(response)
    if parsed.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        raise UnverifiedError("the responder refused")
    signer = _signer(parsed, issuer)
    _check_signature(signer, parsed.signature, parsed.tbs_response_bytes, parsed.signature_hash_algorithm)
    single = next((each for each in parsed.responses if _is_about(each, leaf, issuer)), None)
    if single is None:
        raise UnverifiedError("it is about another certificate")
    next_update = single.next_update_utc.timestamp() if single.next_update_utc else None
    valid_until = float("inf") if next_update is None else next_update
    valid_from = single.this_update_utc.timestamp()
    if signer is not issuer:
        begins, ends = timestamp(signer.not_before), timestamp(signer.not_after)
        # With a date that cannot be read, the responder is never valid.
        valid_from = max(valid_from, float("inf") if begins is None else begins)
        valid_until = min(valid_until, float("-inf") if ends is None else ends)
    revoked_at = single.revocation_time_utc.timestamp() if single.revocation_time_utc else None
    return Staple(STATUSES[single.certificate_status], valid_from, valid_until, next_update, revoked_at)


def _is_about(single: ocsp.OCSPSingleResponse, leaf: Fields, issuer: Fields) -> bool:
    """RFC 6960 3.2 item 1, by the identifier of 4.1.1."""
    digest = single.hash_algorithm.name
    return (
        single.serial_number == int.from_bytes(leaf.serial, signed=True)
        and single.issuer_name_hash == hashlib.new(digest, leaf.issuer, usedforsecurity=False).digest()
        and single.issuer_key_hash == hashlib.new(digest, _key_bits(issuer), usedforsecurity=False).digest()
    )


def _key_bits(certificate: Fields) -> bytes:
    """The public key without its algorithm: the BIT STRING without its first octet, which counts unused bits."""
    _, bits = elements(first(certificate.public_key, SEQUENCE).content)
    return bits.content[1:]


def _signer(response: ocsp.OCSPResponse, issuer: Fields) -> Fields:
    """The certificate whose key has to have signed: RFC 6960 3.2 items 2 to 4, and 4.2.2.2."""
    name = response.responder_name and response.responder_name.public_bytes()
    for candidate in _candidates(response, issuer):
        if name is not None:
            if candidate.subject == name:
                return candidate
        elif response.responder_key_hash == hashlib.sha1(_key_bits(candidate), usedforsecurity=False).digest():
            return candidate  # RFC 6960 4.2.1
    raise UnverifiedError("the responder is neither the issuer nor appointed by it")


def _candidates(response: ocsp.OCSPResponse, issuer: Fields) -> Iterator[Fields]:
    yield issuer
    for sent in islice(response.certificates, MAX_DELEGATES):
        try:
            delegate = take_apart(encoded := sent.public_bytes(Encoding.DER))
            usages = first(delegate.extension(EXTENDED_KEY_USAGE) or b"", SEQUENCE)
            appointed = OCSP_SIGNING in [each.content for each in elements(usages.content)]
            if appointed and delegate.issuer == issuer.subject:
                _, _, signature = elements(first(encoded).content)
                _check_signature(issuer, signature.content[1:], delegate.signed, sent.signature_hash_algorithm)
                yield delegate
        except (MalformedError, *UNPROVEN):
            continue


def _check_signature(signer: Fields, signature: bytes, signed: bytes, digest: hashes.HashAlgorithm | None) -> None:
    if strength.key_of(signer.public_key).effort > MAX_EFFORT:
        raise UnverifiedError("the check of its signature would take too long")
    match load_der_public_key(signer.public_key):
        case rsa.RSAPublicKey() as key if digest:
            key.verify(signature, signed, padding.PKCS1v15(), digest)
        case ec.EllipticCurvePublicKey() as key if digest:
            key.verify(signature, signed, ec.ECDSA(digest))
        case ed25519.Ed25519PublicKey() | ed448.Ed448PublicKey() as key:
            key.verify(signature, signed)
        case _:
            raise UnverifiedError("its signature algorithm is not supported")
