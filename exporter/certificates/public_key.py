"""The public key of a certificate, cut out of it as it stands there: what a pin is about, whatever kind of key it is.

No judgement, and no interest in the key itself; see `strength` for that.
"""

from __future__ import annotations

from typing import Final

VERSION: Final = 0xA0
"""The tag of a certificate's version, which certificates of the first version do not have (RFC 5280 4.1)."""

BEFORE_THE_KEY: Final = 5
"""Fields between the version and the key: serialNumber, signature, issuer, validity, subject."""


def subject_public_key_info(certificate: bytes) -> bytes:
    """The SubjectPublicKeyInfo (RFC 5280 4.1.2.7), DER.

    Args:
        certificate: DER that has been found to be a certificate.
    """
    fields, _ = _content(certificate, 0)  # of Certificate
    at, _ = _content(certificate, fields)  # of TBSCertificate
    if certificate[at] == VERSION:
        _, at = _content(certificate, at)
    for _ in range(BEFORE_THE_KEY):
        _, at = _content(certificate, at)
    return certificate[at : _content(certificate, at)[1]]


def _content(der: bytes, at: int) -> tuple[int, int]:
    """Where the content of the element at a place begins and ends (X.690 8.1.3); all tags here are of one octet."""
    length, begin = der[at + 1], at + 2
    if length & 0x80:  # that many octets of length follow
        size = length & 0x7F
        length, begin = int.from_bytes(der[begin : begin + size]), begin + size
    return begin, begin + length
