"""Contexts follow their files, and say which one is useless and what to do."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
import threading
import time
from pathlib import Path

import pytest
from OpenSSL import SSL

from exporter.model import CertificateProblem as Problem
from exporter.model import TlsFacts, TlsPolicy, TlsVersion
from exporter.net.tls import TlsContexts, TlsSetupError
from exporter.net.tls import contexts as contexts_module
from tests.authority import issue, pem
from tests.certificates import NAME, world
from tests.clock import Clock
from tests.handshakes import meeting, server_context
from tests.unit.rotating import replace

OPENSSL = shutil.which("openssl")


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


def learn(context: SSL.Context) -> TlsFacts:
    leaf = issue(NAME, world().root, alternatives=[NAME])
    with meeting(context, server_context(leaf)) as met:
        return met.facts(NAME, time.time())


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
