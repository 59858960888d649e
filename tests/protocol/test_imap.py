from __future__ import annotations

import pytest

from exporter.model import Facts, FailureReason, MailboxFacts, Protocol
from exporter.protocol.dialogue import MAX_REPLY_LINES
from exporter.protocol.errands.mailbox import look_at_mailbox
from exporter.protocol.imap import Imap
from tests.protocol.imap_client import FIGURES, TRAILING, client
from tests.protocol.player import Cut, ScriptEndedError, every_cut, play
from tests.protocol.samples import endpoint, login


class TestGreeting:
    @every_cut
    @pytest.mark.parametrize(
        ("greeting", "capabilities"),
        [
            (b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] ready\r\n", ("IMAP4rev1", "AUTH=PLAIN")),
            (b"* ok [capability IMAP4rev2]\r\n", ("IMAP4rev2",)),
            (b"* OK [CAPABILITY] none\r\n", ()),
            (b"* OK [ALERT] The system goes down at noon\r\n", None),
            (b"* OK The Microsoft Exchange IMAP4 service is ready. [UwBOADEA]\r\n", None),
            (b"* OK\r\n", None),
        ],
    )
    def test_may_tell_the_capabilities(self, greeting: bytes, capabilities: tuple[str, ...] | None, cut: Cut) -> None:
        imap = Imap(endpoint(Protocol.IMAP), "probe.example.com")
        played = play(imap.greet(), greeting + TRAILING, cut)

        assert played.error is None
        assert [] == played.sent
        assert capabilities == imap.capabilities
        assert not imap.logged_in_already()
        assert TRAILING == played.unread

    @every_cut
    def test_may_say_that_no_login_is_needed(self, cut: Cut) -> None:
        imap = Imap(endpoint(Protocol.IMAP), "probe.example.com")
        played = play(imap.greet(), b"* PREAUTH [CAPABILITY IMAP4rev1 QUOTA] welcome back\r\n", cut)

        assert played.error is None
        assert imap.logged_in_already()
        assert ("IMAP4rev1", "QUOTA") == imap.capabilities

    @every_cut
    @pytest.mark.parametrize(
        ("greeting", "reason"),
        [
            (b"* BYE go away", FailureReason.SERVER_REFUSED),
            (b"* BYE [REFERRAL imap://elsewhere.example.com/] Your mailbox has moved", FailureReason.SERVER_REFUSED),
            (b"* BYE [UNAVAILABLE] too busy", FailureReason.SERVER_BUSY),
            (b"* BYE [LIMIT] too many of you", FailureReason.SERVER_BUSY),
            (b"* BYE [SERVERBUG] that should not happen", FailureReason.SERVER_BUSY),
            (b"* NO too many connections", FailureReason.SERVER_BUSY),
            (b"* BYE Maximum number of connections from your IP exceeded", FailureReason.SERVER_BUSY),
            (b"* BYE [ALERT] Server shutting down", FailureReason.SERVER_BUSY),
            (b"* NO access denied", FailureReason.SERVER_REFUSED),
            (b"* BAD go away", FailureReason.SERVER_REFUSED),
            (b"* CAPABILITY IMAP4rev1", FailureReason.PROTOCOL_ERROR),
            (b"a1 OK ready", FailureReason.PROTOCOL_ERROR),
            (b"+ go on", FailureReason.PROTOCOL_ERROR),
            (b"220 mail.example.com ESMTP", FailureReason.PROTOCOL_ERROR),
            (b"+OK POP3 ready", FailureReason.PROTOCOL_ERROR),
        ],
    )
    def test_that_turns_us_away_is_told_from_a_busy_server_and_from_nonsense(
        self, greeting: bytes, reason: FailureReason, cut: Cut
    ) -> None:
        played = play(Imap(endpoint(Protocol.IMAP), "probe.example.com").greet(), greeting + b"\r\n", cut)

        assert played.error is not None
        assert reason is played.error.reason
        assert greeting.removeprefix(b"* ").decode() in played.error.detail
        assert not played.error.in_step


class TestCapabilities:
    def test_are_not_asked_for_if_the_greeting_told(self) -> None:
        played = play(client().ask_capabilities(), b"")

        assert [] == played.steps

    @every_cut
    @pytest.mark.parametrize(
        "answer",
        [
            b"* CAPABILITY IMAP4rev1 IDLE AUTH=PLAIN\r\na1 OK done\r\n",
            b"* CAPABILITY IMAP4rev1 IDLE AUTH=PLAIN \r\na1 OK done\r\n",
            b"* NO [ALERT] a warning\r\n* CAPABILITY IMAP4rev1 IDLE AUTH=PLAIN\r\n* BAD another\r\na1 OK done\r\n",
            b"a1 OK [CAPABILITY IMAP4rev1 IDLE AUTH=PLAIN] done\r\n",
        ],
    )
    def test_are_asked_for_otherwise(self, answer: bytes, cut: Cut) -> None:
        imap = client(b"* OK ready\r\n")
        played = play(imap.ask_capabilities(), answer + TRAILING, cut)

        assert [b"a1 CAPABILITY"] == played.sent
        assert ("IMAP4rev1", "IDLE", "AUTH=PLAIN") == imap.capabilities
        assert TRAILING == played.unread

    def test_are_printable_whatever_the_server_sends(self) -> None:
        imap = client(b"* OK ready\r\n")
        play(imap.ask_capabilities(), b"* CAPABILITY IMAP4rev1 caf\xc3\xa9 \x1b[31m\r\na1 OK done\r\n")

        assert ("IMAP4rev1", "caf\N{LATIN SMALL LETTER E WITH ACUTE}", "\\x1b[31m") == imap.capabilities

    @every_cut
    @pytest.mark.parametrize(
        ("answer", "reason"),
        [
            (b"a1 NO not now\r\n", FailureReason.COMMAND_REFUSED),
            (b"a1 BAD what?\r\n", FailureReason.COMMAND_REFUSED),
            (b"a1 NO [UNAVAILABLE] not now\r\n", FailureReason.SERVER_BUSY),
            (b"a1 NO [INUSE] not now\r\n", FailureReason.SERVER_BUSY),
            (b"* BYE shutting down\r\n", FailureReason.CONNECTION_CLOSED),
            (b"* BYE [UNAVAILABLE] shutting down\r\n", FailureReason.SERVER_BUSY),
            (b"a1 OK and nothing told\r\n", FailureReason.PROTOCOL_ERROR),
            (b"a2 OK the wrong tag\r\n", FailureReason.PROTOCOL_ERROR),
            (b"A1 OK tags have a case\r\n", FailureReason.PROTOCOL_ERROR),
            (b"* PREAUTH in the middle\r\n", FailureReason.PROTOCOL_ERROR),
            (b"+ go on\r\n", FailureReason.PROTOCOL_ERROR),
            (b"* CAPABILITY {3}\r\nabc\r\n\r\n", FailureReason.PROTOCOL_ERROR),
            (b"* " + b"x" * 9000, FailureReason.RESPONSE_TOO_LARGE),
            (b"* OK still here\r\n" * MAX_REPLY_LINES, FailureReason.RESPONSE_TOO_LARGE),
        ],
    )
    def test_that_are_not_told_end_the_conversation(self, answer: bytes, reason: FailureReason, cut: Cut) -> None:
        played = play(client(b"* OK ready\r\n").ask_capabilities(), answer, cut)

        assert played.error is not None
        assert reason is played.error.reason
        assert played.error.in_step is answer.startswith((b"a1 NO", b"a1 BAD"))


class TestStarttls:
    @every_cut
    @pytest.mark.parametrize(
        "answer",
        [
            b"a1 OK begin\r\n",
            b"a1 OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] an attacker would say\r\n",
            b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\na1 OK begin\r\n",
        ],
    )
    def test_forgets_what_was_announced_in_plain_and_with_the_go_ahead(self, answer: bytes, cut: Cut) -> None:
        imap = client()
        assert imap.offers_starttls()

        played = play(imap.starttls(), answer + TRAILING, cut)

        assert [b"a1 STARTTLS"] == played.sent
        assert imap.capabilities is None
        assert not imap.offers_starttls()
        assert TRAILING == played.unread

    @pytest.mark.parametrize(
        ("greeting", "offered"),
        [
            (b"* OK [CAPABILITY IMAP4rev1 starttls] ready\r\n", True),
            (b"* OK [CAPABILITY IMAP4rev1 XSTARTTLS STARTTLS=YES] ready\r\n", False),
            (b"* OK ready for STARTTLS\r\n", False),
        ],
    )
    def test_is_offered_as_a_word_of_its_own_in_any_case_of_letters(self, greeting: bytes, *, offered: bool) -> None:
        assert offered is client(greeting).offers_starttls()

    @every_cut
    @pytest.mark.parametrize(
        ("answer", "reason"),
        [
            (b"a1 NO not available", FailureReason.STARTTLS_REFUSED),
            (b"a1 BAD what?", FailureReason.STARTTLS_REFUSED),
            (b"a1 NO [UNAVAILABLE] the key is missing", FailureReason.STARTTLS_REFUSED),
            (b"a1 NO [REFERRAL imap://attacker.example.com/] go there", FailureReason.STARTTLS_REFUSED),
            (b"* BYE I had rather not", FailureReason.CONNECTION_CLOSED),
            (b"+ go on", FailureReason.PROTOCOL_ERROR),
        ],
    )
    def test_refused_is_starttls_refused(self, answer: bytes, reason: FailureReason, cut: Cut) -> None:
        played = play(client().starttls(), answer + b"\r\n", cut)

        assert played.error is not None
        assert reason is played.error.reason
        assert [b"a1 STARTTLS"] == played.sent


class TestCapabilitiesAfterTheLogin:
    @every_cut
    @pytest.mark.parametrize(
        "answer",
        [
            b"a1 OK [CAPABILITY IMAP4rev1 QUOTA] welcome\r\n",
            b"* CAPABILITY IMAP4rev1 QUOTA\r\na1 OK welcome\r\n",
            b"* OK [CAPABILITY IMAP4rev1 QUOTA] by the way\r\na1 OK welcome\r\n",
        ],
    )
    def test_are_taken_as_told(self, answer: bytes, cut: Cut) -> None:
        imap = client()
        played = play(imap.log_in(login(), encrypted=True), answer, cut)

        assert Facts(capabilities=("IMAP4rev1", "QUOTA")) == played.learnt[-1]
        assert ("IMAP4rev1", "QUOTA") == imap.capabilities
        assert [] == play(imap.refresh_capabilities(), b"").sent

    @every_cut
    def test_are_asked_for_where_they_matter_and_were_not_told(self, cut: Cut) -> None:
        imap = client()
        assert play(imap.log_in(login(), encrypted=True), b"a1 OK welcome\r\n").error is None

        played = play(imap.refresh_capabilities(), b"* CAPABILITY IMAP4rev1 QUOTA\r\na2 OK done\r\n", cut)

        assert [b"a2 CAPABILITY"] == played.sent
        assert [Facts(capabilities=("IMAP4rev1", "QUOTA"))] == played.learnt

    @pytest.mark.parametrize("answer", [b"a2 BAD no\r\n", b"a2 OK\r\n", b"* CAPABILITY\0\r\na2 NO\r\n"])
    def test_that_are_not_told_are_those_before(self, answer: bytes) -> None:
        imap = client(b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN QUOTA] ready\r\n")
        play(imap.log_in(login(), encrypted=True), b"+ \r\na1 OK welcome\r\n")

        played = play(
            look_at_mailbox(imap, "INBOX"),
            answer + b'a3 NO\r\n* 5 EXISTS\r\na4 OK\r\n* QUOTA "" (STORAGE 1 2)\r\na5 OK\r\n',
        )

        assert played.error is None
        assert [b"a2 CAPABILITY", b'a5 GETQUOTAROOT "INBOX"'] == [played.sent[0], played.sent[-1]]
        assert 2048 == played.value.quota_limit

    def test_decide_whether_there_is_a_quota(self) -> None:
        imap = client()
        assert play(imap.log_in(login(), encrypted=True), b"a1 OK welcome\r\n").error is None

        played = play(
            look_at_mailbox(imap, "INBOX"),
            b"* CAPABILITY IMAP4rev1 QUOTA\r\na2 OK\r\n* STATUS INBOX (MESSAGES 1 UNSEEN 0)\r\na3 OK\r\na4 OK\r\n"
            b"* QUOTA q (STORAGE 1 2)\r\na5 OK\r\n",
        )

        assert Facts(mailbox=MailboxFacts("INBOX", 1, 0, quota_used=1024, quota_limit=2048)) == played.learnt[-1]


class TestGoodbye:
    @every_cut
    @pytest.mark.parametrize(
        "answer",
        [
            b"* BYE logging out\r\na1 OK done\r\n",
            b"a1 OK done\r\n",
            b"a1 BAD what?\r\n",
            b"* 3 EXISTS\r\n* BYE Courier-IMAP server shutting down\r\n* OK [ALERT] x\r\na1 OK LOGOUT completed\r\n",
        ],
    )
    def test_waits_for_its_answer(self, answer: bytes, cut: Cut) -> None:
        played = play(client().quit(), answer + TRAILING, cut)

        assert played.error is None
        assert [b"a1 LOGOUT"] == played.sent
        assert TRAILING == played.unread

    def test_waits_for_the_tagged_answer_behind_bye(self) -> None:
        with pytest.raises(ScriptEndedError) as ended:
            play(client().quit(), b"* BYE logging out\r\n")

        assert [b"a1 LOGOUT"] == ended.value.played.sent

    def test_lets_the_late_answer_to_a_command_that_was_given_up_pass(self) -> None:
        imap = client(b"* PREAUTH [CAPABILITY IMAP4rev1] welcome\r\n")
        with pytest.raises(ScriptEndedError):
            play(look_at_mailbox(imap, "INBOX"), b"")

        played = play(imap.quit(), FIGURES + b"* BYE logging out\r\na2 OK done\r\n")

        assert played.error is None
        assert b"" == played.unread
