from __future__ import annotations

import pytest

from exporter.model import Encryption, Facts, FailureReason, Mechanism, Phase, Withheld
from exporter.protocol.dialogue import (
    Enter,
    LearningStep,
    ReadExactly,
    ReadLine,
    RequireSecure,
    Send,
    ShowUnread,
    StartTls,
    TakeUnread,
)
from exporter.protocol.errands import converse
from exporter.protocol.session import offer
from tests.protocol.conversations import conversed, every_protocol
from tests.protocol.player import Cut, ScriptEndedError, every_cut, learnt, play
from tests.protocol.samples import IMAP, POP3, SMTP, Agreeable, login, tagged, untagged

PASSWORDS_REFUSED = {
    SMTP.protocol: b"535 5.7.8 no\r\n",
    POP3.protocol: b"-ERR [AUTH] no\r\n",
    IMAP.protocol: b"TAG NO [AUTHENTICATIONFAILED] no\r\n",
}
EXPECTED = {SMTP.protocol: "auth login", POP3.protocol: "sasl plain", IMAP.protocol: "auth=plain"}
"""A capability of each, in other letters than those in which it is announced."""
TURNED_AWAY = {SMTP.protocol: b"554 no\r\n", POP3.protocol: b"-ERR no\r\n", IMAP.protocol: b"* BYE no\r\n"}


class TestOrder:
    @every_cut
    @every_protocol
    @pytest.mark.parametrize(
        ("encryption", "phases"),
        [
            (Encryption.TLS, [Phase.TLS, Phase.GREETING, Phase.CAPABILITY]),
            (
                Encryption.STARTTLS,
                [Phase.GREETING, Phase.CAPABILITY, Phase.STARTTLS, Phase.TLS, Phase.CAPABILITY],
            ),
            (
                Encryption.OPPORTUNISTIC,
                [Phase.GREETING, Phase.CAPABILITY, Phase.STARTTLS, Phase.TLS, Phase.CAPABILITY],
            ),
            (Encryption.NONE, [Phase.GREETING, Phase.CAPABILITY]),
        ],
    )
    def test_is_the_same_in_every_protocol(
        self, server: Agreeable, encryption: Encryption, phases: list[Phase], cut: Cut
    ) -> None:
        upgrade = [server.ask, server.upgrade] if Phase.STARTTLS in phases else []

        played = conversed(server, encryption, *server.parts(encryption), cut=cut)

        assert played.error is None
        assert [*phases, Phase.AUTH, Phase.CHECK] == played.phases
        assert [*upgrade, server.ask, server.login, *server.checks] == untagged(played.sent)
        assert [server.login] == untagged(played.secret)
        assert Facts(auth_success=True) in played.learnt
        assert b"" == played.unread

    @every_protocol
    def test_of_an_upgrade_is_the_go_ahead_silence_and_the_handshake(self, server: Agreeable) -> None:
        played = conversed(server, Encryption.STARTTLS, *server.parts(Encryption.STARTTLS))

        steps = [
            step for step in played.steps if not isinstance(step, ReadLine | ReadExactly | ShowUnread | LearningStep)
        ]
        handshake = steps.index(StartTls())
        before, after = steps[handshake - 3 : handshake], steps[handshake + 1 : handshake + 3]
        assert isinstance(before[0], Send)
        assert [TakeUnread(), Enter(Phase.TLS)] == before[1:]
        assert Enter(Phase.CAPABILITY) == after[0]
        assert isinstance(after[1], Send)
        assert [server.upgrade, server.ask] == untagged([before[0].line, after[1].line])

    @every_protocol
    @pytest.mark.parametrize("encryption", Encryption)
    def test_asks_whether_a_login_is_safe_before_it_begins(self, server: Agreeable, encryption: Encryption) -> None:
        played = conversed(server, encryption, *server.parts(encryption))

        logins = played.steps[played.steps.index(Enter(Phase.AUTH)) :]
        assert RequireSecure() == logins[1]
        assert not any(isinstance(step, Send) and step.shown for step in played.steps[: -len(logins)])

    @every_protocol
    @pytest.mark.parametrize("encryption", [Encryption.STARTTLS, Encryption.OPPORTUNISTIC, Encryption.NONE])
    def test_lets_the_server_speak_first_and_to_the_end(self, server: Agreeable, encryption: Encryption) -> None:
        for end in range(len(server.greeting)):
            with pytest.raises(ScriptEndedError) as ended:
                conversed(server, encryption, server.greeting[:end])

            assert [] == ended.value.played.sent

    @every_protocol
    def test_under_implicit_tls_has_the_handshake_before_anything_is_read(self, server: Agreeable) -> None:
        played = conversed(server, Encryption.TLS, *server.parts(Encryption.TLS))

        assert [Enter(Phase.TLS), StartTls(), Enter(Phase.GREETING), ReadLine()] == played.steps[:4]


class TestLogin:
    @every_protocol
    def test_that_is_withheld_is_not_tried_although_everything_before_it_is(self, server: Agreeable) -> None:
        withheld = Withheld(FailureReason.AUTH_REJECTED, "tried again at noon")

        played = conversed(server, Encryption.STARTTLS, *server.parts(Encryption.STARTTLS), who=withheld)

        assert played.error is not None
        assert (Phase.AUTH, FailureReason.AUTH_REJECTED) == (played.error.phase, played.error.reason)
        assert Phase.AUTH not in played.phases
        assert [] == learnt(played, "auth_mechanism")
        assert "tried again at noon" == str(played.error)
        assert [server.ask, server.upgrade, server.ask] == untagged(played.sent)
        assert RequireSecure() not in played.steps

    @every_protocol
    def test_that_is_refused_ends_the_conversation(self, server: Agreeable) -> None:
        played = conversed(
            server, Encryption.TLS, b"", server.greeting + server.encrypted + PASSWORDS_REFUSED[server.protocol]
        )

        assert (Phase.AUTH, FailureReason.AUTH_REJECTED) == played.failure
        assert Facts(auth_success=True) not in played.learnt

    @every_protocol
    def test_by_a_mechanism_that_is_not_offered_is_not_tried(self, server: Agreeable) -> None:
        played = conversed(server, Encryption.TLS, b"", server.greeting + server.plain, who=login(Mechanism.PLAIN))

        assert (Phase.AUTH, FailureReason.AUTH_MECHANISM_NOT_OFFERED) == played.failure
        assert [] == played.secret

    @every_protocol
    def test_is_left_out_without_credentials(self, server: Agreeable) -> None:
        endpoint = server.endpoint(Encryption.TLS)
        client = server.client(endpoint, "probe.example.com")
        # Only SMTP has something to look at without a login.
        checked = server.checked if server is SMTP else b""

        played = play(converse(client, endpoint, None), tagged(b"", server.greeting + server.encrypted + checked))

        assert played.error is None
        assert Phase.AUTH not in played.phases
        assert (Phase.CHECK in played.phases) is (server is SMTP)
        assert [] == played.secret

    def test_is_left_out_where_the_greeting_says_that_one_is_logged_in(self) -> None:
        preauth = b"* PREAUTH [CAPABILITY IMAP4rev1] welcome\r\n"

        played = conversed(IMAP, Encryption.TLS, b"", preauth + IMAP.checked)

        assert played.error is None
        assert [Phase.TLS, Phase.GREETING, Phase.CAPABILITY, Phase.CHECK] == played.phases
        assert [] == played.secret


class TestExpectation:
    @every_protocol
    def test_that_is_met_passes(self, server: Agreeable) -> None:
        played = conversed(
            server, Encryption.TLS, *server.parts(Encryption.TLS), capabilities=(EXPECTED[server.protocol],)
        )

        assert played.error is None

    @every_protocol
    def test_that_is_not_met_fails_when_all_else_was_looked_at(self, server: Agreeable) -> None:
        *before, last = server.parts(Encryption.TLS)
        again = server.encrypted.replace(b"TAG", b"a5") if server is IMAP else b""

        played = conversed(server, Encryption.TLS, *before, last + again, capabilities=("DSN", "X-NONE"))

        assert (Phase.CHECK, FailureReason.CAPABILITY_MISSING) == played.failure
        assert str(played.error).startswith("the server does not announce DSN, X-NONE; it announces ")
        # IMAP asks once more, for what came unasked may be part of it.
        assert server.checks[-1] in untagged(played.sent)[-2:]

    def test_is_not_met_by_what_was_announced_in_plain(self) -> None:
        played = conversed(SMTP, Encryption.STARTTLS, *SMTP.parts(Encryption.STARTTLS), capabilities=("STARTTLS",))

        assert (Phase.CHECK, FailureReason.CAPABILITY_MISSING) == played.failure

    def test_of_a_server_that_has_no_way_to_announce_anything_is_not_met(self) -> None:
        endpoint = POP3.endpoint(Encryption.TLS, capabilities=("UIDL",))
        client = POP3.client(endpoint, "probe.example.com")

        played = play(converse(client, endpoint, None), (b"", POP3.greeting + b"-ERR what?\r\n"))

        assert (Phase.CHECK, FailureReason.CAPABILITY_MISSING) == played.failure
        assert "the server does not announce UIDL; it announces nothing at all" == str(played.error)
        assert [] == learnt(played, "capabilities")
        assert ["it announces nothing", "it announces A, B"] == [offer(each) for each in ((), ("A", "B"))]


@every_protocol
@every_cut
def test_a_server_that_turns_us_away_is_told_nothing(server: Agreeable, cut: Cut) -> None:
    played = conversed(server, Encryption.NONE, TURNED_AWAY[server.protocol], cut=cut)

    assert (Phase.GREETING, FailureReason.SERVER_REFUSED) == played.failure
    assert [] == played.sent


@every_protocol
@pytest.mark.parametrize(
    "garbage", [b"\x15\x03\x03\x00\x02\x02\x50\n", b"SSH-2.0-OpenSSH_9.2p1\r\n", b"HTTP/1.1 400\r\n"]
)
def test_a_server_of_something_else_is_a_protocol_error(server: Agreeable, garbage: bytes) -> None:
    played = conversed(server, Encryption.NONE, garbage)

    assert (Phase.GREETING, FailureReason.PROTOCOL_ERROR) == played.failure
    assert played.error is not None
    assert not played.error.in_step


@every_protocol
def test_a_line_without_end_is_too_large(server: Agreeable) -> None:
    played = conversed(server, Encryption.NONE, server.greeting.rstrip() + 8192 * b"x")

    assert (Phase.GREETING, FailureReason.RESPONSE_TOO_LARGE) == played.failure
