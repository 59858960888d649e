"""Reads one certificate: from DER to the fields that people and the judgement need.

Nothing here depends on a time, a name or another certificate, so each one is read once. Only strength is judged here. A
field that cannot be read does not prevent the others from being read; see `der` for the reason.
"""

from __future__ import annotations

import binascii
import hashlib
import re
from dataclasses import dataclass
from itertools import islice
from typing import Final

from cachetools import LRUCache, cached

from exporter.certificates import distinguished, names, strength, text
from exporter.certificates.der import INTEGER, SEQUENCE, MalformedError, elements, first, some, timestamp
from exporter.certificates.fields import (
    EXTENDED_KEY_USAGE,
    NAME_CONSTRAINTS,
    SUBJECT_ALTERNATIVE_NAME,
    TLS_FEATURE,
    Fields,
    take_apart,
)
from exporter.model import CertificateFacts

REMEMBERED: Final = 2 * 1024 * 1024
"""Octets of certificates that are kept taken apart: 500 of the usual size. Endpoints share intermediates, and a
chain that is sound is remembered elsewhere. A server may send a new one of 100 kB with each connection."""

OVERHEAD: Final = 2048
NAME_OVERHEAD: Final = 56
"""Octets that the facts of a certificate take beside its own, and each of its names beside its letters."""

MAX_NAMES: Final = 256
"""Names of one certificate that are shown; matching checks all. Public authorities allow up to 100, rarely 250."""

MAX_NAME: Final = 255
"""Characters of one name: the limit of DNS (RFC 1035 2.3.4)."""

MAX_NAMES_TOGETHER: Final = 8192
"""Characters of all the names that are shown: 256 of the usual length."""

MAX_SERIAL: Final = 64
"""Octets of a serial number that are shown; RFC 5280 4.1.2.2 allows 20."""

STATUS_REQUEST: Final = b"\x05"
"""The TLS extension that asks for a stapled OCSP response (RFC 6066 8), as RFC 7633 names it."""

SERVERS: Final = frozenset(map(bytes.fromhex, ("2b06010505070301", "2b0601040182370a0303", "6086480186f8420401")))
"""The purposes that OpenSSL takes for a server's: serverAuth, and Microsoft's and Netscape's of old."""

_PEM: Final = re.compile(
    rb"-----BEGIN (X509 |TRUSTED )?CERTIFICATE-----(.*?)(?:-----END (?:X509 |TRUSTED )?CERTIFICATE-----|\Z)", re.DOTALL
)
"""RFC 7468 section 5.1, and OpenSSL's other words for it."""


class UnreadableError(ValueError):
    """The certificate cannot be parsed; the message says why, in ASCII."""


@dataclass(frozen=True, slots=True, eq=False)
class Certificate:
    """One parsed certificate.

    Attributes:
        der: As it was sent.
        kind: The kind of its key: `rsa`, `ecdsa`, or another name.
        flaw: What is wrong with its names, in words; `None` if all can be read.
        must_staple: Whether it demands a stapled OCSP response (RFC 7633).
        constrained: Whether it has name constraints (RFC 5280 4.2.1.10).
        for_servers: Whether its extendedKeyUsage, if any, has TLS servers among its purposes.
        effort: Microseconds that the check of a signature by its key takes at most, roughly.
    """

    facts: CertificateFacts
    der: bytes
    kind: str
    weak_key: bool
    weak_signature: bool
    flaw: str | None
    must_staple: bool
    constrained: bool
    for_servers: bool
    effort: float

    def fields(self) -> Fields:
        """The raw fields. They are rarely needed and parsed again each time, because they need much memory."""
        return take_apart(self.der)

    @property
    def size(self) -> int:
        """The approximate size in memory, in octets."""
        return len(self.der) + OVERHEAD + sum(NAME_OVERHEAD + len(name) for name in self.facts.names)

    @property
    def public_key(self) -> bytes:
        """The SubjectPublicKeyInfo, DER: what a pin or a TLSA record may be about."""
        return self.fields().public_key


@cached(LRUCache(REMEMBERED, getsizeof=lambda certificate: certificate.size))
def read(der: bytes) -> Certificate:
    """Parse a certificate.

    Raises:
        UnreadableError: It is not a certificate.
    """
    try:
        fields = take_apart(der)
    except MalformedError as error:
        raise UnreadableError(text.quoted(str(error))) from None
    signature = strength.signature_of(fields.algorithm)
    key = strength.key_of(fields.public_key)
    return Certificate(
        facts=CertificateFacts(
            subject=distinguished.shown(fields.subject),
            issuer=distinguished.shown(fields.issuer),
            serial=_serial(fields.serial),
            not_before=timestamp(fields.not_before),
            not_after=timestamp(fields.not_after),
            names=_names(alternatives(fields)),
            fingerprint_sha256=hashlib.sha256(der).hexdigest(),
            key=key.name,
            signature=signature.name,
            public_key_sha256=hashlib.sha256(fields.public_key).hexdigest(),
        ),
        der=der,
        kind=key.kind,
        weak_key=key.weak,
        weak_signature=strength.is_weak(signature),
        flaw=_flaw(fields),
        must_staple=_must_staple(fields),
        constrained=NAME_CONSTRAINTS in fields.extensions,
        for_servers=_is_for_servers(fields),
        effort=key.effort,
    )


def end_point(der: bytes) -> bytes | None:
    """The channel binding `tls-server-end-point` (RFC 5929 4.1).

    Returns:
        `None` for certificates that are signed without a hash, such as by Ed25519, or with an unknown one.
    """
    try:
        digest = strength.signature_of(take_apart(der).algorithm).digest
    except MalformedError:
        return None
    if digest is None:
        return None
    # The hash of the certificate's own signature, but for those that were outdated even then.
    return hashlib.new("sha256" if digest in strength.WEAK_HASHES else digest, der).digest()


def subjects(bundle: bytes) -> frozenset[bytes]:
    """The names of the certificates of a PEM file, DER; without those that cannot be read."""
    found = set()
    for der in pem_blocks(bundle):
        try:
            found.add(take_apart(der).subject)
        except MalformedError:
            continue  # it cannot be an issuer that OpenSSL finds, either
    return frozenset(found)


def pem_blocks(text: bytes) -> list[bytes]:
    """What is in each block of a PEM file that is called a certificate; empty where it is not base64, or encrypted."""
    blocks = []
    for _, body in _PEM.findall(text):
        try:
            blocks.append(binascii.a2b_base64(b"".join(body.split()), strict_mode=True))
        except binascii.Error:
            blocks.append(b"")
    return blocks


def alternatives(fields: Fields) -> bytes:
    """The subjectAltName, DER; empty if it is missing or malformed."""
    return fields.extension(SUBJECT_ALTERNATIVE_NAME) or b""


def _names(encoded: bytes) -> tuple[str, ...]:
    shown: list[str] = []
    room = MAX_NAMES_TOGETHER
    # DNS names come first, as their tag is lower.
    for name in sorted(names.of_host(encoded), key=lambda name: name.tag)[:MAX_NAMES]:
        written = text.shortened(text.printable(names.shown(name)), MAX_NAME)
        room -= len(written)
        if room < 0:
            break
        shown.append(written)
    return tuple(shown)


def _flaw(fields: Fields) -> str | None:
    found = fields.extensions.get(SUBJECT_ALTERNATIVE_NAME, [])
    if len(found) > 1:
        return "it has more than one subjectAltName"
    try:
        for encoded in found:
            for _ in islice(elements(first(encoded, SEQUENCE).content), MAX_NAMES):
                pass
    except MalformedError as error:
        return f"its subjectAltName is malformed: {error}"
    return None


def _must_staple(fields: Fields) -> bool:
    """RFC 7633 4.1: the extension is a sequence of the numbers of TLS extensions."""
    feature = fields.extension(TLS_FEATURE)
    try:
        wanted = list(islice(elements(first(feature, SEQUENCE).content), MAX_NAMES)) if feature else []
    except MalformedError:
        return False
    return any(each.tag == INTEGER and each.content == STATUS_REQUEST for each in wanted)


def _is_for_servers(fields: Fields) -> bool:
    """RFC 5280 4.2.1.12."""
    if EXTENDED_KEY_USAGE not in fields.extensions:
        return True
    listed = some(fields.extension(EXTENDED_KEY_USAGE) or b"", 1)
    return any(purpose.content in SERVERS for whole in listed for purpose in some(whole.content, MAX_NAMES))


def _serial(number: bytes) -> str:
    """As `openssl x509 -serial` prints it, in lower case: whole octets, a minus before the negative ones.

    Args:
        number: The content of an INTEGER.
    """
    value = int.from_bytes(number[: MAX_SERIAL + 1], signed=True)
    digits = f"{abs(value):x}"
    shown = "-" * (value < 0) + "0" * (len(digits) % 2) + digits
    return shown if len(number) <= MAX_SERIAL + 1 else shown + "..."
