"""DANE: does a TLSA record match a server's certificates? RFC 6698, with RFC 7671 and RFC 7672 for mail. Pure.

Usage 3 pins the server's own certificate or key. Dates and names are ignored (RFC 7672 section 3.1.1). Usage 2 pins an
authority, which must be in the chain or in the record itself. Signatures, dates, purpose and names below it are
verified (section 3.1.2). Usages 0 and 1 cannot be used for mail (section 3.1.3).
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key
from OpenSSL import crypto

from exporter.certificates import names
from exporter.certificates.certificate import UnreadableError, alternatives, read
from exporter.certificates.fields import take_apart
from exporter.model import KeyType

AUTHORITY: Final = 2
"""DANE-TA (RFC 7218)."""

SERVER: Final = 3
"""DANE-EE."""

_USAGES: Final = frozenset({AUTHORITY, SERVER})
KEY: Final = 1
"""The selector for the key instead of the whole certificate."""

_CERTIFICATE = 0
_DIGESTS: Final = {1: hashlib.sha256, 2: hashlib.sha512}
_LENGTHS: Final = {1: 32, 2: 64}
_FULL: Final = 0

MAX_CHAIN: Final = 10
"""The most certificates of a chain that are checked. More of them would be abuse."""


@dataclass(frozen=True, slots=True)
class Tlsa:
    """One TLSA record."""

    usage: int
    selector: int
    matching: int
    data: bytes

    def __str__(self) -> str:
        return f"{self.usage} {self.selector} {self.matching} {self.data.hex()[:16]}..."

    @property
    def short(self) -> str:
        """The first eight hexadecimal digits of the record's data."""
        return self.data.hex()[:8]

    @property
    def subject(self) -> tuple[int, int]:
        """What the record is about: its usage and selector."""
        return self.usage, self.selector

    @property
    def fault(self) -> str | None:
        """Why the record cannot be used; `None` if it can (RFC 7672 section 2.2)."""
        if self.usage not in _USAGES:
            return f"usage {self.usage} is not for mail"
        if self.selector not in (_CERTIFICATE, KEY):
            return f"selector {self.selector} is not known"
        if self.matching != _FULL and self.matching not in _DIGESTS:
            return f"matching type {self.matching} is not known"
        if self.matching in _LENGTHS and len(self.data) != _LENGTHS[self.matching]:
            return f"{len(self.data)} octets are not a digest of matching type {self.matching}"
        if self.matching == _FULL and not _is_whole(self.selector, self.data):
            return f"it holds no {'key' if self.selector == KEY else 'certificate'}"
        return None


class Weighed(NamedTuple):
    """The records that match a server's certificates.

    Attributes:
        counting: Those that authenticate it. If a strongest digest matches, weaker ones that match are among them.
        outdone: Those that do not count, because there are stronger digests, none of which matches.
    """

    counting: tuple[Tlsa, ...]
    outdone: tuple[Tlsa, ...]


def weigh(records: Sequence[Tlsa], chain: Sequence[bytes], reference: Collection[str], now: float) -> Weighed:
    """Which records match, and which of these count.

    RFC 7671 section 9: of the digests with the same usage and selector, only the strongest count.

    Args:
        records: All usable records of the server.
        chain: As of `matches`.
        reference: Likewise.
        now: Likewise.
    """
    strongest = {each.subject: each.matching for each in sorted(records, key=lambda record: record.matching)}
    found = [each for each in records if matches(each, chain, reference, now)]
    subjects = {each.subject for each in found if each.matching == strongest[each.subject]}
    counting = tuple(each for each in found if each.matching == _FULL or each.subject in subjects)
    return Weighed(counting, tuple(each for each in found if each not in counting))


def matches(record: Tlsa, chain: Sequence[bytes], reference: Collection[str], now: float) -> bool:
    """Whether the data of a usable record is that of a server.

    Args:
        record: A record without a fault.
        chain: The certificates that the server presents, in DER, with its own first.
        reference: The names that its certificate may have (RFC 7672 section 3.2.3).
        now: Unix time.
    """
    chain = chain[:MAX_CHAIN]
    if not chain:
        return False
    if record.usage == SERVER:
        return _covers(record, chain[0])
    # RFC 7671 section 5.2: an authority comes after the server's own certificate.
    anchors = [each for each in chain[1:] if _covers(record, each)]
    if record.matching == _FULL and record.selector == _CERTIFICATE:
        anchors.append(record.data)
    anchors = [each for each in anchors if each != chain[0]]
    if record.matching == _FULL and record.selector == KEY:
        anchors += _signed_by(record.data, chain)
    return bool(anchors) and _may_serve(chain[0], reference) and any(_leads_to(each, chain, now) for each in anchors)


def key_type(chain: Sequence[bytes]) -> KeyType | None:
    """The kind of key of the server's own certificate; `None` for other kinds or if it cannot be read."""
    try:
        key = load_der_public_key(take_apart(chain[0]).public_key)
    except (IndexError, ValueError, UnsupportedAlgorithm):
        return None
    if isinstance(key, rsa.RSAPublicKey):
        return KeyType.RSA
    return KeyType.ECDSA if isinstance(key, ec.EllipticCurvePublicKey) else None


def key_digest(chain: Sequence[bytes]) -> bytes | None:
    """The SHA-256 of the server's own key; `None` if it is missing or cannot be read."""
    try:
        return hashlib.sha256(take_apart(chain[0]).public_key).digest()
    except (IndexError, ValueError):
        return None


def _covers(record: Tlsa, der: bytes) -> bool:
    """Whether the record has this certificate, its key, or a digest of one of them."""
    try:
        selected = der if record.selector == _CERTIFICATE else take_apart(der).public_key
    except (ValueError, IndexError):
        return False
    digest = _DIGESTS.get(record.matching)
    return record.data == (digest(selected).digest() if digest is not None else selected)


def _is_whole(selector: int, data: bytes) -> bool:
    try:
        if selector == KEY:
            load_der_public_key(data)
        else:
            x509.load_der_x509_certificate(data)
    except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion):
        return False
    return True


def _may_serve(der: bytes, reference: Collection[str]) -> bool:
    """Whether a certificate is for a TLS server with one of these names."""
    try:
        certificate = read(der)
    except UnreadableError:
        return False
    fields = certificate.fields()
    presented = alternatives(fields)
    if not any(each.tag == names.DNS_NAME for each in names.of_host(presented)):
        # RFC 7672 section 3.2.3: the common name counts only if there is no DNS name.
        presented = _common_names(der)
    return certificate.for_servers and any(names.matches(presented, name) for name in reference)


def _common_names(der: bytes) -> bytes:
    """The common names in the form of a subjectAltName; empty if there are none."""
    try:
        subject = x509.load_der_x509_certificate(der).subject
        written = [str(each.value) for each in subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)]
        return x509.SubjectAlternativeName([x509.DNSName(each) for each in written]).public_bytes() if written else b""
    except Exception:  # noqa: BLE001 - any getter of cryptography may raise a dozen kinds of errors for bad data
        return b""


def _signed_by(spki: bytes, chain: Sequence[bytes]) -> list[bytes]:
    """The certificates of the chain that this key has signed. The key is used as their issuer."""
    found: list[bytes] = []
    for der in chain:
        try:
            if _has_signed(load_der_public_key(spki), x509.load_der_x509_certificate(der)):
                found.append(der)
        except (ValueError, TypeError, UnsupportedAlgorithm, InvalidSignature, x509.InvalidVersion):
            continue
    return found


def _has_signed(key: object, certificate: x509.Certificate) -> bool:
    """Whether this key has signed a certificate.

    Raises:
        InvalidSignature: Another key has signed it.
    """
    signature, signed = certificate.signature, certificate.tbs_certificate_bytes
    parameters = certificate.signature_algorithm_parameters
    digest = certificate.signature_hash_algorithm
    if isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
        key.verify(signature, signed)
    elif isinstance(key, ec.EllipticCurvePublicKey) and isinstance(parameters, ec.ECDSA):
        key.verify(signature, signed, parameters)
    elif isinstance(key, rsa.RSAPublicKey) and digest is not None:
        key.verify(signature, signed, parameters, digest)  # type: ignore[arg-type] # PKCS1v15 or PSS, as the certificate is RSA's
    else:
        return False
    return True


def _leads_to(anchor: bytes, chain: Sequence[bytes], now: float) -> bool:
    """Whether the chain verifies if only this certificate is trusted."""
    try:
        store = crypto.X509Store()
        store.add_cert(_loaded(anchor))
        store.set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN)
        store.set_time(datetime.fromtimestamp(now, UTC))
        others = [_loaded(each) for each in chain[1:]]
        crypto.X509StoreContext(store, _loaded(chain[0]), others).verify_certificate()
    except (crypto.X509StoreContextError, crypto.Error, ValueError, OverflowError):
        return False
    return True


def _loaded(der: bytes) -> crypto.X509:
    return crypto.load_certificate(crypto.FILETYPE_ASN1, der)
