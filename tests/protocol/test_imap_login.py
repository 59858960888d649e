from __future__ import annotations

from base64 import b64encode

import pytest

from exporter.model import Facts, FailureReason, Mechanism
from exporter.protocol.dialogue import MAX_LINE
from tests.protocol.imap_client import TRAILING
from tests.protocol.imap_logins import COMMAND, TAKEN, client, logged_in
from tests.protocol.player import Cut, ScriptEndedError, every_cut, play
from tests.protocol.samples import (
    BEARER,
    EXPLAINED,
    EXPLANATION,
    PASSWORD,
    PLAIN,
    USERNAME,
    bearer,
    login,
)


class TestMechanism:
    @pytest.mark.parametrize(
        ("offer", "wanted", "said", "used"),
        [
            (b"AUTH=PLAIN AUTH=LOGIN", Mechanism.AUTO, b"AUTHENTICATE PLAIN", Mechanism.PLAIN),
            (b"AUTH=LOGIN AUTH=PLAIN", Mechanism.AUTO, b"AUTHENTICATE PLAIN", Mechanism.PLAIN),
            (b"auth=plain", Mechanism.PLAIN, b"AUTHENTICATE PLAIN", Mechanism.PLAIN),
            (b"AUTH=PLAIN AUTH=LOGIN", Mechanism.LOGIN, b"AUTHENTICATE LOGIN", Mechanism.LOGIN),
            (b"AUTH=LOGIN", Mechanism.AUTO, b"AUTHENTICATE LOGIN", Mechanism.LOGIN),
            (b"AUTH=PLAIN LOGINDISABLED", Mechanism.AUTO, b"AUTHENTICATE PLAIN", Mechanism.PLAIN),
            (b"AUTH=LOGIN LOGINDISABLED", Mechanism.LOGIN, b"AUTHENTICATE LOGIN", Mechanism.LOGIN),
            # Without a mechanism that fits there is still the LOGIN command.
            (b"IDLE", Mechanism.AUTO, b'LOGIN "monitor@example.com" "correct horse"', Mechanism.LOGIN),
            (b"AUTH=GSSAPI", Mechanism.AUTO, b'LOGIN "monitor@example.com" "correct horse"', Mechanism.LOGIN),
            (b"AUTH=PLAIN", Mechanism.LOGIN, b'LOGIN "monitor@example.com" "correct horse"', Mechanism.LOGIN),
        ],
    )
    def test_is_one_that_is_offered_and_wanted_or_the_login_command(
        self, offer: bytes, wanted: Mechanism, said: bytes, used: Mechanism
    ) -> None:
        with pytest.raises(ScriptEndedError) as ended:
            logged_in(b"", offer, login(wanted))

        assert [b"a1 " + said] == ended.value.played.sent
        assert [Facts(auth_mechanism=used, auth_success=False)] == ended.value.played.learnt

    @pytest.mark.parametrize(
        ("offer", "wanted", "detail"),
        [
            (
                b"LOGINDISABLED",
                Mechanism.AUTO,
                "no mechanism that takes a password; it offers none at all; LOGINDISABLED rules out the LOGIN",
            ),
            (b"logindisabled AUTH=GSSAPI", Mechanism.LOGIN, "no LOGIN; it offers GSSAPI; LOGINDISABLED rules out"),
            (
                b"AUTH=GSSAPI AUTH=CRAM-MD5",
                Mechanism.PLAIN,
                "the server offers no PLAIN; it offers LOGIN, GSSAPI, CRAM-MD5",
            ),
            (b"AUTH=USERPASS", Mechanism.USERPASS, "the server offers no USERPASS; it offers LOGIN, USERPASS"),
            (b"XAUTH=PLAIN", Mechanism.PLAIN, "the server offers no PLAIN; it offers LOGIN"),
        ],
    )
    def test_that_is_not_offered_is_not_tried(self, offer: bytes, wanted: Mechanism, detail: str) -> None:
        played = logged_in(b"", offer, login(wanted))

        assert played.error is not None
        assert FailureReason.AUTH_MECHANISM_NOT_OFFERED is played.error.reason
        assert detail in played.error.detail
        assert ([], []) == (played.sent, played.learnt)


class TestPlain:
    @every_cut
    @pytest.mark.parametrize("offer", [b"IMAP4rev1 SASL-IR AUTH=PLAIN", b"IMAP4rev2 AUTH=PLAIN"])
    def test_takes_one_exchange_where_the_server_allows_it(self, offer: bytes, cut: Cut) -> None:
        played = logged_in(TAKEN + TRAILING, offer, cut=cut)

        assert played.error is None
        assert [b"a1 AUTHENTICATE PLAIN " + PLAIN] == played.sent == played.secret
        assert ["a1 AUTHENTICATE PLAIN <redacted>"] == played.shown
        assert [Facts(auth_mechanism=Mechanism.PLAIN, auth_success=False), Facts(auth_success=True)] == played.learnt
        assert TRAILING == played.unread

    @every_cut
    @pytest.mark.parametrize("go_on", [b"+ \r\n", b"+\r\n", b"+ go ahead\r\n", b"* OK [ALERT] soon\r\n+ \r\n"])
    def test_is_sent_when_asked_for_where_it_does_not(self, go_on: bytes, cut: Cut) -> None:
        played = logged_in(go_on + TAKEN + TRAILING, b"IMAP4rev1 AUTH=PLAIN", cut=cut)

        assert played.error is None
        assert [b"a1 AUTHENTICATE PLAIN", PLAIN] == played.sent
        assert [PLAIN] == played.secret
        assert ["a1 AUTHENTICATE PLAIN", "<redacted>"] == played.shown
        assert Facts(auth_success=True) == played.learnt[-1]
        assert TRAILING == played.unread

    def test_that_does_not_fit_into_a_line_is_sent_when_asked_for(self) -> None:
        # RFC 7162 section 4: servers take lines of 8192 octets.
        fitting, long = (login(password=length * b"x") for length in (6105, 6106))

        at_once = logged_in(TAKEN, who=fitting)
        asked = logged_in(b"+ \r\n" + TAKEN, who=long)

        assert [MAX_LINE] == [len(line + b"\r\n") for line in at_once.sent]
        assert [b"a1 AUTHENTICATE PLAIN", b64encode(b"\0monitor@example.com\0" + 6106 * b"x")] == asked.sent

    def test_does_not_send_a_password_that_holds_nul(self) -> None:
        played = logged_in(b"", who=login(password=b"cut\0short"))

        assert (None, FailureReason.SECRET_UNREADABLE) == played.failure
        assert ([], []) == (played.sent, played.learnt)

    def test_that_is_taken_before_it_was_sent_is_a_protocol_error(self) -> None:
        played = logged_in(TAKEN, b"IMAP4rev1 AUTH=PLAIN")

        assert (None, FailureReason.PROTOCOL_ERROR) == played.failure
        assert Facts(auth_success=True) not in played.learnt
        assert [] == played.secret


class TestLogin:
    @every_cut
    @pytest.mark.parametrize(
        "prompts",
        [
            (b"+ VXNlciBOYW1lAA==\r\n", b"+ UGFzc3dvcmQA\r\n"),
            (b"+ VXNlcm5hbWU6\r\n", b"* OK wait for it\r\n+ UGFzc3dvcmQ6\r\n"),
            (b"+ \r\n", b"+\r\n"),
            (b"+ Username:\r\n", b"+ Password:\r\n"),
        ],
    )
    def test_answers_two_prompts(self, prompts: tuple[bytes, bytes], cut: Cut) -> None:
        played = logged_in(b"".join(prompts) + TAKEN + TRAILING, b"SASL-IR AUTH=LOGIN", cut=cut)

        assert [b"a1 AUTHENTICATE LOGIN", b64encode(USERNAME.encode()), b64encode(PASSWORD)] == played.sent
        assert ["a1 AUTHENTICATE LOGIN", "<redacted>", "<redacted>"] == played.shown
        assert [Facts(auth_mechanism=Mechanism.LOGIN, auth_success=False), Facts(auth_success=True)] == played.learnt
        assert TRAILING == played.unread

    def test_is_not_over_before_the_password_was_asked_for(self) -> None:
        for script in (TAKEN, b"+ \r\n" + TAKEN):
            played = logged_in(script, b"AUTH=LOGIN")

            assert (None, FailureReason.PROTOCOL_ERROR) == played.failure
            assert Facts(auth_success=True) not in played.learnt


class TestToken:
    @every_cut
    @pytest.mark.parametrize(
        ("offer", "go_on", "sent"),
        [
            (b"SASL-IR AUTH=XOAUTH2 AUTH=PLAIN", b"", [b"a1 AUTHENTICATE XOAUTH2 " + BEARER]),
            (b"AUTH=XOAUTH2 AUTH=PLAIN", b"+ \r\n", [b"a1 AUTHENTICATE XOAUTH2", BEARER]),
        ],
    )
    def test_is_sent_at_once_or_when_asked_for(self, offer: bytes, go_on: bytes, sent: list[bytes], cut: Cut) -> None:
        played = logged_in(go_on + TAKEN + TRAILING, offer, bearer(), cut)

        assert played.error is None
        assert sent == played.sent
        assert [Facts(auth_mechanism=Mechanism.XOAUTH2, auth_success=False), Facts(auth_success=True)] == played.learnt
        assert TRAILING == played.unread

    @every_cut
    @pytest.mark.parametrize(("mechanism", "answer"), [(Mechanism.XOAUTH2, b""), (Mechanism.OAUTHBEARER, b"AQ==")])
    def test_that_is_bad_is_explained_before_it_is_refused(self, mechanism: Mechanism, answer: bytes, cut: Cut) -> None:
        script = b"+ " + EXPLANATION + b"\r\na1 NO AUTHENTICATE failed.\r\n" + TRAILING

        played = logged_in(script, b"SASL-IR AUTH=XOAUTH2 AUTH=OAUTHBEARER", bearer(mechanism), cut)

        assert played.error is not None
        assert (FailureReason.AUTH_REJECTED, True) == (played.error.reason, played.error.in_step)
        assert 'the login is answered with "NO AUTHENTICATE failed."' + EXPLAINED == played.error.detail
        assert answer == played.sent[-1]
        assert TRAILING == played.unread

    @pytest.mark.parametrize("offer", [COMMAND, b"IMAP4rev1 AUTH=PLAIN AUTH=LOGIN AUTH=SCRAM-SHA-256"])
    def test_is_not_given_to_a_server_that_takes_passwords(self, offer: bytes) -> None:
        played = logged_in(b"", offer, bearer())

        assert (None, FailureReason.AUTH_MECHANISM_NOT_OFFERED) == played.failure
        assert [] == played.sent


class TestCancelling:
    @every_cut
    @pytest.mark.parametrize(
        ("offer", "script", "detail"),
        [
            (b"SASL-IR AUTH=PLAIN", b"+ \r\n", "the server asks for more than PLAIN has to say"),
            (b"AUTH=PLAIN", 2 * b"+ \r\n", "the server asks for more than PLAIN has to say"),
            (b"AUTH=LOGIN", 3 * b"+ \r\n", "the server asks for more than LOGIN has to say"),
        ],
    )
    def test_comes_before_the_goodbye_where_the_server_waits_for_a_response(
        self, offer: bytes, script: bytes, detail: str, cut: Cut
    ) -> None:
        imap = client(offer)

        played = play(imap.log_in(login(), encrypted=True), script, cut)
        goodbye = play(imap.quit(), b"a1 BAD Authentication cancelled\r\n* BYE\r\na2 OK\r\n", cut)

        assert played.error is not None
        assert FailureReason.PROTOCOL_ERROR is played.error.reason
        assert detail in played.error.detail
        assert played.error.in_step
        assert [b"*", b"a2 LOGOUT"] == goodbye.sent
        assert goodbye.error is None

    def test_does_not_come_after_a_refusal(self) -> None:
        imap = client()
        play(imap.log_in(login(), encrypted=True), b"a1 NO [AUTHENTICATIONFAILED] no\r\n")

        assert [b"a2 LOGOUT"] == play(imap.quit(), b"* BYE\r\na2 OK\r\n").sent
