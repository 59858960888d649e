"""Contexts follow their files, and say which one is useless and what to do."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from OpenSSL import SSL, crypto

from exporter.model import CertificateProblem as Problem
from exporter.model import TlsFacts, TlsPolicy, TlsVersion
from exporter.net import contexts as contexts_module
from exporter.net.tls import TlsContexts, TlsSetupError
from tests.authority import Party, issue, key_pem, pem
from tests.certificates import NAME, world
from tests.handshakes import meeting, server_context

OPENSSL = shutil.which("openssl")


class Clock:
    """Monotonic seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def contexts(clock: Clock) -> TlsContexts:
    return TlsContexts(clock=clock, environment={})


@pytest.fixture
def ca_file(tmp_path: Path) -> Path:
    file = tmp_path / "authorities.pem"
    file.write_bytes(pem(world().root.certificate))
    return file


def learn(context: SSL.Context) -> TlsFacts:
    leaf = issue(NAME, world().root, alternatives=[NAME])
    with meeting(context, server_context(leaf)) as met:
        return met.facts(NAME, time.time())


def replace(file: Path, content: bytes) -> None:
    """As a rotation does it: another file in its place."""
    fresh = file.with_suffix(".new")
    fresh.write_bytes(content)
    fresh.rename(file)


def test_endpoints_that_differ_in_name_only_share_a_context(contexts: TlsContexts, ca_file: Path) -> None:
    one = TlsPolicy(ca_file=ca_file, server_name="one.example.com")
    other = TlsPolicy(ca_file=ca_file, server_name="other.example.com", verify=False)

    assert contexts.context(one) is contexts.context(other)


def test_endpoints_that_differ_otherwise_do_not(contexts: TlsContexts, ca_file: Path) -> None:
    strict = TlsPolicy(ca_file=ca_file, min_version=TlsVersion.TLS1_3)

    assert contexts.context(TlsPolicy(ca_file=ca_file)) is not contexts.context(strict)


def test_a_store_that_changes_is_in_force_a_second_later(contexts: TlsContexts, clock: Clock, ca_file: Path) -> None:
    policy = TlsPolicy(ca_file=ca_file)
    assert learn(contexts.context(policy)).verified

    replace(ca_file, pem(world().stranger.certificate))
    clock.now += 0.9
    assert learn(contexts.context(policy)).verified
    clock.now += 0.2

    assert Problem.UNKNOWN_AUTHORITY in learn(contexts.context(policy)).problems


async def test_on_the_loop_a_thread_looks_at_the_files_once_for_all_who_ask(
    contexts: TlsContexts, ca_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[str] = []
    context = contexts.context

    def look(policy: TlsPolicy) -> SSL.Context:
        looks.append(threading.current_thread().name)
        return context(policy)

    monkeypatch.setattr(contexts, "context", look)
    policy = TlsPolicy(ca_file=ca_file)
    unverified = TlsPolicy(ca_file=ca_file, verify=False)
    found = await asyncio.gather(*(contexts.current(each) for each in (policy, unverified) * 5))

    assert 1 == len(set(found))
    assert 1 == len(looks)
    assert threading.main_thread().name not in looks
    assert found[0] is contexts.fresh(policy)


async def test_on_the_loop_too_a_store_that_changes_is_in_force_a_second_later(
    contexts: TlsContexts, clock: Clock, ca_file: Path
) -> None:
    policy = TlsPolicy(ca_file=ca_file)
    before = await contexts.current(policy)
    replace(ca_file, pem(world().stranger.certificate))
    assert before is contexts.fresh(policy)
    clock.now += 1.1

    assert contexts.fresh(policy) is None
    assert before is not await contexts.current(policy)


async def test_one_who_gives_up_does_not_take_the_look_away_from_the_others(
    contexts: TlsContexts, ca_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, context = threading.Event(), contexts.context

    def look(policy: TlsPolicy) -> SSL.Context:
        gate.wait(10)
        return context(policy)

    monkeypatch.setattr(contexts, "context", look)
    impatient = asyncio.create_task(contexts.current(TlsPolicy(ca_file=ca_file)))
    patient = asyncio.create_task(contexts.current(TlsPolicy(ca_file=ca_file)))
    await asyncio.sleep(0)
    impatient.cancel()
    with pytest.raises(asyncio.CancelledError):
        await impatient
    gate.set()

    assert learn(await patient).verified


def test_a_look_that_fails_is_repeated_by_the_next_who_asks(contexts: TlsContexts, ca_file: Path) -> None:
    policy = TlsPolicy(ca_file=ca_file)
    content = ca_file.read_bytes()
    ca_file.unlink()
    for _ in range(2):
        with pytest.raises(TlsSetupError, match="No such file"):
            asyncio.run(contexts.current(policy))

    ca_file.write_bytes(content)
    assert learn(asyncio.run(contexts.current(policy))).verified


def test_a_store_that_stays_is_not_read_again(contexts: TlsContexts, clock: Clock, ca_file: Path) -> None:
    before = contexts.context(TlsPolicy(ca_file=ca_file))
    clock.now += 3600

    assert before is contexts.context(TlsPolicy(ca_file=ca_file))


def test_a_store_that_vanishes_is_no_longer_in_force(contexts: TlsContexts, clock: Clock, ca_file: Path) -> None:
    policy = TlsPolicy(ca_file=ca_file)
    contexts.context(policy)
    ca_file.unlink()
    clock.now += 1

    with pytest.raises(TlsSetupError, match="No such file"):
        contexts.context(policy)

    ca_file.write_bytes(pem(world().root.certificate))
    assert learn(contexts.context(policy)).verified


def test_the_environment_may_name_the_store(clock: Clock, ca_file: Path) -> None:
    contexts = TlsContexts(clock=clock, environment={"SSL_CERT_FILE": str(ca_file)})

    assert learn(contexts.context(TlsPolicy())).verified


@pytest.mark.skipif(OPENSSL is None, reason="there is no openssl command here")
def test_the_environment_may_name_directories(clock: Clock, tmp_path: Path) -> None:
    (tmp_path / "root.pem").write_bytes(pem(world().root.certificate))
    assert OPENSSL is not None
    subprocess.run([OPENSSL, "rehash", tmp_path], check=True, capture_output=True)
    contexts = TlsContexts(clock=clock, environment={"SSL_CERT_DIR": f"{tmp_path}:{tmp_path.parent}"})

    assert learn(contexts.context(TlsPolicy())).verified


def test_a_store_that_the_environment_names_has_to_be_there(clock: Clock, tmp_path: Path) -> None:
    contexts = TlsContexts(clock=clock, environment={"SSL_CERT_FILE": str(tmp_path / "none.pem")})

    with pytest.raises(TlsSetupError, match=r"^SSL_CERT_FILE .*none\.pem: No such file or directory$"):
        contexts.context(TlsPolicy())


def test_the_system_s_store_is_the_default(
    contexts: TlsContexts, ca_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contexts_module, "BUNDLES", (ca_file.with_name("none.pem"), ca_file))

    assert learn(contexts.context(TlsPolicy())).verified


def test_a_system_without_a_store_is_told_what_to_do(contexts: TlsContexts, monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = ssl.DefaultVerifyPaths("", "", "", "", "", "")
    monkeypatch.setattr(contexts_module, "BUNDLES", ())
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: nothing)

    with pytest.raises(TlsSetupError, match="install ca-certificates, or set ca_file"):
        contexts.context(TlsPolicy())


@pytest.mark.parametrize(
    "content", [b"", b"not PEM\n", b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"]
)
def test_a_store_without_certificates_is_told_by_its_name(
    contexts: TlsContexts, tmp_path: Path, content: bytes
) -> None:
    file = tmp_path / "authorities.pem"
    file.write_bytes(content)

    with pytest.raises(
        TlsSetupError, match=rf"^ca_file {file}: no certificates in PEM form can be read from it \(.+\)$"
    ):
        contexts.context(TlsPolicy(ca_file=file))


def test_a_setup_error_is_an_os_error() -> None:
    assert issubclass(TlsSetupError, OSError)


def test_a_version_that_openssl_was_built_without_is_named(
    contexts: TlsContexts, ca_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise SSL.Error([])

    monkeypatch.setattr(SSL.Context, "set_min_proto_version", refuse)

    with pytest.raises(TlsSetupError, match=r"^OpenSSL .* was built without TLSv1: set min_version: TLSv1\.2$"):
        contexts.context(TlsPolicy(ca_file=ca_file, min_version=TlsVersion.TLS1_0))


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
