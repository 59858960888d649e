"""Can the newest messages be read, whole and as mail? By IMAP and POP3. Nothing is changed, and nothing is kept.

A message is read piece by piece, so that a large one costs neither memory in one piece nor time at a stretch.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from email.errors import MessageError
from email.feedparser import BytesFeedParser
from email.policy import compat32
from typing import Final

from exporter.model import Facts, MailboxFacts
from exporter.protocol import pop3
from exporter.protocol.dialogue import Dialogue, DialogueError, Learn, ResponseTooLargeError
from exporter.protocol.errands.find import fetch_part, fetch_sizes
from exporter.protocol.errands.maildrop import read_piece, size_of
from exporter.protocol.imap import Imap

PIECE: Final = 65536
"""Octets of a message that are fetched at once: the largest literal that is taken."""

MAX_READ: Final = 32 * 1024 * 1024
"""Octets of a message that are read; of a larger one, these have to do."""

MAX_LINES: Final = 1_000_000
"""Lines of a message by POP3: 32 MiB of very short ones."""


class _Reading:
    """A message that is being read."""

    def __init__(self) -> None:
        self.octets = 0
        self._lines = 0
        self._parser = BytesFeedParser(policy=compat32)
        self._spoilt = False

    def take(self, piece: bytes) -> None:
        """The next octets."""
        self.octets += len(piece)
        self._lines += piece.count(b"\n")
        if not self._spoilt:
            try:
                self._parser.feed(piece)
            except (ValueError, LookupError, RecursionError, MessageError):
                self._spoilt = True

    def is_mail(self, size: int) -> bool:
        """Whether it has the announced length and is mail, which means that it has a header."""
        try:
            message = self._parser.close()
        except (ValueError, LookupError, RecursionError, MessageError):
            return False
        # qmail, Courier and others announce the size of their file, in which lines end with LF alone.
        is_whole = self.octets == min(size, MAX_READ) or self.octets - self._lines == size
        return is_whole and not self._spoilt and bool(message.keys())


def read_back_mailbox(imap: Imap, facts: MailboxFacts, most: int) -> Dialogue[MailboxFacts]:
    """Read the newest messages of the mailbox that is open.

    Args:
        imap: The session, with a mailbox examined.
        facts: What is known of it.
        most: How many messages to read.

    Raises:
        DialogueError: The server hangs up; what it hung up at counts as unreadable.
    """
    count = facts.messages or 0
    if not count:
        return (yield from _told(facts, 0))
    first = max(1, count - most + 1)
    sizes = yield from fetch_sizes(imap, b"%d:%d" % (first, count))
    # Those that the server counts and does not give.
    missing = count - first + 1 - len(sizes)
    return (yield from _read_all(facts, (_read_one(imap, uid, size) for uid, size in sizes), missing))


def read_back_maildrop(client: pop3.Pop3, facts: MailboxFacts, most: int) -> Dialogue[MailboxFacts]:
    """Read the newest messages of the maildrop. RETR does not change it (RFC 1939 section 5).

    Raises:
        DialogueError: The server hangs up, or says more than it should.
    """
    count = facts.messages or 0
    newest = range(max(1, count - most + 1), count + 1)
    return (yield from _read_all(facts, (_retrieve_one(client, number) for number in newest), 0))


def _read_all(facts: MailboxFacts, messages: Iterable[Dialogue[bool]], unreadable: int) -> Dialogue[MailboxFacts]:
    """Read one message after the other, and add those that cannot be read to the known count."""
    for message in messages:
        # A server may hang up in the middle of a message that it cannot read itself, as Dovecot does.
        yield Learn(Facts(mailbox=replace(facts, unreadable=unreadable + 1)), if_cut_off=True)
        try:
            readable = yield from message
        except DialogueError as error:
            if not error.in_step:
                yield from _told(facts, unreadable + 1)
                raise
            readable = False
        unreadable += not readable
    return (yield from _told(facts, unreadable))


def _told(facts: MailboxFacts, unreadable: int) -> Dialogue[MailboxFacts]:
    facts = replace(facts, unreadable=unreadable)
    yield Learn(Facts(mailbox=facts))
    return facts


def _read_one(imap: Imap, uid: int, size: int) -> Dialogue[bool]:
    reading = _Reading()
    while reading.octets < MAX_READ:
        piece = yield from fetch_part(imap, uid, reading.octets, PIECE)
        reading.take(piece)
        if len(piece) < PIECE:
            break
    return reading.is_mail(size)


def _retrieve_one(client: pop3.Pop3, number: int) -> Dialogue[bool]:
    size = yield from size_of(client, number)
    response = yield from pop3.command(b"RETR %d" % number)
    if not response.positive:
        return False
    reading, begins = _Reading(), True
    for _ in range(MAX_LINES):
        piece = yield from read_piece(begins=begins)
        if piece is None:
            return reading.is_mail(size)
        begins = piece.endswith(b"\n")
        if reading.octets < MAX_READ:
            reading.take(piece)
    raise ResponseTooLargeError(f"a message of more than {MAX_LINES} lines")
