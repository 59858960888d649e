"""Servers that misbehave, seen by a whole probe: each has its reason and phase; nothing breaks, and nothing is left."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import pytest

from exporter.model import Encryption, Endpoint, Phase, ProbeResult, Protocol, TlsPolicy
from exporter.model import FailureReason as Reason
from tests.probes import LOGIN, at, credentials_in, nothing_left_behind, printable_throughout, probe
from tests.servers import misbehaving
from tests.servers.authority import Authority
from tests.servers.dialects import DIALECTS
from tests.servers.misbehaving import (
    announces_a_literal,
    answers_late,
    answers_with,
    answers_with_the_wrong_tag,
    answers_without_end,
    behaves_well,
    challenges_without_end,
    closes_before_greeting,
    closes_mid_greeting,
    closes_mid_reply,
    closes_on,
    drips,
    echoes_the_password,
    ends_lines_with_bare_lf,
    greets_byte_by_byte,
    greets_in_two_parts,
    greets_with,
    greets_with_an_endless_line,
    greets_with_binary_garbage,
    greets_with_nuls,
    mixes_reply_codes,
    never_answers,
    never_greets,
    rejects_logins,
    resets_before_greeting,
    resets_mid_reply,
    resets_on,
    says_goodbye_on,
    splits_replies,
    talks_in_between,
)
from tests.servers.scripted import FakeServer, Script, scripted, server_context

SMTP, IMAP, POP3 = Protocol.SMTP, Protocol.IMAP, Protocol.POP3

STALLED_FOR = 0.2
"""Seconds after which a probe gives up a server that says nothing more."""

PATIENCE = 20.0
"""Seconds for what the server does answer: a machine that does much else may need more than it is given at first."""

Outcome = tuple[Reason, Phase] | None
"""Reason and phase of the failure; `None` for a probe that succeeds."""

ASK: Mapping[Protocol, bytes] = MappingProxyType({each: DIALECTS[each].asks_offer for each in Protocol})
UPGRADE: Mapping[Protocol, bytes] = MappingProxyType({each: DIALECTS[each].upgrade for each in Protocol})
QUIT: Mapping[Protocol, bytes] = MappingProxyType({each: DIALECTS[each].quit for each in Protocol})
LOG_IN: Mapping[Protocol, bytes] = MappingProxyType({SMTP: b"AUTH", IMAP: b"AUTHENTICATE", POP3: b"AUTH"})
LOOK: Mapping[Protocol, bytes] = MappingProxyType({SMTP: b"RCPT", IMAP: b"EXAMINE", POP3: b"STAT"})

NUL_IN_AN_OFFER: Mapping[Protocol, bytes] = MappingProxyType(
    {
        SMTP: b"250-fake.example\r\n250 AUTH PL\0AIN\r\n",
        IMAP: b"* CAPABILITY IMAP4rev1 AUTH=PL\0AIN\r\nTAG OK done\r\n",
        POP3: b"+OK\r\nSASL PL\0AIN\r\n.\r\n",
    }
)
AWAY: Mapping[Protocol, bytes] = MappingProxyType(
    {SMTP: b"554 5.7.1 no service here\r\n", IMAP: b"* BYE no service here\r\n", POP3: b"-ERR no service here\r\n"}
)
CHATTER: Mapping[Protocol, bytes] = MappingProxyType(
    {SMTP: b"250-A\r\n", IMAP: b"* CAPABILITY A\r\n", POP3: b"+OK\r\n"}
)


@dataclass(frozen=True, slots=True)
class Misbehaviour:
    """What a server does, and what a probe says about it.

    Attributes:
        title: As the name of a test.
        make: The script, for a protocol.
        outcome: Of the probe.
        ways: The kinds of encryption to try it under.
        logs_in: Whether the probe logs in.
        otherwise: The outcome in protocols where it is another.
        protocols: Who can misbehave so.
    """

    title: str
    make: Callable[[Protocol], Script]
    outcome: Outcome
    ways: tuple[Encryption, ...] = (Encryption.NONE, Encryption.STARTTLS, Encryption.TLS)
    logs_in: bool = False
    otherwise: Mapping[Protocol, Outcome] = field(default_factory=dict)
    protocols: tuple[Protocol, ...] = tuple(Protocol)


@dataclass(frozen=True, slots=True)
class Case:
    """A misbehaviour in one protocol under one kind of encryption."""

    misbehaviour: Misbehaviour
    protocol: Protocol
    encryption: Encryption

    @property
    def outcome(self) -> Outcome:
        return self.misbehaviour.otherwise.get(self.protocol, self.misbehaviour.outcome)

    def __str__(self) -> str:
        return f"{self.misbehaviour.title}-{self.protocol}-{self.encryption}"


def in_phase(phase: Phase) -> dict[str, tuple[Reason, Phase]]:
    """What may happen in a phase, by short names."""
    return {
        "closed": (Reason.CONNECTION_CLOSED, phase),
        "reset": (Reason.CONNECTION_RESET, phase),
        "timeout": (Reason.TIMEOUT, phase),
        "error": (Reason.PROTOCOL_ERROR, phase),
        "large": (Reason.RESPONSE_TOO_LARGE, phase),
        "busy": (Reason.SERVER_BUSY, phase),
    }


GREETING, CAPABILITY, STARTTLS, AUTH, CHECK = map(
    in_phase, (Phase.GREETING, Phase.CAPABILITY, Phase.STARTTLS, Phase.AUTH, Phase.CHECK)
)
UPGRADING = (Encryption.STARTTLS, Encryption.OPPORTUNISTIC)
NOT_UPGRADING = (Encryption.NONE, Encryption.TLS)
UNDER_TLS = (Encryption.STARTTLS, Encryption.TLS)

MISBEHAVIOURS = (
    # Breaking off.
    Misbehaviour("closes before the greeting", lambda _: closes_before_greeting(), GREETING["closed"]),
    Misbehaviour("closes in the greeting", closes_mid_greeting, GREETING["closed"]),
    Misbehaviour("closes in a reply", closes_mid_reply, CAPABILITY["closed"]),
    Misbehaviour("closes when asked what it offers", lambda p: closes_on(p, ASK[p]), CAPABILITY["closed"]),
    Misbehaviour("closes on STARTTLS", lambda p: closes_on(p, UPGRADE[p]), STARTTLS["closed"], UPGRADING),
    Misbehaviour("closes on the login", lambda p: closes_on(p, LOG_IN[p]), AUTH["closed"], UNDER_TLS, logs_in=True),
    Misbehaviour("closes on the look", lambda p: closes_on(p, LOOK[p]), CHECK["closed"], UNDER_TLS, logs_in=True),
    Misbehaviour("closes on the goodbye", lambda p: closes_on(p, QUIT[p]), None),
    Misbehaviour("resets before the greeting", lambda _: resets_before_greeting(), GREETING["reset"]),
    Misbehaviour("resets in a reply", resets_mid_reply, CAPABILITY["reset"]),
    Misbehaviour("resets when asked what it offers", lambda p: resets_on(p, ASK[p]), CAPABILITY["reset"]),
    Misbehaviour("resets on STARTTLS", lambda p: resets_on(p, UPGRADE[p]), STARTTLS["reset"], UPGRADING),
    Misbehaviour("resets on the login", lambda p: resets_on(p, LOG_IN[p]), AUTH["reset"], UNDER_TLS, logs_in=True),
    Misbehaviour("resets on the look", lambda p: resets_on(p, LOOK[p]), CHECK["reset"], UNDER_TLS, logs_in=True),
    Misbehaviour("resets on the goodbye", lambda p: resets_on(p, QUIT[p]), None),
    # 421 and [SYS/TEMP] say to come back later; IMAP's BYE says nothing but that this was it.
    Misbehaviour(
        "goes down when asked what it offers",
        lambda p: says_goodbye_on(p, ASK[p]),
        CAPABILITY["busy"],
        otherwise={IMAP: CAPABILITY["closed"]},
    ),
    Misbehaviour(
        "goes down on the login",
        lambda p: says_goodbye_on(p, LOG_IN[p]),
        AUTH["busy"],
        UNDER_TLS,
        logs_in=True,
        otherwise=dict.fromkeys((IMAP, POP3), (Reason.AUTH_UNAVAILABLE, Phase.AUTH)),
    ),
    Misbehaviour(
        "goes down on the look",
        lambda p: says_goodbye_on(p, LOOK[p]),
        CHECK["busy"],
        UNDER_TLS,
        logs_in=True,
        otherwise={IMAP: CHECK["closed"]},
    ),
    Misbehaviour("goes down on the goodbye", lambda p: says_goodbye_on(p, QUIT[p]), None),
    # Stalling.
    Misbehaviour("never greets", lambda _: never_greets(), GREETING["timeout"]),
    Misbehaviour("never says what it offers", lambda p: never_answers(p, ASK[p]), CAPABILITY["timeout"]),
    Misbehaviour("never answers STARTTLS", lambda p: never_answers(p, UPGRADE[p]), STARTTLS["timeout"], UPGRADING),
    Misbehaviour(
        "never answers the login", lambda p: never_answers(p, LOG_IN[p]), AUTH["timeout"], UNDER_TLS, logs_in=True
    ),
    Misbehaviour(
        "never answers the look", lambda p: never_answers(p, LOOK[p]), CHECK["timeout"], UNDER_TLS, logs_in=True
    ),
    Misbehaviour("never comes to the point", lambda p: drips(p, CHATTER[p], 0.01), CAPABILITY["timeout"]),
    # Slow, in pieces, or careless, which is nothing to complain about.
    Misbehaviour("behaves well", behaves_well, None, (*Encryption,)),
    Misbehaviour("answers late", lambda p: answers_late(p, ASK[p], 0.02), None),
    Misbehaviour("greets octet by octet", greets_byte_by_byte, None),
    Misbehaviour("says everything in two pieces", lambda p: splits_replies(p, 1), None),
    Misbehaviour("says everything in two pieces of another size", lambda p: splits_replies(p, 7), None),
    Misbehaviour("ends lines with LF alone", ends_lines_with_bare_lf, None),
    Misbehaviour("talks in between", lambda _: talks_in_between(), None, UNDER_TLS, logs_in=True, protocols=(IMAP,)),
    Misbehaviour("greets in two parts", lambda _: greets_in_two_parts(0.02), None, protocols=(SMTP,)),
    # Too much, or nonsense.
    Misbehaviour("greets with an endless line", lambda _: greets_with_an_endless_line(), GREETING["large"]),
    Misbehaviour("answers without end", answers_without_end, CAPABILITY["large"]),
    Misbehaviour(
        "announces a huge literal",
        lambda _: announces_a_literal(10**9, b""),
        CHECK["large"],
        UNDER_TLS,
        logs_in=True,
        protocols=(IMAP,),
    ),
    Misbehaviour(
        # It costs the figures, and not the probe.
        "lies about a literal's size",
        lambda _: announces_a_literal(3, b"abcdef"),
        None,
        UNDER_TLS,
        logs_in=True,
        protocols=(IMAP,),
    ),
    Misbehaviour("greets with binary garbage", lambda _: greets_with_binary_garbage(), GREETING["error"]),
    Misbehaviour("is not a mail server", lambda _: greets_with(b"SSH-2.0-OpenSSH_9.2p1\r\n"), GREETING["error"]),
    Misbehaviour("turns everybody away", lambda p: greets_with(AWAY[p]), (Reason.SERVER_REFUSED, Phase.GREETING)),
    # Words that decide nothing.
    Misbehaviour("greets with a NUL", greets_with_nuls, None),
    Misbehaviour("offers a NUL", lambda p: answers_with(p, ASK[p], NUL_IN_AN_OFFER[p]), None, NOT_UPGRADING),
    Misbehaviour(
        "answers with the wrong tag", lambda _: answers_with_the_wrong_tag(), CAPABILITY["error"], protocols=(IMAP,)
    ),
    Misbehaviour("mixes reply codes", lambda _: mixes_reply_codes(), CAPABILITY["error"], protocols=(SMTP,)),
    # Logins.
    Misbehaviour("rejects the login", rejects_logins, (Reason.AUTH_REJECTED, Phase.AUTH), UNDER_TLS, logs_in=True),
    Misbehaviour(
        "echoes the password", echoes_the_password, (Reason.AUTH_REJECTED, Phase.AUTH), UNDER_TLS, logs_in=True
    ),
    Misbehaviour("challenges without end", challenges_without_end, AUTH["error"], UNDER_TLS, logs_in=True),
    Misbehaviour(
        "asks for the password in plain",
        behaves_well,
        (Reason.AUTH_INSECURE, Phase.AUTH),
        (Encryption.NONE,),
        logs_in=True,
    ),
)

CASES = [
    Case(misbehaviour, protocol, encryption)
    for misbehaviour in MISBEHAVIOURS
    for protocol in misbehaviour.protocols
    for encryption in misbehaviour.ways
]


@pytest.fixture(scope="module")
def tls(authority: Authority) -> ssl.SSLContext:
    return server_context(authority.issue("misbehaving", names=["127.0.0.1"]))


@pytest.fixture(autouse=True)
async def tidy() -> AsyncIterator[None]:
    async with nothing_left_behind():
        yield


def endpoint(case: Case, port: int, authority: Authority, timeout: float) -> Endpoint:
    """One that looks at something if it logs in."""
    looks: Mapping[Protocol, dict[str, object]] = {SMTP: {"rcpt_to": "postmaster"}, IMAP: {"mailbox": "INBOX"}}
    return at(
        port,
        case.protocol,
        case.encryption,
        tls=TlsPolicy(ca_file=authority.file),
        timeout=timeout,
        **(looks.get(case.protocol, {}) if case.misbehaviour.logs_in else {}),
    )


def outcome_of(result: ProbeResult) -> Outcome:
    return (result.failure.reason, result.failure.phase) if result.failure else None


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_a_probe_survives_a_server_and_says_what_it_does(
    case: Case, authority: Authority, tls: ssl.SSLContext
) -> None:
    login = LOGIN if case.misbehaviour.logs_in else None

    async def given(seconds: float) -> tuple[ProbeResult, FakeServer]:
        script = case.misbehaviour.make(case.protocol)
        async with scripted(script, tls=tls, implicit=case.encryption is Encryption.TLS) as server:
            result = await probe(endpoint(case, server.port, authority, seconds), login)
            await server.all_gone()
        return result, server

    # Who turns a client away here does not answer its goodbye, either.
    stalls = case.outcome is not None and case.outcome[0] in {Reason.TIMEOUT, Reason.SERVER_REFUSED}
    result, server = await given(STALLED_FOR if stalls else PATIENCE)
    if stalls and case.outcome != outcome_of(result):
        result, server = await given(PATIENCE)

    assert case.outcome == outcome_of(result), result.failure
    assert printable_throughout(result)
    assert set() == credentials_in(server.received_in_plain)
    assert 1 == len(server.visits)
    assert not server.visits[0].spoke_early


@pytest.mark.parametrize("protocol", Protocol)
async def test_a_password_that_a_server_repeats_is_blotted_out(
    protocol: Protocol, authority: Authority, tls: ssl.SSLContext
) -> None:
    async with scripted(echoes_the_password(protocol), tls=tls, implicit=True) as server:
        result = await probe(at(server.port, protocol, Encryption.TLS, tls=TlsPolicy(ca_file=authority.file)))
        await server.all_gone()

    assert result.failure is not None
    assert "<redacted>" in result.failure.detail
    assert credentials_in(server.received)
    assert printable_throughout(result)


def test_every_misbehaviour_has_its_case() -> None:
    made = {
        name
        for name, value in vars(misbehaving).items()
        if callable(value) and not name.startswith("_") and getattr(value, "__module__", "") == misbehaving.__name__
    }

    assert set() == {name for name in made if name not in globals()}
