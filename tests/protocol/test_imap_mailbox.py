"""What comes of looking at a mailbox by IMAP."""

from __future__ import annotations

import pytest

from exporter import __version__
from exporter.model import Facts, FailureReason, MailboxFacts
from exporter.protocol.errands.mailbox import look_at_mailbox
from tests.protocol.imap_client import FIGURES, TRAILING, client
from tests.protocol.player import Cut, Played, every_cut, play, whole
from tests.protocol.samples import login

LOGGED_IN = b"a1 OK [CAPABILITY IMAP4rev1 QUOTA] welcome\r\n"
EXAMINED = (
    b"* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)\r\n* OK [PERMANENTFLAGS ()] Read-only mailbox.\r\n"
    b"* 8 EXISTS\r\n* 0 RECENT\r\n* OK [UNSEEN 2] First unseen.\r\n* OK [UIDVALIDITY 1700000000] UIDs valid\r\n"
    b"a2 OK [READ-ONLY] Examine completed.\r\n"
)


def looked_at(script: bytes, capabilities: bytes = b"IMAP4rev1", name: str = "INBOX", cut: Cut = whole) -> Played:
    """What comes of looking at a mailbox."""
    imap = client(b"* PREAUTH [CAPABILITY " + capabilities + b"] welcome\r\n")
    return play(look_at_mailbox(imap, name), script, cut)


class TestMailbox:
    @every_cut
    def test_is_looked_at_without_selecting_it(self, cut: Cut) -> None:
        played = looked_at(FIGURES + EXAMINED + TRAILING, cut=cut)

        assert played.error is None
        assert [b'a1 STATUS "INBOX" (MESSAGES UNSEEN)', b'a2 EXAMINE "INBOX"'] == played.sent
        assert Facts(mailbox=MailboxFacts("INBOX", messages=7, unseen=3)) == played.learnt[-1]
        assert TRAILING == played.unread

    @pytest.mark.parametrize(
        "capabilities", [b"IMAP4rev1 STATUS=SIZE", b"IMAP4rev1 IMAP4rev2", b"imap4rev1 status=size"]
    )
    def test_is_measured_where_the_server_can(self, capabilities: bytes) -> None:
        played = looked_at(
            b"* STATUS INBOX (MESSAGES 7 UNSEEN 3 SIZE 44421)\r\na1 OK done\r\n" + EXAMINED, capabilities
        )

        assert b'a1 STATUS "INBOX" (MESSAGES UNSEEN SIZE)' == played.sent[0]
        assert Facts(mailbox=MailboxFacts("INBOX", messages=7, unseen=3, size=44421)) == played.learnt[-1]

    @pytest.mark.parametrize(
        ("capabilities", "written"),
        [
            (b"IMAP4rev1", b'"Entw&APw-rfe/\\"R&-D\\""'),
            (b"IMAP4rev1 IMAP4rev2", b'"Entw&APw-rfe/\\"R&-D\\""'),
            (b"IMAP4rev2", '"Entwürfe/\\"R&D\\""'.encode()),
        ],
    )
    def test_has_its_name_written_as_the_server_reads_it(self, capabilities: bytes, written: bytes) -> None:
        played = looked_at(b"a1 OK nothing to tell\r\n" + EXAMINED, capabilities, 'Entwürfe/"R&D"')

        assert b"a2 EXAMINE " + written == played.sent[1]
        assert Facts(mailbox=MailboxFacts('Entwürfe/"R&D"', messages=8)) == played.learnt[-1]

    @every_cut
    @pytest.mark.parametrize(
        ("quotas", "used", "limit"),
        [
            (b'* QUOTAROOT INBOX "User quota"\r\n* QUOTA "User quota" (STORAGE 10 512)\r\n', 10240, 524288),
            (b"* QUOTAROOT INBOX a b\r\n* QUOTA a (STORAGE 1 9)\r\n* QUOTA b (STORAGE 10 12)\r\n", 10240, 12288),
            (b"* QUOTAROOT INBOX a\r\n* QUOTA a (STORAGE 5 4)\r\n", 5120, 4096),
            # A limit of 0 is none.
            (b"* QUOTAROOT INBOX a b\r\n* QUOTA a (MESSAGE 1 2)\r\n* QUOTA b (STORAGE 7 0)\r\n", 7168, None),
            (b"* QUOTAROOT INBOX a b\r\n* QUOTA a (STORAGE 1 0)\r\n* QUOTA b (STORAGE 10 12)\r\n", 10240, 12288),
            # Courier, for an account without a quota; and other answers that say nothing.
            (b'* QUOTAROOT "INBOX" "ROOT"\r\n* QUOTA "ROOT"\r\n', None, None),
            (b"* QUOTA a (STORAGE 1)\r\n", None, None),
            (b"* QUOTA a (STORAGE many few)\r\n", None, None),
            (b"* QUOTA a (STORAGE (1) 2)\r\n", None, None),
            (b'* QUOTA "a (STORAGE 1 2)\r\n', None, None),
            (b"* QUOTA a (STORAGE 1 2)\r\n* QUOTA\r\n", 1024, 2048),
            (b"* QUOTAROOT {5}\r\nINBOX {1}\r\na\r\n* QUOTA {1}\r\na (STORAGE 1 2)\r\n", 1024, 2048),
            (b"* QUOTAROOT INBOX\r\n", None, None),
            (b'* QUOTAROOT INBOX ""\r\n* QUOTA "" ()\r\n', None, None),
        ],
    )
    @pytest.mark.parametrize("capabilities", [b"IMAP4rev1 QUOTA", b"IMAP4rev1 QUOTA=RES-STORAGE"])
    def test_has_the_quota_with_the_least_room_left(
        self, capabilities: bytes, quotas: bytes, used: int | None, limit: int | None, cut: Cut
    ) -> None:
        played = looked_at(FIGURES + EXAMINED + quotas + b"a3 OK done\r\n", capabilities, cut=cut)

        assert played.error is None
        assert b'a3 GETQUOTAROOT "INBOX"' == played.sent[-1]
        assert Facts(mailbox=MailboxFacts("INBOX", 7, 3, quota_used=used, quota_limit=limit)) == played.learnt[-1]

    @pytest.mark.parametrize("answer", [b"a3 NO permission denied\r\n", b"a3 BAD what?\r\n"])
    def test_whose_quota_is_not_told_has_none(self, answer: bytes) -> None:
        played = looked_at(FIGURES + EXAMINED + answer, b"IMAP4rev1 QUOTA")

        assert played.error is None
        assert Facts(mailbox=MailboxFacts("INBOX", 7, 3)) == played.learnt[-1]

    @pytest.mark.parametrize(
        ("status", "messages"),
        [
            (b"a1 NO not this one\r\n", 8),
            (b"a1 BAD what?\r\n", 8),
            (b"a1 OK\r\n", 8),
            (b"* STATUS INBOX ()\r\na1 OK\r\n", 8),
            (b"* STATUS INBOX (MESSAGES 9)\r\na1 OK\r\n", 9),
        ],
    )
    def test_without_status_has_the_count_that_examine_tells(self, status: bytes, messages: int) -> None:
        played = looked_at(status + EXAMINED)

        assert played.error is None
        assert Facts(mailbox=MailboxFacts("INBOX", messages=messages)) == played.learnt[-1]

    def test_with_no_figures_at_all_was_still_looked_at(self) -> None:
        played = looked_at(b"a1 OK\r\na2 OK\r\n")

        assert played.error is None
        assert [Facts(mailbox=MailboxFacts("INBOX"))] == played.learnt

    @every_cut
    @pytest.mark.parametrize(
        ("answer", "reason"),
        [
            (b"a2 NO [NONEXISTENT] Mailbox doesn't exist: INBOX", FailureReason.MAILBOX_UNAVAILABLE),
            (b"a2 NO Mailbox does not exist", FailureReason.MAILBOX_UNAVAILABLE),
            (b"a2 NO [NOPERM] Permission denied", FailureReason.MAILBOX_UNAVAILABLE),
            (b"a2 NO [CORRUPTION] Cannot open mailbox", FailureReason.MAILBOX_UNAVAILABLE),
            (b"a2 BAD User is authenticated but not connected.", FailureReason.MAILBOX_UNAVAILABLE),
            (b"a2 NO [UNAVAILABLE] Backend down", FailureReason.SERVER_BUSY),
            (b"a2 NO [INUSE] Mailbox in use", FailureReason.SERVER_BUSY),
            (b"a2 NO [SERVERBUG] Internal error occurred.", FailureReason.SERVER_BUSY),
            (b"a2 NO [LIMIT] Too much", FailureReason.SERVER_BUSY),
            (b"* BYE Connection closed. 14", FailureReason.CONNECTION_CLOSED),
            (b"* BYE [UNAVAILABLE] shutting down", FailureReason.SERVER_BUSY),
            (b"+ more", FailureReason.PROTOCOL_ERROR),
        ],
    )
    def test_that_does_not_open_fails_and_keeps_its_figures(
        self, answer: bytes, reason: FailureReason, cut: Cut
    ) -> None:
        played = looked_at(FIGURES + answer + b"\r\n", cut=cut)

        assert played.error is not None
        assert reason is played.error.reason
        assert answer.split(b" ", 1)[1].decode() in played.error.detail
        assert [Facts(mailbox=MailboxFacts("INBOX", 7, 3))] == played.learnt

    @pytest.mark.parametrize(
        "script",
        [
            b"* STATUS INBOX (MESSAGES many)\r\na1 OK\r\n",
            b"* STATUS INBOX\r\na1 OK\r\n",
            b"* STATUS INBOX (MESSAGES 7 UNSEEN 3\r\na1 OK\r\n",
            b"* STATUS INBOX (" + 400 * b"MESSAGES 7 " + b")\r\na1 OK\r\n",
        ],
    )
    def test_with_figures_that_are_none_is_looked_at_all_the_same(self, script: bytes) -> None:
        # STATUS is a question that a server need not answer well: EXAMINE tells whether the mailbox opens.
        played = looked_at(script + EXAMINED)

        assert played.error is None
        assert [Facts(mailbox=MailboxFacts("INBOX", 8))] == played.learnt

    @pytest.mark.parametrize("answer", [b"+ what?\r\na1 OK\r\n", b"PHP Warning: no\r\na1 OK\r\n", b"\r\na1 OK\r\n"])
    def test_with_no_answer_to_what_need_not_be_answered_is_looked_at_all_the_same(self, answer: bytes) -> None:
        quota = answer.replace(b"a1", b"a3")

        played = looked_at(answer + EXAMINED + quota, b"IMAP4rev1 QUOTA")

        assert played.error is None
        assert [Facts(mailbox=MailboxFacts("INBOX", 8))] == played.learnt

    def test_is_told_of_a_few_times_however_often_the_server_says_it(self) -> None:
        flood = b"".join(b"* STATUS INBOX (MESSAGES %d)\r\n" % number for number in range(400))

        played = looked_at(flood + b"a1 OK\r\n" + EXAMINED)

        assert [Facts(mailbox=MailboxFacts("INBOX", 7))] == played.learnt[-1:]

    @pytest.mark.parametrize("line", [b"*  7 EXISTS", b"*   7  EXISTS ", b"* 7 EXISTS\r", b"* 7 EXISTS\t"])
    def test_is_counted_whatever_white_space_there_is(self, line: bytes) -> None:
        # DavMail writes two spaces.
        played = looked_at(b"a1 NO\r\n" + line + b"\r\na2 OK done\r\n")

        assert [Facts(mailbox=MailboxFacts("INBOX", 7))] == played.learnt

    @pytest.mark.parametrize("answer", [b"a1 OK ID completed\r\n", b"a1 NO\r\n", b'* ID ("name" "x")\r\na1 OK\r\n'])
    def test_is_opened_to_a_client_that_says_who_it_is(self, answer: bytes) -> None:
        # NetEase: EXAMINE without ID (RFC 2971) is refused as "Unsafe Login".
        script = answer + FIGURES.replace(b"a1", b"a2") + EXAMINED.replace(b"a2", b"a3")

        played = looked_at(script, b"IMAP4rev1 ID")

        assert played.error is None
        assert f'a1 ID ("name" "mail-exporter" "version" "{__version__}")'.encode() == played.sent[0]
        assert Facts(mailbox=MailboxFacts("INBOX", 7, 3)) == played.learnt[-1]

    @pytest.mark.parametrize(
        "answer",
        [
            b"a2 BAD Request is throttled. Suggested Backoff Time: 29988 milliseconds",
            b"a2 NO Server Unavailable. 15",
            b"a2 NO [ALERT] Too many simultaneous connections. (Failure)",
            b"a2 NO Internal error occurred. Refer to server log for more information.",
        ],
    )
    def test_that_a_busy_server_does_not_open_is_not_damaged(self, answer: bytes) -> None:
        played = looked_at(FIGURES + answer + b"\r\n")

        assert played.error is not None
        assert FailureReason.SERVER_BUSY is played.error.reason

    @pytest.mark.parametrize("answer", [b"a2 NO [NONEXISTENT] Server unavailable", b"a2 NO Mailbox doesn't exist"])
    def test_that_is_not_there_is_unavailable(self, answer: bytes) -> None:
        played = looked_at(FIGURES + answer + b"\r\n")

        assert played.error is not None
        assert FailureReason.MAILBOX_UNAVAILABLE is played.error.reason

    def test_figures_that_nobody_asked_for_are_not_taken_for_the_mailbox(self) -> None:
        imap = client()
        # RFC 9051 11.3: before the login, responses that belong behind it are to be ignored.
        login_script = b"* 99 EXISTS\r\n* STATUS INBOX (MESSAGES 99)\r\n* 1 FETCH (BODY[] {3}\r\nabc)\r\n" + LOGGED_IN
        assert play(imap.log_in(login(), encrypted=True), login_script).error is None

        played = play(look_at_mailbox(imap, "INBOX"), b"a2 OK\r\n* 5 EXISTS\r\na3 OK\r\na4 OK\r\n")

        assert Facts(mailbox=MailboxFacts("INBOX", messages=5)) == played.learnt[-1]
