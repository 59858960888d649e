"""Reading one certificate: from DER to what people and judgement need to know of it.

No judgement here beyond strength, and nothing that depends on a time, a name or another certificate: it is read once.
"""

from __future__ import annotations

import hashlib
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from exporter.certificates import names, strength, text
from exporter.certificates.public_key import subject_public_key_info
from exporter.model import CertificateFacts

REMEMBERED: Final = 4096
"""Certificates kept taken apart, about 3 KiB each. Endpoints share intermediates and probe the same leaf for weeks."""

MAX_NAMES: Final = 256
"""Names of one certificate that are shown; matching looks at all. Public authorities sign up to 100, rarely 250."""


_PEM: Final = re.compile(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
"""RFC 7468 section 5.1."""


class UnreadableError(ValueError):
    """This is no certificate that can be taken apart; the message says what is wrong with it, in ASCII."""


@dataclass(frozen=True, slots=True, eq=False)
class Certificate:
    """One certificate, taken apart. Compared by identity: `read` gives one object for the same octets.

    Attributes:
        der: As it was sent.
        identifiers: Whom it is for.
        flaw: What of it cannot be read, in words; `None` if all can.
    """

    facts: CertificateFacts
    der: bytes
    identifiers: names.Identifiers
    weak_key: bool
    weak_signature: bool
    flaw: str | None

    def parsed(self) -> x509.Certificate:
        """With keys and extensions, for what is rarely asked; made anew, since it takes more room than all the rest."""
        return x509.load_der_x509_certificate(self.der)


@contextmanager
def unwarned() -> Iterator[None]:
    """Whatever takes certificates apart does so in here.

    cryptography warns of oddities that it will refuse one day, such as the serial numbers of some roots in every
    system's store. They are not ours to mend, and not for the log.
    """
    with warnings.catch_warnings(action="ignore"):
        yield


@lru_cache(REMEMBERED)
@unwarned()
def read(der: bytes) -> Certificate:
    """Take a certificate apart.

    Raises:
        UnreadableError: It is not one, or its names or dates are malformed.
    """
    try:
        return _taken_apart(der)
    except ValueError as error:
        raise UnreadableError(text.quoted(str(error))) from None


@unwarned()
def subjects(bundle: bytes) -> frozenset[bytes]:
    """The names of all certificates of a PEM file, DER; none if something in it cannot be read."""
    try:
        # One by one: all of them at once would take megabytes.
        return frozenset(x509.load_pem_x509_certificate(pem).subject.public_bytes() for pem in _PEM.findall(bundle))
    except ValueError:
        return frozenset()


def _taken_apart(der: bytes) -> Certificate:
    parsed = x509.load_der_x509_certificate(der)
    flaw = None
    identifiers = names.Identifiers()
    shown: list[str] = []
    try:
        alternatives = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        pass
    except (ValueError, x509.DuplicateExtension) as error:
        flaw = f"its extensions are malformed: {text.quoted(str(error))}"
    else:
        identifiers = names.identifiers(alternatives)
        shown += alternatives.get_values_for_type(x509.DNSName)
        shown += map(str, alternatives.get_values_for_type(x509.IPAddress))
    key, weak_key = strength.key_of(parsed)
    signature, weak_signature = strength.signature_of(parsed)
    facts = CertificateFacts(
        subject=text.distinguished(parsed.subject),
        issuer=text.distinguished(parsed.issuer),
        serial=_serial(parsed.serial_number),
        not_before=parsed.not_valid_before_utc.timestamp(),
        not_after=parsed.not_valid_after_utc.timestamp(),
        names=tuple(text.shortened(text.printable(name), text.MAX_SHOWN) for name in shown[:MAX_NAMES]),
        fingerprint_sha256=parsed.fingerprint(hashes.SHA256()).hex(),
        key=key,
        signature=signature,
        public_key_sha256=hashlib.sha256(subject_public_key_info(der)).hexdigest(),
    )
    return Certificate(facts, der, identifiers, weak_key, weak_signature, flaw)


def _serial(number: int) -> str:
    """As `openssl x509 -serial` prints it, in lower case: whole octets, a minus before the negative ones."""
    digits = f"{abs(number):x}"
    return "-" * (number < 0) + "0" * (len(digits) % 2) + digits
