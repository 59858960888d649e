from __future__ import annotations

import pytest

from exporter.model import Facts, FailureReason
from exporter.protocol.dialogue import Forget, Replied
from exporter.protocol.errands.recipient import ask_about_recipient
from tests.protocol.player import Cut, Played, ScriptEndedError, every_cut, play
from tests.protocol.smtp_client import TRAILING, asked, client

POSTFIX = b"220 mail.example.com ESMTP Postfix (Debian/GNU)\r\n"
POSTSCREEN = b"220-mail.example.com ESMTP Postfix\r\n220 mail.example.com ESMTP Postfix\r\n"
EXIM = (
    b"220-srv.example.org ESMTP Exim 4.97 #2 Tue, 01 Sep 2026 10:00:00 +0000 \r\n"
    b"220-We do not authorize the use of this system to transport unsolicited, \r\n"
    b"220 and/or bulk e-mail.\r\n"
)
EXCHANGE_ONLINE = (
    b"220 FR4P281CA0123.outlook.office365.com Microsoft ESMTP MAIL Service ready at "
    b"Tue, 1 Sep 2026 10:00:00 +0000 [08DDE8F1D7A1B2C3]\r\n"
)
GMAIL = b"220 smtp.gmail.com ESMTP 5b1f17b1804b1-45b7e8879cesm12345e9.14 - gsmtp\r\n"

EXCHANGE_ONLINE_EHLO = (
    b"250-FR4P281CA0123.outlook.office365.com Hello [192.0.2.7]\r\n"
    b"250-SIZE 157286400\r\n250-PIPELINING\r\n250-DSN\r\n250-ENHANCEDSTATUSCODES\r\n"
    b"250-STARTTLS\r\n250-8BITMIME\r\n250-BINARYMIME\r\n250-CHUNKING\r\n250 SMTPUTF8\r\n"
)
GMAIL_EHLO_UNDER_TLS = (
    b"250-smtp.gmail.com at your service, [192.0.2.7]\r\n250-SIZE 35882577\r\n250-8BITMIME\r\n"
    b"250-AUTH LOGIN PLAIN XOAUTH2 PLAIN-CLIENTTOKEN OAUTHBEARER XOAUTH\r\n"
    b"250-ENHANCEDSTATUSCODES\r\n250-PIPELINING\r\n250-CHUNKING\r\n250 SMTPUTF8\r\n"
)
EXIM_EHLO = (
    b"250-srv.example.org Hello probe.example.com [192.0.2.7]\r\n250-SIZE 52428800\r\n250-LIMITS MAILMAX=1000 "
    b"RCPTMAX=50000\r\n250-8BITMIME\r\n250-PIPELINING\r\n250-PIPECONNECT\r\n250-STARTTLS\r\n250 HELP\r\n"
)


def checked(script: bytes, expected: tuple[int, ...] = ()) -> Played:
    return play(ask_about_recipient(client(), "", "postmaster@example.com", expected), script + b"250 reset\r\n")


class TestGreeting:
    @every_cut
    @pytest.mark.parametrize("greeting", [POSTFIX, POSTSCREEN, EXIM, EXCHANGE_ONLINE, GMAIL])
    def test_is_waited_out_in_silence(self, greeting: bytes, cut: Cut) -> None:
        played = play(client().greet(), greeting + TRAILING, cut)

        assert played.error is None
        assert [] == played.sent
        assert TRAILING == played.unread

    def test_nothing_is_said_while_only_its_first_line_has_come(self) -> None:
        # Postscreen sends the first line, waits, and takes anyone who speaks now for a robot.
        with pytest.raises(ScriptEndedError) as ended:
            play(client().greet(), POSTSCREEN.splitlines(keepends=True)[0])

        assert [] == ended.value.played.sent

    @pytest.mark.parametrize(
        ("greeting", "reason"),
        [
            (b"554 mail.example.com No SMTP service here\r\n", FailureReason.SERVER_REFUSED),
            (b"554-mx.example.com\r\n554 Your access has been rejected\r\n", FailureReason.SERVER_REFUSED),
            (b"521 mail.example.com does not accept mail\r\n", FailureReason.SERVER_REFUSED),
            (b"550 5.7.1 Service unavailable; client host blocked\r\n", FailureReason.SERVER_REFUSED),
            (b"421 4.3.2 All server ports are busy\r\n", FailureReason.SERVER_BUSY),
            (b"450 4.7.1 too many connections from your host\r\n", FailureReason.SERVER_BUSY),
            (b"451 Temporary local problem - please try later\r\n", FailureReason.SERVER_BUSY),
            (b"250 Ok\r\n", FailureReason.PROTOCOL_ERROR),
            (b"354 go ahead\r\n", FailureReason.PROTOCOL_ERROR),
        ],
    )
    def test_that_turns_us_away_is_told_from_a_busy_server_and_from_nonsense(
        self, greeting: bytes, reason: FailureReason
    ) -> None:
        assert (None, reason) == play(client().greet(), greeting).failure


class TestCapabilities:
    @every_cut
    @pytest.mark.parametrize(
        ("script", "some", "size", "starttls"),
        [
            (EXCHANGE_ONLINE_EHLO, {"DSN", "SMTPUTF8", "STARTTLS"}, 157286400, True),
            (GMAIL_EHLO_UNDER_TLS, {"AUTH LOGIN PLAIN XOAUTH2 PLAIN-CLIENTTOKEN OAUTHBEARER XOAUTH"}, 35882577, False),
            (EXIM_EHLO, {"LIMITS MAILMAX=1000 RCPTMAX=50000", "HELP"}, 52428800, True),
            (b"250 mail.example.com\r\n", set(), None, False),
            (b"250-mail.example.com\r\n250-SIZE\r\n250 starttls\r\n", {"SIZE", "starttls"}, None, True),
            (b"250-mail.example.com\r\n250-SIZE 0\r\n250 HELP\r\n", {"SIZE 0"}, None, False),
            (b"250-mail.example.com\r\n250-SIZE many\r\n250 HELP\r\n", {"SIZE many"}, None, False),
            (b"250-mail.example.com\r\n250-\r\n250-  \r\n250-STARTTLS \r\n250 \r\n", {"STARTTLS"}, None, True),
            (
                b"250-mail.example.com\r\r\n250-STARTTLS\r\r\n250\tAUTH\t  PLAIN \r\r\n",
                {"STARTTLS", "AUTH PLAIN"},
                None,
                True,
            ),
            # A Cisco firewall that was told to inspect SMTP.
            (b"250-mail.example.com\r\n250-SIZE 1\r\n250-XXXXXXXA\r\n250 XXXB\r\n", {"XXXXXXXA", "XXXB"}, 1, False),
            # The first line is the server's name, and not a capability.
            (b"250-STARTTLS\r\n250 HELP\r\n", {"HELP"}, None, False),
        ],
    )
    def test_are_the_lines_behind_the_first(
        self, script: bytes, some: set[str], size: int | None, *, starttls: bool, cut: Cut
    ) -> None:
        smtp, played = asked(script + TRAILING, cut)

        assert [b"EHLO probe.example.com"] == played.sent
        assert some <= set(smtp.capabilities or ())
        assert [Replied(250), Forget("size_limit") if size is None else Facts(size_limit=size)] == played.learnt
        assert starttls is smtp.offers_starttls()
        assert TRAILING == played.unread

    def test_are_printable_whatever_the_server_sends(self) -> None:
        smtp, _ = asked(b"250-mail.example.com\r\n250-X\x1b[2J\r\n250 \xff\x01\r\n")

        assert ("X\\x1b[2J", "\\xff\\x01") == smtp.capabilities

    @pytest.mark.parametrize("code", [b"500", b"501", b"502", b"504", b"550", b"554"])
    def test_are_unknown_where_only_helo_is_understood(self, code: bytes) -> None:
        smtp, played = asked(code + b" what is EHLO?\r\n250 mail.example.com\r\n")

        assert [b"EHLO probe.example.com", b"HELO probe.example.com"] == played.sent
        assert smtp.capabilities is None
        assert not smtp.offers_starttls()
        assert played.error is None

    @pytest.mark.parametrize(
        ("script", "reason", "commands"),
        [
            (b"550 no\r\n550 no\r\n", FailureReason.COMMAND_REFUSED, 2),
            (b"502 no\r\n451 later\r\n", FailureReason.SERVER_BUSY, 2),
            (b"450 4.7.1 <probe.example.com>: Helo command rejected\r\n", FailureReason.SERVER_BUSY, 1),
            (b"421 4.7.0 closing\r\n", FailureReason.SERVER_BUSY, 1),
            (b"251 no such reply\r\n", FailureReason.PROTOCOL_ERROR, 1),
            (b"354 no such reply\r\n", FailureReason.PROTOCOL_ERROR, 1),
        ],
    )
    def test_that_are_refused_end_the_conversation(self, script: bytes, reason: FailureReason, commands: int) -> None:
        _, played = asked(script)

        assert (None, reason) == played.failure
        assert commands == len(played.sent)

    def test_the_name_in_ehlo_can_be_configured(self) -> None:
        played = play(client(helo="[192.0.2.7]").ask_capabilities(), b"250 hello\r\n")

        assert [b"EHLO [192.0.2.7]"] == played.sent


class TestStarttls:
    @every_cut
    def test_forgets_what_was_announced_in_plain(self, cut: Cut) -> None:
        smtp, _ = asked(EXCHANGE_ONLINE_EHLO)

        played = play(smtp.starttls(), b"220 2.0.0 SMTP server ready\r\n" + TRAILING, cut)

        assert [b"STARTTLS"] == played.sent
        assert smtp.capabilities is None
        assert TRAILING == played.unread

    @pytest.mark.parametrize(
        "refusal",
        [
            b"454 4.7.0 TLS not available due to local problem\r\n",
            b"454 TLS currently unavailable\r\n",
            b"501 5.5.4 Syntax: STARTTLS\r\n",
            b"502 5.5.1 STARTTLS not implemented\r\n",
            b"250 2.0.0 Ok\r\n",
        ],
    )
    def test_refused_is_starttls_refused(self, refusal: bytes) -> None:
        smtp, _ = asked(EXCHANGE_ONLINE_EHLO)

        assert (None, FailureReason.STARTTLS_REFUSED) == play(smtp.starttls(), refusal).failure

    def test_answered_with_421_is_a_busy_server(self) -> None:
        smtp, _ = asked(EXCHANGE_ONLINE_EHLO)

        assert (None, FailureReason.SERVER_BUSY) == play(
            smtp.starttls(), b"421 4.7.0 too many TLS sessions\r\n"
        ).failure

    def test_a_size_announced_in_plain_is_taken_back_if_it_is_not_announced_again(self) -> None:
        smtp, _ = asked(EXCHANGE_ONLINE_EHLO)
        play(smtp.starttls(), b"220 go ahead\r\n")

        played = play(smtp.ask_capabilities(), b"502 no EHLO under TLS\r\n250 but HELO\r\n")

        assert Forget("size_limit") == played.learnt[-1]
        assert smtp.capabilities is None


class TestRecipient:
    @pytest.mark.parametrize("reply", [b"250 2.1.5 Ok", b"251 User not local; will forward", b"252 Cannot VRFY user"])
    def test_is_asked_about_and_nothing_is_sent(self, reply: bytes) -> None:
        smtp = client()
        asking = ask_about_recipient(smtp, "probe@example.com", "postmaster@example.com")

        played = play(asking, b"250 Ok\r\n" + reply + b"\r\n250 2.0.0 Ok\r\n" + TRAILING)
        goodbye = play(smtp.quit(), b"221 2.0.0 Bye\r\n")

        assert played.error is None
        assert [b"MAIL FROM:<probe@example.com>", b"RCPT TO:<postmaster@example.com>", b"RSET"] == played.sent
        assert Replied(int(reply[:3])) == played.learnt[-1]
        assert TRAILING == played.unread
        assert [b"QUIT"] == goodbye.sent

    @pytest.mark.parametrize("expected", [(), (550, 554)])
    @pytest.mark.parametrize(
        "script",
        [
            b"250 Ok\r\n250 Ok\r\n550 no\r\n",  # MAIL or EHLO is answered twice, and RCPT by 550
            b"250 Ok\r\n250 Ok\r\n450 4.2.0 Greylisted\r\n",
            b"250 Ok\r\n252 Ok\r\n554 5.7.1 Relay access denied\r\n",
            b"250 Ok\r\n250 Ok\r\n400 later\r\n",
            b"250 Ok\r\n250 Ok\r\n505 no\r\n",
        ],
    )
    def test_is_not_accepted_by_an_answer_that_was_left_over(self, script: bytes, expected: tuple[int, ...]) -> None:
        played = checked(script, expected)

        assert (None, FailureReason.PROTOCOL_ERROR) == played.failure
        assert str(played.error).startswith("a command was answered twice: RCPT seems to be answered with")

    @pytest.mark.parametrize("unknown", [b"500 what?", b"502 5.5.1 not implemented", b"504 not now"])
    def test_is_accepted_by_a_server_that_knows_no_reset(self, unknown: bytes) -> None:
        assert checked(b"250 Ok\r\n250 Ok\r\n" + unknown + b"\r\n").error is None

    def test_is_asked_about_for_the_null_path(self) -> None:
        assert b"MAIL FROM:<>" == checked(b"250 Ok\r\n250 Ok\r\n").sent[0]

    @pytest.mark.parametrize(
        "refusal",
        [
            b"550 5.1.1 <postmaster@example.com>: Recipient address rejected: User unknown\r\n",
            b"554 5.7.1 <postmaster@example.com>: Relay access denied\r\n",
            b"450 4.2.0 <postmaster@example.com>: Recipient address rejected: Greylisted\r\n",
            b"452 4.2.2 mailbox full\r\n",
            b"503 5.5.1 Error: need MAIL command\r\n",
        ],
    )
    def test_that_is_refused_fails_with_the_refusal_in_the_detail(self, refusal: bytes) -> None:
        played = checked(b"250 Ok\r\n" + refusal)

        assert played.error is not None
        assert FailureReason.RECIPIENT_REFUSED == played.error.reason
        assert refusal.strip().decode() in played.error.detail
        assert played.error.in_step

    def test_a_server_that_hangs_up_on_a_refused_recipient_has_refused_it(self) -> None:
        # Exim's `drop`: there is no answer to RSET, which is why it belongs to the goodbye then.
        assert (None, FailureReason.RECIPIENT_REFUSED) == checked(b"250 Ok\r\n550 relay not permitted\r\n").failure

    @pytest.mark.parametrize(
        ("reply", "expected", "reason"),
        [
            (b"554 5.7.1 Relay access denied", (550, 554), None),
            (b"250 2.1.5 Ok", (250,), None),
            (b"250 2.1.5 Ok", (550, 554), FailureReason.RECIPIENT_ACCEPTED),
            (b"251 will forward", (550, 554), FailureReason.RECIPIENT_ACCEPTED),
            (b"450 4.2.0 Greylisted", (550, 554), FailureReason.RECIPIENT_REFUSED),
            (b"354 go ahead", (550, 554), FailureReason.PROTOCOL_ERROR),
            (b"354 go ahead", (), FailureReason.PROTOCOL_ERROR),
            (b"200 fine", (), None),
            (b"299 fine", (), None),
            (b"300 what", (), FailureReason.PROTOCOL_ERROR),
            (b"399 what", (), FailureReason.PROTOCOL_ERROR),
            (b"400 later", (), FailureReason.RECIPIENT_REFUSED),
            (b"421 4.7.0 closing", (550, 554), FailureReason.SERVER_BUSY),
        ],
    )
    def test_can_be_expected_to_be_refused(
        self, reply: bytes, expected: tuple[int, ...], reason: FailureReason | None
    ) -> None:
        played = checked(b"250 Ok\r\n" + reply + b"\r\n", expected)

        assert (None if reason is None else (None, reason)) == played.failure

    def test_the_detail_of_an_accepted_recipient_says_what_was_expected(self) -> None:
        played = checked(b"250 Ok\r\n250 2.1.5 Ok\r\n", (550, 554))

        assert played.error is not None
        assert 'RCPT is answered with "250 2.1.5 Ok", which should be 550 or 554' == played.error.detail

    @pytest.mark.parametrize(
        ("reply", "reason"),
        [
            (b"530 5.7.57 Client not authenticated to send mail", FailureReason.COMMAND_REFUSED),
            (b"530 5.7.0 Must issue a STARTTLS command first", FailureReason.COMMAND_REFUSED),
            (b"550 5.1.8 Sender address rejected: Domain not found", FailureReason.COMMAND_REFUSED),
            (b"452 4.3.1 Insufficient system storage", FailureReason.SERVER_BUSY),
            (b"251 no such reply", FailureReason.PROTOCOL_ERROR),
        ],
    )
    def test_is_not_named_where_the_sender_is_refused(self, reply: bytes, reason: FailureReason) -> None:
        smtp = client()

        played = play(ask_about_recipient(smtp, "", "postmaster@example.com", (550,)), reply + b"\r\n")

        assert (None, reason) == played.failure
        assert [b"MAIL FROM:<>"] == played.sent
        assert [b"QUIT"] == play(smtp.quit(), b"221 Bye\r\n").sent


@every_cut
def test_the_goodbye_waits_for_its_answer(cut: Cut) -> None:
    played = play(client().quit(), b"221-2.0.0\r\n221 2.0.0 Bye\r\n" + TRAILING, cut)

    assert [b"QUIT"] == played.sent
    assert TRAILING == played.unread
