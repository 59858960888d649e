"""Certificates that cryptography refuses or warns of, and OpenSSL lets pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from tests.authority import Party, issue
from tests.bending import (
    ISSUER,
    SERIAL,
    SUBJECT,
    VERSION,
    Change,
    bent,
    common_name,
    element,
    replaced,
)
from tests.certificates import NAME

ROOT: Final = issue("Root", authority=True)


@dataclass(frozen=True, slots=True)
class Oddity:
    """Something that cryptography refuses, or warns of, and OpenSSL lets pass.

    Attributes:
        change: What is bent.
        extension: Or: an extension that stands there.
        subject: The subject that it has then; its own if `None`.
    """

    title: str
    change: Change | None = None
    extension: tuple[str, bytes] | None = None
    subject: bytes | None = None

    def __str__(self) -> str:
        return self.title

    def certificate(self, name: str, by: Party | None, key: ec.EllipticCurvePrivateKey, *, authority: bool) -> bytes:
        """A certificate that has it, DER."""
        given = [] if self.extension is None else [(unrecognised(*self.extension), False)]
        names = [] if authority or any(each.oid == x509.SubjectAlternativeName.oid for each, _ in given) else [NAME]
        made = issue(name, by, key=key, alternatives=names, authority=authority, extensions=given)
        changes = [] if self.change is None else [self.change]
        if self.subject is not None:
            changes.append(replaced(SUBJECT, self.subject))
            if by is None:
                changes.append(replaced(ISSUER, self.subject))
        return bent(made, by or made, *changes)


def unrecognised(number: str, value: bytes) -> x509.UnrecognizedExtension:
    return x509.UnrecognizedExtension(x509.ObjectIdentifier(number), value)


def general(*names: bytes) -> bytes:
    return element(0x30, *names)


URI_OF_ISSUER = element(0x30, bytes.fromhex("06082b06010505073002"), element(0xA3, element(0x30)))
POLICY_IN_LATIN_1 = element(
    0x30,
    element(
        0x30,
        bytes.fromhex("06042a030405"),
        element(
            0x30,
            element(
                0x30,
                bytes.fromhex("06082b06010505070202"),
                element(0x30, element(0x1A, "Prüfstelle".encode("latin-1"))),
            ),
        ),
    ),
)

ODDITIES = [
    Oddity("version 4", replaced(VERSION, bytes.fromhex("a003020103"))),
    Oddity("version 2", replaced(VERSION, bytes.fromhex("a003020101"))),
    Oddity("a serial number of zero", replaced(SERIAL, bytes.fromhex("020100"))),
    Oddity("a negative serial number", replaced(SERIAL, bytes.fromhex("0201ff"))),
    Oddity("a serial number of 60 kB", replaced(SERIAL, element(0x02, b"\x01" * 60_000))),
    Oddity("& in a PrintableString", subject=common_name(0x13, b"Smith & Sons")),
    Oddity("a PrintableString in Latin-1", subject=common_name(0x13, "Bücher".encode("latin-1"))),
    Oddity("a BIT STRING as common name", subject=common_name(0x03, b"\0\x17")),
    Oddity("an empty common name", subject=common_name(0x0C, b"")),
    Oddity("a name of 30,000 letters", subject=common_name(0x0C, b"x" * 30_000)),
    Oddity("a policy in Latin-1", extension=("2.5.29.32", POLICY_IN_LATIN_1)),
    Oddity("an unknown TLS feature", extension=("1.3.6.1.5.5.7.1.24", bytes.fromhex("3003020163"))),
    Oddity("a TLS feature that is none", extension=("1.3.6.1.5.5.7.1.24", b"\x04\x01\x05")),
    Oddity("an x400Address in AIA", extension=("1.3.6.1.5.5.7.1.1", element(0x30, URI_OF_ISSUER))),
    Oddity("an unknown extension that is not DER", extension=("1.2.3.4.5", b"\xff\xff\xff")),
    Oddity("a malformed list of CT stamps", extension=("1.3.6.1.4.1.11129.2.4.2", b"\x04\x03abc")),
]
each_oddity = pytest.mark.parametrize("odd", ODDITIES, ids=str)


def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def below(
    odd: Oddity, above: ec.EllipticCurvePrivateKey, own: ec.EllipticCurvePrivateKey, name: str = "Intermediate"
) -> bytes:
    """A leaf that an odd authority has issued."""
    issuer = issue(name, ROOT, key=above, authority=True)
    plain = issue("leaf", issuer, key=own, alternatives=[NAME])
    return bent(plain, issuer, *([] if odd.subject is None else [replaced(ISSUER, odd.subject)]))
