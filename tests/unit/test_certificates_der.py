"""DER, and what people write instead: read as OpenSSL reads it."""

from __future__ import annotations

import hashlib

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519, padding
from cryptography.hazmat.primitives.serialization import Encoding

from exporter.certificates import certificate, distinguished, end_point, names, strength
from exporter.certificates.certificate import pem_blocks, read
from exporter.certificates.der import (
    MAX_NESTING,
    MAX_STEPS,
    Element,
    MalformedError,
    count,
    dotted,
    elements,
    first,
    some,
    timestamp,
)
from exporter.certificates.fields import SUBJECT_ALTERNATIVE_NAME, take_apart
from tests.authority import NOW, issue, named, rsa_key
from tests.bending import element
from tests.certificates import NAME

UTC_TIME, GENERALIZED_TIME = 0x17, 0x18


@pytest.mark.parametrize(
    "encoded",
    [
        b"\x04\x03abc",
        b"\x04\x81\x03abc",
        b"\x04\x83\x00\x00\x03abc",
        b"\x1f\x81\x01\x03abc",
    ],
    ids=["short", "long", "long with needless octets", "a high tag"],
)
def test_a_content_is_found_however_its_header_is_written(encoded: bytes) -> None:
    (found,) = elements(encoded)

    assert b"abc" == found.content
    assert encoded == found.whole


def test_an_indefinite_length_ends_where_it_says() -> None:
    inner = b"\x30\x80\x04\x01a\x00\x00"

    found = list(elements(b"\x30\x80" + inner + b"\x04\x01b\x00\x00\x05\x00"))

    assert [0x30, 0x05] == [each.tag for each in found]
    assert inner + b"\x04\x01b" == found[0].content


@pytest.mark.parametrize(
    "encoded",
    [
        b"\x04",
        b"\x04\x03ab",
        b"\x04\x82\xff",
        b"\x1f\x81",
        b"\x30\x80\x04\x01a",
        b"\x30\x80" * (MAX_NESTING + 1) + b"\x00\x00" * (MAX_NESTING + 1),
        b"\x30\x80" + b"\x05\x00" * MAX_STEPS + b"\x00\x00",
    ],
    ids=["a tag alone", "too short", "half a length", "half a tag", "no end", "too deep", "too many"],
)
def test_what_is_no_element_is_malformed(encoded: bytes) -> None:
    with pytest.raises(MalformedError):
        list(elements(encoded))

    assert some(b"\x05\x00" + encoded, 5) == [Element(5, b"", b"\x05\x00")]
    assert 1500 == count(b"\x05\x00" + encoded, 1500)


def test_elements_are_counted_up_to_a_bound() -> None:
    assert 8 == count(b"\x05\x00" * 7 + b"\x04\x81\x80" + b"x" * 128, 100)
    assert 5 == count(b"\x05\x00" * 7, 5)


@pytest.mark.parametrize("octets", [b"", b"\x05\x00"])
def test_an_element_of_another_kind_is_malformed(octets: bytes) -> None:
    with pytest.raises(MalformedError):
        first(octets, 0x30)


@pytest.mark.parametrize(
    ("identifier", "shown"),
    [
        ("551d11", "2.5.29.17"),
        ("2a864886f70d010101", "1.2.840.113549.1.1.1"),
        ("8837", "2.999"),
        ("00", "0.0"),
        ("", "#"),
        ("2a86", "#2a86"),
        ("2a" * 40, "#" + "2a" * 32),
    ],
)
def test_an_identifier_is_written_as_numbers(identifier: str, shown: str) -> None:
    assert shown == dotted(bytes.fromhex(identifier))


@pytest.mark.parametrize(
    ("tag", "content", "moment"),
    [
        (UTC_TIME, b"700101000000Z", 0.0),
        (UTC_TIME, b"491231235959Z", 2524607999.0),
        (UTC_TIME, b"500101000000Z", -631152000.0),
        (UTC_TIME, b"7001010000Z", 0.0),
        (UTC_TIME, b"700101013000+0130", 0.0),
        (UTC_TIME, b"691231223000-0130", 0.0),
        (GENERALIZED_TIME, b"19700101000000Z", 0.0),
        (GENERALIZED_TIME, b"19700101000000.5Z", 0.5),
        (GENERALIZED_TIME, b"19700101000000", 0.0),
        (GENERALIZED_TIME, b"1970010100Z", 0.0),
        (GENERALIZED_TIME, b"00000101000000Z", -62135596800.0),
        (GENERALIZED_TIME, b"00010101000000+2359", None),
        (GENERALIZED_TIME, b"99991231235959Z", 253402300799.0),
        (GENERALIZED_TIME, b"20230229000000Z", None),
        (GENERALIZED_TIME, b"700101000000Z\x00", None),
        (UTC_TIME, b"junk", None),
        (0x04, b"700101000000Z", None),
    ],
)
def test_a_date_is_read_in_every_form(tag: int, content: bytes, moment: float | None) -> None:
    assert moment == timestamp(Element(tag, content, b""))


@pytest.mark.parametrize("digest", [hashes.SHA256(), hashes.SHA384()], ids=lambda each: each.name)
def test_a_signature_by_pss_names_its_hash(digest: hashes.SHA256 | hashes.SHA384) -> None:
    key = rsa_key(2048, "pss")
    builder = x509.CertificateBuilder().subject_name(named("x")).issuer_name(named("x")).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(NOW).not_valid_after(NOW)
    signed = builder.sign(key, digest, rsa_padding=padding.PSS(padding.MGF1(hashes.SHA256()), 20))

    found = strength.signature_of(take_apart(signed.public_bytes(Encoding.DER)).algorithm)

    assert strength.Signature("rsassaPss", digest.name) == found
    assert not strength.is_weak(found)


def test_a_signature_by_pss_is_over_sha1_where_it_names_no_hash() -> None:
    found = strength.signature_of(element(0x30, bytes.fromhex("06092a864886f70d01010a"), element(0x30)))

    assert strength.Signature("rsassaPss", "sha1") == found
    assert strength.is_weak(found)


@pytest.mark.parametrize(
    ("algorithm", "name"),
    [
        (b"", "?"),
        (b"\x30\x00", "?"),
        (bytes.fromhex("300406022a03"), "1.2.3"),
        (bytes.fromhex("300406022a03")[:3], "?"),
    ],
)
def test_an_algorithm_that_nobody_knows_goes_by_its_number(algorithm: bytes, name: str) -> None:
    assert strength.Signature(name, None) == strength.signature_of(algorithm)


def test_parameters_of_pss_that_cannot_be_read_name_no_hash() -> None:
    algorithm = element(0x30, bytes.fromhex("06092a864886f70d01010a"), element(0x30, element(0xA0, b"\x04")))

    assert strength.Signature("rsassaPss", None) == strength.signature_of(algorithm)


@pytest.mark.parametrize(
    ("key", "name", "kind"),
    [
        (b"", "?", "?"),
        (b"\x30\x04\x30\x00\x03\x00", "?", "?"),
        (element(0x30, element(0x30, bytes.fromhex("06022a03")), element(3, b"\0")), "1.2.3", "1.2.3"),
        (
            element(0x30, element(0x30, bytes.fromhex("0609608648016503040311")), element(3, b"\0")),
            "ML-DSA-44",
            "ml-dsa-44",
        ),
        (
            element(0x30, element(0x30, bytes.fromhex("06072a8648ce3d0201"), element(0x30)), element(3, b"\0")),
            "EC by explicit parameters",
            "ecdsa",
        ),
        (
            element(0x30, element(0x30, bytes.fromhex("06072a8648ce3d020106022a03")), element(3, b"\0")),
            "EC 1.2.3",
            "ecdsa",
        ),
    ],
    ids=["nothing", "no algorithm", "unknown", "ML-DSA", "explicit", "unknown curve"],
)
def test_a_key_that_nobody_knows_is_shown_and_not_weak(key: bytes, name: str, kind: str) -> None:
    found = strength.key_of(key)

    assert (name, kind, False) == (found.name, found.kind, found.weak)


def test_an_end_point_is_tied_by_the_hash_of_the_signature() -> None:
    signed = issue("leaf", issue("Root", authority=True, key=rsa_key(2048, "root")))

    assert hashlib.sha256(signed.der).digest() == end_point(signed.der)
    assert end_point(b"junk") is None


def test_a_signature_without_a_hash_ties_nothing() -> None:
    assert end_point(issue("leaf", key=ed25519.Ed25519PrivateKey.generate()).der) is None


@pytest.mark.parametrize(
    ("text", "blocks"),
    [
        (b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n", [b"\x30\x00"]),
        (b"-----BEGIN X509 CERTIFICATE-----\nMAA=\n-----END X509 CERTIFICATE-----\n", [b"\x30\x00"]),
        (b"-----BEGIN CERTIFICATE-----\nMAA=\n", [b"\x30\x00"]),
        (b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n", [b""]),
        (b"-----BEGIN CERTIFICATE-----\nProc-Type: 4,ENCRYPTED\n\nMAA=\n-----END CERTIFICATE-----\n", [b""]),
        (b"-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n", []),
    ],
)
def test_a_pem_file_has_blocks(text: bytes, blocks: list[bytes]) -> None:
    assert blocks == pem_blocks(text)


def test_names_are_shown_as_far_as_there_is_room() -> None:
    long = [f"{'x' * 60}.{number}.example.com" for number in range(200)]

    shown = read(issue("leaf", alternatives=long).der).facts.names

    assert 0 < len(shown) < len(long)
    assert sum(map(len, shown)) <= certificate.MAX_NAMES_TOGETHER


def test_two_lists_of_names_are_none() -> None:
    party = issue("leaf", alternatives=[NAME])
    fields = take_apart(party.der)
    fields.extensions[SUBJECT_ALTERNATIVE_NAME] *= 2

    assert b"" == certificate.alternatives(fields)
    assert "it has more than one subjectAltName" == certificate._flaw(fields)


def test_a_mapped_address_is_written_alike_by_every_python() -> None:
    mapped = Element(names.IP_ADDRESS, bytes.fromhex("00000000000000000000ffffc0000201"), b"")

    assert "::ffff:192.0.2.1" == names.shown(mapped)


def test_a_name_longer_than_127_octets_is_found() -> None:
    long = ".".join(["x" * 60] * 3) + ".example.com"
    encoded = element(0x30, element(0x82, b"a"), element(0x82, long.encode()))

    assert names.matches(encoded, long)
    assert not names.matches(encoded[:-1], long)


@pytest.mark.parametrize("name", [b"\x30\x06\x31\x04\x30\x02\x05\x00", b"\x30\x04\x31\x02\x30\x00", b"\x30\xff", b""])
def test_a_distinguished_name_that_is_none_is_shown_all_the_same(name: bytes) -> None:
    assert distinguished.shown(name).isprintable()
