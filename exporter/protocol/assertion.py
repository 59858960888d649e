"""Signed assertions (RFC 7523): the JSON Web Tokens (RFC 7519) by which a key, and not a secret, proves who asks.

They are only made here and never read, which is why no JWT library is needed: what those are for is verifying the
tokens of others. The signature is cryptography's. Pure: the time is among the claims.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS, PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificate

_DIGEST: Final = SHA256()


class Algorithm(StrEnum):
    """How to sign, by the names of RFC 7518 section 3.1."""

    RS256 = "RS256"
    PS256 = "PS256"
    ES256 = "ES256"


class KeyUnusable(ValueError):
    """A key or a certificate cannot be used. The message says why, for people, and holds nothing of either."""


def assertion(
    claims: Mapping[str, Any], header: Mapping[str, str], private_key: bytes, *, of_rsa: Algorithm = Algorithm.RS256
) -> bytes:
    """Claims, signed.

    Args:
        claims: What is asserted.
        header: What the server finds the key by, if it has several.
        private_key: In PEM, not encrypted.
        of_rsa: The algorithm for an RSA key; one on the curve P-256 has only one.

    Raises:
        KeyUnusable: It is not such a key.
    """
    key = _private_key(private_key)
    algorithm = of_rsa if isinstance(key, RSAPrivateKey) else Algorithm.ES256
    # RFC 7515 3.1: the header and the claims in base64url, a point between them, is what is signed.
    signed = b".".join(_encoded(part) for part in ({"alg": algorithm, "typ": "JWT", **header}, claims))
    return signed + b"." + _base64url(_signature(key, algorithm, signed))


def thumbprint(certificate: bytes, private_key: bytes) -> str:
    """What a server finds a certificate by (RFC 7515 4.1.8, `x5t#S256`).

    Args:
        certificate: In PEM; a chain begins with it.
        private_key: The key that it has to belong to: of the two files one may be newer than the other.

    Raises:
        KeyUnusable: It is not a certificate, or that of another key.
    """
    try:
        parsed = load_pem_x509_certificate(certificate)
        public_key = parsed.public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise KeyUnusable("certificate_file holds no certificate in PEM that can be read") from None
    if public_key != _private_key(private_key).public_key():
        raise KeyUnusable("private_key_file belongs to another certificate than that of certificate_file")
    return _base64url(parsed.fingerprint(_DIGEST)).decode()


def _private_key(pem: bytes) -> RSAPrivateKey | EllipticCurvePrivateKey:
    try:
        key = load_pem_private_key(pem, password=None)
    except TypeError:
        raise KeyUnusable("the private key is encrypted; write it without a password") from None
    except (ValueError, UnsupportedAlgorithm):
        raise KeyUnusable("there is no private key in PEM that can be read") from None
    if isinstance(key, RSAPrivateKey) or (
        isinstance(key, EllipticCurvePrivateKey) and isinstance(key.curve, SECP256R1)
    ):
        return key
    raise KeyUnusable("the private key is neither RSA nor EC on the curve P-256")


def _signature(key: RSAPrivateKey | EllipticCurvePrivateKey, algorithm: Algorithm, octets: bytes) -> bytes:
    if isinstance(key, EllipticCurvePrivateKey):
        # RFC 7518 3.4: both numbers, 32 octets each, and not the structure that cryptography puts them into.
        return b"".join(number.to_bytes(32) for number in decode_dss_signature(key.sign(octets, ECDSA(_DIGEST))))
    if algorithm is Algorithm.PS256:
        # RFC 7518 3.5: a salt as long as the digest.
        return key.sign(octets, PSS(MGF1(_DIGEST), _DIGEST.digest_size), _DIGEST)
    return key.sign(octets, PKCS1v15(), _DIGEST)


def _encoded(part: Mapping[str, Any]) -> bytes:
    return _base64url(json.dumps(part, separators=(",", ":")).encode())


def _base64url(octets: bytes) -> bytes:
    """RFC 7515 section 2: without the padding."""
    return urlsafe_b64encode(octets).rstrip(b"=")
