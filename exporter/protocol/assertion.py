"""Makes signed assertions (RFC 7523): JSON Web Tokens (RFC 7519) that prove who a client is by a key, not a secret.

They are only made here and never verified, so no JWT library is needed. cryptography signs them.
Pure: the time is among the claims.
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
from cryptography.x509 import load_pem_x509_certificate

_DIGEST: Final = SHA256()


class Algorithm(StrEnum):
    """The algorithms, by their names in RFC 7518 section 3.1."""

    RS256 = "RS256"
    PS256 = "PS256"
    ES256 = "ES256"


class KeyUnusable(ValueError):
    """A key or a certificate cannot be used. The message says why, and contains no part of either."""


def assertion(
    claims: Mapping[str, Any], header: Mapping[str, str], private_key: bytes, *, of_rsa: Algorithm = Algorithm.RS256
) -> bytes:
    """Sign claims; returns the assertion.

    Args:
        claims: The claims.
        header: Header fields that tell the server which key to verify with.
        private_key: In PEM, not encrypted.
        of_rsa: The algorithm for an RSA key. For a key on the curve P-256 there is only one algorithm.

    Raises:
        KeyUnusable: The key cannot be read, or is of another kind.
    """
    key = _private_key(private_key)
    algorithm = of_rsa if isinstance(key, RSAPrivateKey) else Algorithm.ES256
    # RFC 7515 3.1: the signature is over the header and the claims in base64url, with a point between them.
    signed = b".".join(_encoded(part) for part in ({"alg": algorithm, "typ": "JWT", **header}, claims))
    return signed + b"." + _base64url(_signature(key, algorithm, signed))


def thumbprint(certificate: bytes, private_key: bytes) -> str:
    """The thumbprint by which a server finds a certificate (RFC 7515 4.1.8, `x5t#S256`).

    Args:
        certificate: In PEM; a chain begins with it.
        private_key: The key that it must belong to. One of the two files may be newer than the other.

    Raises:
        KeyUnusable: It is not a certificate, or belongs to another key.
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
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415 - a megabyte, for few

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
        # RFC 7518 3.4: the signature is both numbers, 32 octets each. cryptography returns them in a DER structure.
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
