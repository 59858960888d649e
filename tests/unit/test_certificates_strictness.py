"""What OpenSSL verified, no other library's strictness may overrule: certificates that cryptography does not like.

Each is met in a real handshake, in every place that it may stand in: as the server's own, as an intermediate, unneeded
beside the chain, and as the trusted authority.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.ocsp import OCSPCertStatus
from cryptography.x509.oid import ExtendedKeyUsageOID
from OpenSSL import SSL, crypto

from exporter.model import CertificateProblem as Problem
from exporter.model import StapleStatus, TlsFacts, TlsPolicy
from exporter.net.tls import TlsContexts, channel_binding
from tests.authority import NOW, Span, issue, key_pem, staple
from tests.bending import (
    VALIDITY,
    VERSION,
    armoured,
    bent,
    element,
    replaced,
)
from tests.certificates import NAME
from tests.handshakes import meeting, server_of
from tests.unit.odd_certificates import ROOT, Oddity, below, each_oddity, general, key, unrecognised


def met(
    folder: Path, chain: list[bytes], key: ec.EllipticCurvePrivateKey, *trusted: bytes, response: bytes = b""
) -> TlsFacts:
    """What a handshake with a server that sends this chain shows."""
    file = folder / "authorities.pem"
    file.write_bytes(b"".join(map(armoured, trusted)))
    client = TlsContexts().context(TlsPolicy(ca_file=file))
    with meeting(client, server_of(chain, key, folder, staple=response)) as both:
        assert both.error is None
        assert channel_binding(both.client, "tls-server-end-point") == sha256(chain[0]).digest()
        return both.facts(NAME, NOW.timestamp())


def assert_good(facts: TlsFacts, sent: list[bytes]) -> None:
    """Verified, with dates and fingerprints of all that was sent."""
    assert () == facts.problems
    assert [sha256(each).hexdigest() for each in sent] == [each.fingerprint_sha256 for each in facts.chain]
    assert all(each.not_after is not None for each in facts.chain)
    assert facts.verified_chain_not_after == NOW.timestamp() + 60 * 86400


@each_oddity
def test_the_server_s_own(odd: Oddity, tmp_path: Path) -> None:
    own = key()
    leaf = odd.certificate("leaf", ROOT, own, authority=False)

    assert_good(met(tmp_path, [leaf], own, ROOT.der), [leaf])


@each_oddity
def test_an_intermediate(odd: Oddity, tmp_path: Path) -> None:
    above, own = key(), key()
    intermediate = odd.certificate("Intermediate", ROOT, above, authority=True)
    leaf = below(odd, above, own)

    assert_good(met(tmp_path, [leaf, intermediate], own, ROOT.der), [leaf, intermediate])


@each_oddity
def test_one_that_nobody_needs(odd: Oddity, tmp_path: Path) -> None:
    own = key()
    leaf = issue("leaf", ROOT, key=own, alternatives=[NAME]).der
    unneeded = odd.certificate("Another", None, key(), authority=True)

    assert_good(met(tmp_path, [leaf, unneeded], own, ROOT.der), [leaf, unneeded])


@each_oddity
def test_an_authority_that_is_trusted(odd: Oddity, tmp_path: Path) -> None:
    above, own = key(), key()
    root = odd.certificate("Root", None, above, authority=True)
    leaf = below(odd, above, own, name="Root")

    assert_good(met(tmp_path, [leaf], own, root), [leaf])


@each_oddity
def test_an_authority_that_nobody_here_needs(odd: Oddity, tmp_path: Path) -> None:
    own = key()
    leaf = issue("leaf", ROOT, key=own, alternatives=[NAME]).der
    another = odd.certificate("Another", None, key(), authority=True)

    assert_good(met(tmp_path, [leaf], own, another, ROOT.der), [leaf])


def test_an_oddity_in_the_names_beside_the_right_one(tmp_path: Path) -> None:
    own = key()
    names = general(
        element(0x82, b"other.example.com"), element(0xA5, b"\xa1\x03\x0c\x01x"), element(0x82, NAME.encode())
    )
    leaf = issue("leaf", ROOT, key=own, extensions=[(unrecognised("2.5.29.17", names), False)]).der

    facts = met(tmp_path, [leaf], own, ROOT.der)

    assert () == facts.problems
    assert ("other.example.com", NAME) == facts.chain[0].names


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        (general(element(0x82, b"b\xfccher.example.com"), element(0x82, NAME.encode())), "b\\xfccher.example.com"),
        (general(element(0x87, b"\x7f\0\0"), element(0x82, NAME.encode())), "#7f0000"),
        (general(element(0xA0, bytes.fromhex("06032a0304a0020500")), element(0x82, NAME.encode())), None),
    ],
    ids=["a dNSName in Latin-1", "an iPAddress of three octets", "an otherName"],
)
def test_a_name_that_is_none_beside_the_right_one(names: bytes, shown: str | None, tmp_path: Path) -> None:
    own = key()
    leaf = issue("leaf", ROOT, key=own, extensions=[(unrecognised("2.5.29.17", names), False)]).der

    facts = met(tmp_path, [leaf], own, ROOT.der)

    assert () == facts.problems
    assert {NAME, *filter(None, [shown])} == set(facts.chain[0].names)


def test_dates_that_cannot_be_read_are_said_of_that_part_alone(tmp_path: Path) -> None:
    own = key()
    plain = issue("leaf", ROOT, key=own, alternatives=[NAME])
    never = element(0x30, element(0x17, b"261301000000Z"), element(0x18, b"20991231235959Z"))
    leaf = bent(plain, ROOT, replaced(VALIDITY, never))

    facts = met(tmp_path, [leaf], own, ROOT.der)

    assert (Problem.INVALID,) == facts.problems
    assert "the notBefore of the certificate is not a date that certificates have" in facts.detail
    assert "the dates of the certificate cannot be read" in facts.detail
    assert facts.chain[0].not_before is None
    assert 4102444799.0 == facts.chain[0].not_after
    assert "CN=leaf" == facts.chain[0].subject
    assert facts.verified_chain_not_after is None


def test_dates_that_are_none_are_said_in_words(tmp_path: Path) -> None:
    own = key()
    plain = issue("leaf", ROOT, key=own, alternatives=[NAME])
    fractions = element(0x30, element(0x18, b"20250101000000.5Z"), element(0x18, b"20990101000000.5Z"))

    facts = met(tmp_path, [bent(plain, ROOT, replaced(VALIDITY, fractions))], own, ROOT.der)

    assert (Problem.INVALID,) == facts.problems
    assert facts.detail == (
        "the notBefore of the certificate is not a date that certificates have; "
        "the notAfter of the certificate is not a date that certificates have"
    )


def test_a_staple_for_what_cryptography_does_not_read(tmp_path: Path) -> None:
    own = key()
    version_4 = replaced(VERSION, bytes.fromhex("a003020103"))
    plain = issue("leaf", ROOT, key=own, alternatives=[NAME])
    leaf = bent(plain, ROOT, version_4)
    response = staple(plain, ROOT, status=OCSPCertStatus.REVOKED)

    facts = met(tmp_path, [leaf], own, ROOT.der, response=response)

    assert (Problem.REVOKED,) == facts.problems
    assert StapleStatus.REVOKED == facts.ocsp_status


def test_a_delegate_of_version_4_proves_nothing_and_breaks_nothing(tmp_path: Path) -> None:
    own = key()
    leaf = issue("leaf", ROOT, key=own, alternatives=[NAME])
    delegate = issue("Responder", ROOT, usages=[ExtendedKeyUsageOID.OCSP_SIGNING])
    response = staple(leaf, ROOT, responder=delegate, appointed=[delegate], status=OCSPCertStatus.REVOKED)
    odd = response.replace(bytes.fromhex("a003020102"), bytes.fromhex("a003020103"))
    assert odd != response

    facts = met(tmp_path, [leaf.der], own, ROOT.der, response=odd)

    assert () == facts.problems
    assert StapleStatus.INVALID == facts.ocsp_status


@pytest.mark.parametrize(
    ("response", "problems"),
    [
        (b"", (Problem.STAPLE_MISSING,)),
        (b"junk", (Problem.STAPLE_MISSING,)),
        (None, ()),
    ],
    ids=["none", "one that proves nothing", "a good one"],
)
def test_must_staple(response: bytes | None, problems: tuple[Problem, ...], tmp_path: Path) -> None:
    own = key()
    feature = x509.TLSFeature([x509.TLSFeatureType.status_request])
    leaf = issue("leaf", ROOT, key=own, alternatives=[NAME], extensions=[(feature, False)])

    facts = met(tmp_path, [leaf.der], own, ROOT.der, response=staple(leaf, ROOT) if response is None else response)

    assert problems == facts.problems
    assert facts.verified
    assert bool(problems) == ("must-staple" in facts.detail)


def test_an_intermediate_that_is_trusted_is_an_anchor(tmp_path: Path) -> None:
    intermediate = issue("Intermediate", ROOT, authority=True)
    own = key()
    leaf = issue("leaf", intermediate, key=own, alternatives=[NAME]).der

    assert_good(met(tmp_path, [leaf], own, intermediate.der), [leaf])
    assert_good(met(tmp_path, [leaf, intermediate.der], own, intermediate.der), [leaf, intermediate.der])


def test_a_server_s_own_certificate_that_is_trusted_is_an_anchor(tmp_path: Path) -> None:
    own = key()
    leaf = issue("leaf", ROOT, key=own, alternatives=[NAME]).der

    assert_good(met(tmp_path, [leaf], own, leaf), [leaf])


def test_the_verified_path_expires_when_its_own_certificates_do(tmp_path: Path) -> None:
    own, above = key(), key()
    old = issue("Old Root", authority=True, days=Span(-9, 9))
    intermediate = issue("Intermediate", ROOT, key=above, authority=True, days=Span(-9, 30))
    cross_signed = issue("Intermediate", old, key=above, authority=True, days=Span(-9, 2))
    leaf = issue("leaf", intermediate, key=own, alternatives=[NAME]).der
    sent = [leaf, intermediate.der, cross_signed.der]

    facts = met(tmp_path, sent, own, ROOT.der)

    assert () == facts.problems
    assert NOW.timestamp() + 2 * 86400 == facts.chain_not_after
    assert NOW.timestamp() + 30 * 86400 == facts.verified_chain_not_after


def test_no_path_is_no_expiry(tmp_path: Path) -> None:
    own = key()
    stranger = issue("Stranger", authority=True)
    leaf = issue("leaf", stranger, key=own, alternatives=[NAME]).der

    assert met(tmp_path, [leaf, stranger.der], own, ROOT.der).verified_chain_not_after is None


def test_an_authority_that_openssl_cannot_read_is_skipped(tmp_path: Path) -> None:
    own = key()
    leaf = issue("leaf", ROOT, key=own, alternatives=[NAME]).der

    assert_good(met(tmp_path, [leaf], own, ROOT.der[:-40], ROOT.der), [leaf])


def test_a_client_certificate_of_version_4_is_presented(tmp_path: Path) -> None:
    own, customer = key(), issue("customer")
    odd = bent(customer, customer, replaced(VERSION, bytes.fromhex("a003020103")))
    file = tmp_path / "client.pem"
    file.write_bytes(armoured(odd) + key_pem(customer))
    authorities = tmp_path / "authorities.pem"
    authorities.write_bytes(armoured(ROOT.der))
    client = TlsContexts().context(TlsPolicy(ca_file=authorities, client_cert_file=file))
    server = server_of([issue("leaf", ROOT, key=own, alternatives=[NAME]).der], own, tmp_path)
    server.set_verify(SSL.VERIFY_PEER, lambda *_: True)

    with meeting(client, server) as both:
        shown = both.server.get_peer_certificate()

    assert shown is not None
    assert odd == crypto.dump_certificate(crypto.FILETYPE_ASN1, shown)
