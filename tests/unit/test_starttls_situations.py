"""Every STARTTLS attack of tests/protocol/starttls_situations.py, on a whole visit: three questions each."""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Final

import pytest
from OpenSSL import SSL

from exporter.model import (
    Direction,
    Encryption,
    Endpoint,
    FailureReason,
    Login,
    Mechanism,
    Phase,
    Protocol,
    Secret,
    TlsFacts,
)
from tests.protocol.starttls_situations import FIGURE, MARK, NOT_OFFERED, SERVERS, Situation, Turn, situations
from tests.replay import Replay
from tests.unit.scripted_visits import failed, pop3, probe, tls_facts

PASSWORD: Final = b"a-password-that-must-not-leave"
LOGIN: Final = Login("monitor-4711", Secret(PASSWORD), Mechanism.AUTO)
EVERY: Final = tuple(situations())


class Watched(Replay):
    """A server that remembers what it was sent before the handshake."""

    in_plain: tuple[bytes, ...] | None = None

    async def start_tls(self, context: SSL.Context, server_name: str, now: float) -> TlsFacts:
        self.in_plain = tuple(self.sent)
        return await super().start_tls(context, server_name, now)


def attacked(situation: Situation) -> Watched:
    """The server, with somebody in between."""
    server = SERVERS[situation.protocol]
    turns = list(Turn)
    said = [*[server.plain[turn] for turn in turns[: turns.index(situation.turn)]], situation.said]
    if not situation.ends:
        said += [*[server.plain[turn] for turn in turns[turns.index(situation.turn) + 1 :]], *server.encrypted]
    return Watched(said, tls_facts())


def where(protocol: Protocol, encryption: Encryption) -> Endpoint:
    mailbox = "INBOX" if protocol is Protocol.IMAP else None
    return Endpoint("attacked", protocol, "mail.example.com", 995, encryption, timeout=pop3().timeout, mailbox=mailbox)


def gives_away(sent: tuple[bytes, ...]) -> bool:
    """Whether a name or a password is in what was sent, as it is or in base64."""
    words = [word for line in sent for word in line.split()]
    whole = b" ".join(sent)
    return any(
        secret in whole or any(secret in _decoded(word) for word in words) for secret in (PASSWORD, b"monitor-4711")
    )


def _decoded(word: bytes) -> bytes:
    try:
        return b64decode(word, validate=True)
    except ValueError:
        return b""


def test_there_are_as_many_as_the_study_has() -> None:
    assert 167 <= len(EVERY)
    assert len(EVERY) == len({(each.protocol, each.title) for each in EVERY})


@pytest.mark.parametrize("encryption", [Encryption.STARTTLS, Encryption.OPPORTUNISTIC])
@pytest.mark.parametrize("situation", EVERY, ids=lambda each: f"{each.protocol}: {each.title}")
def test_a_situation_gives_nothing_away_and_makes_nobody_believe_it(
    situation: Situation, encryption: Encryption
) -> None:
    server = attacked(situation)

    result, _ = probe(where(situation.protocol, encryption), server, login=LOGIN)

    # Does a credential leave in plain?
    assert not gives_away(tuple(server.sent) if server.in_plain is None else server.in_plain)
    # Is the reason the right one? Who would go on without TLS says that the login was kept back.
    if encryption is Encryption.STARTTLS:
        assert situation.outcome == (None if result.failure is None else failed(result))
    elif situation.outcome == NOT_OFFERED:
        preauth = b"preauth" in situation.said.lower()
        kept_back, waits = (FailureReason.AUTH_INSECURE, Phase.AUTH), (FailureReason.CONNECTION_CLOSED, Phase.CHECK)
        assert (waits if preauth else kept_back) == failed(result)
        remarks = [line.text for line in result.transcript if line.direction is Direction.NOTE]
        assert preauth is any("all goes on in plain text" in remark for remark in remarks)
    elif situation.outcome is not None:
        assert situation.outcome == failed(result)
    # Is anything believed that was injected?
    after_tls = (
        repr((result.facts.capabilities, result.facts.mailbox, result.facts.auth_success))
        if server.in_plain is not None
        else ""
    )
    assert MARK.decode() not in after_tls
    assert FIGURE.decode() not in after_tls
    assert result.facts.auth_success is not True or result.failure is None


@pytest.mark.parametrize("protocol", list(Protocol))
def test_without_an_attacker_the_login_succeeds(protocol: Protocol) -> None:
    server = SERVERS[protocol]
    watched = Watched([*server.plain.values(), *server.encrypted], tls_facts())

    result, _ = probe(where(protocol, Encryption.STARTTLS), watched, login=LOGIN)

    assert (None, True) == (result.failure, result.facts.auth_success)
    assert any(b64encode(b"\0monitor-4711\0" + PASSWORD) in line for line in watched.sent)
