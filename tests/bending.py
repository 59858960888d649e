"""Certificates that no library makes: bent by hand, and signed again by their issuer.

Only making, as in `tests.authority`. What is bent here, OpenSSL takes; whether anything else does, tests ask.
"""

from __future__ import annotations

import base64
from collections.abc import Callable

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from exporter.certificates.der import elements, first
from tests.authority import Party

Change = Callable[[list[bytes]], None]
"""Changes the parts of a TBSCertificate (RFC 5280 4.1): version, serial, signature, issuer, validity, subject, key."""

VERSION, SERIAL, _, ISSUER, VALIDITY, SUBJECT = range(6)


def element(tag: int, *contents: bytes) -> bytes:
    """One element in DER (X.690 8.1.3)."""
    content = b"".join(contents)
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes([tag, 0x80 | len(length)]) + length + content


def bent(party: Party, by: Party, *changes: Change) -> bytes:
    """The certificate with some of its parts changed, DER, and signed again.

    Args:
        party: Whose it is.
        by: Who signs, with a key on an elliptic curve.
        changes: Applied one after the other.
    """
    parts = [each.whole for each in elements(first(party.certificate.tbs_certificate_bytes).content)]
    for change in changes:
        change(parts)
    signed = element(0x30, *parts)
    assert isinstance(by.key, ec.EllipticCurvePrivateKey)
    signature = by.key.sign(signed, ec.ECDSA(hashes.SHA256()))
    ecdsa_with_sha256 = bytes.fromhex("300a06082a8648ce3d040302")
    return element(0x30, signed, ecdsa_with_sha256, element(0x03, b"\0" + signature))


def replaced(place: int, octets: bytes) -> Change:
    """One part is something else."""

    def change(parts: list[bytes]) -> None:
        parts[place] = octets

    return change


def common_name(tag: int, content: bytes) -> bytes:
    """A distinguished name of one common name, which is of any kind and content."""
    return element(0x30, element(0x31, element(0x30, bytes.fromhex("0603550403"), element(tag, content))))


def armoured(der: bytes) -> bytes:
    """As files have it."""
    return b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(der) + b"-----END CERTIFICATE-----\n"
