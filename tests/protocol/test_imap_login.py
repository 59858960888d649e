from __future__ import annotations

from base64 import b64encode

import pytest

from exporter.model import Encryption, Facts, FailureReason, Login, Mechanism, Protocol
from exporter.protocol.dialogue import MAX_LINE, printable
from exporter.protocol.imap import Imap
from tests.protocol.player import Circumstances, Cut, Played, ScriptEndedError, every_cut, play, whole
from tests.protocol.refused_logins import IMAP
from tests.protocol.samples import (
    BEARER,
    EXPLAINED,
    EXPLANATION,
    PASSWORD,
    PLAIN,
    USERNAME,
    bearer,
    endpoint,
    login,
)

TRAILING = b"* 1 EXISTS\r\n"
TAKEN = b"a1 OK Logged in\r\n"
COMMAND = b"IMAP4rev1"
"""What a server offers that knows no mechanism, and so leaves the LOGIN command."""


def client(offer: bytes = b"IMAP4rev1 SASL-IR AUTH=PLAIN AUTH=LOGIN") -> Imap:
    """A client that was offered this."""
    imap = Imap(endpoint(Protocol.IMAP, Encryption.TLS), "probe.example.com")
    assert play(imap.greet(), b"* OK [CAPABILITY " + offer + b"] ready\r\n").error is None
    return imap


def logged_in(
    script: bytes,
    offer: bytes = b"IMAP4rev1 SASL-IR AUTH=PLAIN AUTH=LOGIN",
    who: Login | None = None,
    cut: Cut = whole,
) -> Played:
    return play(client(offer).log_in(who or login(), encrypted=True), script, cut)


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
