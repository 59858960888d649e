"""Stapled OCSP responses: which prove something, and what."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from exporter.certificates import certificate, strength
from exporter.certificates import staple as module
from exporter.certificates.staple import CLOCK_SKEW, MAX_DELEGATES, Staple, read
from exporter.model import StapleStatus
from tests.authority import NOW, Party, Span, issue, key_pem, pem, rsa_key, staple
from tests.bending import SERIAL, bent, element, replaced
from tests.certificates import NAME

OPENSSL = shutil.which("openssl")
REVOKED = ocsp.OCSPCertStatus.REVOKED
SIGNING = [ExtendedKeyUsageOID.OCSP_SIGNING]
ISSUER = issue("Issuer", authority=True)
LEAF = issue(NAME, ISSUER, alternatives=[NAME], serial=0x1122334455667788)


def judged(response: bytes, leaf: Party | None = LEAF, issuer: Party | None = ISSUER) -> Staple:
    return read(response, leaf and certificate.read(leaf.der), issuer and certificate.read(issuer.der))


def test_a_good_response_says_until_when() -> None:
    found = judged(staple(LEAF, ISSUER, days=Span(-1, 6)))

    assert StapleStatus.GOOD == found.status_at(NOW.timestamp())
    assert NOW.timestamp() + 6 * 86400 == found.next_update
    assert found.revoked_at is None


def test_a_revocation_says_since_when() -> None:
    found = judged(staple(LEAF, ISSUER, status=REVOKED))

    assert StapleStatus.REVOKED == found.status_at(NOW.timestamp())
    assert NOW.timestamp() - 2 * 86400 == found.revoked_at


@pytest.mark.parametrize(
    ("seconds", "status"),
    [
        (-86400 - CLOCK_SKEW - 1, StapleStatus.INVALID),
        (-86400 - CLOCK_SKEW, StapleStatus.REVOKED),
        (0, StapleStatus.REVOKED),
        (86400 + CLOCK_SKEW, StapleStatus.REVOKED),
        (86400 + CLOCK_SKEW + 1, StapleStatus.INVALID),
    ],
)
def test_a_response_counts_in_its_time_only(seconds: float, status: StapleStatus) -> None:
    found = judged(staple(LEAF, ISSUER, status=REVOKED, days=Span(-1, 1)))

    assert status == found.status_at(NOW.timestamp() + seconds)


def test_an_outdated_response_still_says_when_its_successor_was_due() -> None:
    found = judged(staple(LEAF, ISSUER, days=Span(-9, -2)))

    assert StapleStatus.INVALID == found.status_at(NOW.timestamp())
    assert NOW.timestamp() - 2 * 86400 == found.next_update


@pytest.mark.parametrize("digest", [None, hashes.SHA256()], ids=["sha1", "sha256"])
@pytest.mark.parametrize("by_name", [True, False])
def test_certificate_and_responder_may_be_named_in_every_way(
    *, digest: hashes.HashAlgorithm | None, by_name: bool
) -> None:
    found = judged(staple(LEAF, ISSUER, status=REVOKED, digest=digest, by_name=by_name))

    assert StapleStatus.REVOKED == found.status


@pytest.mark.parametrize("key", [ed25519.Ed25519PrivateKey.generate(), rsa_key(2048, "issuer")], ids=["ed25519", "rsa"])
def test_issuers_of_other_kinds_of_keys_are_understood(key: ed25519.Ed25519PrivateKey) -> None:
    issuer = issue("Other kind", authority=True, key=key)
    leaf = issue(NAME, issuer)

    assert StapleStatus.REVOKED == judged(staple(leaf, issuer, status=REVOKED), leaf, issuer).status


@pytest.mark.parametrize("by_name", [True, False])
def test_an_appointed_responder_counts_while_its_own_certificate_is_valid(*, by_name: bool) -> None:
    delegate = issue("Responder", ISSUER, usages=SIGNING, days=Span(-30, 1))
    days = Span(-1, 9)
    response = staple(
        LEAF, ISSUER, responder=delegate, appointed=[delegate], by_name=by_name, status=REVOKED, days=days
    )
    found = judged(response)

    assert StapleStatus.REVOKED == found.status_at(NOW.timestamp())
    assert StapleStatus.INVALID == found.status_at(NOW.timestamp() + 2 * 86400)


def of_another_certificate() -> bytes:
    return staple(issue(NAME, ISSUER), ISSUER, status=REVOKED)


def of_another_issuer() -> bytes:
    return staple(LEAF, issue("Issuer", authority=True), status=REVOKED)


def by_a_stranger() -> bytes:
    stranger = issue("Stranger", usages=SIGNING)
    return staple(LEAF, ISSUER, responder=stranger, appointed=[stranger], status=REVOKED)


def by_a_namesake() -> bytes:
    return staple(LEAF, ISSUER, responder=issue("Issuer", authority=True), by_name=True, status=REVOKED)


def by_the_leaf_itself() -> bytes:
    return staple(LEAF, ISSUER, responder=LEAF, appointed=[LEAF], status=REVOKED)


def by_one_that_may_not_sign() -> bytes:
    server = issue("Server", ISSUER)
    return staple(LEAF, ISSUER, responder=server, appointed=[server], status=REVOKED)


def by_one_without_usages() -> bytes:
    server = issue("Server", ISSUER, usages=None)
    return staple(LEAF, ISSUER, responder=server, appointed=[server], status=REVOKED)


def by_one_behind_too_many_others() -> bytes:
    delegate = issue("Responder", ISSUER, usages=SIGNING)
    others = [issue(f"Other {number}", ISSUER, usages=SIGNING) for number in range(MAX_DELEGATES)]
    return staple(LEAF, ISSUER, responder=delegate, appointed=[*others, delegate], status=REVOKED)


def with_a_broken_signature() -> bytes:
    response = bytearray(staple(LEAF, ISSUER, status=REVOKED))
    response[-1] ^= 1
    return bytes(response)


def with_a_claim_changed_on_the_way() -> bytes:
    ours = LEAF.certificate.serial_number.to_bytes(8)
    theirs = ours[::-1]
    response = staple(issue(NAME, ISSUER, serial=int.from_bytes(theirs)), ISSUER, status=REVOKED)
    assert theirs in response
    return response.replace(theirs, ours)


def refused_by_the_responder() -> bytes:
    return ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER).public_bytes(Encoding.DER)


def that_is_none() -> bytes:
    return b"not DER"


def that_is_a_certificate() -> bytes:
    return LEAF.der


@pytest.mark.parametrize(
    "response",
    [
        of_another_certificate,
        of_another_issuer,
        by_a_stranger,
        by_a_namesake,
        by_the_leaf_itself,
        by_one_that_may_not_sign,
        by_one_without_usages,
        by_one_behind_too_many_others,
        with_a_broken_signature,
        with_a_claim_changed_on_the_way,
        refused_by_the_responder,
        that_is_none,
        that_is_a_certificate,
    ],
    ids=lambda made: made.__name__,
)
def test_a_response_proves_nothing(response: Callable[[], bytes]) -> None:
    assert Staple(StapleStatus.INVALID) == judged(response())


@pytest.mark.parametrize(("leaf", "issuer"), [(None, ISSUER), (LEAF, None)])
def test_a_response_proves_nothing_without_the_certificates(leaf: Party | None, issuer: Party | None) -> None:
    assert StapleStatus.INVALID == judged(staple(LEAF, ISSUER, status=REVOKED), leaf, issuer).status


def test_a_response_without_a_next_update_counts_until_there_is_a_newer_one() -> None:
    builder = ocsp.OCSPResponseBuilder().add_response(
        LEAF.certificate,
        ISSUER.certificate,
        hashes.SHA1(),  # noqa: S303 - an identifier, not a signature
        ocsp.OCSPCertStatus.GOOD,
        NOW,
        None,
        None,
        None,
    )
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, ISSUER.certificate)
    found = judged(builder.sign(ISSUER.key, hashes.SHA256()).public_bytes(Encoding.DER))

    assert found.next_update is None
    assert StapleStatus.GOOD == found.status_at(NOW.timestamp() + 1e9)


@pytest.mark.skipif(OPENSSL is None, reason="there is no openssl command here")
def test_openssl_s_answer_about_several_certificates_is_understood(tmp_path: Path) -> None:
    other = issue(NAME, ISSUER)
    authority, key, ours, theirs, index, answer = (
        tmp_path / name
        for name in ("authority.pem", "authority.key", "ours.pem", "theirs.pem", "index.txt", "answer.der")
    )
    authority.write_bytes(pem(ISSUER.certificate))
    key.write_bytes(key_pem(ISSUER))
    ours.write_bytes(pem(LEAF.certificate))
    theirs.write_bytes(pem(other.certificate))
    rows = (f"V\t491231235959Z\t\t{serial(other)}", f"R\t491231235959Z\t261101000000Z\t{serial(LEAF)}")
    index.write_text("".join(f"{row}\tunknown\t/CN={NAME}\n" for row in rows))
    assert OPENSSL is not None
    asked: list[str | Path] = ["-issuer", authority, "-cert", theirs, "-cert", ours]
    by: list[str | Path] = ["-index", index, "-CA", authority, "-rsigner", authority, "-rkey", key, "-ndays", "1"]
    subprocess.run([OPENSSL, "ocsp", *asked, *by, "-noverify", "-respout", answer], check=True, capture_output=True)

    response = answer.read_bytes()

    assert StapleStatus.REVOKED == judged(response).status
    assert StapleStatus.GOOD == judged(response, other).status


def serial(party: Party) -> str:
    return certificate.read(party.der).facts.serial.upper()


def test_the_same_response_is_judged_once() -> None:
    response = staple(LEAF, ISSUER)

    assert judged(response) is judged(bytes(bytearray(response)))


@pytest.mark.parametrize(("effort", "status"), [(strength.FAST, REVOKED), (strength.FAST - 1, None)])
def test_a_signature_whose_check_takes_too_long_proves_nothing(
    effort: float, status: ocsp.OCSPCertStatus | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_EFFORT", effort)
    response = staple(LEAF, ISSUER, status=REVOKED)

    assert (StapleStatus.INVALID if status is None else StapleStatus.REVOKED) is judged(response).status


def test_a_key_that_signs_nothing_proves_nothing() -> None:
    key = x25519.X25519PrivateKey.generate().public_key()
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    issuer = certificate.read(bent(ISSUER, ISSUER, replaced(6, key.public_bytes(*form))))
    response = staple(LEAF, ISSUER, status=REVOKED, by_name=True)

    assert StapleStatus.INVALID is read(response, certificate.read(LEAF.der), issuer).status


def test_an_unusual_extension_of_a_responder_is_no_obstacle() -> None:
    no_check = x509.OCSPNoCheck()
    delegate = issue("Responder", ISSUER, usages=SIGNING, extensions=[(no_check, False)])

    found = judged(staple(LEAF, ISSUER, responder=delegate, appointed=[delegate], status=REVOKED))

    assert StapleStatus.REVOKED == found.status


def test_an_appointed_responder_counts_from_when_its_own_certificate_is_valid() -> None:
    delegate = issue("Responder", ISSUER, usages=SIGNING, days=Span(1, 9))
    found = judged(staple(LEAF, ISSUER, responder=delegate, appointed=[delegate], status=REVOKED, days=Span(-1, 9)))

    assert StapleStatus.INVALID == found.status_at(NOW.timestamp())
    assert StapleStatus.REVOKED == found.status_at(NOW.timestamp() + 2 * 86400)


def test_a_response_about_a_certificate_with_a_negative_serial_number_counts() -> None:
    """RFC 5280 4.1.2.2 does not allow them, and readers should understand them."""
    positive, negative = (bytes([first, *range(2, 9)]) for first in (0x11, 0x91))
    leaf = issue(NAME, ISSUER, alternatives=[NAME], serial=int.from_bytes(positive))
    response = ocsp.load_der_ocsp_response(staple(leaf, ISSUER, status=REVOKED))
    signed = response.tbs_response_bytes.replace(positive, negative)
    assert isinstance(ISSUER.key, ec.EllipticCurvePrivateKey)
    signature = element(0x03, b"\0" + ISSUER.key.sign(signed, ec.ECDSA(hashes.SHA256())))
    ecdsa, basic = bytes.fromhex("300a06082a8648ce3d040302"), bytes.fromhex("06092b0601050507300101")
    content = element(0x30, basic, element(0x04, element(0x30, signed, ecdsa, signature)))
    resigned = element(0x30, element(0x0A, b"\0"), element(0xA0, content))

    of_positive = read(resigned, certificate.read(leaf.der), certificate.read(ISSUER.der))
    of_negative = certificate.read(bent(leaf, ISSUER, replaced(SERIAL, element(0x02, negative))))

    assert StapleStatus.INVALID is of_positive.status
    assert StapleStatus.REVOKED is read(resigned, of_negative, certificate.read(ISSUER.der)).status
