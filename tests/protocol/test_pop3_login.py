from __future__ import annotations

from base64 import b64encode

import pytest

from exporter.model import Encryption, Facts, FailureReason, Login, Mechanism, Protocol
from exporter.protocol.pop3 import Pop3
from tests.protocol.player import Cut, Played, ScriptEndedError, every_cut, play, whole
from tests.protocol.pop3_client import TRAILING
from tests.protocol.refused_logins import POP3
from tests.protocol.samples import BEARER, EXPLAINED, EXPLANATION, PASSWORD, PLAIN, bearer, endpoint, login

TAKEN = b"+OK Logged in.\r\n"
NO_CAPA = b"-ERR Unknown command.\r\n"


def client(*offer: bytes) -> Pop3:
    """A client that was offered this; nothing at all stands for a server that does not know CAPA."""
    pop3 = Pop3(endpoint(Protocol.POP3, Encryption.TLS), "probe.example.com")
    play(pop3.ask_capabilities(), b"\r\n".join([b"+OK", *offer, b".", b""]) if offer else NO_CAPA)
    return pop3


def logged_in(script: bytes, *offer: bytes, who: Login | None = None, cut: Cut = whole) -> Played:
    return play(client(*offer).log_in(who or login(), encrypted=True), script, cut)


class TestMechanism:
    @pytest.mark.parametrize(
        ("offer", "wanted", "used"),
        [
            ((b"USER", b"SASL PLAIN LOGIN"), Mechanism.AUTO, Mechanism.PLAIN),
            ((b"USER", b"SASL LOGIN XOAUTH2"), Mechanism.AUTO, Mechanism.USERPASS),
            ((b"SASL LOGIN",), Mechanism.AUTO, Mechanism.LOGIN),
            ((b"sasl login", b"SASL plain"), Mechanism.AUTO, Mechanism.PLAIN),
            ((b"USER", b"SASL PLAIN LOGIN"), Mechanism.LOGIN, Mechanism.LOGIN),
            ((b"user", b"SASL PLAIN LOGIN"), Mechanism.USERPASS, Mechanism.USERPASS),
            ((), Mechanism.AUTO, Mechanism.USERPASS),
            ((), Mechanism.USERPASS, Mechanism.USERPASS),
        ],
    )
    def test_is_one_that_is_offered_and_wanted(
        self, offer: tuple[bytes, ...], wanted: Mechanism, used: Mechanism
    ) -> None:
        with pytest.raises(ScriptEndedError) as ended:
            logged_in(b"", *offer, who=login(wanted))

        assert [Facts(auth_mechanism=used, auth_success=False)] == ended.value.played.learnt

    @pytest.mark.parametrize(
        ("offer", "wanted"),
        [
            # Dovecot before the upgrade: a list without USER, and SASL without a mechanism.
            ((b"STLS", b"SASL"), Mechanism.AUTO),
            ((b"STLS",), Mechanism.USERPASS),
            ((b"USER", b"SASL LOGIN"), Mechanism.PLAIN),
            ((b"USER",), Mechanism.PLAIN),
            ((b"SASL USERPASS",), Mechanism.USERPASS),
            ((b"SASL USERPASS",), Mechanism.AUTO),
            ((b"SASL NTLM GSSAPI",), Mechanism.AUTO),
            # RFC 5034 section 6: without CAPA there is no SASL.
            ((), Mechanism.PLAIN),
        ],
    )
    def test_that_is_not_offered_is_not_tried(self, offer: tuple[bytes, ...], wanted: Mechanism) -> None:
        played = logged_in(b"", *offer, who=login(wanted))

        assert (None, FailureReason.AUTH_MECHANISM_NOT_OFFERED) == played.failure
        assert ([], []) == (played.sent, played.learnt)


class TestPlain:
    @every_cut
    def test_takes_one_exchange(self, cut: Cut) -> None:
        played = logged_in(TAKEN + TRAILING, b"SASL PLAIN", cut=cut)

        assert played.error is None
        assert [b"AUTH PLAIN " + PLAIN] == played.sent == played.secret
        assert ["AUTH PLAIN <redacted>"] == played.shown
        assert [Facts(auth_mechanism=Mechanism.PLAIN, auth_success=False), Facts(auth_success=True)] == played.learnt
        assert TRAILING == played.unread

    @every_cut
    @pytest.mark.parametrize("challenge", [b"+ \r\n", b"+\r\n"])
    def test_that_does_not_fit_into_the_command_is_sent_when_asked_for(self, challenge: bytes, cut: Cut) -> None:
        # RFC 5034 section 4, RFC 2449 section 4: a command line has 255 octets.
        fitting, long = (login(password=length * b"x") for length in (159, 160))

        at_once = logged_in(TAKEN, b"SASL PLAIN", who=fitting, cut=cut)
        asked = logged_in(challenge + TAKEN, b"SASL PLAIN", who=long, cut=cut)

        assert [253] == [len(line + b"\r\n") for line in at_once.sent]
        assert b"AUTH PLAIN" == asked.sent[0]
        assert [b64encode(b"\0monitor@example.com\0" + 160 * b"x")] == asked.sent[1:] == asked.secret
        assert ["AUTH PLAIN", "<redacted>"] == asked.shown
        assert Facts(auth_success=True) == asked.learnt[-1]

    def test_carries_a_password_that_pass_cannot(self) -> None:
        played = logged_in(TAKEN, b"USER", b"SASL PLAIN", who=login(password=b"two\r\nlines"))

        assert [b"AUTH PLAIN " + b64encode(b"\0monitor@example.com\0two\r\nlines")] == played.sent


class TestLogin:
    @every_cut
    @pytest.mark.parametrize("prompts", [b"+ VXNlcm5hbWU6\r\n+ UGFzc3dvcmQ6\r\n", b"+ Username:\r\n+ Password:\r\n"])
    def test_answers_two_prompts(self, prompts: bytes, cut: Cut) -> None:
        played = logged_in(prompts + TAKEN + TRAILING, b"SASL LOGIN", cut=cut)

        assert [b"AUTH LOGIN", b64encode(b"monitor@example.com"), b64encode(PASSWORD)] == played.sent
        assert ["AUTH LOGIN", "<redacted>", "<redacted>"] == played.shown
        assert [Facts(auth_mechanism=Mechanism.LOGIN, auth_success=False), Facts(auth_success=True)] == played.learnt
        assert TRAILING == played.unread


class TestUserAndPass:
    @every_cut
    def test_are_two_commands_of_which_the_second_is_secret(self, cut: Cut) -> None:
        played = logged_in(b"+OK\r\n" + TAKEN + TRAILING, b"USER", cut=cut)

        assert [b"USER monitor@example.com", b"PASS correct horse"] == played.sent
        assert ["USER monitor@example.com", "PASS <redacted>"] == played.shown
        assert [b"PASS correct horse"] == played.secret
        assert [Facts(auth_mechanism=Mechanism.USERPASS, auth_success=False), Facts(auth_success=True)] == played.learnt
        assert TRAILING == played.unread

    def test_send_a_password_as_it_is(self) -> None:
        password = bytes(octet for octet in range(1, 256) if octet not in b"\r\n")

        assert b"PASS " + password == logged_in(b"+OK\r\n" + TAKEN, b"USER", who=login(password=password)).sent[1]

    @every_cut
    def test_keep_the_password_back_where_the_name_is_refused(self, cut: Cut) -> None:
        played = logged_in(b"-ERR [AUTH] never heard of them\r\n" + TRAILING, b"USER", cut=cut)

        assert (None, FailureReason.AUTH_REJECTED) == played.failure
        assert [b"USER monitor@example.com"] == played.sent
        assert TRAILING == played.unread

    @pytest.mark.parametrize("octet", [b"\r", b"\n", b"\0"])
    def test_cannot_carry_what_would_end_the_line(self, octet: bytes) -> None:
        password = logged_in(b"", b"USER", who=login(password=b"two" + octet + b"DELE 1"))
        name = logged_in(b"", b"USER", who=login(username="two" + octet.decode() + "DELE 1"))

        for played, detail in [
            (password, "the password holds a line break or a NUL octet, which PASS cannot carry"),
            (name, "the username holds a line break or a NUL octet, which USER cannot carry"),
        ]:
            assert played.error is not None
            assert (FailureReason.SECRET_UNREADABLE, detail) == (played.error.reason, played.error.detail)
            assert ([], []) == (played.sent, played.learnt)


class TestApop:
    TIMESTAMP = b"<1896.697170952@dbc.mtview.ca.us>"

    def client(self, *offer: bytes) -> Pop3:
        pop3 = client(*offer)
        play(pop3.greet(), b"+OK POP3 server ready " + self.TIMESTAMP + b"\r\n")
        return pop3

    @every_cut
    def test_keys_the_greeting_with_the_password(self, cut: Cut) -> None:
        # The example of RFC 1939 section 7.
        who = login(Mechanism.APOP, username="mrose", password=b"tanstaaf")

        played = play(self.client(b"SASL PLAIN").log_in(who, encrypted=True), TAKEN + TRAILING, cut)

        assert played.error is None
        assert [b"APOP mrose c4c9334bac560ecc979e58001b3e22fb"] == played.sent == played.secret
        assert ["APOP mrose <redacted>"] == played.shown
        assert [Facts(auth_mechanism=Mechanism.APOP, auth_success=False), Facts(auth_success=True)] == played.learnt
        assert TRAILING == played.unread

    def test_is_offered_by_the_greeting_alone(self) -> None:
        played = logged_in(b"", b"USER", b"APOP", who=login(Mechanism.APOP))

        assert (None, FailureReason.AUTH_MECHANISM_NOT_OFFERED) == played.failure

    def test_is_the_last_resort_under_tls_and_shows_no_password_in_clear(self) -> None:
        tried = {}
        for encrypted in (True, False):
            for offer in (b"USER", b"X"):
                with pytest.raises(ScriptEndedError) as ended:
                    play(self.client(offer).log_in(login(), encrypted=encrypted), b"")
                (tried[encrypted, offer],) = ended.value.played.learnt

        assert {
            (True, b"USER"): Facts(auth_mechanism=Mechanism.USERPASS, auth_success=False),
            (True, b"X"): Facts(auth_mechanism=Mechanism.APOP, auth_success=False),
            (False, b"USER"): Facts(auth_mechanism=Mechanism.APOP, auth_success=False),
            (False, b"X"): Facts(auth_mechanism=Mechanism.APOP, auth_success=False),
        } == tried

    @every_cut
    def test_may_be_refused(self, cut: Cut) -> None:
        played = play(
            self.client().log_in(login(Mechanism.APOP), encrypted=True), b"-ERR [AUTH] no\r\n" + TRAILING, cut
        )

        assert (None, FailureReason.AUTH_REJECTED) == played.failure
        assert TRAILING == played.unread

    @pytest.mark.parametrize("username", ["two words", "two\r\nlines", "nul\0"])
    def test_cannot_carry_what_would_end_the_name(self, username: str) -> None:
        played = play(self.client().log_in(login(Mechanism.APOP, username=username), encrypted=True), b"")

        assert (None, FailureReason.SECRET_UNREADABLE) == played.failure
        assert ([], []) == (played.sent, played.learnt)


class TestToken:
    @every_cut
    def test_takes_two_lines_with_xoauth2_as_exchange_online_insists(self, cut: Cut) -> None:
        played = logged_in(b"+ \r\n" + TAKEN + TRAILING, b"USER", b"SASL PLAIN XOAUTH2", who=bearer(), cut=cut)

        assert played.error is None
        assert [b"AUTH XOAUTH2", BEARER] == played.sent
        assert [BEARER] == played.secret
        assert [Facts(auth_mechanism=Mechanism.XOAUTH2, auth_success=False), Facts(auth_success=True)] == played.learnt
        assert TRAILING == played.unread

    @every_cut
    @pytest.mark.parametrize(
        ("mechanism", "go_on", "answer"),
        [(Mechanism.XOAUTH2, b"+ \r\n", b""), (Mechanism.OAUTHBEARER, b"", b"AQ==")],
    )
    def test_that_is_bad_is_explained_before_it_is_refused(
        self, mechanism: Mechanism, go_on: bytes, answer: bytes, cut: Cut
    ) -> None:
        script = go_on + b"+ " + EXPLANATION + b"\r\n-ERR [AUTH] Authentication failed.\r\n" + TRAILING

        played = logged_in(script, b"SASL XOAUTH2 OAUTHBEARER", who=bearer(mechanism), cut=cut)

        assert played.error is not None
        assert FailureReason.AUTH_REJECTED is played.error.reason
        assert 'the login is answered with "-ERR [AUTH] Authentication failed."' + EXPLAINED == played.error.detail
        assert answer == played.sent[-1]
        assert TRAILING == played.unread

    def test_is_not_given_to_a_server_that_takes_passwords(self) -> None:
        played = logged_in(b"", b"USER", b"SASL PLAIN", who=bearer())

        assert (None, FailureReason.AUTH_MECHANISM_NOT_OFFERED) == played.failure
        assert [] == played.sent


class TestCancelling:
    @every_cut
    @pytest.mark.parametrize(
        ("offer", "script", "detail"),
        [
            (b"SASL PLAIN", b"+ \r\n", "the server asks for more than PLAIN has to say"),
            (b"SASL LOGIN", 3 * b"+ \r\n", "the server asks for more than LOGIN has to say"),
        ],
    )
    def test_comes_before_the_goodbye_where_the_server_waits_for_a_response(
        self, offer: bytes, script: bytes, detail: str, cut: Cut
    ) -> None:
        pop3 = client(offer)

        played = play(pop3.log_in(login(), encrypted=True), script, cut)
        goodbye = play(pop3.quit(), b"-ERR Authentication aborted.\r\n+OK Bye-bye.\r\n", cut)

        assert played.error is not None
        assert FailureReason.PROTOCOL_ERROR == played.error.reason
        assert detail in played.error.detail
        assert played.error.in_step
        assert [b"*", b"QUIT"] == goodbye.sent

    def test_does_not_come_after_a_refusal(self) -> None:
        pop3 = client(b"SASL PLAIN")
        play(pop3.log_in(login(), encrypted=True), b"-ERR [AUTH] no\r\n")

        assert [b"QUIT"] == play(pop3.quit(), b"+OK\r\n").sent


@pytest.mark.parametrize(
    ("offer", "script", "who"),
    [
        (b"SASL PLAIN", TAKEN, login(password=500 * b"x")),
        (b"SASL LOGIN", TAKEN, login()),
        (b"SASL LOGIN", b"+ \r\n" + TAKEN, login()),
    ],
)
def test_a_login_that_is_taken_before_the_password_was_sent_is_a_protocol_error(
    offer: bytes, script: bytes, who: Login
) -> None:
    played = logged_in(script, offer, who=who)

    assert (None, FailureReason.PROTOCOL_ERROR) == played.failure
    assert Facts(auth_success=True) not in played.learnt


@every_cut
@pytest.mark.parametrize(("before", "offer"), [(b"", b"SASL PLAIN"), (b"+OK\r\n", b"USER")])
@pytest.mark.parametrize(
    ("refusal", "reason"), [(refusal, reason) for reason, refusals in POP3.items() for refusal in refusals]
)
def test_a_refused_login_has_the_reason_that_the_server_means(
    refusal: bytes, reason: FailureReason, before: bytes, offer: bytes, cut: Cut
) -> None:
    played = logged_in(before + b"-ERR " + refusal + b"\r\n" + TRAILING, offer, cut=cut)

    assert (None, reason) == played.failure
    assert Facts(auth_success=True) not in played.learnt
    assert TRAILING == played.unread


@every_cut
@pytest.mark.parametrize("line", [b"235 2.7.0 Authentication successful", b"a response?"])
def test_a_login_that_is_not_answered_by_pop3_is_a_protocol_error(line: bytes, cut: Cut) -> None:
    assert (None, FailureReason.PROTOCOL_ERROR) == logged_in(line + b"\r\n", b"SASL PLAIN", cut=cut).failure


class TestAuthRespCode:
    """RFC 3206 section 6: where it is announced, every error that is about the credentials has the code AUTH."""

    @pytest.mark.parametrize("refusal", [b"invalid password", b"Logon failure", b"", b"who?"])
    def test_makes_a_refusal_without_the_code_no_rejection(self, refusal: bytes) -> None:
        played = logged_in(b"-ERR " + refusal + b"\r\n", b"SASL PLAIN", b"AUTH-RESP-CODE")

        assert played.error is not None
        assert (FailureReason.AUTH_UNAVAILABLE, True) == (played.error.reason, played.error.unclear)

    @pytest.mark.parametrize(
        ("refusal", "reason"),
        [
            (b"[AUTH] any words", FailureReason.AUTH_REJECTED),
            (b"[auth]", FailureReason.AUTH_REJECTED),
            (b"[SYS/TEMP] invalid password", FailureReason.AUTH_UNAVAILABLE),
            (b"POP3 access is disabled", FailureReason.AUTH_DISABLED),
            (b"Command is not valid in this state.", FailureReason.AUTH_MECHANISM_NOT_OFFERED),
        ],
    )
    def test_changes_nothing_else(self, refusal: bytes, reason: FailureReason) -> None:
        played = logged_in(b"-ERR " + refusal + b"\r\n", b"SASL PLAIN", b"AUTH-RESP-CODE")

        assert played.error is not None
        # The code says one thing and the words another.
        unclear = refusal == b"[SYS/TEMP] invalid password"
        assert (reason, unclear) == (played.error.reason, played.error.unclear)


def test_the_detail_of_a_refused_login_quotes_the_server() -> None:
    played = logged_in(b"-ERR [AUTH] Authentication failed.\r\n", b"SASL PLAIN")

    assert played.error is not None
    assert 'the login is answered with "-ERR [AUTH] Authentication failed."' == played.error.detail
