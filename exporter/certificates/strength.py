"""Which keys and signatures are too weak to trust.

The measure is 112 bits: what NIST SP 800-57 part 1 (table 2) has allowed since 2014, and OpenSSL's security level 2.
For RSA it is also that of the Baseline Requirements, by which public authorities issue (6.1.5 wants 2048 bits, 7.1.3.2
leaves SHA-1 out). It is judged here, and not left to OpenSSL alone: a connection that has to reach old servers lowers
its level, and may not lower the judgement of certificates with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.x509.oid import SignatureAlgorithmOID

MIN_FACTORING_BITS: Final = 2048
"""RSA and DSA: a modulus of 2048 bits has 112 bits of strength, one of 1024 bits 80."""

MIN_CURVE_BITS: Final = 224
"""Elliptic curves have half of their size; the Edwards curves and what comes after them are all above."""

WEAK_HASHES: Final = (hashes.MD5, hashes.SHA1)
"""Collisions of both have been computed; OpenSSL grants them 39 and 63 bits."""

CURVES: Final[Mapping[str, str]] = {
    "secp224r1": "P-224",
    "secp256r1": "P-256",
    "secp384r1": "P-384",
    "secp521r1": "P-521",
}
"""NIST's names, by which people know these curves (FIPS 186-5); others go by their own."""

KEYS: Final[Mapping[type, Callable[[Any], str]]] = {
    rsa.RSAPublicKey: lambda key: f"RSA {key.key_size}",
    dsa.DSAPublicKey: lambda key: f"DSA {key.key_size}",
    ec.EllipticCurvePublicKey: lambda key: f"EC {CURVES.get(key.curve.name, key.curve.name)}",
    ed25519.Ed25519PublicKey: lambda _: "Ed25519",
    ed448.Ed448PublicKey: lambda _: "Ed448",
}

SIGNATURES: Final[Mapping[x509.ObjectIdentifier, str]] = {
    SignatureAlgorithmOID.RSA_WITH_MD5: "md5WithRSAEncryption",
    SignatureAlgorithmOID.RSA_WITH_SHA1: "sha1WithRSAEncryption",
    SignatureAlgorithmOID.RSA_WITH_SHA224: "sha224WithRSAEncryption",
    SignatureAlgorithmOID.RSA_WITH_SHA256: "sha256WithRSAEncryption",
    SignatureAlgorithmOID.RSA_WITH_SHA384: "sha384WithRSAEncryption",
    SignatureAlgorithmOID.RSA_WITH_SHA512: "sha512WithRSAEncryption",
    SignatureAlgorithmOID.RSASSA_PSS: "rsassaPss",
    SignatureAlgorithmOID.ECDSA_WITH_SHA1: "ecdsa-with-SHA1",
    SignatureAlgorithmOID.ECDSA_WITH_SHA224: "ecdsa-with-SHA224",
    SignatureAlgorithmOID.ECDSA_WITH_SHA256: "ecdsa-with-SHA256",
    SignatureAlgorithmOID.ECDSA_WITH_SHA384: "ecdsa-with-SHA384",
    SignatureAlgorithmOID.ECDSA_WITH_SHA512: "ecdsa-with-SHA512",
    SignatureAlgorithmOID.DSA_WITH_SHA1: "dsaWithSHA1",
    SignatureAlgorithmOID.DSA_WITH_SHA256: "dsa_with_SHA256",
    SignatureAlgorithmOID.ED25519: "ED25519",
    SignatureAlgorithmOID.ED448: "ED448",
    x509.ObjectIdentifier("2.16.840.1.101.3.4.3.17"): "ML-DSA-44",
    x509.ObjectIdentifier("2.16.840.1.101.3.4.3.18"): "ML-DSA-65",
    x509.ObjectIdentifier("2.16.840.1.101.3.4.3.19"): "ML-DSA-87",
}
"""As `openssl x509 -text` prints them; the rest are shown by their dotted number."""


def key_of(certificate: x509.Certificate) -> tuple[str, bool]:
    """The certificate's key in words, and whether it is weak.

    A kind that cryptography does not know is shown by its number, and not called weak: OpenSSL judges it too.
    """
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return certificate.public_key_algorithm_oid.dotted_string, False
    shown = next((show(key) for kind, show in KEYS.items() if isinstance(key, kind)), None)
    match key:
        case rsa.RSAPublicKey() | dsa.DSAPublicKey():
            weak = key.key_size < MIN_FACTORING_BITS
        case ec.EllipticCurvePublicKey():
            weak = key.curve.key_size < MIN_CURVE_BITS
        case _:
            weak = False
    return shown or signature_name(certificate.public_key_algorithm_oid), weak


def signature_of(certificate: x509.Certificate) -> tuple[str, bool]:
    """The algorithm that the certificate is signed with, in OpenSSL's words, and whether it is weak."""
    try:
        weak = isinstance(certificate.signature_hash_algorithm, WEAK_HASHES)
    except (ValueError, UnsupportedAlgorithm):
        weak = False
    return signature_name(certificate.signature_algorithm_oid), weak


def signature_name(identifier: x509.ObjectIdentifier) -> str:
    """OpenSSL's name of an algorithm, or its number."""
    return SIGNATURES.get(identifier, identifier.dotted_string)
