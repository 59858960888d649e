"""What a visit does about TLS: certificates that are not good, passwords that stay here, contexts that are missing."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest
from OpenSSL import SSL
from structlog.testing import capture_logs

from exporter.model import (
    CertificateProblem,
    Encryption,
    FailureReason,
    Phase,
    ProbeResult,
    TlsPolicy,
)
from exporter.net.tls import TlsContexts, TlsSetupError
from exporter.visiting.connect import World
from tests import virtual_time
from tests.replay import Replay
from tests.unit.scripted_visits import (
    LOGIN,
    POP3_BYE,
    POP3_CAPA,
    POP3_GREETING,
    POP3_LOGGED_IN,
    POP3_STAT,
    SECRET,
    Names,
    Network,
    failed,
    pop3,
    probe,
    tls_facts,
)
from tests.visits import visitor


def test_a_certificate_that_is_not_good_ends_the_probe_with_its_facts() -> None:
    facts = tls_facts(CertificateProblem.EXPIRED)

    result, server = probe(pop3(), [POP3_GREETING], facts=facts, login=LOGIN)

    assert (FailureReason.TLS_CERTIFICATE_EXPIRED, Phase.TLS) == failed(result)
    assert facts is result.facts.tls
    assert [] == server.sent


def test_after_starttls_with_a_bad_certificate_the_probe_says_goodbye_and_nothing_else() -> None:
    facts = tls_facts(CertificateProblem.NAME_MISMATCH)

    result, server = probe(
        pop3(Encryption.STARTTLS), [POP3_GREETING, POP3_CAPA, b"+OK begin\r\n"], facts=facts, login=LOGIN
    )

    assert (FailureReason.TLS_NAME_MISMATCH, Phase.TLS) == failed(result)
    assert [b"CAPA\r\n", b"STLS\r\n", b"QUIT\r\n"] == server.sent


def test_without_verify_a_bad_certificate_does_not_fail_the_probe_but_no_password_leaves() -> None:
    facts = tls_facts(CertificateProblem.SELF_SIGNED)
    endpoint = pop3(tls=TlsPolicy(verify=False))

    unauthenticated, _ = probe(endpoint, [POP3_GREETING, POP3_CAPA, POP3_BYE], facts=facts)
    authenticated, server = probe(endpoint, [POP3_GREETING, POP3_CAPA, POP3_BYE], facts=facts, login=LOGIN)

    assert unauthenticated.failure is None
    assert (FailureReason.AUTH_INSECURE, Phase.AUTH) == failed(authenticated)
    assert authenticated.facts.auth_success is None
    assert [b"CAPA\r\n", b"QUIT\r\n"] == server.sent


def test_no_password_leaves_in_plain_unless_the_user_insists() -> None:
    refused, refusing = probe(pop3(Encryption.NONE), [POP3_GREETING, POP3_CAPA, POP3_BYE], login=LOGIN)
    insisted, _ = probe(
        pop3(Encryption.NONE, allow_insecure_auth=True),
        [POP3_GREETING, POP3_CAPA, *POP3_LOGGED_IN, POP3_STAT, POP3_BYE],
        login=LOGIN,
    )

    assert (FailureReason.AUTH_INSECURE, Phase.AUTH) == failed(refused)
    assert not any(SECRET in line for line in refusing.sent)
    assert insisted.failure is None


def test_octets_before_the_handshake_are_an_injection_in_the_phase_starttls() -> None:
    script = [POP3_GREETING, POP3_CAPA, b"+OK begin\r\n+OK injected\r\n"]

    result, server = probe(pop3(Encryption.STARTTLS), script, login=LOGIN)

    assert (FailureReason.STARTTLS_INJECTION, Phase.STARTTLS) == failed(result)
    assert [b"CAPA\r\n", b"STLS\r\n"] == server.sent


@dataclass
class Unready(TlsContexts):
    """Has no context to give, for a reason, or forever."""

    error: Exception | None

    def fresh(self, _policy: TlsPolicy) -> None:
        """Nothing is."""

    async def current(self, policy: TlsPolicy) -> SSL.Context:
        if self.error is None:
            await asyncio.sleep(3600)
            raise AssertionError(f"nobody waits this long for {policy}")
        raise self.error


@pytest.mark.parametrize(
    ("error", "reason", "detail"),
    [
        (TlsSetupError("ca_file /ca.pem: No such file"), FailureReason.TLS_UNTRUSTED, "ca_file /ca.pem: No such file"),
        (None, FailureReason.TLS_UNTRUSTED, "could not be read within 4 s; does their disk hang?"),
        (ZeroDivisionError(), FailureReason.INTERNAL_ERROR, "its log has the traceback"),
    ],
)
def test_without_a_context_the_probe_fails_where_it_is_needed_and_no_phase_waits_for_it(
    error: Exception | None, reason: FailureReason, detail: str
) -> None:
    async def scenario() -> ProbeResult:
        clock = asyncio.get_running_loop().time
        network = Network({"192.0.2.10": Replay([POP3_GREETING])})
        world = World(Names(), Unready(error), clock=clock, connect=network.connect)
        return await visitor(world).probe(pop3(timeout=4.0))

    with capture_logs() as logs:
        result = virtual_time.run(scenario())

    assert (reason, Phase.TLS) == failed(result)
    assert result.failure is not None
    assert detail in result.failure.detail
    assert 0.0 == result.duration
    assert (reason is FailureReason.INTERNAL_ERROR) == bool(logs)


def test_an_endpoint_without_encryption_asks_for_no_context() -> None:
    async def scenario() -> ProbeResult:
        network = Network({"192.0.2.10": Replay([POP3_GREETING, POP3_CAPA, POP3_BYE])})
        world = World(Names(), Unready(AssertionError("nobody needs it")), connect=network.connect)
        return await visitor(world).probe(pop3(Encryption.NONE))

    assert virtual_time.run(scenario()).failure is None
