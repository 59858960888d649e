"""STARTTLS under attack, seen by a whole probe: what it reports, and that no credential leaves, whatever is done to it.

The attacks are those of "Why TLS is better without STARTTLS" (USENIX Security 2021), as far as a client sees them.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass

import pytest

from exporter.model import Encryption, Phase, ProbeResult, Protocol, TlsPolicy
from exporter.model import FailureReason as Reason
from tests.probes import at, credentials_in, exposed, nothing_left_behind, printable_throughout, probe
from tests.servers.authority import Authority
from tests.servers.dialects import DIALECTS
from tests.servers.misbehaving import behaves_well, rejects_logins
from tests.servers.scripted import FakeServer, Script, scripted, server_context
from tests.servers.starttls_attacks import (
    alerts_in_plain,
    answers_the_handshake_in_plain,
    answers_the_handshake_with_an_alert,
    changes_capabilities_under_tls,
    closes_in_the_handshake,
    consents_and_closes,
    consents_and_goes_on_in_plain,
    consents_and_stalls,
    greets_with_preauth,
    hides_starttls,
    injects_after_starttls,
    injects_into_the_handshake,
    refuses_starttls,
    stalls_in_the_handshake,
)

STALLED_FOR = 0.3
"""Seconds after which a probe gives up a server that says nothing more."""

PATIENCE = 20.0
"""Seconds for what the server does answer: a machine that does much else may need more than it is given at first."""

Make = Callable[[Protocol, ssl.SSLContext], Script]
Outcome = tuple[Reason, Phase] | None
"""Reason and phase of the failure; `None` for a probe that succeeds."""

NOT_OFFERED = (Reason.STARTTLS_NOT_OFFERED, Phase.STARTTLS)
REFUSED = (Reason.STARTTLS_REFUSED, Phase.STARTTLS)
INJECTED = (Reason.STARTTLS_INJECTION, Phase.STARTTLS)
NO_TLS = (Reason.TLS_HANDSHAKE_FAILED, Phase.TLS)
HUNG_UP = (Reason.CONNECTION_CLOSED, Phase.TLS)
STALLED = (Reason.TIMEOUT, Phase.TLS)
NO_LOGIN = (Reason.AUTH_MECHANISM_NOT_OFFERED, Phase.AUTH)
KEPT_BACK = (Reason.AUTH_INSECURE, Phase.AUTH)


@dataclass(frozen=True, slots=True)
class Attack:
    """What is done to STARTTLS, and what a probe says about it.

    Attributes:
        title: As the name of a test.
        make: The script, for a protocol and with the server's certificate at hand.
        outcome: Of a probe that insists on TLS.
        says: Words that the failure's detail has.
        offered: Whether STARTTLS counts as offered.
        opportunistic: Of a probe that would go on without; `None` where that is the same.
        protocols: Who can be attacked so.
    """

    title: str
    make: Make
    outcome: tuple[Reason, Phase]
    says: str
    offered: bool = True
    opportunistic: tuple[Outcome] | None = None
    protocols: tuple[Protocol, ...] = tuple(Protocol)


ATTACKS = (
    Attack(
        "the capability is stripped",
        lambda protocol, _: hides_starttls(protocol),
        NOT_OFFERED,
        "does not offer STARTTLS; it announces",
        offered=False,
        opportunistic=(KEPT_BACK,),
    ),
    Attack("the command is refused", lambda protocol, _: refuses_starttls(protocol), REFUSED, "not now"),
    Attack(
        "words are added behind the consent",
        lambda protocol, _: injects_after_starttls(protocol),
        INJECTED,
        "unexpected data before the TLS handshake",
    ),
    Attack(
        "a single octet is added behind the consent",
        lambda protocol, _: injects_after_starttls(protocol, b"\0"),
        INJECTED,
        r'"\x00"',
    ),
    Attack(
        "words are added into the handshake",
        lambda protocol, _: injects_into_the_handshake(protocol),
        NO_TLS,
        'the server did not answer with TLS, but in plain: "',
    ),
    Attack(
        "the server agrees and gives up",
        lambda protocol, _: injects_after_starttls(protocol, DIALECTS[protocol].going_down),
        NO_TLS,
        "the server agrees to STARTTLS, and then gives up in plain",
    ),
    Attack(
        "the server agrees and goes on in plain",
        lambda protocol, _: consents_and_goes_on_in_plain(protocol),
        NO_TLS,
        "unknown",
    ),
    Attack("the server agrees and hangs up", lambda protocol, _: consents_and_closes(protocol), HUNG_UP, "closed"),
    Attack("the server agrees and stalls", lambda protocol, _: consents_and_stalls(protocol), STALLED, "no reply"),
    Attack(
        "what was announced in plain is not there under TLS",
        lambda protocol, _: changes_capabilities_under_tls(protocol),
        NO_LOGIN,
        "the server offers no mechanism",
    ),
    Attack(
        "the handshake is answered with an alert",
        lambda protocol, _: answers_the_handshake_with_an_alert(protocol),
        NO_TLS,
        "the server sent alert handshake_failure",
    ),
    Attack(
        "the handshake stops half way",
        lambda protocol, tls: stalls_in_the_handshake(tls, protocol),
        STALLED,
        "no reply",
    ),
    Attack(
        "the handshake breaks off half way",
        lambda protocol, tls: closes_in_the_handshake(tls, protocol),
        HUNG_UP,
        "closed",
    ),
    Attack(
        "PREAUTH beside an announced STARTTLS",
        lambda _, __: greets_with_preauth(),
        NOT_OFFERED,
        "already logged in (PREAUTH), which leaves no way to STARTTLS",
        offered=False,
        opportunistic=(None,),
        protocols=(Protocol.IMAP,),
    ),
    Attack(
        "PREAUTH without STARTTLS",
        lambda _, __: greets_with_preauth(announced=False),
        NOT_OFFERED,
        "already logged in (PREAUTH), which leaves no way to STARTTLS",
        offered=False,
        opportunistic=(None,),
        protocols=(Protocol.IMAP,),
    ),
    Attack(
        "an alert and a login referral",
        lambda _, __: alerts_in_plain(),
        REFUSED,
        "[REFERRAL imap://evil.example/]",
        protocols=(Protocol.IMAP,),
    ),
)

CASES = [(attack, protocol) for attack in ATTACKS for protocol in attack.protocols]
each_attack = pytest.mark.parametrize(
    ("attack", "protocol"), CASES, ids=[f"{attack.title}-{protocol}" for attack, protocol in CASES]
)


@dataclass(frozen=True, slots=True)
class Lab:
    """Where probes meet attackers, whose certificate is good: nothing but STARTTLS itself is attacked.

    Attributes:
        tls: The attackers' certificate and key.
        policy: Trusts their authority.
    """

    tls: ssl.SSLContext
    policy: TlsPolicy

    async def probed(
        self, script: Script, protocol: Protocol, encryption: Encryption, outcome: Outcome
    ) -> tuple[ProbeResult, FakeServer]:
        """Probe a server until the probe has left it; one that is expected to stall is given up early."""

        async def given(seconds: float) -> tuple[ProbeResult, FakeServer]:
            async with scripted(script, tls=self.tls) as server:
                result = await probe(at(server.port, protocol, encryption, tls=self.policy, timeout=seconds))
                await server.all_gone()
            return result, server

        if outcome != STALLED:
            return await given(PATIENCE)
        result, server = await given(STALLED_FOR)
        return (result, server) if outcome_of(result) == outcome else await given(PATIENCE)


@pytest.fixture(scope="module")
def lab(authority: Authority) -> Lab:
    tls = server_context(authority.issue("attacker", names=["127.0.0.1"]))
    return Lab(tls, TlsPolicy(ca_file=authority.file))


@pytest.fixture(autouse=True)
async def tidy() -> AsyncIterator[None]:
    async with nothing_left_behind():
        yield


def outcome_of(result: ProbeResult) -> Outcome:
    return (result.failure.reason, result.failure.phase) if result.failure else None


def told(server: FakeServer, protocol: Protocol) -> list[bytes]:
    """The verbs that the server was told in plain, up to the handshake."""
    [visit] = server.visits
    lines = bytes(visit.plain).split(b"\x16\x03")[0].splitlines()
    words = [line.split()[1:] if protocol is Protocol.IMAP else line.split() for line in lines]
    return [line[0] for line in words if line]


def greeted(protocol: Protocol, further: Iterable[bytes]) -> list[bytes]:
    """What a client says that begins by asking for capabilities."""
    return [DIALECTS[protocol].asks_offer, *further]


@each_attack
async def test_a_probe_that_insists_on_tls_says_what_happened(attack: Attack, protocol: Protocol, lab: Lab) -> None:
    script = attack.make(protocol, lab.tls)

    result, server = await lab.probed(script, protocol, Encryption.STARTTLS, attack.outcome)

    assert attack.outcome == outcome_of(result), result.failure
    assert result.failure is not None
    assert attack.says in result.failure.detail
    assert attack.offered == result.facts.starttls_offered
    assert result.facts.auth_success is None
    assert set() == credentials_in(server.received)
    assert printable_throughout(result)


@each_attack
async def test_a_probe_that_would_go_on_in_plain_does_so_only_where_starttls_is_not_offered(
    attack: Attack, protocol: Protocol, lab: Lab
) -> None:
    outcome = attack.outcome if attack.opportunistic is None else attack.opportunistic[0]

    result, server = await lab.probed(attack.make(protocol, lab.tls), protocol, Encryption.OPPORTUNISTIC, outcome)

    assert outcome == outcome_of(result), result.failure
    assert attack.offered == result.facts.starttls_offered
    assert (result.facts.tls is None) is (outcome != NO_LOGIN)
    assert result.facts.auth_success is None
    assert set() == credentials_in(server.received)
    assert printable_throughout(result)


@pytest.mark.parametrize("protocol", Protocol)
@pytest.mark.parametrize("encryption", [Encryption.STARTTLS, Encryption.OPPORTUNISTIC])
async def test_after_an_injection_not_a_word_more_is_said(protocol: Protocol, encryption: Encryption, lab: Lab) -> None:
    _, server = await lab.probed(injects_after_starttls(protocol), protocol, encryption, INJECTED)

    assert greeted(protocol, [DIALECTS[protocol].upgrade]) == told(server, protocol)
    assert b"\x16\x03" not in server.received


@pytest.mark.parametrize("protocol", Protocol)
async def test_after_a_refusal_the_probe_says_goodbye_and_nothing_else(protocol: Protocol, lab: Lab) -> None:
    _, server = await lab.probed(refuses_starttls(protocol), protocol, Encryption.STARTTLS, REFUSED)

    dialect = DIALECTS[protocol]
    assert greeted(protocol, [dialect.upgrade, dialect.quit]) == told(server, protocol)


@pytest.mark.parametrize("protocol", Protocol)
async def test_opportunistic_goes_on_in_plain_and_says_so(protocol: Protocol) -> None:
    async with scripted(hides_starttls(protocol)) as server:
        endpoint = at(server.port, protocol, Encryption.OPPORTUNISTIC)
        result = await probe(endpoint, login=None)
        await server.all_gone()

    metrics = exposed(endpoint, result)
    assert 1 == metrics.value("mail_probe_success")
    assert 0 == metrics.value("mail_starttls_offered")
    assert result.facts.tls is None
    assert greeted(protocol, [DIALECTS[protocol].quit]) == told(server, protocol)


@pytest.mark.parametrize("protocol", Protocol)
@pytest.mark.parametrize("encryption", [Encryption.STARTTLS, Encryption.OPPORTUNISTIC])
@pytest.mark.parametrize("accepted", [True, False])
async def test_where_nobody_attacks_the_credentials_leave_under_tls_alone(
    protocol: Protocol, encryption: Encryption, lab: Lab, *, accepted: bool
) -> None:
    script = behaves_well(protocol) if accepted else rejects_logins(protocol)

    result, server = await lab.probed(script, protocol, encryption, None)

    assert (None if accepted else (Reason.AUTH_REJECTED, Phase.AUTH)) == outcome_of(result)
    assert accepted == result.facts.auth_success
    assert result.facts.starttls_offered
    assert set() == credentials_in(server.received_in_plain)
    assert credentials_in(server.received)


IMPLICIT: dict[str, tuple[Make, tuple[Reason, Phase], str]] = {
    "a greeting in plain": (
        lambda protocol, _: answers_the_handshake_in_plain(protocol),
        NO_TLS,
        "fake.example",
    ),
    "an alert": (
        lambda _, __: answers_the_handshake_with_an_alert(),
        NO_TLS,
        "the server sent alert handshake_failure",
    ),
    "half a handshake and silence": (lambda _, tls: stalls_in_the_handshake(tls), STALLED, "no reply"),
    "half a handshake and a hang-up": (lambda _, tls: closes_in_the_handshake(tls), HUNG_UP, "closed"),
}


@pytest.mark.parametrize("protocol", Protocol)
@pytest.mark.parametrize(("make", "outcome", "says"), IMPLICIT.values(), ids=IMPLICIT.keys())
async def test_implicit_tls_is_not_talked_out_of_it(
    make: Make,
    outcome: tuple[Reason, Phase],
    says: str,
    protocol: Protocol,
    lab: Lab,
) -> None:
    result, server = await lab.probed(make(protocol, lab.tls), protocol, Encryption.TLS, outcome)

    assert outcome == outcome_of(result), result.failure
    assert result.failure is not None
    assert says in result.failure.detail
    assert result.facts.starttls_offered is None
    assert set() == credentials_in(server.received)
    assert printable_throughout(result)
