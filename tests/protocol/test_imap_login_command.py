"""The LOGIN command of IMAP, and what servers say to a login that they refuse."""

from __future__ import annotations

import pytest

from exporter.model import Facts, FailureReason, Login, Mechanism
from exporter.protocol.dialogue import printable
from tests.protocol.imap_client import TRAILING
from tests.protocol.imap_logins import COMMAND, TAKEN, client, logged_in
from tests.protocol.player import Circumstances, Cut, every_cut, play
from tests.protocol.refused_logins import IMAP
from tests.protocol.samples import (
    PASSWORD,
    USERNAME,
    login,
)


class TestLoginCommand:
    @every_cut
    @pytest.mark.parametrize(
        ("username", "password", "said"),
        [
            (USERNAME, PASSWORD, b'a1 LOGIN "monitor@example.com" "correct horse"'),
            ("EXAMPLE\\monitor", b'say "\\o/"', b'a1 LOGIN "EXAMPLE\\\\monitor" "say \\"\\\\o/\\""'),
            ("", b"", b'a1 LOGIN "" ""'),
        ],
    )
    def test_takes_one_line(self, username: str, password: bytes, said: bytes, cut: Cut) -> None:
        played = logged_in(TAKEN + TRAILING, COMMAND, login(username=username, password=password), cut)

        assert played.error is None
        assert [said] == played.sent == played.secret
        assert ["a1 LOGIN <redacted>"] == played.shown
        assert [Facts(auth_mechanism=Mechanism.LOGIN, auth_success=False), Facts(auth_success=True)] == played.learnt
        assert TRAILING == played.unread

    @every_cut
    def test_waits_before_each_literal(self, cut: Cut) -> None:
        who = login(username="monitör", password=b"p\xc3\xa4ss\r\nword")

        played = logged_in(b"+ OK\r\n* OK [ALERT] x\r\n+\r\n" + TAKEN + TRAILING, COMMAND, who, cut)

        assert played.error is None
        assert [b"a1 LOGIN {8}", "monitör {11}".encode(), b"p\xc3\xa4ss\r\nword"] == played.sent == played.secret
        assert ["a1 LOGIN <redacted>", "<redacted>", "<redacted>"] == played.shown
        assert TRAILING == played.unread

    @pytest.mark.parametrize(
        ("offer", "size", "marker"),
        [
            (b"IMAP4rev1 LITERAL+", 5000, b"{5000+}"),
            (b"IMAP4rev1 literal-", 4096, b"{4096+}"),
            (b"IMAP4rev2", 4096, b"{4096+}"),
            (b"IMAP4rev1 LITERAL-", 4097, b"{4097}"),
            (b"IMAP4rev1", 1, b"{1}"),
        ],
    )
    def test_does_not_wait_where_the_server_takes_literals_unasked(
        self, offer: bytes, size: int, marker: bytes
    ) -> None:
        password = b"\xff" * size

        played = logged_in((b"" if b"+" in marker else b"+ \r\n") + TAKEN, offer, login(password=password))

        assert played.error is None
        assert [b'a1 LOGIN "monitor@example.com" ' + marker, password] == played.sent

    @every_cut
    def test_that_is_refused_before_the_password_was_sent_does_not_send_it(self, cut: Cut) -> None:
        played = logged_in(b"a1 NO [PRIVACYREQUIRED] not here\r\n", COMMAND, login(password=b"\xff\xfe"), cut)

        assert (None, FailureReason.AUTH_MECHANISM_NOT_OFFERED) == played.failure
        assert [b'a1 LOGIN "monitor@example.com" {2}'] == played.sent

    def test_that_is_taken_before_the_password_was_sent_is_a_protocol_error(self) -> None:
        played = logged_in(TAKEN, COMMAND, login(password=b"\xff\xfe"))

        assert (None, FailureReason.PROTOCOL_ERROR) == played.failure
        assert Facts(auth_success=True) not in played.learnt

    @pytest.mark.parametrize("offer", [COMMAND, b"LITERAL+"])
    def test_that_is_asked_for_more_than_it_has_is_a_protocol_error(self, offer: bytes) -> None:
        played = logged_in(b"+ \r\n+ \r\n", offer, login(password=b"\xff\xfe"))

        assert (None, FailureReason.PROTOCOL_ERROR) == played.failure

    @pytest.mark.parametrize("who", [login(password=b"cut\0short"), login(username="cut\0short")])
    def test_does_not_carry_nul(self, who: Login) -> None:
        played = logged_in(b"", COMMAND, who)

        assert (None, FailureReason.SECRET_UNREADABLE) == played.failure
        assert ([], []) == (played.sent, played.learnt)


class TestRefusal:
    @every_cut
    @pytest.mark.parametrize("offer", [b"SASL-IR AUTH=PLAIN", COMMAND])
    @pytest.mark.parametrize(
        ("answer", "reason"), [(answer, reason) for reason, answers in IMAP.items() for answer in answers]
    )
    def test_has_a_reason_and_the_servers_words(
        self, answer: bytes, reason: FailureReason, offer: bytes, cut: Cut
    ) -> None:
        played = logged_in(b"a1 " + answer + b"\r\n", offer, cut=cut)

        assert played.error is not None
        assert reason is played.error.reason
        assert printable(answer)[:100] in played.error.detail
        assert played.error.in_step
        assert Facts(auth_success=True) not in played.learnt

    @every_cut
    @pytest.mark.parametrize(
        ("farewell", "reason"),
        [
            (b"* BYE Connection is closed. 13", FailureReason.CONNECTION_CLOSED),
            (b"* BYE Too many login failures", FailureReason.AUTH_REJECTED),
            (b"* BYE Too many invalid logon attempts.", FailureReason.AUTH_REJECTED),
            (b"* BYE dropping connection for user (throttled)", FailureReason.AUTH_UNAVAILABLE),
            (b"* BYE [ALERT] Fatal error: Account's mailbox directory is not owned", FailureReason.AUTH_UNAVAILABLE),
            (b"* BYE [AUTHENTICATIONFAILED] and do not come back", FailureReason.AUTH_REJECTED),
            (b"* BYE Autologout; authentication failed", FailureReason.AUTH_REJECTED),
            (b"* BYE Disconnected (auth failed, 3 attempts)", FailureReason.AUTH_REJECTED),
            (b"* BYE [UNAVAILABLE] later", FailureReason.AUTH_UNAVAILABLE),
            (b"* BYE Maximum number of connections exceeded", FailureReason.AUTH_UNAVAILABLE),
        ],
    )
    def test_may_be_a_farewell_that_leaves_nobody_to_say_goodbye_to(
        self, farewell: bytes, reason: FailureReason, cut: Cut
    ) -> None:
        played = logged_in(farewell + b"\r\n", cut=cut)

        assert played.error is not None
        assert reason is played.error.reason
        assert not played.error.in_step

    def test_is_told_from_the_farewell_that_comes_before_it(self) -> None:
        # Were the farewell taken for the answer, a wrong password would be sent again with the next probe.
        refusal = b"a1 NO [AUTHENTICATIONFAILED] no\r\n"
        imap = client()

        played = play(
            imap.log_in(login(), encrypted=True),
            b"* BYE see you\r\n",
            circumstances=Circumstances(unread={1: refusal}),
        )

        assert played.error is not None
        assert FailureReason.AUTH_REJECTED is played.error.reason
        assert b"BYE see you" == imap.last_words

    def test_is_final_whatever_else_is_offered(self) -> None:
        # One wrong password must not be tried twice.
        played = logged_in(b"a1 NO [AUTHENTICATIONFAILED] no\r\n")

        assert 1 == len(played.sent)

    def test_with_the_wrong_tag_is_none(self) -> None:
        played = logged_in(b"a2 NO [AUTHENTICATIONFAILED] no\r\n")

        assert played.error is not None
        assert FailureReason.PROTOCOL_ERROR is played.error.reason
        assert 'not an answer to a1: "a2 NO [AUTHENTICATIONFAILED] no"' == played.error.detail
