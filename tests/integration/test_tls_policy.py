"""The keys below `tls`, with whole probes: trust that changes, client certificates, versions, groups and names."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID
from OpenSSL import SSL, crypto

from exporter.model import DnsSettings, Encryption, FailureReason, Phase, ProbeResult, Protocol, TlsPolicy, TlsVersion
from exporter.net.dns.resolve import Resolver
from exporter.net.tls import TlsContexts
from exporter.net.tls.contexts import CHECK_EVERY
from exporter.visiting.connect import World
from exporter.web.api import probe_document
from tests.authority import Party, issue, key_pem, pem
from tests.certificates import NAME, situations, world
from tests.handshakes import server_context, serving
from tests.probes import LOGIN, at, credentials_in, exposed, nothing_left_behind, probe
from tests.servers.misbehaving import behaves_well
from tests.servers.presenting import PresentingContext
from tests.servers.scripted import FakeServer, scripted
from tests.visits import visitor

each_protocol = pytest.mark.parametrize("protocol", Protocol)
each_encryption = pytest.mark.parametrize("encryption", [Encryption.TLS, Encryption.STARTTLS])

TLS1_2 = (SSL.TLS1_2_VERSION, SSL.TLS1_2_VERSION)
TLS1_3 = (SSL.TLS1_3_VERSION, SSL.TLS1_3_VERSION)
each_version = pytest.mark.parametrize("versions", [TLS1_2, TLS1_3], ids=["TLSv1.2", "TLSv1.3"])


@pytest.fixture(autouse=True)
async def tidy() -> AsyncIterator[None]:
    async with nothing_left_behind():
        yield


@pytest.fixture(scope="module")
def leaf() -> Party:
    return issue(NAME, world().intermediate, alternatives=[NAME])


@pytest.fixture
def policy(tmp_path: Path) -> TlsPolicy:
    file = tmp_path / "authorities.pem"
    file.write_bytes(pem(*world().trusted))
    return TlsPolicy(ca_file=file, server_name=NAME)


async def probed(
    context: SSL.Context, policy: TlsPolicy, protocol: Protocol = Protocol.IMAP, encryption: Encryption = Encryption.TLS
) -> tuple[ProbeResult, FakeServer]:
    """Probe a server that has this context."""
    tls = PresentingContext(context)
    async with scripted(behaves_well(protocol), tls=tls, implicit=encryption is Encryption.TLS) as server:
        result = await probe(at(server.port, protocol, encryption, tls=policy))
        await server.all_gone()
    return result, server


def presenting(leaf: Party, versions: tuple[int, int] = (0, 0)) -> SSL.Context:
    return server_context(leaf, world().intermediate, versions=versions)


# Trust that changes.


@dataclass
class Daemon:
    """A prober that lives through changes of files, with a clock that the test moves on."""

    environment: dict[str, str] = field(default_factory=dict)
    now: float = 1000.0

    def __post_init__(self) -> None:
        contexts = TlsContexts(clock=lambda: self.now, environment=self.environment)
        self._visitor = visitor(World(Resolver(DnsSettings()), contexts), LOGIN)

    async def probe(self, port: int, policy: TlsPolicy) -> FailureReason | None:
        """Why a probe fails, if it does, once files may have been looked at again."""
        self.now += CHECK_EVERY
        result = await self._visitor.probe(at(port, Protocol.IMAP, Encryption.TLS, tls=policy))
        return result.failure.reason if result.failure else None


async def test_an_authority_that_leaves_or_joins_the_file_is_noticed_with_the_next_probe(
    leaf: Party, policy: TlsPolicy
) -> None:
    daemon, file = Daemon(), policy.ca_file
    assert file is not None
    async with scripted(behaves_well(Protocol.IMAP), tls=PresentingContext(presenting(leaf)), implicit=True) as server:
        assert await daemon.probe(server.port, policy) is None

        file.write_bytes(pem(world().stranger.certificate))
        assert FailureReason.TLS_UNTRUSTED is await daemon.probe(server.port, policy)

        # As an agent does that renews a mounted file: another one takes its place at once.
        renewed = file.with_suffix(".new")
        renewed.write_bytes(pem(*world().trusted))
        renewed.replace(file)
        assert await daemon.probe(server.port, policy) is None

        file.unlink()
        assert FailureReason.TLS_UNTRUSTED is await daemon.probe(server.port, policy)
        await server.all_gone(4)

    assert 2 == sum(bool(credentials_in(bytes(visit.encrypted))) for visit in server.visits)


async def test_the_systems_authorities_are_read_again_when_they_change(
    leaf: Party, policy: TlsPolicy, tmp_path: Path
) -> None:
    store = tmp_path / "store.pem"
    store.write_bytes(pem(world().stranger.certificate))
    daemon, system = Daemon({"SSL_CERT_FILE": str(store)}), replace(policy, ca_file=None)
    async with scripted(behaves_well(Protocol.IMAP), tls=PresentingContext(presenting(leaf)), implicit=True) as server:
        assert FailureReason.TLS_UNTRUSTED is await daemon.probe(server.port, system)

        store.write_bytes(pem(*world().trusted))
        assert await daemon.probe(server.port, system) is None
        await server.all_gone()


async def test_a_directory_of_authorities_is_looked_into_by_name(
    leaf: Party, policy: TlsPolicy, tmp_path: Path
) -> None:
    directory = tmp_path / "store"
    directory.mkdir()
    root = crypto.X509.from_cryptography(world().root.certificate)
    daemon, system = Daemon({"SSL_CERT_DIR": str(directory)}), replace(policy, ca_file=None)
    async with scripted(behaves_well(Protocol.IMAP), tls=PresentingContext(presenting(leaf)), implicit=True) as server:
        assert FailureReason.TLS_UNTRUSTED is await daemon.probe(server.port, system)

        (directory / f"{root.subject_name_hash():08x}.0").write_bytes(pem(world().root.certificate))
        assert await daemon.probe(server.port, system) is None
        await server.all_gone()


# Client certificates.


def demanding(leaf: Party, versions: tuple[int, int]) -> SSL.Context:
    """A server that turns away anyone who shows no certificate of the trusted root's."""
    context = presenting(leaf, versions)
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *report: bool(report[-1]))
    store = context.get_cert_store()
    assert store is not None
    store.add_cert(crypto.X509.from_cryptography(world().root.certificate))
    return context


def showing(policy: TlsPolicy, client: Party, *others: Party, key_apart: bool = True) -> TlsPolicy:
    """The policy with a client certificate, whose key stands in a file of its own or in the same."""
    assert policy.ca_file is not None
    chain, key = policy.ca_file.with_name("client.pem"), policy.ca_file.with_name("client.key")
    certificates = pem(client.certificate, *(other.certificate for other in others))
    if key_apart:
        chain.write_bytes(certificates)
        key.write_bytes(key_pem(client))
        return replace(policy, client_cert_file=chain, client_key_file=key)
    chain.write_bytes(certificates + key_pem(client))
    return replace(policy, client_cert_file=chain)


def client_of(authority: Party) -> Party:
    return issue("probe.example.com", authority, usages=[ExtendedKeyUsageOID.CLIENT_AUTH])


@each_protocol
@each_encryption
@each_version
@pytest.mark.parametrize("key_apart", [True, False])
async def test_a_client_certificate_is_shown_with_its_chain_where_it_is_asked_for(
    versions: tuple[int, int],
    encryption: Encryption,
    protocol: Protocol,
    leaf: Party,
    policy: TlsPolicy,
    *,
    key_apart: bool,
) -> None:
    intermediate = world().intermediate
    shown = showing(policy, client_of(intermediate), intermediate, key_apart=key_apart)

    result, _ = await probed(demanding(leaf, versions), shown, protocol, encryption)

    assert result.failure is None
    assert result.facts.auth_success


NEEDED = {TLS1_2: "handshake_failure", TLS1_3: "certificate_required"}
"""RFC 8446 6.2 has an alert of its own for it; before, there was none."""


@each_protocol
@each_encryption
@each_version
async def test_without_a_client_certificate_the_alert_is_named(
    versions: tuple[int, int], encryption: Encryption, protocol: Protocol, leaf: Party, policy: TlsPolicy
) -> None:
    result, server = await probed(demanding(leaf, versions), policy, protocol, encryption)

    assert result.failure is not None
    assert FailureReason.TLS_HANDSHAKE_FAILED == result.failure.reason
    assert f"the server sent alert {NEEDED[versions]}" in result.failure.detail
    assert "it wants a client certificate" in result.failure.detail
    assert set() == credentials_in(server.received)
    # The server's own certificate is known all the same. In TLS 1.3 it was verified before the server refused.
    assert result.facts.tls is not None
    assert () == result.facts.tls.problems
    assert not result.facts.tls.verified


@each_protocol
@each_encryption
@each_version
async def test_a_client_certificate_of_a_stranger_is_refused_by_name(
    versions: tuple[int, int], encryption: Encryption, protocol: Protocol, leaf: Party, policy: TlsPolicy
) -> None:
    shown = showing(policy, client_of(world().stranger))

    result, server = await probed(demanding(leaf, versions), shown, protocol, encryption)

    assert result.failure is not None
    assert FailureReason.TLS_HANDSHAKE_FAILED == result.failure.reason
    assert "the server sent alert unknown_ca: it does not trust the client certificate's authority" in (
        result.failure.detail
    )
    assert set() == credentials_in(server.received)


async def test_a_client_certificate_that_is_rotated_is_shown_with_the_next_probe(
    leaf: Party, policy: TlsPolicy
) -> None:
    daemon, intermediate = Daemon(), world().intermediate
    shown = showing(policy, client_of(world().stranger))
    tls = PresentingContext(demanding(leaf, TLS1_3))
    async with scripted(behaves_well(Protocol.IMAP), tls=tls, implicit=True) as server:
        assert FailureReason.TLS_HANDSHAKE_FAILED is await daemon.probe(server.port, shown)

        assert shown == showing(policy, client_of(intermediate), intermediate)
        assert await daemon.probe(server.port, shown) is None
        await server.all_gone()


# Versions, groups and names.

VERSIONS = {
    TlsVersion.TLS1_0: SSL.TLS1_VERSION,
    TlsVersion.TLS1_1: SSL.TLS1_1_VERSION,
    TlsVersion.TLS1_2: SSL.TLS1_2_VERSION,
    TlsVersion.TLS1_3: SSL.TLS1_3_VERSION,
}


@each_encryption
@pytest.mark.parametrize("spoken", VERSIONS)
@pytest.mark.parametrize("lowest", VERSIONS)
async def test_a_version_is_accepted_from_the_lowest_on_and_exported(
    lowest: TlsVersion, spoken: TlsVersion, encryption: Encryption, leaf: Party, policy: TlsPolicy
) -> None:
    context = presenting(leaf, (VERSIONS[spoken], VERSIONS[spoken]))

    result, server = await probed(context, replace(policy, min_version=lowest), encryption=encryption)

    metrics = exposed(at(0, Protocol.IMAP, encryption), result)
    if VERSIONS[spoken] >= VERSIONS[lowest]:
        assert result.failure is None
        (session,) = metrics.find("mail_tls_info")
        assert spoken.value == session["version"]
    else:
        assert result.failure is not None
        assert (FailureReason.TLS_HANDSHAKE_FAILED, Phase.TLS) == (result.failure.reason, result.failure.phase)
        assert "the server sent alert protocol_version: no protocol version in common" == result.failure.detail
        assert [] == metrics.find("mail_tls_info")
        assert set() == credentials_in(server.received)


def offers_hybrid_key_exchange() -> bool:
    """Since OpenSSL 3.5; a distribution's cryptography may be built with an older one."""
    return SSL.OPENSSL_VERSION_NUMBER >= 0x30500000


@each_encryption
@pytest.mark.skipif(not offers_hybrid_key_exchange(), reason="this OpenSSL knows no X25519MLKEM768")
async def test_a_server_that_is_ready_for_quantum_computers_shows_in_the_group(
    encryption: Encryption, leaf: Party, policy: TlsPolicy
) -> None:
    result, _ = await probed(presenting(leaf, TLS1_3), policy, encryption=encryption)

    (session,) = exposed(at(0, Protocol.IMAP, encryption), result).find("mail_tls_info")
    assert "X25519MLKEM768" == session["group"]


async def test_a_server_that_is_not_shows_its_own_group(leaf: Party, policy: TlsPolicy) -> None:
    result, _ = await probed(presenting(leaf, TLS1_2), policy)

    (session,) = exposed(at(0, Protocol.IMAP, Encryption.TLS), result).find("mail_tls_info")
    assert "x25519" == session["group"]
    assert session["cipher"].startswith("ECDHE-ECDSA-")


@each_protocol
@each_encryption
async def test_the_name_that_is_asked_for_is_the_configured_one_and_else_the_host(
    encryption: Encryption, protocol: Protocol, leaf: Party, policy: TlsPolicy
) -> None:
    asked: list[Any] = []
    context = presenting(leaf)
    context.set_tlsext_servername_callback(lambda connection: asked.append(connection.get_servername()))

    public, _ = await probed(context, policy, protocol, encryption)
    private, _ = await probed(context, replace(policy, server_name=None), protocol, encryption)

    # RFC 6066 3: an IP address is not named.
    assert [NAME.encode(), None] == asked
    assert public.failure is None
    assert private.failure is not None
    assert FailureReason.TLS_NAME_MISMATCH == private.failure.reason
    assert "127.0.0.1" in private.failure.detail


# What is shown of the chain.


@pytest.mark.parametrize("title", ["a cross-signed authority", "for another, and in the wrong order", "self-signed"])
async def test_the_document_of_a_probe_has_the_chain_as_presented_and_as_verified_and_every_problem(
    title: str, policy: TlsPolicy
) -> None:
    (situation,) = [each for each in situations() if each.title == title]

    result, _ = await probed(serving(situation), policy)

    assert result.facts.tls is not None
    shown = probe_document(result)["tls"]
    sent = [party.certificate for party in situation.chain]
    assert [each.subject.rfc4514_string() for each in sent] == [each["subject"] for each in shown["chain"]]
    assert [each.not_valid_after_utc.timestamp() for each in sent] == [each["not_after"] for each in shown["chain"]]
    path = [each.subject for each in result.facts.tls.verified_chain]
    assert path == [each["subject"] for each in shown["verified_chain"]]
    assert [problem.value for problem in situation.problems] == shown["problems"]
    assert shown["chain"][0] == shown["verified_chain"][0]
