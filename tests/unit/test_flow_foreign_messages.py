"""What flows leave alone: messages of others, whatever they look like and whatever the server says of them."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest

from exporter.flows.messages import message, signature
from exporter.flows.messages.signature import MessageToken
from exporter.model import Outcome, Protocol, Secret
from tests.servers.flow_bench import KEY, Bench, flow_bench, until

FROM_ME = b"From: me@bench.example\r\n"
PRECIOUS = b"Subject: precious\r\n\r\nbody\r\n"
SUBJECT = b"Subject: mail-exporter probe of flow here, may be deleted\r\n"


@pytest.fixture
async def bench(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    async with flow_bench(monkeypatch) as made:
        yield made


def ours(key: Secret = KEY, flow: str = "here") -> tuple[str, bytes]:
    """A token, and the message with it."""
    text = signature.sign(MessageToken(signature.mark(flow), 7, time.time()), key)
    return text, message.build(text, flow, "me@bench.example", "here@bench.example", time.time())


def forged() -> bytes:
    return ours(Secret(b"somebody else's flow key"))[1]


def answered() -> bytes:
    text, octets = ours()
    quoted = b"\r\n".join(b"> " + line for line in octets.partition(b"\r\n\r\n")[2].split(b"\r\n"))
    head = b"In-Reply-To: <%s@bench.example>\r\nReferences: <%s@bench.example>\r\n" % (text.encode(), text.encode())
    return FROM_ME + b"Subject: Re: mail-exporter probe\r\n" + head + b"\r\nWhat is this?\r\n" + quoted


def answered_without_reference() -> bytes:
    return FROM_ME + SUBJECT + b"\r\nI am on holiday. You wrote:\r\n> " + ours()[0].encode() + b"\r\n"


def answered_automatically() -> bytes:
    body = ours()[1].partition(b"\r\n\r\n")[2]
    return FROM_ME + SUBJECT + b"Auto-Submitted: auto-replied\r\n\r\n" + body


def copied_by_somebody() -> bytes:
    return b"From: helpdesk@bench.example\r\n" + SUBJECT + b"\r\n" + ours()[1].partition(b"\r\n\r\n")[2]


def forwarded_as_attachment() -> bytes:
    head = (
        FROM_ME
        + b"Subject: Fwd: what is this\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n"
    )
    return head + b"--x\r\nContent-Type: message/rfc822\r\n\r\n" + ours()[1] + b"\r\n--x--\r\n"


def read_receipt() -> bytes:
    head = (
        FROM_ME
        + b"Subject: Read\r\nContent-Type: multipart/report; report-type=disposition-notification; boundary=x\r\n\r\n"
    )
    report = b"--x\r\nContent-Type: message/disposition-notification\r\n\r\nDisposition: manual-action; displayed\r\n"
    return head + report + b"--x\r\nContent-Type: message/rfc822\r\n\r\n" + ours()[1] + b"\r\n--x--\r\n"


def complaint() -> bytes:
    head = b"From: fbl@isp.example\r\nContent-Type: multipart/report; report-type=feedback-report; boundary=x\r\n\r\n"
    report = b"--x\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\n"
    return head + report + b"--x\r\nContent-Type: message/rfc822\r\n\r\n" + ours()[1] + b"\r\n--x--\r\n"


def notification_about_another() -> bytes:
    head = b"From: MAILER-DAEMON@x.example\r\nContent-Type: multipart/report; report-type=delivery-status;"
    head += b" boundary=x\r\n\r\n--x\r\nContent-Type: message/delivery-status\r\n\r\n"
    report = b"Reporting-MTA: dns; x\r\n\r\nAction: failed\r\nStatus: 5.1.1\r\n"
    return head + report + b"\r\n--x\r\nContent-Type: message/rfc822\r\n\r\n" + forged() + b"\r\n--x--\r\n"


def token_in_another_field() -> bytes:
    text = ours()[0].encode()
    return FROM_ME + b"X-Original-Message-ID: <%s@bench.example>\r\nX-Token: %s\r\nSubject: log\r\n\r\n%s\r\n" % (
        text,
        text,
        text,
    )


FOREIGN: list[Callable[[], bytes]] = [
    forged,
    answered,
    answered_without_reference,
    answered_automatically,
    copied_by_somebody,
    forwarded_as_attachment,
    read_receipt,
    complaint,
    notification_about_another,
    token_in_another_field,
]


@pytest.mark.parametrize("by", [Protocol.IMAP, Protocol.POP3])
async def test_messages_of_others_are_left_as_they_are_before_and_after(by: Protocol, bench: Bench) -> None:
    before = [bench.folder().add(make(), [b"\\Flagged"]) for make in FOREIGN]
    flow = bench.flow(by=by, bounces=True)
    begun, told = bench.begin(flow)
    await begun.run(flow)
    await until(lambda: told.all)
    after = [bench.folder().add(make(), [b"\\Flagged"]) for make in FOREIGN]
    await begun.run(flow)
    await until(lambda: len(told.all) == 2, "another message is settled")
    assert [Outcome.DELIVERED] * 2 == [each.outcome for each in told.all]
    assert [letter.uid for letter in (*before, *after)] == list(bench.folder().letters)
    assert [{b"\\Flagged"}] * len(FOREIGN) * 2 == [letter.flags for letter in bench.folder().letters.values()]
    assert [("here", "own")] * 2 == told.gone


async def test_a_mailbox_whose_uids_mean_other_messages_now_loses_none_of_them(bench: Bench) -> None:
    """A server that is restored from a backup may forget to change UIDVALIDITY."""
    flow = bench.flow()
    folder = bench.folder()

    def renumbers(line: bytes, answer: bytes) -> bytes:
        if b"SELECT" in line and b"Junk" in line and folder.letters and not swapped:
            uid = next(iter(folder.letters))
            swapped.append(uid)
            mine = folder.letters.pop(uid)
            folder.letters[uid] = type(mine)(uid, PRECIOUS, mine.arrived)
        return answer

    swapped: list[int] = []
    bench.bends[Protocol.IMAP] = renumbers
    begun, told = bench.begin(flow)
    await until(lambda: any(b" IDLE" in line for line in bench.commands(Protocol.IMAP)))
    await begun.run(flow)
    await until(lambda: told.all)
    assert [PRECIOUS] == [letter.octets for letter in folder.letters.values()]
    assert [set()] == [letter.flags for letter in folder.letters.values()]
    assert [] == told.gone


async def test_a_pop3_server_that_gives_a_name_to_another_message_loses_none(bench: Bench) -> None:
    """Some servers take the message's number for its UIDL. Here somebody removes ours, and another takes its place."""
    folder = bench.folder()

    def renames(line: bytes, answer: bytes) -> bytes:
        if line.startswith(b"RETR"):
            folder.letters.clear()
            folder.add(PRECIOUS)
        return re.sub(rb"demo\d+", b"1", answer) if line.startswith(b"UIDL") else answer

    bench.bends[Protocol.POP3] = renames
    begun, told = bench.begin(flow := bench.flow(by=Protocol.POP3))
    await begun.run(flow)
    await until(lambda: told.all)
    assert ([PRECIOUS], []) == ([letter.octets for letter in folder.letters.values()], told.gone)


async def test_a_mailbox_with_a_new_uidvalidity_is_read_anew_and_its_message_is_no_duplicate(bench: Bench) -> None:
    flow = bench.flow()
    folder = bench.folder()

    def moves(line: bytes, answer: bytes) -> bytes:
        if b"SELECT" in line and b"Junk" in line and folder.letters and folder.uid_validity != another:
            folder.uid_validity = another
            folder.uid_next += 7
            letters, folder.letters = list(folder.letters.values()), {}
            for letter in letters:
                folder.letters[letter.uid + 7] = replace(letter, uid=letter.uid + 7)
        return answer

    another = 4_000_000_000
    bench.bends[Protocol.IMAP] = moves
    begun, told = bench.begin(flow)
    await until(lambda: any(b" IDLE" in line for line in bench.commands(Protocol.IMAP)))
    await begun.run(flow)
    await until(lambda: told.all)
    assert Outcome.DELIVERED is told.all[0].outcome
    await until(lambda: not folder.letters, "it is removed")
