"""One handshake, every fact: what is sent, what is learnt, and what ties a login to it."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from OpenSSL import SSL

from exporter.model import CertificateProblem as Problem
from exporter.model import TlsPolicy, TlsVersion
from exporter.net import tls
from exporter.net.tls.alerts import handshake_failure
from tests.authority import NOW, Party, issue, pem, rsa_key, signed_over, staple
from tests.certificates import NAME, world
from tests.handshakes import meeting, server_context

TLS12 = (SSL.TLS1_2_VERSION, SSL.TLS1_2_VERSION)
TLS13 = (SSL.TLS1_3_VERSION, SSL.TLS1_3_VERSION)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> SSL.Context:
    file: Path = tmp_path_factory.mktemp("trust") / "authorities.pem"
    file.write_bytes(pem(*world().trusted))
    return tls.TlsContexts().context(TlsPolicy(ca_file=file))


@pytest.fixture(scope="module")
def chain() -> tuple[Party, Party]:
    return issue(NAME, world().intermediate, alternatives=[NAME, "xn--bcher-kva.example.com"]), world().intermediate


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        (NAME, NAME.encode()),
        ("Mail.Example.com.", NAME.encode()),
        ("bücher.example.com", b"xn--bcher-kva.example.com"),
        ("127.0.0.1", None),
        ("::1", None),
    ],
)
def test_the_server_is_told_the_name_but_never_an_address(
    client: SSL.Context, chain: tuple[Party, Party], name: str, sent: bytes | None
) -> None:
    with meeting(client, server_context(*chain), name) as met:
        assert sent == met.server.get_servername()


def test_a_staple_is_asked_for(client: SSL.Context, chain: tuple[Party, Party]) -> None:
    response = staple(*chain)
    with meeting(client, server_context(*chain, staple=response)) as met:
        facts = met.facts(NAME, time.time())

    assert facts.ocsp_stapled
    assert NOW.timestamp() + 6 * 86400 == facts.ocsp_next_update


def test_the_session_of_tls_13_is_described(client: SSL.Context, chain: tuple[Party, Party]) -> None:
    with meeting(client, server_context(*chain, versions=TLS13)) as met:
        facts = met.facts(NAME, time.time())

    assert "TLSv1.3" == facts.version
    assert met.server.get_cipher_name() == facts.cipher
    assert met.server.get_group_name() == facts.group
    assert facts.verified


def test_a_post_quantum_key_exchange_can_be_told(client: SSL.Context, chain: tuple[Party, Party]) -> None:
    with meeting(client, server_context(*chain, versions=TLS13)) as met:
        if SSL.OPENSSL_VERSION_NUMBER < 0x30500000:
            pytest.skip("X25519MLKEM768 came with OpenSSL 3.5")
        assert "X25519MLKEM768" == met.facts(NAME, time.time()).group


def test_a_session_without_ephemeral_keys_has_no_group(client: SSL.Context) -> None:
    leaf = issue(NAME, world().intermediate, alternatives=[NAME], key=rsa_key(2048, "leaf"))
    server = server_context(leaf, world().intermediate, versions=TLS12)
    server.set_cipher_list(b"AES128-GCM-SHA256")
    with meeting(client, server) as met:
        facts = met.facts(NAME, time.time())

    assert ("TLSv1.2", "AES128-GCM-SHA256", None) == (facts.version, facts.cipher, facts.group)


def test_a_group_that_openssl_does_not_tell_is_unknown(
    client: SSL.Context, chain: tuple[Party, Party], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: SSL.Connection) -> str:
        raise NotImplementedError

    monkeypatch.setattr(SSL.Connection, "get_group_name", refuse)
    with meeting(client, server_context(*chain)) as met:
        assert met.facts(NAME, time.time()).group is None


def test_the_judgement_is_of_the_time_given(client: SSL.Context, chain: tuple[Party, Party]) -> None:
    expiry = chain[0].certificate.not_valid_after_utc.timestamp()
    with meeting(client, server_context(*chain)) as met:
        assert met.facts(NAME, expiry).verified
        assert (Problem.EXPIRED,) == met.facts(NAME, expiry + 1).problems


def test_before_a_handshake_nothing_is_verified(client: SSL.Context) -> None:
    facts = tls.facts(tls.begin(client, NAME), NAME, time.time())

    assert (Problem.INVALID,) == facts.problems
    assert not facts.verified
    assert () == facts.chain


def test_a_handshake_that_fails_late_has_shown_its_certificate(client: SSL.Context, chain: tuple[Party, Party]) -> None:
    server = server_context(*chain, versions=TLS12)
    server.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT)
    with meeting(client, server) as met:
        assert met.error is not None
        facts = met.facts("other.example.com", time.time())

    assert (Problem.NAME_MISMATCH,) == facts.problems
    assert f"CN={NAME}" == facts.chain[0].subject


def test_the_server_cannot_renegotiate(client: SSL.Context, chain: tuple[Party, Party]) -> None:
    with meeting(client, server_context(*chain, versions=TLS12)) as met:
        met.server.renegotiate()
        met.server.do_handshake()
        with pytest.raises(SSL.WantReadError):
            met.client.recv(1)
        with pytest.raises(SSL.Error):
            met.server.recv(1)

        assert met.server.total_renegotiations() <= 1
        assert met.facts(NAME, time.time()).verified


def test_the_exporter_binding_is_the_same_at_both_ends(client: SSL.Context, chain: tuple[Party, Party]) -> None:
    with meeting(client, server_context(*chain, versions=TLS13)) as met:
        binding = tls.channel_binding(met.client, "tls-exporter")

        assert met.server.export_keying_material(b"EXPORTER-Channel-Binding", 32, b"") == binding


def test_the_exporter_binding_needs_tls_13(client: SSL.Context, chain: tuple[Party, Party]) -> None:
    with meeting(client, server_context(*chain, versions=TLS12)) as met:
        assert tls.channel_binding(met.client, "tls-exporter") is None


def test_the_end_point_binding_is_the_certificate_s_digest(client: SSL.Context, chain: tuple[Party, Party]) -> None:
    with meeting(client, server_context(*chain)) as met:
        assert hashlib.sha256(chain[0].der).digest() == tls.channel_binding(met.client, "tls-server-end-point")


def test_the_end_point_binding_of_an_outdated_signature_is_over_sha256(client: SSL.Context) -> None:
    leaf = signed_over(issue(NAME, world().intermediate), world().intermediate, "sha1")
    with meeting(client, server_context(leaf)) as met:
        assert hashlib.sha256(leaf.der).digest() == tls.channel_binding(met.client, "tls-server-end-point")


def test_a_signature_without_a_hash_has_no_end_point_binding(client: SSL.Context) -> None:
    leaf = issue(NAME, key=ed25519.Ed25519PrivateKey.generate())
    with meeting(client, server_context(leaf)) as met:
        assert tls.channel_binding(met.client, "tls-server-end-point") is None


def test_without_a_handshake_there_is_no_end_point_binding(client: SSL.Context) -> None:
    assert tls.channel_binding(tls.begin(client, NAME), "tls-server-end-point") is None


@pytest.mark.parametrize(
    ("lowest", "version"),
    [(TlsVersion.TLS1_0, SSL.TLS1_VERSION), (TlsVersion.TLS1_1, SSL.TLS1_1_VERSION)],
    ids=["TLSv1", "TLSv1.1"],
)
def test_an_old_server_can_be_reached_and_its_certificate_is_judged_no_milder(
    tmp_path: Path, lowest: TlsVersion, version: int
) -> None:
    file = tmp_path / "authorities.pem"
    file.write_bytes(pem(*world().trusted))
    small = issue(NAME, world().intermediate, alternatives=[NAME], key=rsa_key(1024, "leaf"))
    server = server_context(small, world().intermediate, versions=(version, version))

    with meeting(tls.TlsContexts().context(TlsPolicy(ca_file=file, min_version=lowest)), server) as met:
        assert met.error is None
        facts = met.facts(NAME, time.time())

    assert lowest.value == facts.version
    assert (Problem.WEAK_KEY,) == facts.problems


def test_an_old_server_is_not_reached_by_default(client: SSL.Context, chain: tuple[Party, Party]) -> None:
    server = server_context(*chain, versions=(SSL.TLS1_VERSION, SSL.TLS1_1_VERSION))
    with meeting(client, server) as met:
        assert met.error is not None
        reason = handshake_failure(met.error)

    assert "the server sent alert protocol_version: no protocol version in common" == reason
