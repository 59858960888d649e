"""The certificates of the demo, judged by a verifier that had no part in making them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, ServerVerifier, Store, VerificationError

from exporter.demo.authority import Authority, Issued, Validity, self_signed

NOW = datetime(2026, 3, 1, tzinfo=UTC)
YEAR = timedelta(days=365)
MONTH = Validity(NOW - timedelta(days=15), NOW + timedelta(days=15))

AUTHORITY = Authority("The authority", NOW)


def verifier(authority: Authority, *, at: datetime = NOW, subject: x509.GeneralName | None = None) -> ServerVerifier:
    store = Store([x509.load_pem_x509_certificate(authority.certificate)])
    wanted = subject or x509.DNSName("mail.example.com")
    assert isinstance(wanted, x509.DNSName | x509.IPAddress)
    return PolicyBuilder().store(store).time(at).build_server_verifier(wanted)


def leaf(issued: Issued) -> x509.Certificate:
    return x509.load_pem_x509_certificate(issued.certificate)


@pytest.mark.parametrize("subject", [x509.DNSName("mail.example.com"), x509.IPAddress(ip_address("127.0.0.1"))])
def test_a_certificate_is_good_for_each_of_its_names(subject: x509.GeneralName) -> None:
    issued = AUTHORITY.issue(["mail.example.com", "127.0.0.1"], MONTH)
    chain = verifier(AUTHORITY, subject=subject).verify(leaf(issued), [])
    assert [leaf(issued), x509.load_pem_x509_certificate(AUTHORITY.certificate)] == chain


def test_a_certificate_is_not_good_for_another_name() -> None:
    issued = AUTHORITY.issue(["mail.example.net"], MONTH)
    with pytest.raises(VerificationError, match="subjectAltName"):
        verifier(AUTHORITY).verify(leaf(issued), [])


@pytest.mark.parametrize("at", [MONTH.not_before - timedelta(seconds=1), MONTH.not_after + timedelta(seconds=1)])
def test_a_certificate_is_good_for_its_time_only(at: datetime) -> None:
    issued = AUTHORITY.issue(["mail.example.com"], MONTH)
    with pytest.raises(VerificationError, match="valid"):
        verifier(AUTHORITY, at=at).verify(leaf(issued), [])


@pytest.mark.parametrize(
    "issued", [self_signed(["mail.example.com"], MONTH), Authority("Another", NOW).issue(["mail.example.com"], MONTH)]
)
def test_nobody_vouches_for_what_the_authority_did_not_sign(issued: Issued) -> None:
    with pytest.raises(VerificationError):
        verifier(AUTHORITY).verify(leaf(issued), [])


def test_the_file_for_a_server_has_key_and_certificate() -> None:
    issued = AUTHORITY.issue(["mail.example.com"], MONTH)
    assert [b"-----BEGIN PRIVATE KEY-----", b"-----BEGIN CERTIFICATE-----"] == [
        line for line in issued.chain_file.splitlines() if line.startswith(b"-----BEGIN")
    ]
