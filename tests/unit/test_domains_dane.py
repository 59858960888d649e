"""TLSA records against chains: every usage, selector and matching type, and what makes each fail."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from exporter.domains.posture.tlsa import Tlsa, key_type, matches, weigh
from exporter.model import KeyType
from tests.authority import NOW, Party, PrivateKey, Span, issue, rsa_key
from tests.bending import SUBJECT, bent, common_name, replaced
from tests.unit.odd_certificates import Oddity, each_oddity, key

HOST = "mx.example.com"
ROOT = issue("Root", authority=True)
MIDDLE = issue("Middle", ROOT, authority=True)
LEAF = issue(HOST, MIDDLE, alternatives=[HOST])
CHAIN = [LEAF.der, MIDDLE.der, ROOT.der]
STRANGER = issue("Stranger", authority=True)
SUBJECT_OF_NOBODY = common_name(0x0C, b"nobody.example")


def spki(party: Party) -> bytes:
    return party.certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def record(usage: int, selector: int, matching: int, party: Party) -> Tlsa:
    selected = spki(party) if selector else party.der
    digest = {0: selected, 1: hashlib.sha256(selected).digest(), 2: hashlib.sha512(selected).digest()}
    return Tlsa(usage, selector, matching, digest[matching])


def fits(tlsa: Tlsa, chain: list[bytes] = CHAIN, name: str = HOST, at: float = 0.0) -> bool:
    assert tlsa.fault is None
    return matches(tlsa, chain, (name,), NOW.timestamp() + at)


@pytest.mark.parametrize("matching", [0, 1, 2])
@pytest.mark.parametrize("selector", [0, 1])
class TestEveryForm:
    def test_of_the_servers_own(self, selector: int, matching: int) -> None:
        assert fits(record(3, selector, matching, LEAF))
        assert not fits(record(3, selector, matching, MIDDLE))

    def test_of_an_authority(self, selector: int, matching: int) -> None:
        assert fits(record(2, selector, matching, ROOT))
        assert fits(record(2, selector, matching, MIDDLE))
        assert not fits(record(2, selector, matching, STRANGER))

    def test_an_authority_is_not_the_servers_own(self, selector: int, matching: int) -> None:
        if matching:
            assert not fits(record(2, selector, matching, LEAF), [LEAF.der])
        alone = issue(HOST, alternatives=[HOST])
        for chain in ([alone.der], [alone.der, alone.der]):
            assert (selector, matching) == (1, 0) or not fits(record(2, selector, matching, alone), chain)


@pytest.mark.parametrize("selector", [0, 1])
def test_an_authority_that_the_record_holds_need_not_be_in_the_chain(selector: int) -> None:
    assert fits(record(2, selector, 0, MIDDLE), [LEAF.der])
    assert fits(record(2, selector, 0, ROOT), [LEAF.der, MIDDLE.der])
    assert not fits(record(2, selector, 0, STRANGER), [LEAF.der, MIDDLE.der])


@pytest.mark.parametrize("made", [partial(rsa_key, 2048), lambda _: ed25519.Ed25519PrivateKey.generate()])
def test_an_authority_may_have_a_key_of_any_kind(made: Callable[[str], PrivateKey]) -> None:
    authority, namesake = (issue("Authority", authority=True, key=made(name)) for name in ("one", "other"))
    leaf = issue(HOST, authority, alternatives=[HOST])
    assert fits(record(2, 1, 0, authority), [leaf.der])
    assert not fits(record(2, 1, 0, namesake), [leaf.der])
    assert not fits(record(2, 1, 0, STRANGER), [leaf.der])
    assert not fits(record(2, 1, 0, authority), [LEAF.der])


def test_one_of_several_certificates_with_the_key_of_the_record_is_enough() -> None:
    outdated = issue("Middle", ROOT, authority=True, key=MIDDLE.key, days=Span(-90, -1))
    for chain in ([LEAF, MIDDLE, outdated], [LEAF, outdated, MIDDLE]):
        assert fits(record(2, 1, 1, MIDDLE), [each.der for each in chain])
    assert not fits(record(2, 1, 1, MIDDLE), [LEAF.der, outdated.der])


def test_a_record_is_shown_by_its_first_digits() -> None:
    tlsa = Tlsa(3, 1, 1, bytes(range(32)))
    assert ("3 1 1 0001020304050607...", "00010203") == (str(tlsa), tlsa.short)


def test_a_digest_of_an_authority_needs_it_in_the_chain() -> None:
    assert not fits(record(2, 0, 1, ROOT), [LEAF.der, MIDDLE.der])


def test_the_servers_own_may_be_expired_and_for_another_name() -> None:
    assert fits(record(3, 1, 1, LEAF), name="other.example", at=365 * 86400.0)


def test_under_an_authority_dates_and_names_count() -> None:
    assert not fits(record(2, 0, 1, ROOT), name="other.example")
    assert not fits(record(2, 0, 1, ROOT), at=365 * 86400.0)
    assert not fits(record(2, 0, 1, ROOT), at=-365 * 86400.0)


def test_one_of_several_names_is_enough() -> None:
    assert matches(record(2, 0, 1, ROOT), CHAIN, ("base.example.net", HOST), NOW.timestamp())


def test_a_signature_that_is_not_the_authoritys_does_not_count() -> None:
    forged = issue("Middle", STRANGER, authority=True)
    leaf = issue(HOST, forged, alternatives=[HOST])
    assert not fits(record(2, 0, 1, ROOT), [leaf.der, forged.der, ROOT.der])


def test_a_key_survives_a_renewal_and_a_certificate_does_not() -> None:
    renewed = issue(HOST, MIDDLE, alternatives=[HOST], key=LEAF.key, days=Span(0, 90))
    assert fits(record(3, 1, 1, LEAF), [renewed.der])
    assert not fits(record(3, 0, 1, LEAF), [renewed.der])


def test_nothing_matches_what_was_not_shown() -> None:
    assert not fits(record(3, 1, 1, LEAF), [])


@pytest.mark.parametrize("chain", [[b""], [b"\x30\x03\x02\x01\x00"], [b"\xff" * 100, LEAF.der]])
@pytest.mark.parametrize("usage", [2, 3])
def test_what_is_no_certificate_matches_nothing(chain: list[bytes], usage: int) -> None:
    assert not fits(record(usage, 1, 1, LEAF), chain)


@pytest.mark.parametrize(
    ("tlsa", "fault"),
    [
        (Tlsa(0, 0, 1, bytes(32)), "usage 0 is not for mail"),
        (Tlsa(1, 1, 1, bytes(32)), "usage 1 is not for mail"),
        (Tlsa(4, 0, 1, bytes(32)), "usage 4 is not for mail"),
        (Tlsa(3, 2, 1, bytes(32)), "selector 2 is not known"),
        (Tlsa(3, 1, 3, bytes(32)), "matching type 3 is not known"),
        (Tlsa(3, 1, 1, bytes(31)), "31 octets are not a digest of matching type 1"),
        (Tlsa(3, 1, 2, bytes(32)), "32 octets are not a digest of matching type 2"),
        (Tlsa(3, 1, 0, b"key"), "it holds no key"),
        (Tlsa(2, 0, 0, b""), "it holds no certificate"),
    ],
)
def test_why_a_record_cannot_be_used(tlsa: Tlsa, fault: str) -> None:
    assert fault == tlsa.fault


def test_under_an_authority_the_common_name_counts_only_without_dns_names() -> None:
    """RFC 7672 section 3.2.3."""
    for names, good in (((), True), ((HOST,), True), (("other.example",), False)):
        leaf = issue(HOST, MIDDLE, alternatives=names)
        assert good is fits(record(2, 0, 1, ROOT), [leaf.der, MIDDLE.der, ROOT.der])


@each_oddity
def test_an_odd_certificate_matches_or_not_and_raises_nothing(odd: Oddity) -> None:
    leaf = odd.certificate(HOST, MIDDLE, key(), authority=False)
    nameless = bent(issue(HOST, MIDDLE), MIDDLE, replaced(SUBJECT, odd.subject or SUBJECT_OF_NOBODY))
    middle = odd.certificate("Middle", ROOT, key(), authority=True)

    for selector, matching in ((0, 0), (0, 1), (1, 0), (1, 1)):
        pinned = record(2, selector, matching, ROOT)
        assert not fits(pinned, [leaf, MIDDLE.der, ROOT.der])
        assert not fits(pinned, [nameless, MIDDLE.der, ROOT.der])
        # The leaf is not signed by the odd authority, whose key is another one.
        assert not fits(pinned, [LEAF.der, middle, ROOT.der])


def test_under_an_authority_a_certificate_has_to_be_for_servers() -> None:
    leaf = issue(HOST, MIDDLE, alternatives=[HOST], usages=(ExtendedKeyUsageOID.CLIENT_AUTH,))
    assert not fits(record(2, 0, 1, ROOT), [leaf.der, MIDDLE.der, ROOT.der])
    assert fits(record(3, 1, 1, leaf), [leaf.der])


GOOD, BAD = LEAF, STRANGER


@pytest.mark.parametrize(
    ("records", "counting"),
    [
        ([(3, 1, 1, GOOD), (3, 1, 2, BAD)], []),
        ([(3, 1, 1, BAD), (3, 1, 2, GOOD)], [1]),
        # All of them match, so that none needs to be left out.
        ([(3, 1, 1, GOOD), (3, 1, 2, GOOD), (3, 1, 2, BAD)], [0, 1]),
        # The whole key is no digest, and a digest of the certificate is another matter.
        ([(3, 1, 0, GOOD), (3, 1, 2, BAD)], [0]),
        ([(3, 0, 1, GOOD), (3, 1, 2, BAD)], [0]),
        ([(3, 1, 1, GOOD), (2, 1, 2, BAD)], [0]),
        ([(3, 1, 1, GOOD), (3, 1, 0, BAD)], [0]),
        ([], []),
    ],
)
def test_of_the_digests_of_one_thing_the_strongest_count(
    records: list[tuple[int, int, int, Party]], counting: list[int]
) -> None:
    """RFC 7671 section 9."""
    tlsa = [record(*each) for each in records]
    found = weigh(tlsa, CHAIN, (HOST,), NOW.timestamp())
    assert tuple(tlsa[each] for each in counting) == found.counting
    matching = {each for each, (*_, party) in zip(tlsa, records, strict=True) if party is GOOD}
    assert matching == {*found.counting, *found.outdone}


def test_the_kind_of_key() -> None:
    rsa = issue(HOST, key=rsa_key(2048, "dane"))
    assert [KeyType.RSA, KeyType.ECDSA, None, None] == [
        key_type([rsa.der]),
        key_type([issue(HOST, key=ec.generate_private_key(ec.SECP256R1())).der]),
        key_type([]),
        key_type([b"noise"]),
    ]
