"""A chain that was verified is remembered, and remembering never makes a verdict milder."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from cryptography.x509.ocsp import OCSPCertStatus
from OpenSSL import SSL

from exporter.model import CertificateProblem as Problem
from exporter.model import TlsFacts, TlsPolicy
from exporter.net.tls import TlsContexts, recording
from tests.authority import Party, issue, pem, staple
from tests.certificates import NAME, world
from tests.handshakes import meeting, server_context


class Clock:
    """A Unix time that a test can turn."""

    def __init__(self) -> None:
        self.offset = 0.0

    def __call__(self) -> float:
        return time.time() + self.offset


@pytest.fixture
def wall() -> Clock:
    return Clock()


@pytest.fixture
def client(tmp_path: Path, wall: Clock) -> SSL.Context:
    file = tmp_path / "authorities.pem"
    file.write_bytes(pem(*world().trusted))
    return TlsContexts(wall=wall).context(TlsPolicy(ca_file=file))


@pytest.fixture(scope="module")
def chain() -> tuple[Party, Party]:
    return issue(NAME, world().intermediate, alternatives=[NAME]), world().intermediate


def learn(client: SSL.Context, *chain: Party, name: str = NAME, response: bytes = b"") -> TlsFacts:
    with meeting(client, server_context(*chain, staple=response), name) as met:
        assert met.error is None
        return met.facts(name, time.time())


def was_remembered(first: TlsFacts, second: TlsFacts) -> bool:
    """A chain that is remembered is not taken apart again, so that the very same facts come out."""
    return first.chain is second.chain


def test_a_verified_chain_is_remembered(client: SSL.Context, chain: tuple[Party, Party]) -> None:
    first, second = learn(client, *chain), learn(client, *chain)

    assert first == second
    assert second.verified
    assert was_remembered(first, second)


def test_another_name_is_judged_against_the_remembered_chain(client: SSL.Context, chain: tuple[Party, Party]) -> None:
    first = learn(client, *chain)
    second = learn(client, *chain, name="other.example.com")

    assert was_remembered(first, second)
    assert (Problem.NAME_MISMATCH,) == second.problems


def test_a_staple_is_judged_against_the_remembered_chain(client: SSL.Context, chain: tuple[Party, Party]) -> None:
    first = learn(client, *chain)
    second = learn(client, *chain, response=staple(*chain, status=OCSPCertStatus.REVOKED))

    assert was_remembered(first, second)
    assert (Problem.REVOKED,) == second.problems


def test_an_unsound_chain_is_put_to_openssl_every_time(client: SSL.Context) -> None:
    stranger = issue(NAME, world().strange_intermediate, alternatives=[NAME])
    first, second = (learn(client, stranger, world().strange_intermediate) for _ in range(2))

    assert first == second
    assert (Problem.UNKNOWN_AUTHORITY,) == second.problems
    assert not was_remembered(first, second)


def test_the_same_leaf_with_another_chain_is_another_matter(client: SSL.Context, chain: tuple[Party, Party]) -> None:
    assert learn(client, *chain).verified

    assert (Problem.INCOMPLETE_CHAIN, Problem.UNKNOWN_AUTHORITY) == learn(client, chain[0]).problems


def test_a_path_that_ran_out_is_put_to_openssl_again(
    client: SSL.Context, wall: Clock, chain: tuple[Party, Party]
) -> None:
    first = learn(client, *chain)
    wall.offset = chain[0].certificate.not_valid_after_utc.timestamp() + 1 - time.time()
    second = learn(client, *chain)

    assert not was_remembered(first, second)


def test_the_memory_is_bounded_and_drops_what_was_not_seen_for_longest(
    client: SSL.Context,
    wall: Clock,
) -> None:
    client.set_app_data(recording.VerifiedChains(client.get_app_data().anchors, wall, octets=30_000))
    one, two, three = ((issue(NAME, world().root, alternatives=[NAME]),) for _ in range(3))
    first_of_one, first_of_two = learn(client, *one), learn(client, *two)

    assert was_remembered(first_of_one, learn(client, *one))
    learn(client, *three)

    assert was_remembered(first_of_one, learn(client, *one))
    assert not was_remembered(first_of_two, learn(client, *two))


def test_another_store_does_not_know_what_this_one_verified(tmp_path: Path, chain: tuple[Party, Party]) -> None:
    ours, theirs = tmp_path / "ours.pem", tmp_path / "theirs.pem"
    ours.write_bytes(pem(*world().trusted))
    theirs.write_bytes(pem(world().stranger.certificate))
    contexts = TlsContexts()

    assert learn(contexts.context(TlsPolicy(ca_file=ours)), *chain).verified
    assert not learn(contexts.context(TlsPolicy(ca_file=theirs)), *chain).verified
