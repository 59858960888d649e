"""The verdict on every certificate situation, asked of `openssl s_client -starttls` and of a probe at the same server.

Implicit TLS is the subject of tests/unit/test_tls_openssl.py.
"""

from __future__ import annotations

import asyncio
import ipaddress
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from pathlib import Path

import pytest

from exporter.model import Encryption, Protocol, TlsPolicy
from tests.authority import pem
from tests.certificates import Situation, situations, world
from tests.handshakes import serving
from tests.probes import at, probe
from tests.servers.misbehaving import behaves_well
from tests.servers.presenting import PresentingContext
from tests.servers.programs import program
from tests.servers.scripted import scripted

PATIENCE = 30.0
"""Seconds for openssl to come to its verdict."""


@pytest.fixture(scope="module")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file: Path = tmp_path_factory.mktemp("trust") / "authorities.pem"
    file.write_bytes(pem(*world().trusted))
    return file


@pytest.mark.parametrize("protocol", Protocol)
@pytest.mark.parametrize("situation", situations(), ids=lambda situation: situation.title)
async def test_openssl_comes_to_the_same_verdict_after_starttls(
    situation: Situation, protocol: Protocol, authorities: Path
) -> None:
    policy = TlsPolicy(ca_file=authorities, server_name=situation.server_name)
    async with scripted(behaves_well(protocol), tls=PresentingContext(serving(situation))) as server:
        result = await probe(at(server.port, protocol, Encryption.STARTTLS, tls=policy), login=None)
        accepted, said = await openssl_accepts(situation, protocol, authorities, server.port)
        await server.all_gone()

    assert result.facts.tls is not None
    assert situation.verified == result.facts.tls.verified
    assert (result.failure is None) == result.facts.tls.verified
    agrees = result.facts.tls.verified == accepted
    assert agrees == (situation.dissent is None), situation.dissent or said


async def openssl_accepts(situation: Situation, protocol: Protocol, authorities: Path, port: int) -> tuple[bool, str]:
    """Whether `openssl s_client` takes what a server presents after STARTTLS, and what it says about it."""
    command = [
        program("openssl", package="openssl"),
        "s_client",
        *("-connect", f"127.0.0.1:{port}"),
        *("-starttls", protocol.value),
        *_identity(situation.server_name),
        *("-CAfile", str(authorities), "-no-CApath", "-no-CAstore"),
        *("-verify_return_error", "-status", "-brief"),
    ]
    client = await asyncio.create_subprocess_exec(*command, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT)
    try:
        async with asyncio.timeout(PATIENCE):
            output, _ = await client.communicate()
    except TimeoutError:
        client.kill()
        await client.wait()
        raise
    said = output.decode(errors="backslashreplace")
    assert "CONNECTION ESTABLISHED" in said or "verify error" in said, said
    return client.returncode == 0, said


def _identity(name: str) -> list[str]:
    """What to ask for in SNI, and what to find in the certificate."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return ["-servername", name, "-verify_hostname", name]
    return ["-noservername", "-verify_ip", name]
