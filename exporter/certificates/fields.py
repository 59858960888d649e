"""The raw fields of a certificate (RFC 5280 4.1), cut out of its DER without judging them.

An extension is parsed only by code that needs it, so a malformed one does not affect anything else.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Final

from exporter.certificates.der import (
    BOOLEAN,
    CONSTRUCTED,
    CONTEXT,
    INTEGER,
    OBJECT_IDENTIFIER,
    OCTET_STRING,
    SEQUENCE,
    Element,
    MalformedError,
    elements,
    first,
)

MAX_EXTENSIONS: Final = 100
"""Extensions of one certificate that are looked for; ten are usual."""

SUBJECT_KEY_IDENTIFIER: Final = bytes.fromhex("551d0e")
SUBJECT_ALTERNATIVE_NAME: Final = bytes.fromhex("551d11")
NAME_CONSTRAINTS: Final = bytes.fromhex("551d1e")
CERTIFICATE_POLICIES: Final = bytes.fromhex("551d20")
AUTHORITY_KEY_IDENTIFIER: Final = bytes.fromhex("551d23")
EXTENDED_KEY_USAGE: Final = bytes.fromhex("551d25")
AUTHORITY_INFORMATION_ACCESS: Final = bytes.fromhex("2b06010505070101")
TLS_FEATURE: Final = bytes.fromhex("2b06010505070118")
CERTIFICATE_TIMESTAMPS: Final = bytes.fromhex("2b06010401d679020402")
"""Their object identifiers: RFC 5280 4.2.1 and 4.2.2.1, RFC 7633, RFC 6962 3.3."""

VERSION: Final = CONTEXT | CONSTRUCTED
EXTENSIONS: Final = CONTEXT | CONSTRUCTED | 3


@dataclass(frozen=True)
class Fields:
    """The raw fields of a certificate; every field is DER, with its header where noted.

    Attributes:
        signed: The signed part, with its header.
        algorithm: The signature's AlgorithmIdentifier, with its header.
        serial: The content of the serial number.
        issuer: A distinguished name, with its header.
        subject: Likewise.
        public_key: The SubjectPublicKeyInfo (4.1.2.7), with its header.
        trailing: What follows the public key: the extensions, if any.
    """

    signed: bytes
    algorithm: bytes
    serial: bytes
    issuer: bytes
    subject: bytes
    not_before: Element
    not_after: Element
    public_key: bytes
    trailing: bytes

    @cached_property
    def extensions(self) -> dict[bytes, list[bytes]]:
        """The content of each extension, by its object identifier. RFC 5280 4.2 allows one of a kind.

        A malformed list ends early, because what follows cannot be found.
        """
        found: dict[bytes, list[bytes]] = {}
        try:
            holder = next((each for each in elements(self.trailing) if each.tag == EXTENSIONS), None)
            listed = first(holder.content, SEQUENCE).content if holder else b""
            for extension in islice(elements(listed), MAX_EXTENSIONS):
                parts = [part for part in elements(extension.content) if part.tag != BOOLEAN]
                identifier, value = parts
                if (identifier.tag, value.tag) == (OBJECT_IDENTIFIER, OCTET_STRING):
                    found.setdefault(identifier.content, []).append(value.content)
        except ValueError:  # malformed, or of other than two parts
            pass
        return found

    def extension(self, identifier: bytes) -> bytes | None:
        """The content of the extension of a kind; `None` if it is missing or occurs twice."""
        found = self.extensions.get(identifier, [])
        return found[0] if len(found) == 1 else None


def take_apart(certificate: bytes) -> Fields:
    """Find the fields.

    Raises:
        MalformedError: It is not a certificate.
    """
    signed, algorithm, *_ = _sequence(first(certificate, SEQUENCE).content, 3)
    parts = list(islice(elements(signed.content), MAX_EXTENSIONS))
    if parts and parts[0].tag == VERSION:
        del parts[0]
    if len(parts) < 6:  # noqa: PLR2004 - as many as are unpacked below
        raise MalformedError("a field is missing")
    serial, _, issuer, validity, subject, public_key, *trailing = parts
    if serial.tag != INTEGER or public_key.tag != SEQUENCE:
        raise MalformedError("a field is of another kind")
    not_before, not_after, *_ = _sequence(validity.content, 2)
    return Fields(
        signed=signed.whole,
        algorithm=algorithm.whole,
        serial=serial.content,
        issuer=issuer.whole,
        subject=subject.whole,
        not_before=not_before,
        not_after=not_after,
        public_key=public_key.whole,
        trailing=b"".join(each.whole for each in trailing),
    )


def _sequence(content: bytes, least: int) -> list[Element]:
    """The elements of a sequence that has to have as many."""
    found = list(islice(elements(content), MAX_EXTENSIONS))
    if len(found) < least:
        raise MalformedError("a field is missing")
    return found
