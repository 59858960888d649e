"""The client certificate that a context presents: which one, and what is wrong with one that is of no use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from OpenSSL import SSL, crypto

from exporter.model import TlsPolicy
from exporter.net.tls import TlsContexts, TlsSetupError
from tests.authority import Party, issue, key_pem, pem
from tests.certificates import NAME, world
from tests.clock import Clock
from tests.handshakes import meeting, server_context
from tests.unit.rotating import replace


@pytest.fixture
def clock() -> Clock:
    return Clock(100.0)


@pytest.fixture
def contexts(clock: Clock) -> TlsContexts:
    return TlsContexts(clock=clock, environment={})


@pytest.fixture
def ca_file(tmp_path: Path) -> Path:
    file = tmp_path / "authorities.pem"
    file.write_bytes(pem(world().root.certificate))
    return file


@pytest.fixture(scope="module")
def customer() -> Party:
    return issue("customer", world().root, usages=None)


def demanding_server() -> SSL.Context:
    server = server_context(issue(NAME, world().root, alternatives=[NAME]))
    store = server.get_cert_store()
    assert store is not None
    store.add_cert(crypto.X509.from_cryptography(world().root.certificate))
    server.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT)
    return server


def subject_seen_by_server(context: SSL.Context) -> str | None:
    with meeting(context, demanding_server()) as met:
        seen = met.server.get_peer_certificate(as_cryptography=True)
        return None if seen is None else seen.subject.rfc4514_string()


@pytest.mark.parametrize("files", [1, 2])
def test_a_client_certificate_is_presented(
    contexts: TlsContexts, ca_file: Path, tmp_path: Path, customer: Party, files: int
) -> None:
    certificate, key = tmp_path / "client.pem", tmp_path / "client.key"
    certificate.write_bytes(pem(customer.certificate) + (key_pem(customer) if files == 1 else b""))
    key.write_bytes(key_pem(customer))
    policy = TlsPolicy(ca_file=ca_file, client_cert_file=certificate, client_key_file=key if files == 2 else None)

    assert "CN=customer" == subject_seen_by_server(contexts.context(policy))


def test_a_client_certificate_that_is_rotated_is_presented_a_second_later(
    contexts: TlsContexts, clock: Clock, ca_file: Path, tmp_path: Path, customer: Party
) -> None:
    file = tmp_path / "client.pem"
    file.write_bytes(pem(customer.certificate) + key_pem(customer))
    policy = TlsPolicy(ca_file=ca_file, client_cert_file=file)
    assert "CN=customer" == subject_seen_by_server(contexts.context(policy))

    successor = issue("successor", world().root, usages=None)
    replace(file, pem(successor.certificate) + key_pem(successor))
    clock.now += 1

    assert "CN=successor" == subject_seen_by_server(contexts.context(policy))


def test_a_client_certificate_brings_its_intermediates(contexts: TlsContexts, ca_file: Path, tmp_path: Path) -> None:
    intermediate = issue("Intermediate", world().root, authority=True)
    customer = issue("customer", intermediate, usages=None)
    file = tmp_path / "client.pem"
    file.write_bytes(pem(customer.certificate, intermediate.certificate) + key_pem(customer))

    assert "CN=customer" == subject_seen_by_server(contexts.context(TlsPolicy(ca_file=ca_file, client_cert_file=file)))


@pytest.fixture
def customer_policy(ca_file: Path, tmp_path: Path, customer: Party) -> TlsPolicy:
    """Presents a certificate whose key is still to be written."""
    certificate = tmp_path / "client.pem"
    certificate.write_bytes(pem(customer.certificate))
    return TlsPolicy(ca_file=ca_file, client_cert_file=certificate, client_key_file=tmp_path / "client.key")


def no_key(_: Party) -> bytes:
    return b"nothing"


def an_encrypted_key(party: Party) -> bytes:
    return party.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"passphrase"))


def another_s_key(_: Party) -> bytes:
    return key_pem(issue("another"))


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (no_key, r"client_key_file .*client\.key: it holds no private key in PEM form"),
        (an_encrypted_key, r"client_key_file .*client\.key: the key is encrypted; write it without a passphrase"),
        (another_s_key, r"client_key_file .*client\.key: it is not the key of .*client\.pem"),
    ],
)
def test_a_useless_client_key_is_told_by_its_name(
    contexts: TlsContexts, customer_policy: TlsPolicy, customer: Party, key: Callable[[Party], bytes], words: str
) -> None:
    assert customer_policy.client_key_file is not None
    customer_policy.client_key_file.write_bytes(key(customer))

    with pytest.raises(TlsSetupError, match=f"^{words}$"):
        contexts.context(customer_policy)


def test_a_useless_client_certificate_is_told_by_its_name(contexts: TlsContexts, ca_file: Path, tmp_path: Path) -> None:
    file = tmp_path / "client.pem"
    file.write_bytes(b"nothing")

    with pytest.raises(TlsSetupError, match=rf"^client_cert_file {file}: it holds no certificates in PEM form$"):
        contexts.context(TlsPolicy(ca_file=ca_file, client_cert_file=file))


@pytest.mark.parametrize("missing", ["client_cert_file", "client_key_file"])
def test_a_missing_client_file_is_told_by_its_name(
    contexts: TlsContexts, ca_file: Path, tmp_path: Path, customer: Party, missing: str
) -> None:
    certificate, key = tmp_path / "client_cert_file", tmp_path / "client_key_file"
    for file in {certificate, key} - {tmp_path / missing}:
        file.write_bytes(pem(customer.certificate) + key_pem(customer))

    with pytest.raises(TlsSetupError, match=rf"^{missing} {tmp_path / missing}: No such file or directory$"):
        contexts.context(TlsPolicy(ca_file=ca_file, client_cert_file=certificate, client_key_file=key))
