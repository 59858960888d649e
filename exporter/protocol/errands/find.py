"""Find messages by IMAP: by a search where the server can, and fetch as little of each as is needed.

Everything is fetched by BODY.PEEK, which sets no flag (RFC 9051 6.4.5), and in part, which bounds what comes.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from exporter.model import FailureReason
from exporter.protocol.dialogue import Dialogue, printable
from exporter.protocol.imap import Imap
from exporter.protocol.imap_refusal import refusal
from exporter.protocol.imap_response import Condition, Data, ImapValue

MAX_FIELDS: Final = 2048
"""Octets of chosen fields that are fetched."""

MAX_PART: Final = 65536
"""Octets of a message that are fetched at most."""

MAX_FOUND: Final = 10_000
"""Messages of one range that a search may name. No search here is about that many."""

_ALL: Final = re.compile(rb"\bALL ([0-9:,]+)", re.IGNORECASE)
_PARTIAL: Final = re.compile(rb".*\](?:<[0-9]+>)?", re.DOTALL)
_CONTENT: Final = b"BODY[]"
_ITEMS: Final = frozenset({b"UID", b"RFC822.SIZE", b"INTERNALDATE", b"FLAGS"})
_DIGITS: Final = re.compile(rb"[0-9]{1,10}")


@dataclass(frozen=True, slots=True)
class Fetched:
    """What was fetched of one message.

    Attributes:
        uid: Its number for as long as the mailbox's UIDVALIDITY is the same.
        content: The octets that were asked for.
        size: The size of the whole message; `None` if the server does not say.
        arrived: Its INTERNALDATE, as the server writes it; empty if that was not told.
        deleted: Whether it is marked as deleted.
    """

    uid: int
    content: bytes
    size: int | None = None
    arrived: str = ""
    deleted: bool = False


def uid_range(first: int) -> bytes:
    """All messages from a UID on."""
    return b"UID %d:*" % first


def search(imap: Imap, among: bytes, *criteria: bytes) -> Dialogue[tuple[int, ...] | None]:
    """The UIDs of messages that meet all criteria; `None` if the server cannot search for that.

    Args:
        imap: The session, with a mailbox opened.
        among: Which messages to look at: `uid_range`, or a range of sequence numbers.
        criteria: As IMAP writes them.
    """
    reply = yield from imap.command(b" ".join((b"UID SEARCH", among, *criteria)))
    if reply.end.condition is not Condition.OK:
        return None
    found: set[int] = set()
    for data in reply.named("SEARCH"):
        found.update(int(word) for word in data.fragments[0].split() if _DIGITS.fullmatch(word))
    # RFC 9051 7.3.4: IMAP4rev2 answers with ESEARCH only.
    for data in reply.named("ESEARCH"):
        for low, high in _ranges(data.fragments[0]):
            if high - low > MAX_FOUND or len(found) > MAX_FOUND:
                return None
            found.update(range(low, high + 1))
    return tuple(sorted(found))


def _ranges(answer: bytes) -> list[tuple[int, int]]:
    """The messages that an ESEARCH response names after ALL, each range with its lower end first."""
    written = _ALL.search(answer)
    ends = [part.split(b":") for part in written[1].split(b",")] if written is not None else []
    numbers = [sorted(int(end) for end in pair if _DIGITS.fullmatch(end)) for pair in ends]
    return [(pair[0], pair[-1]) for pair in numbers if pair]


def has_field(name: str) -> bytes:
    """The criterion that a message has a header field (RFC 9051 6.4.4: an empty string is in every value)."""
    return b'HEADER %s ""' % name.encode("ascii")


def fetch_fields(imap: Imap, messages: bytes, fields: Collection[str]) -> Dialogue[list[Fetched]]:
    """Some header fields of messages, with their size, date and flags.

    Args:
        imap: The session, with a mailbox opened.
        messages: A sequence set, or `uids(...)`.
        fields: Names.

    Raises:
        DialogueError: The server refuses.
    """
    names = " ".join(fields).encode("ascii")
    item = b"BODY.PEEK[HEADER.FIELDS (%s)]<0.%d>" % (names, MAX_FIELDS)
    return (yield from _fetch(imap, messages, b"(UID FLAGS INTERNALDATE RFC822.SIZE " + item + b")"))


def fetch_message(imap: Imap, uid: int) -> Dialogue[Fetched | None]:
    """A message, or its first octets; `None` if it is no longer there."""
    fetched = yield from _fetch(imap, uids((uid,)), b"(UID RFC822.SIZE BODY.PEEK[]<0.%d>)" % MAX_PART)
    return next((each for each in fetched if each.uid == uid), None)


def fetch_text(imap: Imap, uid: int, *, most: int) -> Dialogue[bytes]:
    """The first octets of a message's body."""
    fetched = yield from _fetch(imap, uids((uid,)), b"(UID BODY.PEEK[TEXT]<0.%d>)" % most)
    return next((each.content for each in fetched if each.uid == uid), b"")


def fetch_sizes(imap: Imap, messages: bytes) -> Dialogue[list[tuple[int, int]]]:
    """UID and size of messages, as far as the server tells both."""
    reply = yield from imap.command(b"FETCH " + messages + b" (UID RFC822.SIZE)")
    if reply.end.condition is not Condition.OK:
        raise refusal(FailureReason.COMMAND_REFUSED, "FETCH is answered with", reply.end)
    told = [_told(data) for data in reply.named("FETCH")]
    pairs = [(_figure(each.get(b"UID")), _figure(each.get(b"RFC822.SIZE"))) for each in told]
    return sorted({(uid, size) for uid, size in pairs if uid is not None and size is not None})


def fetch_part(imap: Imap, uid: int, start: int, most: int) -> Dialogue[bytes]:
    """Some octets of a message; none if there are none behind that place."""
    fetched = yield from _fetch(imap, uids((uid,)), b"(UID BODY.PEEK[]<%d.%d>)" % (start, most))
    return next((each.content for each in fetched if each.uid == uid), b"")


def uids(numbers: Sequence[int]) -> bytes:
    """A set of UIDs, for those commands here that take messages."""
    return b"UID " + b",".join(b"%d" % number for number in numbers)


def _fetch(imap: Imap, messages: bytes, items: bytes) -> Dialogue[list[Fetched]]:
    command = b"UID FETCH " + messages.removeprefix(b"UID ") if messages.startswith(b"UID ") else b"FETCH " + messages
    reply = yield from imap.command(command + b" " + items)
    if reply.end.condition is not Condition.OK:
        raise refusal(FailureReason.COMMAND_REFUSED, "FETCH is answered with", reply.end)
    found = [fetched for data in reply.named("FETCH") if (fetched := _read(data)) is not None]
    # RFC 9051 7.5.2: a server may tell of flags that changed meanwhile; what was asked for has content.
    return found


def _read(data: Data) -> Fetched | None:
    """RFC 9051 7.5.2: what was asked for has content; a server may tell of flags that changed meanwhile as well."""
    told = _told(data)
    uid, content = _figure(told.get(b"UID")), told.get(_CONTENT)
    if uid is None or not isinstance(content, bytes):
        return None
    arrived, flags = told.get(b"INTERNALDATE"), told.get(b"FLAGS")
    return Fetched(
        uid,
        content,
        _figure(told.get(b"RFC822.SIZE")),
        printable(arrived) if isinstance(arrived, bytes) else "",
        isinstance(flags, tuple) and any(isinstance(flag, bytes) and flag.lower() == b"\\deleted" for flag in flags),
    )


def _told(data: Data) -> dict[bytes, ImapValue]:
    """What a FETCH response tells, by item. The names of items may hold lists, so values go by what stands before."""
    values = data.values()
    items = values[0] if len(values) == 1 else None
    told: dict[bytes, ImapValue] = {}
    for before, value in pairwise(items if isinstance(items, tuple) else ()):
        if not isinstance(before, bytes):
            continue
        name = before.upper()
        if _PARTIAL.fullmatch(name):
            # NIL is what there is of a message without that part.
            told.setdefault(_CONTENT, value if isinstance(value, bytes) else b"")
        elif name in _ITEMS:
            told.setdefault(name, value)
    return told


def _figure(value: ImapValue) -> int | None:
    return int(value) if isinstance(value, bytes) and _DIGITS.fullmatch(value) else None
