from __future__ import annotations

import pytest

from exporter.model import FailureReason, Protocol
from exporter.protocol.errands.find import (
    Fetched,
    fetch_fields,
    fetch_message,
    fetch_sizes,
    fetch_text,
    has_field,
    search,
    uid_range,
    uids,
)
from exporter.protocol.errands.idle import ask_for_news, idle, offers_idle
from exporter.protocol.errands.mailboxes import Opened, open_mailbox, special_uses
from exporter.protocol.errands.remove import remove
from exporter.protocol.imap import Imap
from exporter.protocol.imap_response import Data
from tests.protocol.player import Cut, every_cut, play
from tests.protocol.samples import endpoint


def client(capabilities: bytes = b"IMAP4rev1") -> Imap:
    imap = Imap(endpoint(Protocol.IMAP), "probe.example.com")
    play(imap.greet(), b"* OK [CAPABILITY " + capabilities + b"] ready\r\n")
    return imap


OPENED = b"* 12 EXISTS\r\n* 0 RECENT\r\n* OK [UIDVALIDITY 17] ok\r\n* OK [UIDNEXT 4392] next\r\n"


@every_cut
def test_a_mailbox_is_selected_only_to_remove(cut: Cut) -> None:
    played = play(open_mailbox(client(), b'"INBOX"', to_remove=True), OPENED + b"a1 OK [READ-WRITE] done\r\n", cut)
    assert [b'a1 SELECT "INBOX"'] == played.sent
    assert Opened(12, 17, 4392, read_only=False) == played.value
    played = play(open_mailbox(client(), b'"INBOX"', to_remove=False), OPENED + b"a1 OK [READ-ONLY] done\r\n", cut)
    assert [b'a1 EXAMINE "INBOX"'] == played.sent
    assert Opened(12, 17, 4392, read_only=True) == played.value


def test_a_mailbox_that_can_only_be_read_says_so() -> None:
    played = play(open_mailbox(client(), b"x", to_remove=True), b"* 1 EXISTS\r\na1 OK [READ-ONLY] done\r\n")
    assert Opened(1, None, None, read_only=True) == played.value


@pytest.mark.parametrize(
    "answer", [b"NO [NONEXISTENT] no", b"NO [TRYCREATE] no", b"NO Mailbox doesn't exist: Junk (0.001 secs)"]
)
def test_a_mailbox_that_is_not_there_is_none(answer: bytes) -> None:
    assert play(open_mailbox(client(), b"x", to_remove=True), b"a1 " + answer + b"\r\n").value is None


def test_a_server_that_refuses_to_pick_mailboxes_is_asked_for_those_of_the_first_level() -> None:
    script = b'a1 BAD what?\r\n* LIST (\\Junk) "/" "Spam"\r\na2 OK done\r\n'
    played = play(special_uses(client(b"IMAP4rev1 SPECIAL-USE")), script)
    assert [b'a1 LIST (SPECIAL-USE) "" "*"', b'a2 LIST "" "%"'] == played.sent
    assert {"\\junk": b'"Spam"'} == played.value


def test_a_mailbox_that_cannot_be_opened_is_a_failure() -> None:
    played = play(open_mailbox(client(), b"x", to_remove=True), b"a1 NO [NOPERM] no\r\n")
    assert played.error is not None
    assert FailureReason.MAILBOX_UNAVAILABLE is played.error.reason


@pytest.mark.parametrize(
    ("capabilities", "command"),
    [(b"IMAP4rev1 SPECIAL-USE", b'LIST (SPECIAL-USE) "" "*"'), (b"IMAP4rev1", b'LIST "" "%"')],
)
def test_special_uses_are_found_by_their_attribute(capabilities: bytes, command: bytes) -> None:
    script = (
        b'* LIST (\\HasNoChildren \\Junk) "/" Spam\r\n* LIST (\\Trash) "/" "Deleted Items"\r\n'
        b'* LIST (\\HasChildren) "/" INBOX\r\n* LIST (\\Archive) NIL {3}\r\nB&-\r\na1 OK done\r\n'
    )
    played = play(special_uses(client(capabilities)), script)
    assert [b"a1 " + command] == played.sent
    assert {b"Spam", b"Deleted Items", b"B&-"} == {
        name.strip(b'"') for name in played.value.values() if name[:1] == b'"'
    } - {b"INBOX"}
    assert b'"Spam"' == played.value["\\junk"]
    assert b'"Deleted Items"' == played.value["\\trash"]


@pytest.mark.parametrize(
    ("script", "found"),
    [
        (b'* LIST (\\Trash) "/" "half\r\n* LIST (\\Junk) "/" Spam\r\na1 OK\r\n', {"\\junk": b'"Spam"'}),
        (b"PHP Warning: no\r\na1 OK\r\n", {}),
        (b"a1 BAD what\r\n", {}),
    ],
    ids=["a line that is none", "no answer", "a refusal"],
)
def test_special_uses_need_not_be_told_well(script: bytes, found: dict[str, bytes]) -> None:
    played = play(special_uses(client()), script)

    assert played.error is None
    assert found == played.value


@every_cut
def test_a_search_gives_uids_in_their_order(cut: Cut) -> None:
    script = b"* SEARCH 9 5\r\n* SEARCH 7\r\n* 13 EXISTS\r\na1 OK done\r\n"
    played = play(search(client(), uid_range(5), has_field("X-A")), script, cut)
    assert [b'a1 UID SEARCH UID 5:* HEADER X-A ""'] == played.sent
    assert (5, 7, 9) == played.value


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (b'(TAG "a1") UID ALL 9,5:7', (5, 6, 7, 9)),
        (b'(TAG "a1") UID MIN 3 all 7:5', (5, 6, 7)),
        (b'(TAG "a1") UID', ()),
        (b'(TAG "a1") UID ALL 1:4294967295', None),
        (b'(TAG "a1") UID ALL :,,9:', (9,)),
    ],
)
def test_imap4rev2_answers_a_search_with_ranges(answer: bytes, found: tuple[int, ...] | None) -> None:
    assert found == play(search(client(), b"ALL"), b"* ESEARCH " + answer + b"\r\na1 OK done\r\n").value


@pytest.mark.parametrize("answer", [b"NO no", b"BAD what", b"NO [CANNOT] no"])
def test_a_server_that_cannot_search_says_so(answer: bytes) -> None:
    assert play(search(client(), b"ALL"), b"a1 " + answer + b"\r\n").value is None


def test_no_match_is_none_found() -> None:
    assert () == play(search(client(), b"ALL"), b"* SEARCH\r\na1 OK done\r\n").value
    assert () == play(search(client(), b"ALL"), b"a1 OK done\r\n").value


FIELDS = b"X-A: b\r\n\r\n"
ANSWER = (
    b'* 3 FETCH (UID 9 FLAGS (\\Seen \\Deleted) INTERNALDATE "17-Jul-2026 02:44:25 +0200" RFC822.SIZE 4286 '
    b"BODY[HEADER.FIELDS (X-A)]<0> {10}\r\n" + FIELDS + b")\r\n"
)


@every_cut
def test_fields_are_fetched_in_part_without_setting_a_flag(cut: Cut) -> None:
    played = play(fetch_fields(client(), uids((9, 11)), ("X-A",)), ANSWER + b"a1 OK done\r\n", cut)
    item = b"BODY.PEEK[HEADER.FIELDS (X-A)]<0.2048>"
    assert [b"a1 UID FETCH 9,11 (UID FLAGS INTERNALDATE RFC822.SIZE " + item + b")"] == played.sent
    assert [Fetched(9, FIELDS, 4286, "17-Jul-2026 02:44:25 +0200", deleted=True)] == played.value


def test_messages_may_be_named_by_their_place() -> None:
    played = play(fetch_fields(client(), b"3:12", ("X-A",)), b"a1 OK done\r\n")
    assert played.sent[0].startswith(b"a1 FETCH 3:12 (UID")
    assert [] == played.value


@pytest.mark.parametrize(
    "content",
    [
        b'BODY[]<0> "quoted" UID 9',
        b"UID 9 BODY[]<0> {6}\r\nquoted",
        b"UID 9 BODY[] {6}\r\nquoted FLAGS ()",
        b"MODSEQ (1) uid 9 body[]<0> {6}\r\nquoted",
    ],
)
def test_a_message_is_read_however_its_items_are_written(content: bytes) -> None:
    played = play(fetch_message(client(), 9), b"* 3 FETCH (" + content + b")\r\na1 OK done\r\n")
    assert [b"a1 UID FETCH 9 (UID RFC822.SIZE BODY.PEEK[]<0.65536>)"] == played.sent
    assert b"quoted" == played.value.content


@pytest.mark.parametrize(
    "answer", [b"", b"* 3 FETCH (FLAGS (\\Seen))\r\n", b"* 3 FETCH (UID 8 BODY[] x)\r\n", b"* 3 FETCH (UID 9)\r\n"]
)
def test_a_message_that_is_gone_is_none(answer: bytes) -> None:
    assert play(fetch_message(client(), 9), answer + b"a1 OK done\r\n").value is None


def test_the_beginning_of_a_text_is_fetched() -> None:
    script = b"* 3 FETCH (UID 9 BODY[TEXT]<0> {4}\r\nabcd)\r\na1 OK done\r\n"
    played = play(fetch_text(client(), 9, most=4), script)
    assert [b"a1 UID FETCH 9 (UID BODY.PEEK[TEXT]<0.4>)"] == played.sent
    assert b"abcd" == played.value


def test_a_refused_fetch_is_a_failure() -> None:
    played = play(fetch_message(client(), 9), b"a1 NO no\r\n")
    assert played.error is not None
    assert FailureReason.COMMAND_REFUSED is played.error.reason


def test_a_message_larger_than_what_was_asked_for_is_not_taken() -> None:
    played = play(fetch_message(client(), 9), b"* 3 FETCH (UID 9 BODY[] {70000}\r\n")
    assert played.error is not None
    assert FailureReason.RESPONSE_TOO_LARGE is played.error.reason


@pytest.mark.parametrize(
    ("capabilities", "offered"),
    [(b"IMAP4rev1", False), (b"IMAP4rev1 idle", True), (b"IMAP4rev2", True)],
)
def test_idle_is_offered_by_a_word_of_its_own(capabilities: bytes, *, offered: bool) -> None:
    assert offered is offers_idle(client(capabilities))


@every_cut
def test_idle_ends_when_mail_comes(cut: Cut) -> None:
    script = b"+ idling\r\n* OK Still here\r\n* 4 EXPUNGE\r\n* 13 EXISTS\r\n* 1 RECENT\r\na1 OK done\r\n"
    imap = client()
    played = play(idle(imap, lambda: 5.0), script, cut)
    assert ([b"a1 IDLE", b"DONE"], True, 13) == (played.sent, played.value, imap.messages)


@pytest.mark.parametrize("news", [b"* %d FETCH (FLAGS (\\Seen))\r\n", b"* %d EXPUNGE\r\n"])
def test_somebody_may_mark_or_remove_a_whole_mailbox_during_idle(news: bytes) -> None:
    imap = client()
    imap.messages = 3000
    told = b"".join(news % number for number in range(2000, 0, -1))
    played = play(idle(imap, lambda: 5.0), b"+ idling\r\n" + told + b"* 3001 EXISTS\r\na1 OK done\r\n")
    assert ([b"a1 IDLE", b"DONE"], True, 3001) == (played.sent, played.value, imap.messages)


def test_idle_ends_when_the_time_is_over() -> None:
    patience = iter([5.0, 0.0])
    played = play(idle(client(), lambda: next(patience)), b"+ idling\r\n* OK Still here\r\na1 OK done\r\n")
    assert ([b"a1 IDLE", b"DONE"], False) == (played.sent, played.value)


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (b"a1 NO no\r\n", FailureReason.COMMAND_REFUSED),
        (b"+ idling\r\n* BYE [UNAVAILABLE] restarting\r\n", FailureReason.SERVER_BUSY),
        (b"+ idling\r\n* BYE Autologout\r\n", FailureReason.CONNECTION_CLOSED),
        (b"+ idling\r\n+ again\r\n", FailureReason.PROTOCOL_ERROR),
        (b"+ idling\r\n* 13 EXISTS\r\na1 NO no\r\n", FailureReason.COMMAND_REFUSED),
        (b"+ idling\r\na1 OK enough\r\n", FailureReason.COMMAND_REFUSED),
    ],
)
def test_a_server_that_refuses_or_leaves_during_idle_is_a_failure(script: bytes, reason: FailureReason) -> None:
    played = play(idle(client(), lambda: 5.0), script)
    assert played.error is not None
    assert reason is played.error.reason


@pytest.mark.parametrize(
    ("answer", "messages"),
    [
        (b"", 5),
        (b"* 13 EXISTS\r\n", 13),
        (b"* 1 RECENT\r\n", 5),
        (b"* 4 EXPUNGE\r\n* 4 EXPUNGE\r\n", 3),
        (b"* 6 EXISTS\r\n* 1 EXPUNGE\r\n", 5),
        (b"* 1 EXPUNGE\r\n" * 9, 0),
    ],
)
def test_noop_tells_of_messages_that_come_and_go(answer: bytes, messages: int) -> None:
    imap = client()
    imap.messages = 5
    played = play(ask_for_news(imap), answer + b"a1 OK done\r\n")
    assert ([b"a1 NOOP"], messages) == (played.sent, imap.messages)


MARK = rb"UID STORE 7,9 +FLAGS.SILENT (\Deleted)"


def removed(capabilities: bytes, script: bytes, trash: bytes | None = b'"Trash"') -> tuple[list[bytes], object]:
    played = play(remove(client(capabilities), (9, 7), trash), script)
    sent = [line.partition(b" ")[2] for line in played.sent]
    return sent, played.value if played.error is None else played.error.reason


@pytest.mark.parametrize("capabilities", [b"IMAP4rev1 UIDPLUS MOVE", b"IMAP4rev2"])
def test_uidplus_removes_exactly_what_is_named(capabilities: bytes) -> None:
    script = b"a1 OK done\r\n* 7 EXPUNGE\r\na2 OK done\r\n"
    assert ([MARK, b"UID EXPUNGE 7,9"], True) == removed(capabilities, script)


def test_without_uidplus_it_is_moved_to_the_trash() -> None:
    assert ([b'UID MOVE 7,9 "Trash"'], True) == removed(b"IMAP4rev1 MOVE", b"a1 OK done\r\n")


@pytest.mark.parametrize("capabilities", [b"IMAP4rev1", b"IMAP4rev1 MOVE"])
def test_without_both_expunge_is_said_only_where_all_that_is_marked_is_ours(capabilities: bytes) -> None:
    asked = b"UID SEARCH DELETED"
    ours = b"a1 OK done\r\n* SEARCH 7 9\r\na2 OK done\r\na3 OK done\r\n"
    assert ([MARK, asked, b"EXPUNGE"], True) == removed(capabilities, ours, None)
    others = b"a1 OK done\r\n* SEARCH 3 7 9\r\na2 OK done\r\n"
    assert ([MARK, asked], False) == removed(capabilities, others, None)
    unknown = b"a1 OK done\r\na2 BAD what\r\n"
    assert ([MARK, asked], False) == removed(capabilities, unknown, None)


def test_a_server_that_cannot_do_what_it_announces_is_asked_for_what_all_can() -> None:
    ours = b"* SEARCH 7 9\r\na3 OK done\r\na4 OK done\r\n"
    asked = [b"UID SEARCH DELETED", b"EXPUNGE"]
    no_uidplus = b"a1 OK done\r\na2 BAD unknown\r\n" + ours
    assert ([MARK, b"UID EXPUNGE 7,9", *asked], True) == removed(b"IMAP4rev1 UIDPLUS", no_uidplus)
    no_move = b"a1 NO [CANNOT] move\r\na2 OK done\r\n" + ours
    assert ([b'UID MOVE 7,9 "Trash"', MARK, *asked], True) == removed(b"IMAP4rev1 MOVE", no_move)


def test_a_mailbox_that_does_not_let_us_remove_is_a_failure() -> None:
    assert ([MARK], FailureReason.COMMAND_REFUSED) == removed(b"IMAP4rev1 UIDPLUS", b"a1 NO [NOPERM] no\r\n")


def test_sizes_that_are_refused_are_a_refusal() -> None:
    played = play(fetch_sizes(client(), b"1:*"), b"a1 NO not now\r\n")
    assert played.error is not None
    assert FailureReason.COMMAND_REFUSED is played.error.reason


@pytest.mark.parametrize(
    "line", [b'* LIST (\\Junk "/"', b'* LIST (\\Junk) "/"', b'* LIST \\Junk "/" Junk', b'* LIST (\\Junk) "/" (a)']
)
def test_a_mailbox_that_is_told_in_no_form_is_left_out(line: bytes) -> None:
    script = line + b'\r\n* LIST (\\Sent "a" (b)) "/" Sent\r\na1 OK done\r\n'
    played = play(special_uses(client()), script)
    assert {"\\sent": b'"Sent"', "a": b'"Sent"'} == played.value


def test_an_answer_without_a_name_is_told_as_it_is() -> None:
    assert '"go on"' == str(Data("", None, (b"go ", b"on")))
