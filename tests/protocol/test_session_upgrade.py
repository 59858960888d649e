"""The upgrade to TLS, in every protocol."""

from __future__ import annotations

import pytest

from exporter.model import Encryption, Facts, FailureReason, Phase
from exporter.protocol.dialogue import (
    RequireSecure,
    StartTls,
)
from exporter.protocol.session import shake_hands
from tests.protocol.conversations import conversed, every_protocol
from tests.protocol.player import Cut, every_cut, learnt, play
from tests.protocol.samples import IMAP, POP3, SMTP, Agreeable, tagged, untagged

every_upgrade = pytest.mark.parametrize("encryption", [Encryption.STARTTLS, Encryption.OPPORTUNISTIC])

REFUSAL = {SMTP.protocol: b"554 no\r\n", POP3.protocol: b"-ERR no\r\n", IMAP.protocol: b"TAG NO no\r\n"}

FAREWELL = {
    SMTP.protocol: b"454 4.7.0 no TLS today\r\n",
    POP3.protocol: b"-ERR [SYS/TEMP] no TLS today\r\n",
    IMAP.protocol: b"* BYE [UNAVAILABLE] no TLS today\r\n",
}


class TestUpgrade:
    @every_protocol
    @every_upgrade
    def test_is_noted_as_offered(self, server: Agreeable, encryption: Encryption) -> None:
        played = conversed(server, encryption, *server.parts(encryption))

        assert Facts(starttls_offered=True) in played.learnt

    @every_protocol
    def test_that_is_not_offered_fails_before_anything_secret_is_said(self, server: Agreeable) -> None:
        played = conversed(server, Encryption.STARTTLS, server.greeting + server.encrypted)

        assert (Phase.STARTTLS, FailureReason.STARTTLS_NOT_OFFERED) == played.failure
        assert Facts(starttls_offered=False) in played.learnt
        assert [server.ask] == untagged(played.sent)
        assert played.error is not None
        assert "PLAIN" in played.error.detail
        assert played.error.in_step

    @every_protocol
    def test_that_is_not_offered_leaves_an_opportunistic_endpoint_in_plain(self, server: Agreeable) -> None:
        everything = server.greeting + server.encrypted + server.welcome + server.checked

        played = conversed(server, Encryption.OPPORTUNISTIC, everything)

        assert played.error is None
        assert Facts(starttls_offered=False) in played.learnt
        assert StartTls() not in played.steps
        assert [Phase.GREETING, Phase.CAPABILITY, Phase.AUTH, Phase.CHECK] == played.phases
        # The driver ends the dialogue here unless the user insists.
        assert RequireSecure() in played.steps
        endpoint = server.endpoint(Encryption.OPPORTUNISTIC)
        dialogue = shake_hands(server.client(endpoint, "probe.example.com"), endpoint)
        assert play(dialogue, tagged(everything)).value is False

    @every_protocol
    @every_upgrade
    def test_that_is_refused_fails_even_where_it_was_optional(self, server: Agreeable, encryption: Encryption) -> None:
        played = conversed(server, encryption, server.greeting + server.plain + REFUSAL[server.protocol])

        assert (Phase.STARTTLS, FailureReason.STARTTLS_REFUSED) == played.failure
        assert StartTls() not in played.steps
        assert [] == played.secret

    @every_protocol
    @every_upgrade
    @every_cut
    def test_with_anything_behind_the_go_ahead_is_an_injection(
        self, server: Agreeable, encryption: Encryption, cut: Cut
    ) -> None:
        plain, encrypted = server.parts(encryption)

        played = conversed(server, encryption, plain + encrypted, b"", cut=cut)

        assert (Phase.STARTTLS, FailureReason.STARTTLS_INJECTION) == played.failure
        assert played.error is not None
        assert not played.error.in_step
        assert StartTls() not in played.steps
        assert [] == played.secret

    @every_protocol
    @every_upgrade
    @every_cut
    def test_that_is_agreed_to_and_then_given_up_in_plain_is_no_injection(
        self, server: Agreeable, encryption: Encryption, cut: Cut
    ) -> None:
        plain, _ = server.parts(encryption)

        played = conversed(server, encryption, plain + FAREWELL[server.protocol], b"", cut=cut)

        assert (Phase.TLS, FailureReason.TLS_HANDSHAKE_FAILED) == played.failure
        assert played.error is not None
        assert not played.error.in_step
        assert "gives up in plain" in played.error.detail
        assert "no TLS today" in played.error.detail
        assert StartTls() not in played.steps

    @every_protocol
    @every_upgrade
    def test_with_more_than_a_farewell_behind_the_go_ahead_is_an_injection(
        self, server: Agreeable, encryption: Encryption
    ) -> None:
        plain, encrypted = server.parts(encryption)

        played = conversed(server, encryption, plain + FAREWELL[server.protocol] + encrypted, b"")

        assert (Phase.STARTTLS, FailureReason.STARTTLS_INJECTION) == played.failure

    @every_protocol
    @every_upgrade
    def test_makes_the_client_forget_what_it_was_offered_in_plain(
        self, server: Agreeable, encryption: Encryption
    ) -> None:
        # In plain a login is offered with the upgrade, and behind the handshake it is not.
        plain = {
            SMTP.protocol: b"250-mail.example.com\r\n250-STARTTLS\r\n250 AUTH PLAIN\r\n",
            POP3.protocol: b"+OK\r\nSTLS\r\nUSER\r\nSASL PLAIN\r\n.\r\n",
            IMAP.protocol: b"* CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN\r\nTAG OK done\r\n",
        }[server.protocol]

        played = conversed(server, encryption, server.greeting + plain + server.go_ahead, server.plain)

        assert (Phase.AUTH, FailureReason.AUTH_MECHANISM_NOT_OFFERED) == played.failure
        assert [] == played.secret

    @every_protocol
    @pytest.mark.parametrize("encryption", Encryption)
    def test_and_tls_from_the_start_make_the_connection_encrypted(
        self, server: Agreeable, encryption: Encryption
    ) -> None:
        endpoint = server.endpoint(encryption)
        dialogue = shake_hands(server.client(endpoint, "probe.example.com"), endpoint)

        assert (encryption is not Encryption.NONE) is play(dialogue, server.parts(encryption)).value

    @every_protocol
    def test_makes_what_is_announced_behind_it_the_fact(self, server: Agreeable) -> None:
        played = conversed(server, Encryption.STARTTLS, *server.parts(Encryption.STARTTLS))

        announced = learnt(played, "capabilities")
        assert not any("STARTTLS" in item or "STLS" in item for items in announced[1:] for item in items)
        assert any("STARTTLS" in item or "STLS" in item for item in announced[0])
        assert ([1000, 2000] if server is SMTP else []) == learnt(played, "size_limit")

    def test_is_impossible_where_the_greeting_says_that_one_is_logged_in(self) -> None:
        preauth = b"* PREAUTH [CAPABILITY IMAP4rev1 STARTTLS] welcome\r\n"

        played = conversed(IMAP, Encryption.STARTTLS, preauth)

        assert (Phase.STARTTLS, FailureReason.STARTTLS_NOT_OFFERED) == played.failure
        assert Facts(starttls_offered=False) in played.learnt
        assert [] == played.sent

    def test_is_tried_on_a_pop3_server_without_capa_only_where_it_must_be(self) -> None:
        no_capa = POP3.greeting + b"-ERR what?\r\n"

        upgraded = conversed(
            POP3, Encryption.STARTTLS, no_capa + POP3.go_ahead, b"-ERR what?\r\n+OK\r\n" + POP3.welcome + POP3.checked
        )
        refused = conversed(POP3, Encryption.STARTTLS, no_capa + b"-ERR what?\r\n")
        in_plain = conversed(POP3, Encryption.OPPORTUNISTIC, no_capa + b"+OK\r\n" + POP3.welcome + POP3.checked)

        assert upgraded.error is None
        assert ["CAPA", "STLS", "CAPA", "USER monitor@example.com", "PASS <redacted>", "STAT"] == upgraded.shown
        assert (Phase.STARTTLS, FailureReason.STARTTLS_NOT_OFFERED) == refused.failure
        assert Facts(starttls_offered=False) == refused.learnt[-1]
        assert in_plain.error is None
        assert ["CAPA", "USER monitor@example.com", "PASS <redacted>", "STAT"] == in_plain.shown
