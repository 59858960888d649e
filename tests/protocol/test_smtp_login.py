from __future__ import annotations

from base64 import b64decode, b64encode

import pytest

from exporter.model import Facts, FailureReason, Login, Mechanism, Secret, SecretKind
from exporter.protocol.dialogue import Replied
from tests.protocol.player import Circumstances, Cut, ScriptEndedError, every_cut, play
from tests.protocol.refused_logins import SMTP
from tests.protocol.samples import (
    BEARER,
    EXPLAINED,
    EXPLANATION,
    PASSWORD,
    PLAIN,
    TOKEN,
    USERNAME,
    bearer,
    login,
)
from tests.protocol.smtp_client import TRAILING
from tests.protocol.smtp_logins import TAKEN, client, logged_in


class TestMechanism:
    @pytest.mark.parametrize(
        ("offer", "wanted", "used"),
        [
            (b"AUTH PLAIN LOGIN", Mechanism.AUTO, Mechanism.PLAIN),
            (b"AUTH LOGIN PLAIN XOAUTH2 PLAIN-CLIENTTOKEN OAUTHBEARER XOAUTH", Mechanism.AUTO, Mechanism.PLAIN),
            (b"AUTH LOGIN XOAUTH2", Mechanism.AUTO, Mechanism.LOGIN),
            (b"AUTH PLAIN LOGIN", Mechanism.LOGIN, Mechanism.LOGIN),
            (b"auth plain", Mechanism.PLAIN, Mechanism.PLAIN),
            (b"AUTH=LOGIN PLAIN", Mechanism.AUTO, Mechanism.PLAIN),
            (b"auth=login", Mechanism.AUTO, Mechanism.LOGIN),
            (b"AUTH NTLM|AUTH LOGIN", Mechanism.AUTO, Mechanism.LOGIN),
        ],
    )
    def test_is_one_that_is_offered_and_wanted(self, offer: bytes, wanted: Mechanism, used: Mechanism) -> None:
        with pytest.raises(ScriptEndedError) as ended:
            logged_in(b"", offer, login(wanted))

        assert [Facts(auth_mechanism=used, auth_success=False)] == ended.value.played.learnt

    @pytest.mark.parametrize(
        ("offer", "wanted", "detail"),
        [
            (b"HELP", Mechanism.AUTO, "the server offers no mechanism that takes a password; it offers none at all"),
            (b"AUTH", Mechanism.PLAIN, "the server offers no PLAIN; it offers none at all"),
            (b"AUTH NTLM GSSAPI", Mechanism.AUTO, "no mechanism that takes a password; it offers NTLM, GSSAPI"),
            (b"AUTH LOGIN", Mechanism.PLAIN, "the server offers no PLAIN; it offers LOGIN"),
            (b"AUTH USERPASS", Mechanism.USERPASS, "the server offers no USERPASS; it offers USERPASS"),
            (b"XAUTH=PLAIN", Mechanism.AUTO, "it offers none at all"),
            (b"AUTH X-AUTH=PLAIN", Mechanism.AUTO, "it offers X-AUTH=PLAIN"),
        ],
    )
    def test_that_is_not_offered_is_not_tried(self, offer: bytes, wanted: Mechanism, detail: str) -> None:
        played = logged_in(b"", offer, login(wanted))

        assert played.error is not None
        assert FailureReason.AUTH_MECHANISM_NOT_OFFERED == played.error.reason
        assert detail in played.error.detail
        assert ([], []) == (played.sent, played.learnt)


class TestPlain:
    @every_cut
    def test_takes_one_exchange(self, cut: Cut) -> None:
        played = logged_in(TAKEN + TRAILING, cut=cut)

        assert played.error is None
        assert [b"AUTH PLAIN " + PLAIN] == played.sent == played.secret
        assert ["AUTH PLAIN <redacted>"] == played.shown
        assert [
            Facts(auth_mechanism=Mechanism.PLAIN, auth_success=False),
            Replied(235),
            Facts(auth_success=True),
        ] == played.learnt
        assert TRAILING == played.unread

    @every_cut
    def test_that_does_not_fit_into_the_command_is_sent_when_asked_for(self, cut: Cut) -> None:
        # RFC 4954 section 4, RFC 5321 4.5.3.1.4: a command line has 512 octets.
        fitting, long = (login(password=length * b"x") for length in (351, 352))

        at_once = logged_in(TAKEN, who=fitting, cut=cut)
        asked = logged_in(b"334 \r\n" + TAKEN, who=long, cut=cut)

        assert [509] == [len(line + b"\r\n") for line in at_once.sent]
        assert b"AUTH PLAIN" == asked.sent[0]
        assert [b64encode(b"\0monitor@example.com\0" + 352 * b"x")] == asked.sent[1:] == asked.secret
        assert ["AUTH PLAIN", "<redacted>"] == asked.shown
        assert Facts(auth_success=True) == asked.learnt[-1]

    def test_carries_a_password_of_any_octets_but_nul(self) -> None:
        password = bytes(range(1, 256))

        assert (
            b64encode(b"\0monitor@example.com\0" + password) in logged_in(TAKEN, who=login(password=password)).sent[0]
        )

    def test_does_not_send_a_password_that_holds_nul(self) -> None:
        played = logged_in(b"", who=login(password=b"cut\0short"))

        assert (None, FailureReason.SECRET_UNREADABLE) == played.failure
        assert ([], []) == (played.sent, played.learnt)


class TestLogin:
    @every_cut
    @pytest.mark.parametrize(
        "prompts",
        [
            (b"334 VXNlcm5hbWU6\r\n", b"334 UGFzc3dvcmQ6\r\n"),
            (b"334 VXNlciBOYW1lAA==\r\n", b"334 UGFzc3dvcmQA\r\n"),
            (b"334 \r\n", b"334\r\n"),
            (b"334 VXNlcm5hbWU6 \r\n", b"334 UGFzc3dvcmQ6 \r\n"),
            (b"334 Username:\r\n", b"334 Password:\r\n"),
            (b"334 \xff=\r\n", b"334 =\r\n"),
        ],
    )
    def test_answers_two_prompts(self, prompts: tuple[bytes, bytes], cut: Cut) -> None:
        played = logged_in(b"".join(prompts) + TAKEN + TRAILING, b"AUTH LOGIN", cut=cut)

        assert [b"AUTH LOGIN", b64encode(b"monitor@example.com"), b64encode(PASSWORD)] == played.sent
        assert ["AUTH LOGIN", "<redacted>", "<redacted>"] == played.shown
        assert [Replied(334), Replied(334), Replied(235), Facts(auth_success=True)] == played.learnt[1:]
        assert TRAILING == played.unread


class TestToken:
    @every_cut
    def test_takes_one_exchange_where_it_fits(self, cut: Cut) -> None:
        played = logged_in(TAKEN + TRAILING, b"AUTH PLAIN XOAUTH2", bearer(), cut)

        assert played.error is None
        assert [b"AUTH XOAUTH2 " + BEARER] == played.sent == played.secret
        assert [
            Facts(auth_mechanism=Mechanism.XOAUTH2, auth_success=False),
            Replied(235),
            Facts(auth_success=True),
        ] == played.learnt
        assert TRAILING == played.unread

    @every_cut
    def test_of_the_usual_length_is_sent_when_asked_for(self, cut: Cut) -> None:
        # RFC 4954 section 4: only the command is limited to 512 octets, not what follows.
        long = Login(USERNAME, Secret(2000 * b"x"), Mechanism.AUTO, SecretKind.TOKEN)

        played = logged_in(b"334 \r\n" + TAKEN, b"AUTH OAUTHBEARER", long, cut)

        assert played.error is None
        assert b"AUTH OAUTHBEARER" == played.sent[0]
        assert b"\1port=4711\1auth=Bearer xxx" in b64decode(played.sent[1])

    @every_cut
    @pytest.mark.parametrize(("mechanism", "answer"), [(Mechanism.XOAUTH2, b""), (Mechanism.OAUTHBEARER, b"AQ==")])
    def test_that_is_bad_is_explained_before_it_is_refused(self, mechanism: Mechanism, answer: bytes, cut: Cut) -> None:
        played = logged_in(
            b"334 " + EXPLANATION + b"\r\n535 5.7.3 Authentication unsuccessful\r\n" + TRAILING,
            b"AUTH XOAUTH2 OAUTHBEARER",
            bearer(mechanism),
            cut,
        )

        assert played.error is not None
        assert (FailureReason.AUTH_REJECTED, True) == (played.error.reason, played.error.in_step)
        assert 'AUTH is answered with "535 5.7.3 Authentication unsuccessful"' + EXPLAINED == played.error.detail
        assert answer == played.sent[-1]
        assert TRAILING == played.unread

    def test_that_the_server_repeats_is_not_in_the_detail(self) -> None:
        repeated = b64encode(b'{"token":"' + TOKEN + b'"}')

        played = logged_in(b"334 " + repeated + b"\r\n535 no\r\n", b"AUTH XOAUTH2", bearer())

        assert played.error is not None
        assert played.error.detail.endswith('the server explains "{"token":"<redacted>"}"')

    def test_is_not_given_to_a_server_that_takes_passwords(self) -> None:
        played = logged_in(b"", b"AUTH PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256", bearer())

        assert (None, FailureReason.AUTH_MECHANISM_NOT_OFFERED) == played.failure
        assert [] == played.sent


@pytest.mark.parametrize(
    ("offer", "script", "who"),
    [
        (b"AUTH PLAIN", TAKEN, login(password=500 * b"x")),
        (b"AUTH LOGIN", TAKEN, login()),
        (b"AUTH LOGIN", b"334 \r\n" + TAKEN, login()),
    ],
)
def test_a_login_that_is_taken_before_the_password_was_sent_is_a_protocol_error(
    offer: bytes, script: bytes, who: Login
) -> None:
    played = logged_in(script, offer, who)

    assert (None, FailureReason.PROTOCOL_ERROR) == played.failure
    assert Facts(auth_success=True) not in played.learnt


@every_cut
@pytest.mark.parametrize(
    ("refusal", "reason"), [(refusal, reason) for reason, refusals in SMTP.items() for refusal in refusals]
)
def test_a_refused_login_has_the_reason_that_the_server_means(refusal: bytes, reason: FailureReason, cut: Cut) -> None:
    played = logged_in(refusal + b"\r\n" + TRAILING, cut=cut)

    assert (None, reason) == played.failure
    assert Facts(auth_success=True) not in played.learnt
    assert TRAILING == played.unread


@pytest.mark.parametrize(
    ("words", "unclear"),
    [
        (b"550 what?", True),
        (b"454 later", False),
        (b"535 no", False),
        # The code says one thing and the words another, or the words say two things.
        (b"454 4.7.0 Authentication failed", True),
        (b"421 4.7.0 Authentication failed", True),
        (b"535 login failed, mailbox is locked", True),
        (b"535 5.7.8 Error: authentication failed: Connection lost to authentication server", False),
        (b"454 4.7.0 Temporary authentication failure: mailbox locked", False),
    ],
)
def test_a_refusal_in_unknown_words_is_called_unclear(words: bytes, unclear: bool) -> None:
    played = logged_in(words + b"\r\n")

    assert played.error is not None
    assert unclear is played.error.unclear
    # After a 421 nobody is left to say goodbye to (RFC 5321 4.2.1).
    assert played.error.in_step is not words.startswith(b"421")


def test_a_goodbye_before_the_login_is_not_an_answer_to_it() -> None:
    goodbye = b"421 4.7.0 Too many authentication failures\r\n"
    dialogue = client(b"AUTH PLAIN").log_in(login(), encrypted=True)

    played = play(dialogue, b"", circumstances=Circumstances(unread={0: goodbye}))

    assert (None, FailureReason.SERVER_BUSY) == played.failure
    assert [] == played.sent


@pytest.mark.parametrize(
    "name", [b"busy-server@temporary.example", b"internal error@example.com", b"https://ldap.example/down"]
)
def test_a_name_in_a_refusal_is_not_taken_for_what_it_says(name: bytes) -> None:
    played = logged_in(b"535 5.7.8 login of " + name + b" failed\r\n")

    assert (None, FailureReason.AUTH_REJECTED) == played.failure


def test_the_detail_of_a_refused_login_quotes_the_server() -> None:
    played = logged_in(b"535-5.7.8 Username and Password not accepted.\r\n535 5.7.8 see https://example.com\r\n")

    assert played.error is not None
    assert (
        'AUTH is answered with "535 5.7.8 Username and Password not accepted. 5.7.8 see https://example.com"'
        == played.error.detail
    )
