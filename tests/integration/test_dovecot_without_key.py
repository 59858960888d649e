"""A real Dovecot that cannot load its key: it offers STARTTLS, agrees to it, and only then finds that it cannot."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from exporter.model import Encryption, FailureReason, Phase, ProbeResult, Protocol, TlsPolicy
from tests.probes import PASSWORD, USERNAME, at, printable_throughout, probe
from tests.servers.authority import Authority, write_identity
from tests.servers.dovecot import Account, dovecot

BROKEN = "127.0.1.1"

SCHEMES = {
    "imap": (Protocol.IMAP, Encryption.STARTTLS),
    "imaps": (Protocol.IMAP, Encryption.TLS),
    "pop3": (Protocol.POP3, Encryption.STARTTLS),
    "pop3s": (Protocol.POP3, Encryption.TLS),
}

TIMES = 10
"""Whether its last words come with the go-ahead or a little later is chance."""


@pytest.fixture(scope="module")
def results(authority: Authority, server_directory: Path) -> dict[str, list[ProbeResult]]:
    directory = server_directory / "without-key"
    directory.mkdir()
    own = authority.issue("without-key", names=["127.0.0.1"])
    others = write_identity(directory / "broken", [own.certificate], ec.generate_private_key(ec.SECP256R1()))
    policy = TlsPolicy(ca_file=authority.file)

    with dovecot(directory / "dovecot", own, [Account(USERNAME, PASSWORD)], elsewhere={BROKEN: others}) as server:

        async def probe_all() -> dict[str, list[ProbeResult]]:
            endpoints = {
                scheme: at(getattr(server, scheme), protocol, encryption, host=BROKEN, tls=policy)
                for scheme, (protocol, encryption) in SCHEMES.items()
            }
            return {scheme: [await probe(endpoint) for _ in range(TIMES)] for scheme, endpoint in endpoints.items()}

        return asyncio.run(probe_all())


@pytest.mark.parametrize("scheme", ["imap", "pop3"])
def test_after_starttls_its_last_words_are_quoted_and_not_taken_for_an_attack(
    results: dict[str, list[ProbeResult]], scheme: str
) -> None:
    for result in results[scheme]:
        assert result.failure is not None
        assert (FailureReason.TLS_HANDSHAKE_FAILED, Phase.TLS) == (result.failure.reason, result.failure.phase)
        assert "TLS initialization failed" in result.failure.detail
        assert result.facts.starttls_offered
        assert printable_throughout(result)


@pytest.mark.parametrize("scheme", ["imaps", "pop3s"])
def test_where_tls_comes_first_it_hangs_up(results: dict[str, list[ProbeResult]], scheme: str) -> None:
    for result in results[scheme]:
        assert result.failure is not None
        assert Phase.TLS is result.failure.phase
        assert result.failure.reason in {FailureReason.CONNECTION_RESET, FailureReason.CONNECTION_CLOSED}
