"""Every certificate situation, met by whole probes: implicit TLS and STARTTLS, in every protocol.

Each is held to its reason, to the figures that `/metrics` has of it, and to the proof that no credential was sent.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ocsp

from exporter.model import Encryption, Endpoint, FailureReason, Phase, ProbeResult, Protocol, StapleStatus, TlsPolicy
from tests.authority import pem
from tests.certificates import Situation, situations, world
from tests.handshakes import serving
from tests.probes import at, credentials_in, exposed, nothing_left_behind, printable_throughout, probe
from tests.servers.exporter import Metrics
from tests.servers.misbehaving import behaves_well
from tests.servers.presenting import PresentingContext
from tests.servers.scripted import FakeServer, scripted

GOOD = [situation for situation in situations() if situation.verified]
BAD = [situation for situation in situations() if not situation.verified]

each_protocol = pytest.mark.parametrize("protocol", Protocol)
each_encryption = pytest.mark.parametrize("encryption", [Encryption.TLS, Encryption.STARTTLS])


def each(some: list[Situation]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("situation", some, ids=lambda situation: situation.title)


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> TlsPolicy:
    file: Path = tmp_path_factory.mktemp("trust") / "authorities.pem"
    file.write_bytes(pem(*world().trusted))
    return TlsPolicy(ca_file=file)


@pytest.fixture(autouse=True)
async def tidy() -> AsyncIterator[None]:
    async with nothing_left_behind():
        yield


async def met(
    situation: Situation, protocol: Protocol, encryption: Encryption, policy: TlsPolicy, **fields: object
) -> tuple[Endpoint, ProbeResult, FakeServer]:
    """Probe a server in a situation, by an endpoint that has credentials."""
    tls = PresentingContext(serving(situation))
    wanted = replace(policy, server_name=situation.server_name)
    async with scripted(behaves_well(protocol), tls=tls, implicit=encryption is Encryption.TLS) as server:
        endpoint = at(server.port, protocol, encryption, tls=wanted, **fields)
        result = await probe(endpoint)
        await server.all_gone()
    return endpoint, result, server


def assert_exposes(metrics: Metrics, situation: Situation) -> None:
    """The figures of the certificate, whatever is wrong with it."""
    chain = [party.certificate for party in situation.chain]
    leaf = chain[0]
    ends = {each.not_valid_after_utc.timestamp() for each in chain}
    [facts] = metrics.find("mail_tls_certificate_info")
    errors = {labels["error"] for labels in metrics.find("mail_tls_verification_error_info")}

    assert situation.verified == metrics.value("mail_tls_verified")
    assert {problem.value for problem in situation.problems} == errors
    assert leaf.not_valid_before_utc.timestamp() == metrics.value("mail_tls_certificate_not_before_timestamp_seconds")
    assert leaf.not_valid_after_utc.timestamp() == metrics.value("mail_tls_certificate_not_after_timestamp_seconds")
    assert min(ends) == metrics.value("mail_tls_chain_not_after_timestamp_seconds")
    assert leaf.fingerprint(hashes.SHA256()).hex() == facts["fingerprint_sha256"]
    assert leaf.subject.rfc4514_string() == facts["subject"]
    assert leaf.issuer.rfc4514_string() == facts["issuer"]
    assert bool(situation.staple) == metrics.value("mail_tls_ocsp_stapled")
    assert 1 == len(metrics.find("mail_tls_info", version="TLSv1.3"))
    if situation.staple_status not in {None, StapleStatus.INVALID}:
        renewed = ocsp.load_der_ocsp_response(situation.staple).next_update_utc
        assert renewed is not None
        assert renewed.timestamp() == metrics.value("mail_tls_ocsp_next_update_timestamp_seconds")


@each_encryption
@each_protocol
@each(BAD)
async def test_a_bad_certificate_fails_the_probe_and_no_credential_leaves(
    situation: Situation, protocol: Protocol, encryption: Encryption, policy: TlsPolicy
) -> None:
    endpoint, result, server = await met(situation, protocol, encryption, policy)

    assert result.failure is not None
    assert (situation.reason, Phase.TLS) == (result.failure.reason, result.failure.phase)
    assert set() == credentials_in(server.received)
    assert result.facts.auth_success is None
    assert printable_throughout(result)
    metrics = exposed(endpoint, result)
    assert 0 == metrics.value("mail_probe_success")
    assert 1 == metrics.value("mail_probe_failure_info", reason=str(situation.reason), phase="tls")
    assert metrics.get("mail_auth_success") is None
    assert_exposes(metrics, situation)


@each_encryption
@each_protocol
@each(GOOD)
async def test_a_good_certificate_lets_the_login_pass_under_tls(
    situation: Situation, protocol: Protocol, encryption: Encryption, policy: TlsPolicy
) -> None:
    endpoint, result, server = await met(situation, protocol, encryption, policy)

    assert result.failure is None
    assert result.facts.auth_success
    assert credentials_in(server.received)
    if encryption is Encryption.STARTTLS:
        assert set() == credentials_in(server.received_in_plain)
    metrics = exposed(endpoint, result)
    assert 1 == metrics.value("mail_probe_success")
    assert 1 == metrics.value("mail_auth_success")
    assert_exposes(metrics, situation)


@each_protocol
@each(BAD)
async def test_without_verify_the_judgement_is_exported_and_the_login_alone_is_refused(
    situation: Situation, protocol: Protocol, policy: TlsPolicy
) -> None:
    lenient = replace(policy, verify=False)

    endpoint, result, server = await met(situation, protocol, Encryption.STARTTLS, lenient)

    assert result.failure is not None
    assert (FailureReason.AUTH_INSECURE, Phase.AUTH) == (result.failure.reason, result.failure.phase)
    assert set() == credentials_in(server.received)
    assert_exposes(exposed(endpoint, result), situation)


@each_protocol
@pytest.mark.parametrize(("verify", "leaves"), [(True, False), (False, True)])
async def test_the_user_has_to_insist_twice_before_a_login_meets_a_bad_certificate(
    protocol: Protocol, policy: TlsPolicy, *, verify: bool, leaves: bool
) -> None:
    lenient = replace(policy, verify=verify)

    _, result, server = await met(BAD[0], protocol, Encryption.TLS, lenient, allow_insecure_auth=True)

    assert leaves == bool(credentials_in(server.received))
    assert leaves == (result.failure is None)


UNTRUSTED = next(situation for situation in BAD if situation.title == "self-signed")


def pin_of_certificate(situation: Situation) -> str:
    return situation.leaf.certificate.fingerprint(hashes.SHA256()).hex()


def pin_of_key(situation: Situation) -> str:
    key = situation.leaf.certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(key).hexdigest()


@each_encryption
@each_protocol
@pytest.mark.parametrize("pin", [pin_of_certificate, pin_of_key])
async def test_an_expected_certificate_or_key_lets_the_login_pass(
    pin: Callable[[Situation], str], protocol: Protocol, encryption: Encryption, policy: TlsPolicy
) -> None:
    fingerprints = ("00" * 32, pin(GOOD[0]))

    endpoint, result, server = await met(GOOD[0], protocol, encryption, policy, fingerprints=fingerprints)

    assert result.failure is None
    assert credentials_in(server.received)
    assert_exposes(exposed(endpoint, result), GOOD[0])


@each_encryption
@each_protocol
@pytest.mark.parametrize("verify", [True, False])
async def test_another_certificate_than_is_expected_fails_the_probe_and_no_credential_leaves(
    protocol: Protocol, encryption: Encryption, policy: TlsPolicy, *, verify: bool
) -> None:
    fingerprints = (pin_of_certificate(BAD[0]), pin_of_key(BAD[1]))

    endpoint, result, server = await met(
        GOOD[0],
        protocol,
        encryption,
        replace(policy, verify=verify),
        fingerprints=fingerprints,
        allow_insecure_auth=True,
    )

    assert result.failure is not None
    assert (FailureReason.TLS_UNTRUSTED, Phase.TLS) == (result.failure.reason, result.failure.phase)
    assert pin_of_certificate(GOOD[0]) in result.failure.detail
    assert set() == credentials_in(server.received)
    metrics = exposed(endpoint, result)
    assert 0 == metrics.value("mail_tls_verified")
    assert [{"endpoint": "test", "protocol": protocol, "error": "fingerprint_mismatch"}] == metrics.find(
        "mail_tls_verification_error_info"
    )


@each_protocol
async def test_a_pin_is_no_substitute_for_trust(protocol: Protocol, policy: TlsPolicy) -> None:
    fingerprints = (pin_of_certificate(UNTRUSTED),)
    lenient = replace(policy, verify=False)

    _, strict, asked = await met(UNTRUSTED, protocol, Encryption.TLS, policy, fingerprints=fingerprints)
    _, probed, server = await met(UNTRUSTED, protocol, Encryption.TLS, lenient, fingerprints=fingerprints)

    assert strict.failure is not None
    assert FailureReason.TLS_UNTRUSTED == strict.failure.reason
    assert probed.failure is not None
    assert FailureReason.AUTH_INSECURE == probed.failure.reason
    assert set() == credentials_in(asked.received + server.received)


def test_there_are_at_least_thirty_situations_of_each_kind_of_outcome() -> None:
    assert 30 <= len(BAD)
    assert 30 <= len(GOOD)
