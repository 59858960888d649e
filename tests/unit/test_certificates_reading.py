"""Reading one certificate: what is shown of it, and that nothing in it does harm."""

from __future__ import annotations

import shutil
import subprocess
from base64 import b64encode

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import NameOID

from exporter.certificates import VerificationFinding, certificate, distinguished, examine, names, text
from exporter.certificates.certificate import UnreadableError, read
from exporter.certificates.der import MalformedError
from exporter.certificates.fields import take_apart
from exporter.model import CertificateProblem as Problem
from tests.authority import NOW, Span, address, der, issue, pem, rsa_key
from tests.bending import bent, element
from tests.certificates import NAME

OPENSSL = shutil.which("openssl")


def test_a_certificate_is_shown_as_an_administrator_reads_it() -> None:
    party = issue("mail.example.com", alternatives=["mail.example.com", address("2001:db8::1")], days=Span(-1, 1))

    facts = read(party.der).facts

    assert "CN=mail.example.com" == facts.subject
    assert "CN=mail.example.com" == facts.issuer
    assert ("mail.example.com", "2001:db8::1") == facts.names
    assert NOW.timestamp() - 86400 == facts.not_before
    assert NOW.timestamp() + 86400 == facts.not_after
    assert "EC P-256" == facts.key
    assert "ecdsa-with-SHA256" == facts.signature


@pytest.mark.skipif(OPENSSL is None, reason="there is no openssl command here")
def test_numbers_are_written_as_openssl_writes_them() -> None:
    party = issue("mail.example.com")
    assert OPENSSL is not None
    wanted = [OPENSSL, "x509", "-noout", "-serial", "-fingerprint", "-sha256"]

    printed = subprocess.run(wanted, input=pem(party.certificate), capture_output=True, check=True).stdout.decode()

    serial, fingerprint = (line.partition("=")[2].replace(":", "").lower() for line in printed.splitlines())
    facts = read(party.der).facts
    assert serial == facts.serial
    assert fingerprint == facts.fingerprint_sha256


@pytest.mark.parametrize(("number", "shown"), [(1, "01"), (0x80, "80"), (0xABC, "0abc"), (-1, "-01"), (0, "00")])
def test_a_serial_number_has_whole_octets(number: int, shown: str) -> None:
    assert shown == certificate._serial(number.to_bytes(4, signed=True))


@pytest.mark.parametrize(
    ("key", "shown", "weak"),
    [
        (rsa_key(2048, "leaf").public_key(), "RSA 2048", False),
        (rsa_key(1024, "leaf").public_key(), "RSA 1024", True),
        (dsa.generate_private_key(1024).public_key(), "DSA 1024", True),  # noqa: S505 - the weakness is the point
        (ec.generate_private_key(ec.SECP224R1()).public_key(), "EC P-224", False),
        (ec.generate_private_key(ec.SECP256R1()).public_key(), "EC P-256", False),
        (ec.generate_private_key(ec.SECP521R1()).public_key(), "EC P-521", False),
        (ec.generate_private_key(ec.SECP256K1()).public_key(), "EC secp256k1", False),
        (ec.generate_private_key(ec.BrainpoolP384R1()).public_key(), "EC brainpoolP384r1", False),
        (ed25519.Ed25519PrivateKey.generate().public_key(), "Ed25519", False),
        (ed448.Ed448PrivateKey.generate().public_key(), "Ed448", False),
    ],
    ids=lambda each: each if isinstance(each, str) else type(each).__name__,
)
def test_a_key_is_shown_by_kind_and_size(key: CertificatePublicKeyTypes, shown: str, weak: bool) -> None:
    signer = rsa_key(2048, "signer")
    builder = x509.CertificateBuilder().subject_name(x509.Name([])).issuer_name(x509.Name([])).public_key(key)
    signed = builder.serial_number(1).not_valid_before(NOW).not_valid_after(NOW).sign(signer, hashes.SHA256())

    found = read(der(signed))

    assert shown == found.facts.key
    assert weak == found.weak_key


def test_a_name_that_would_upset_a_terminal_is_escaped() -> None:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "evil\r\nHost: \x1b[2J\u202egnp.exe")])

    assert "CN=evil\\0D\\0AHost: \\1B[2J\\E2\\80\\AEgnp.exe" == distinguished.shown(name.public_bytes())


def test_a_name_in_another_script_stays_readable() -> None:
    name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Bücher und Zeitschriften")])

    assert "O=Bücher und Zeitschriften" == distinguished.shown(name.public_bytes())


def test_a_name_without_end_is_cut() -> None:
    attributes = [x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "x" * 64) for _ in range(100)]

    shown = distinguished.shown(x509.Name(attributes).public_bytes())

    assert len(shown) == text.MAX_SHOWN
    assert shown.endswith("...")


def test_more_names_than_anybody_reads_are_not_shown_but_still_count() -> None:
    many = [f"host{number}.example.com" for number in range(1000)]

    found = read(issue("many", alternatives=many).der)

    assert certificate.MAX_NAMES == len(found.facts.names)
    assert names.matches(certificate.alternatives(found.fields()), many[-1])


def test_what_is_no_certificate_is_unreadable() -> None:
    with pytest.raises(UnreadableError) as caught:
        read(b"\x30\x03\x02\x01\x00")

    assert str(caught.value).isascii()


def test_malformed_extensions_are_a_flaw_and_lose_nothing_else() -> None:
    broken = x509.UnrecognizedExtension(x509.SubjectAlternativeName.oid, b"\x04\x00")
    party = issue("mail.example.com", extensions=[(broken, False)])

    found = read(party.der)

    assert found.flaw is not None
    assert found.flaw.startswith("its subjectAltName is malformed")
    assert "CN=mail.example.com" == found.facts.subject
    assert party.certificate.not_valid_after_utc.timestamp() == found.facts.not_after


def test_an_oddity_that_cryptography_warns_of_is_read_in_silence() -> None:
    odd = issue("mail.example.com", serial=0x123456789ABCDEF0).der.replace(b"\x12\x34\x56\x78", b"\x92\x34\x56\x78")
    bundle = "-----BEGIN CERTIFICATE-----\n" + b64encode(odd).decode() + "\n-----END CERTIFICATE-----\n"

    assert "-6dcba98765432110" == read(odd).facts.serial
    assert 1 == len(certificate.subjects(bundle.encode()))


def test_the_same_octets_are_read_once() -> None:
    encoded = issue("mail.example.com").der

    assert read(encoded) is read(bytes(bytearray(encoded)))


def test_the_names_of_a_bundle_are_read_and_a_broken_bundle_has_none() -> None:
    one, other = issue("One").certificate, issue("Other").certificate

    assert {one.subject.public_bytes(), other.subject.public_bytes()} == certificate.subjects(pem(one, other))
    assert certificate.subjects(b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n") == frozenset()


@pytest.mark.parametrize(
    ("name", "written"), [("#x", "CN=\\#x"), (" x", "CN=\\ x"), ("x ", "CN=x\\ "), (" ", "CN=\\ ")]
)
def test_a_name_that_begins_oddly_is_escaped(name: str, written: str) -> None:
    assert written == distinguished.shown(issue(name).certificate.subject.public_bytes())


@pytest.mark.parametrize(
    "fields",
    [
        [],
        [(0x02, b"\1")] * 5,
        [(0x04, b"\1"), *[(0x30, b"")] * 5],
        [(0x02, b"\1"), *[(0x30, b"")] * 4, (0x04, b"")],
    ],
)
def test_what_lacks_the_fields_of_a_certificate_is_none(fields: list[tuple[int, bytes]]) -> None:
    signed = element(0x30, *(element(tag, content) for tag, content in fields))
    with pytest.raises(MalformedError):
        take_apart(element(0x30, signed, element(0x30), element(0x03, b"\0")))


OID, TEXT = element(0x06, bytes.fromhex("551d0e")), element(0x04, b"\4\1x")


def with_extensions(*extensions: bytes) -> bytes:
    """A leaf below a root, with these extensions alone."""

    def change(parts: list[bytes]) -> None:
        parts[-1] = element(0xA3, element(0x30, *extensions))

    root = issue("Root", authority=True)
    return bent(issue(NAME, root, alternatives=[NAME]), root, change)


def test_an_extension_of_another_form_does_not_hide_the_next_one() -> None:
    odd, good = element(0x30, OID, element(0x05)), element(0x30, OID, TEXT)

    assert b"\4\1x" == take_apart(with_extensions(odd, good)).extension(bytes.fromhex("551d0e"))


def test_an_extension_that_occurs_twice_is_why_no_issuer_is_found() -> None:
    once = element(0x30, element(0x06, bytes.fromhex("551d0f")), TEXT)
    leaf = with_extensions(once, element(0x30, OID, TEXT), element(0x30, OID, TEXT))
    chain = examine([leaf], [leaf], [VerificationFinding(20, 0)], finished=True)

    words = "the certificate has an extension twice, so OpenSSL seeks no issuer of it"
    assert [(Problem.INVALID, words)] == [(fault.problem, fault.words) for fault in chain.faults]
