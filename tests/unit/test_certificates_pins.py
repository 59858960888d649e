"""Fingerprints of certificates and keys, and what comes of expecting them."""

from __future__ import annotations

import hashlib
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from exporter.certificates import failure_reason, held_to
from exporter.certificates.certificate import read
from exporter.model import CertificateProblem, FailureReason, TlsFacts
from tests.authority import Party, issue, pem
from tests.certificates import situations
from tests.servers.programs import program

PARTIES = list({id(party): party for situation in situations() for party in situation.chain}.values())
LEAF = issue("mail.example.com")
OTHER = issue("mail.example.com")


def shown(*problems: CertificateProblem, chain: tuple[Party, ...] = (LEAF,)) -> TlsFacts:
    """What a handshake showed."""
    return TlsFacts(
        version="TLSv1.3",
        cipher="TLS_AES_256_GCM_SHA384",
        group=None,
        chain=tuple(read(party.der).facts for party in chain),
        problems=problems,
        detail=", ".join(problems),
        ocsp_stapled=False,
    )


def certificate_pin(party: Party) -> str:
    return hashlib.sha256(party.der).hexdigest()


def key_pin(party: Party) -> str:
    key = party.certificate.public_key()
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


@pytest.mark.parametrize("party", PARTIES, ids=range(len(PARTIES)))
def test_the_key_is_cut_out_of_every_certificate(party: Party) -> None:
    assert key_pin(party) == hashlib.sha256(read(party.der).public_key).hexdigest()
    assert key_pin(party) == read(party.der).facts.public_key_sha256


def test_the_fingerprints_are_those_that_openssl_prints(tmp_path: Path) -> None:
    openssl = program("openssl", package="openssl")
    file = tmp_path / "leaf.pem"
    file.write_bytes(pem(LEAF.certificate))

    def run(*command: str, said: bytes = b"") -> bytes:
        return subprocess.run([openssl, *command], input=said, check=True, capture_output=True).stdout

    printed = run("x509", "-in", str(file), "-noout", "-fingerprint", "-sha256").decode()
    key = run("pkey", "-pubin", "-outform", "DER", said=run("x509", "-in", str(file), "-noout", "-pubkey"))

    facts = read(LEAF.der).facts
    assert printed.strip().partition("=")[2].replace(":", "").lower() == facts.fingerprint_sha256
    assert hashlib.sha256(key).hexdigest() == facts.public_key_sha256


@pytest.mark.parametrize("pin", [certificate_pin, key_pin])
@pytest.mark.parametrize("others", [(), ("00" * 32,)])
def test_the_certificate_or_its_key_is_enough(pin: object, others: tuple[str, ...]) -> None:
    assert callable(pin)
    facts = shown()

    assert facts is held_to(facts, (*others, pin(LEAF)))


def test_another_certificate_is_a_problem_that_tells_its_fingerprints() -> None:
    facts = held_to(shown(), (certificate_pin(OTHER), key_pin(OTHER)))

    assert (CertificateProblem.FINGERPRINT_MISMATCH,) == facts.problems
    assert not facts.verified
    assert certificate_pin(LEAF) in facts.detail
    assert key_pin(LEAF) in facts.detail
    assert FailureReason.TLS_UNTRUSTED == failure_reason(facts.problems)


def test_what_the_server_sends_beside_its_own_certificate_does_not_count() -> None:
    facts = held_to(shown(chain=(LEAF, OTHER)), (certificate_pin(OTHER), key_pin(OTHER)))

    assert (CertificateProblem.FINGERPRINT_MISMATCH,) == facts.problems


def test_a_server_without_a_certificate_is_not_the_one_that_is_expected() -> None:
    facts = held_to(shown(chain=()), (certificate_pin(OTHER),))

    assert (CertificateProblem.FINGERPRINT_MISMATCH,) == facts.problems
    assert "the certificate is not one of those expected" == facts.detail


def test_it_stands_among_the_other_problems_in_their_order() -> None:
    facts = held_to(shown(CertificateProblem.EXPIRED, CertificateProblem.WEAK_KEY), (certificate_pin(OTHER),))

    assert (
        CertificateProblem.EXPIRED,
        CertificateProblem.FINGERPRINT_MISMATCH,
        CertificateProblem.WEAK_KEY,
    ) == facts.problems
    assert facts.detail.startswith("expired, weak_key; the certificate is not one")
    assert FailureReason.TLS_CERTIFICATE_EXPIRED == failure_reason(facts.problems)


def test_a_good_pin_does_not_mend_what_else_is_wrong() -> None:
    facts = shown(CertificateProblem.SELF_SIGNED)

    assert facts is held_to(facts, (certificate_pin(LEAF),))
    assert not facts.verified


@given(st.lists(st.sampled_from(CertificateProblem), unique=True))
def test_a_mismatch_is_found_whatever_else_there_is(problems: list[CertificateProblem]) -> None:
    before = replace(shown(), problems=tuple(problems))

    after = held_to(before, ("00" * 32,))

    assert {*problems, CertificateProblem.FINGERPRINT_MISMATCH} == set(after.problems)
    assert len(set(after.problems)) == len(after.problems)
