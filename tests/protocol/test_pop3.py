from __future__ import annotations

import pytest

from exporter.model import Encryption, Facts, FailureReason, MailboxFacts
from exporter.protocol.dialogue import MAX_REPLY_LINES
from exporter.protocol.errands.mailbox import look_at_maildrop
from tests.protocol.player import Cut, ScriptEndedError, every_cut, play
from tests.protocol.pop3_client import TRAILING, asked, client

DOVECOT = b"+OK Dovecot (Debian) ready.\r\n"
DOVECOT_APOP = b"+OK Dovecot (Debian) ready. <19e3.1.68b5a1c0.qjGq5bXZ0Wd@mail.example.com>\r\n"
COURIER = b"+OK Hello there.\r\n"
COURIER_APOP = b"+OK Hello there. <12345.1756720800@localhost.localdomain>\r\n"
CYRUS = b"+OK mail.example.com Cyrus POP3 3.8.4 server ready <3406163742.1756720800@mail.example.com>\r\n"
EXCHANGE_ONLINE = b"+OK The Microsoft Exchange POP3 service is ready. [RgBSADQAUAAyADgAMQBDAEEAMAAxADIAMwA=]\r\n"
GMAIL = b"+OK Gpop ready for requests from 192.0.2.7 5b1f17b1804b1mb12345wme\r\n"

DOVECOT_CAPA = (
    b"+OK\r\nCAPA\r\nTOP\r\nUIDL\r\nRESP-CODES\r\nPIPELINING\r\nAUTH-RESP-CODE\r\n"
    b"STLS\r\nUSER\r\nSASL PLAIN LOGIN\r\n.\r\n"
)
DOVECOT_CAPA_IN_PLAIN = (
    b"+OK\r\nCAPA\r\nTOP\r\nUIDL\r\nRESP-CODES\r\nPIPELINING\r\nAUTH-RESP-CODE\r\nSTLS\r\nSASL\r\n.\r\n"
)
COURIER_CAPA = (
    b"+OK Here's what I can do:\r\nSASL LOGIN PLAIN\r\nSTLS\r\nTOP\r\nUSER\r\nLOGIN-DELAY 10\r\nPIPELINING\r\nUIDL\r\n"
    b"UTF8 USER\r\nLANG\r\nIMPLEMENTATION Courier Mail Server\r\n.\r\n"
)
CYRUS_CAPA = (
    b"+OK List of capabilities follows\r\nSASL DIGEST-MD5 CRAM-MD5 SCRAM-SHA-256\r\nSTLS\r\nEXPIRE NEVER\r\n"
    b"LOGIN-DELAY 0\r\nTOP\r\nUIDL\r\nPIPELINING\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nUSER\r\n"
    b"IMPLEMENTATION Cyrus POP3 server 3.8.4\r\n.\r\n"
)
EXCHANGE_ONLINE_CAPA = b"+OK\r\nTOP\r\nUIDL\r\nSASL PLAIN XOAUTH2\r\nUSER\r\n.\r\n"
GMAIL_CAPA = (
    b"+OK Capability list follows\r\nUSER\r\nRESP-CODES\r\nEXPIRE 0\r\nLOGIN-DELAY 300\r\nTOP\r\nUIDL\r\n"
    b"X-GOOGLE-RICO\r\nSASL PLAIN XOAUTH2 OAUTHBEARER\r\n.\r\n"
)
NO_CAPA = b"-ERR Unknown command.\r\n"


class TestGreeting:
    @every_cut
    @pytest.mark.parametrize(
        ("greeting", "timestamp"),
        [
            (DOVECOT, None),
            (DOVECOT_APOP, b"<19e3.1.68b5a1c0.qjGq5bXZ0Wd@mail.example.com>"),
            (COURIER, None),
            (COURIER_APOP, b"<12345.1756720800@localhost.localdomain>"),
            (CYRUS, b"<3406163742.1756720800@mail.example.com>"),
            (EXCHANGE_ONLINE, None),
            (GMAIL, None),
            (b"+OK\r\n", None),
            (b"+OK <one@two> and <three@four>\r\n", b"<one@two>"),
            # CVE-2007-1558: what is not a message identifier may be made to reveal the password, digest by digest.
            (b"+OK <no at sign>\r\n", None),
            (b"+OK <two@at@signs>\r\n", None),
            (b"+OK <\xffnot@ascii>\r\n", None),
            (b"+OK <control\x01s@host>\r\n", None),
        ],
    )
    def test_is_waited_for_in_silence_and_its_timestamp_kept(
        self, greeting: bytes, timestamp: bytes | None, cut: Cut
    ) -> None:
        pop3 = client()

        played = play(pop3.greet(), greeting + TRAILING, cut)

        assert played.error is None
        assert [] == played.sent
        assert timestamp == pop3.timestamp
        assert TRAILING == played.unread

    def test_nothing_is_said_before_its_end(self) -> None:
        with pytest.raises(ScriptEndedError) as ended:
            play(client().greet(), DOVECOT.rstrip())

        assert [] == ended.value.played.sent

    @pytest.mark.parametrize(
        ("greeting", "reason"),
        [
            (b"-ERR no POP3 service here\r\n", FailureReason.SERVER_REFUSED),
            (b"-ERR [SYS/PERM] Fatal error: must run as the Cyrus user\r\n", FailureReason.SERVER_REFUSED),
            (b"-ERR [SYS/TEMP] Server shutting down.\r\n", FailureReason.SERVER_BUSY),
            (b"-ERR [IN-USE] too many connections\r\n", FailureReason.SERVER_BUSY),
            (b"-ERR [login-delay] not again so soon\r\n", FailureReason.SERVER_BUSY),
            (b"+ \r\n", FailureReason.PROTOCOL_ERROR),
        ],
    )
    def test_that_turns_us_away_is_told_from_a_busy_server_and_from_nonsense(
        self, greeting: bytes, reason: FailureReason
    ) -> None:
        assert (None, reason) == play(client().greet(), greeting).failure


class TestCapabilities:
    @every_cut
    @pytest.mark.parametrize(
        ("script", "some", "starttls"),
        [
            (DOVECOT_CAPA, {"SASL PLAIN LOGIN", "USER", "UIDL"}, True),
            (DOVECOT_CAPA_IN_PLAIN, {"SASL", "AUTH-RESP-CODE"}, True),
            (COURIER_CAPA, {"LOGIN-DELAY 10", "IMPLEMENTATION Courier Mail Server"}, True),
            (CYRUS_CAPA, {"EXPIRE NEVER", "SASL DIGEST-MD5 CRAM-MD5 SCRAM-SHA-256"}, True),
            (EXCHANGE_ONLINE_CAPA, {"SASL PLAIN XOAUTH2"}, False),
            (GMAIL_CAPA, {"X-GOOGLE-RICO"}, False),
            (b"+OK\r\nstls\r\n..dotted\r\n \r\n\r\n.\r\n", {"stls", ".dotted"}, True),
            (b"+OK\r\n.\r\n", set(), False),
        ],
    )
    def test_are_the_lines_up_to_the_dot(self, script: bytes, some: set[str], *, starttls: bool, cut: Cut) -> None:
        pop3, played = asked(script + TRAILING, cut)

        assert [b"CAPA"] == played.sent
        assert some <= set(pop3.capabilities or ())
        assert "" not in [item.strip() for item in pop3.capabilities or ()]
        assert starttls is pop3.offers_starttls()
        assert TRAILING == played.unread

    def test_are_printable_whatever_the_server_sends(self) -> None:
        pop3, _ = asked(b"+OK\r\nX\x1b[2J\r\n\xff\1\r\n.\r\n")

        assert ("X\\x1b[2J", "\\xff\\x01") == pop3.capabilities

    @every_cut
    @pytest.mark.parametrize("refusal", [NO_CAPA, b"-ERR\r\n", b"-ERR [AUTH] not before the login\r\n"])
    def test_are_unknown_to_a_server_of_before_1998(self, refusal: bytes, cut: Cut) -> None:
        pop3, played = asked(refusal + TRAILING, cut)

        assert played.error is None
        assert pop3.capabilities is None
        assert TRAILING == played.unread

    @pytest.mark.parametrize(
        ("refusal", "reason"),
        [
            (b"-ERR [SYS/TEMP] not now\r\n", FailureReason.SERVER_BUSY),
            (b"-ERR [SYS/PERM] never\r\n", FailureReason.COMMAND_REFUSED),
        ],
    )
    def test_are_a_failure_to_a_server_that_has_trouble_with_itself(
        self, refusal: bytes, reason: FailureReason
    ) -> None:
        _, played = asked(refusal)

        assert (None, reason) == played.failure

    def test_that_are_no_text_are_shown_and_let_pass(self) -> None:
        pop3, played = asked(b"+OK\0\r\nX\0Y\r\nUSER\r\n.\r\n")

        assert played.error is None
        assert ("X\\x00Y", "USER") == pop3.capabilities

    def test_without_end_are_too_large(self) -> None:
        _, played = asked(b"+OK\r\n" + (MAX_REPLY_LINES + 1) * b"X\r\n")

        assert (None, FailureReason.RESPONSE_TOO_LARGE) == played.failure


class TestStarttls:
    @every_cut
    def test_forgets_what_was_announced_in_plain(self, cut: Cut) -> None:
        pop3, _ = asked(DOVECOT_CAPA)

        played = play(pop3.starttls(), b"+OK Begin TLS negotiation now.\r\n" + TRAILING, cut)

        assert [b"STLS"] == played.sent
        assert pop3.capabilities is None
        assert TRAILING == played.unread

    def test_keeps_the_timestamp_which_is_said_only_once(self) -> None:
        pop3 = client()
        play(pop3.greet(), DOVECOT_APOP)
        play(pop3.ask_capabilities(), DOVECOT_CAPA)

        play(pop3.starttls(), b"+OK\r\n")

        assert pop3.timestamp is not None

    @pytest.mark.parametrize(
        "refusal", [b"-ERR TLS support isn't enabled.\r\n", b"-ERR [SYS/TEMP] TLS not available\r\n", b"-ERR\r\n"]
    )
    def test_refused_is_starttls_refused(self, refusal: bytes) -> None:
        pop3, _ = asked(DOVECOT_CAPA)

        assert (None, FailureReason.STARTTLS_REFUSED) == play(pop3.starttls(), refusal).failure

    def test_is_tried_without_capabilities_where_the_endpoint_insists(self) -> None:
        pop3, _ = asked(NO_CAPA)
        assert pop3.offers_starttls()

        assert play(pop3.starttls(), b"+OK\r\n").error is None

    def test_is_not_tried_without_capabilities_where_the_endpoint_would_merely_like_it(self) -> None:
        pop3, _ = asked(NO_CAPA, encryption=Encryption.OPPORTUNISTIC)

        assert not pop3.offers_starttls()

    def test_refused_by_a_server_without_capabilities_was_never_offered(self) -> None:
        pop3, _ = asked(NO_CAPA)

        played = play(pop3.starttls(), b"-ERR Unknown command.\r\n")

        assert (None, FailureReason.STARTTLS_NOT_OFFERED) == played.failure
        assert [Facts(starttls_offered=False)] == played.learnt


class TestMaildrop:
    @every_cut
    @pytest.mark.parametrize(
        ("response", "messages", "size"),
        [
            (b"+OK 2 320\r\n", 2, 320),
            (b"+OK 0 0\r\n", 0, 0),
            (b"+OK 000 000\r\n", 0, 0),
            (b"+OK 1 2 messages of more than was asked\r\n", 1, 2),
            (b"+OK 7  1234 \r\n", 7, 1234),
            (b"+OK \t7\t1234\r\n", 7, 1234),
            (b"+OK 999999999999999999 999999999999999999\r\n", 999999999999999999, 999999999999999999),
            # Whether the maildrop opens is the question; a figure is lost by itself.
            (b"+OK 2\r\n", 2, None),
            (b"+OK 2 320octets\r\n", 2, None),
            (b"+OK 40000 -2147481600\r\n", 40000, None),
        ],
    )
    def test_has_a_count_and_a_size(self, response: bytes, messages: int, size: int | None, cut: Cut) -> None:
        played = play(look_at_maildrop(client()), response + TRAILING, cut)

        assert [b"STAT"] == played.sent
        assert [Facts(mailbox=MailboxFacts("INBOX", messages=messages, size=size))] == played.learnt
        assert TRAILING == played.unread

    @pytest.mark.parametrize(
        ("response", "reason"),
        [
            (b"-ERR", FailureReason.MAILBOX_UNAVAILABLE),
            (b"-ERR [SYS/PERM] maildrop corrupt", FailureReason.MAILBOX_UNAVAILABLE),
            (b"-ERR [SYS/TEMP] Couldn't sync mailbox.", FailureReason.SERVER_BUSY),
            (b"-ERR [IN-USE] Mailbox is locked by another POP3 session.", FailureReason.SERVER_BUSY),
            (b"-ERR [sys/temp/disk] cannot be read", FailureReason.SERVER_BUSY),
            (b"+OK", FailureReason.PROTOCOL_ERROR),
            (b"+OK two messages", FailureReason.PROTOCOL_ERROR),
            (b"+OK -1 320", FailureReason.PROTOCOL_ERROR),
            (b"+OK 1e3 1.5", FailureReason.PROTOCOL_ERROR),
            (b"+OK 9999999999999999999 1", FailureReason.PROTOCOL_ERROR),
            ("+OK ٢ ٣".encode(), FailureReason.PROTOCOL_ERROR),
        ],
    )
    def test_that_cannot_be_looked_at_fails(self, response: bytes, reason: FailureReason) -> None:
        assert (None, reason) == play(look_at_maildrop(client()), response + b"\r\n").failure


@every_cut
@pytest.mark.parametrize("answer", [b"+OK Logging out.\r\n", b"-ERR some deleted messages not removed\r\n"])
def test_the_goodbye_waits_for_its_answer_whatever_it_is(answer: bytes, cut: Cut) -> None:
    played = play(client().quit(), answer + TRAILING, cut)

    assert [b"QUIT"] == played.sent
    assert TRAILING == played.unread
