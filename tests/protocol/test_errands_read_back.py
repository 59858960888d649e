from __future__ import annotations

from email.feedparser import BytesFeedParser

import pytest

from exporter.model import Facts, FailureReason, MailboxFacts, Protocol
from exporter.protocol.dialogue import MAX_LINE
from exporter.protocol.errands import read_back as module
from exporter.protocol.errands.read_back import PIECE, read_back_mailbox, read_back_maildrop
from exporter.protocol.imap import Imap
from exporter.protocol.pop3 import Pop3
from tests.protocol.player import Cut, Played, every_cut, play, whole
from tests.protocol.samples import endpoint

MAIL = b"Subject: x\r\n\r\nbody\r\n"


def client() -> Imap:
    imap = Imap(endpoint(Protocol.IMAP), "probe.example.com")
    play(imap.greet(), b"* OK [CAPABILITY IMAP4rev1] ready\r\n")
    return imap


def sizes(*pairs: tuple[int, int]) -> bytes:
    lines = [b"* %d FETCH (UID %d RFC822.SIZE %d)\r\n" % (n, uid, size) for n, (uid, size) in enumerate(pairs, 1)]
    return b"".join(lines) + b"a1 OK done\r\n"


def piece(tag: int, uid: int, content: bytes, start: int = 0) -> bytes:
    literal = b"{%d}\r\n%s" % (len(content), content)
    return b"* 1 FETCH (UID %d BODY[]<%d> %s)\r\na%d OK done\r\n" % (uid, start, literal, tag)


def read_back(script: bytes, messages: int = 1, most: int = 5, cut: Cut = whole) -> Played:
    return play(read_back_mailbox(client(), MailboxFacts("INBOX", messages=messages), most), script, cut)


def unreadable(played: Played) -> int | None:
    assert played.error is None
    assert isinstance(played.value, MailboxFacts)
    return played.value.unreadable


@every_cut
def test_the_newest_messages_are_fetched_without_setting_a_flag(cut: Cut) -> None:
    script = sizes((8, len(MAIL)), (9, len(MAIL))) + piece(2, 8, MAIL) + piece(3, 9, MAIL)
    played = read_back(script, messages=7, most=2, cut=cut)
    assert [
        b"a1 FETCH 6:7 (UID RFC822.SIZE)",
        b"a2 UID FETCH 8 (UID BODY.PEEK[]<0.65536>)",
        b"a3 UID FETCH 9 (UID BODY.PEEK[]<0.65536>)",
    ] == played.sent
    assert 0 == unreadable(played)


def test_a_large_message_is_fetched_in_pieces() -> None:
    large = b"Subject: x\r\n\r\n" + b"a" * (2 * PIECE)
    script = sizes((8, len(large)))
    for number, start in enumerate(range(0, len(large), PIECE), 2):
        script += piece(number, 8, large[start : start + PIECE], start)
    played = read_back(script)
    assert (0, 4) == (unreadable(played), len(played.sent))


@pytest.mark.parametrize(
    "script",
    [
        sizes((8, len(MAIL) + 1)) + piece(2, 8, MAIL),
        sizes((8, len(MAIL))) + piece(2, 8, b""),
        sizes((8, 4)) + piece(2, 8, b"\0\0\0\0"),
        sizes((8, len(MAIL))) + b"a2 NO [SERVERBUG] broken\r\n",
        sizes((8, len(MAIL))) + b"a2 OK gone\r\n",
        sizes(),
    ],
    ids=["shorter", "empty", "no mail", "refused", "gone", "counted only"],
)
def test_what_is_not_there_whole_and_as_mail_cannot_be_read(script: bytes) -> None:
    assert 1 == unreadable(read_back(script))


def test_an_empty_mailbox_can_be_read() -> None:
    played = read_back(b"", messages=0)
    assert (0, []) == (unreadable(played), played.sent)


def test_a_server_that_hangs_up_at_a_message_has_one_that_cannot_be_read() -> None:
    played = read_back(sizes((8, 5)) + b"* BYE broken index\r\n")
    assert played.error is not None
    learnt = [fact.mailbox for fact in played.learnt if isinstance(fact, Facts) and fact.mailbox is not None]
    assert [1] == [mailbox.unreadable for mailbox in learnt]


def test_pop3_reads_by_retr() -> None:
    pop3 = Pop3(endpoint(Protocol.POP3), "probe.example.com")
    listed = b"+OK 3 %d\r\n" % len(MAIL)
    script = b"+OK 2 99\r\n+OK\r\n" + MAIL + b".\r\n" + listed + b"+OK\r\n" + MAIL + b".\r\n"
    played = play(read_back_maildrop(pop3, MailboxFacts("INBOX", messages=3), 2), script)
    assert [b"LIST 2", b"RETR 2", b"LIST 3", b"RETR 3"] == played.sent
    assert 1 == unreadable(played)


def test_pop3_reads_lines_of_any_length() -> None:
    long = b"Subject: x\r\n\r\n" + b"a" * (3 * MAX_LINE) + b"\r\n..b\r\n"
    pop3 = Pop3(endpoint(Protocol.POP3), "probe.example.com")
    script = b"+OK 1 %d\r\n+OK\r\n" % (len(long) - 1) + long + b".\r\n"
    assert 0 == unreadable(play(read_back_maildrop(pop3, MailboxFacts("INBOX", messages=1), 1), script))


def by_pop3(message: bytes, size: int | None = None) -> Played:
    pop3 = Pop3(endpoint(Protocol.POP3), "probe.example.com")
    script = b"+OK 1 %d\r\n+OK\r\n" % (size or len(message)) + message + b".\r\n"
    return play(read_back_maildrop(pop3, MailboxFacts("INBOX", messages=1), 1), script)


def test_a_size_that_counts_the_ends_of_lines_once_is_one() -> None:
    # qmail and others announce the size of their file.
    in_file = len(MAIL.replace(b"\r\n", b"\n"))
    assert [0, 1, 1] == [unreadable(by_pop3(MAIL, size)) for size in (in_file, in_file - 1, in_file + 1)]
    assert 0 == unreadable(read_back(sizes((8, in_file)) + piece(2, 8, MAIL)))


def test_of_a_message_larger_than_anybody_reads_the_beginning_has_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_READ", PIECE)
    large = b"Subject: x\r\n\r\n" + (b"a" * 62 + b"\r\n") * 3000
    by_imap = read_back(sizes((8, len(large))) + piece(2, 8, large[:PIECE]))
    assert (0, 2) == (unreadable(by_imap), len(by_imap.sent))
    # By POP3 it comes to its end, and what comes after those octets is not looked at.
    whole_lines = large[: large.index(b"\r\n", PIECE - 64) + 2]
    monkeypatch.setattr(module, "MAX_READ", len(whole_lines))
    assert 0 == unreadable(by_pop3(large))


def test_a_message_of_more_lines_than_anybody_counts_ends_the_visit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_LINES", 3)
    played = by_pop3(MAIL + b"more\r\n" * 10)
    assert played.error is not None
    assert FailureReason.RESPONSE_TOO_LARGE is played.error.reason


@pytest.mark.parametrize("step", ["feed", "close"])
def test_a_message_that_breaks_the_library_cannot_be_read_and_the_next_one_can(
    step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(BytesFeedParser):
        """As the library was with some messages, again and again."""

    def breaks(self: BytesFeedParser, *given: bytes) -> object:
        found = getattr(BytesFeedParser, step)(self, *given)
        if b"broken" in b"".join(given) or (found is not None and "broken" in str(found)):
            raise LookupError("an unknown encoding")
        return found

    setattr(Broken, step, breaks)
    monkeypatch.setattr(module, "BytesFeedParser", Broken)
    broken = b"Subject: broken\r\n\r\n" + b"b" * PIECE
    script = sizes((8, len(broken)), (9, len(MAIL))) + piece(2, 8, broken[:PIECE]) + piece(3, 8, broken[PIECE:], PIECE)
    assert 1 == unreadable(read_back(script + piece(4, 9, MAIL), messages=2))


def test_a_message_that_pop3_does_not_hand_out_cannot_be_read() -> None:
    script = b"+OK 1 20\r\n-ERR gone\r\n"
    played = play(read_back_maildrop(Pop3(endpoint(Protocol.POP3), "x"), MailboxFacts("INBOX", messages=1), 1), script)
    assert 1 == unreadable(played)
