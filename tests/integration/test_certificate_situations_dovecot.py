"""Certificate situations that a real Dovecot serves: verdict, dates, and who logs in.

One Dovecot serves them, each at an address of loopback of its own, in both protocols and both kinds of encryption. They
are a sample, one of each verdict: that all situations are judged alike in every protocol is shown without a server.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from exporter.certificates import failure_reason
from exporter.model import Encryption, Endpoint, Phase, ProbeResult, Protocol, TlsPolicy
from tests.authority import pem
from tests.certificates import situations, world
from tests.probes import PASSWORD, USERNAME, at, exposed, probe
from tests.servers.authority import Authority, write_identity
from tests.servers.dovecot import Account, Dovecot, dovecot
from tests.servers.exporter import Metrics

SAMPLE = {(each.problems, each.verified, len(each.chain)): each for each in situations() if not each.staple}
"""One of each verdict and length of chain. Dovecot does not staple OCSP responses."""

SERVED = {f"127.0.1.{number}": each for number, each in enumerate(SAMPLE.values(), 1)}
"""By address."""

SCHEMES = {
    "imap": (Protocol.IMAP, Encryption.STARTTLS),
    "imaps": (Protocol.IMAP, Encryption.TLS),
    "pop3": (Protocol.POP3, Encryption.STARTTLS),
    "pop3s": (Protocol.POP3, Encryption.TLS),
}

each_scheme = pytest.mark.parametrize("scheme", SCHEMES)
each_address = pytest.mark.parametrize("address", SERVED, ids=lambda address: SERVED[address].title)


@dataclass(frozen=True, slots=True)
class Seen:
    """What became of all probes.

    Attributes:
        results: By address and scheme.
        logins: The addresses at which somebody was logged in, by Dovecot's own account.
    """

    results: Mapping[tuple[str, str], tuple[Endpoint, ProbeResult]]
    logins: frozenset[str]

    def metrics(self, address: str, scheme: str) -> Metrics:
        return exposed(*self.results[address, scheme])


@pytest.fixture(scope="module")
def seen(authority: Authority, server_directory: Path) -> Seen:
    directory = server_directory / "situations"
    directory.mkdir()
    trust = directory / "authorities.pem"
    trust.write_bytes(pem(*world().trusted))
    elsewhere = {
        address: write_identity(
            directory / address.replace(".", "-"),
            [party.certificate for party in situation.chain],
            situation.leaf.key,
        )
        for address, situation in SERVED.items()
    }
    own = authority.issue("situations", names=["127.0.0.1"])
    with dovecot(directory / "dovecot", own, [Account(USERNAME, PASSWORD)], elsewhere=elsewhere) as server:
        results = asyncio.run(probe_all(server, trust))
    log = (directory / "dovecot" / "dovecot.log").read_text()
    return Seen(results, frozenset(re.findall(r"(?:Login|Logged in): user=<[^>]*>.*? lip=([0-9.]+)", log)))


async def probe_all(server: Dovecot, trust: Path) -> dict[tuple[str, str], tuple[Endpoint, ProbeResult]]:
    results = {}
    for address, situation in SERVED.items():
        for scheme, (protocol, encryption) in SCHEMES.items():
            policy = TlsPolicy(ca_file=trust, server_name=situation.server_name)
            endpoint = at(getattr(server, scheme), protocol, encryption, host=address, tls=policy)
            results[address, scheme] = endpoint, await probe(endpoint)
    return results


@each_scheme
@each_address
def test_the_verdict_is_the_same(seen: Seen, address: str, scheme: str) -> None:
    situation = SERVED[address]
    _, result = seen.results[address, scheme]

    assert result.facts.tls is not None
    assert situation.problems == result.facts.tls.problems, result.facts.tls.detail
    assert situation.verified == result.facts.tls.verified
    if situation.reason is None:
        assert result.failure is None
    else:
        assert result.failure is not None
        assert (situation.reason, Phase.TLS) == (result.failure.reason, result.failure.phase)
        assert situation.reason == failure_reason(result.facts.tls.problems)


@each_scheme
@each_address
def test_the_dates_are_those_of_the_certificates(seen: Seen, address: str, scheme: str) -> None:
    chain = [party.certificate for party in SERVED[address].chain]
    metrics = seen.metrics(address, scheme)
    not_before = metrics.value("mail_tls_certificate_not_before_timestamp_seconds")
    not_after = metrics.value("mail_tls_certificate_not_after_timestamp_seconds")
    first = metrics.value("mail_tls_chain_not_after_timestamp_seconds")
    errors = {labels["error"] for labels in metrics.find("mail_tls_verification_error_info")}

    assert chain[0].not_valid_before_utc.timestamp() == not_before
    assert chain[0].not_valid_after_utc.timestamp() == not_after
    assert min(each.not_valid_after_utc.timestamp() for each in chain) == first
    assert SERVED[address].verified == metrics.value("mail_tls_verified")
    assert {problem.value for problem in SERVED[address].problems} == errors


@each_address
def test_dovecot_saw_a_login_where_the_certificate_is_good_and_nowhere_else(seen: Seen, address: str) -> None:
    assert SERVED[address].verified == (address in seen.logins)


def test_the_sample_has_every_verdict() -> None:
    assert {each.problems for each in situations() if not each.staple} == {each.problems for each in SERVED.values()}
    assert 10 <= sum(not each.verified for each in SERVED.values())
