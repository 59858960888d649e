"""A mailbox that an IMAP session has open: messages by number and by UID, and what may be done to them.

Commands come as the octets behind their name, and answers are the untagged responses; the conversation is imap.py's.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from exporter.demo.post import Folder, Letter

MAX_CRITERIA: Final = 20

_SET: Final = re.compile(rb"(?:[0-9]{1,10}|\*)(?::(?:[0-9]{1,10}|\*))?(?:,(?:[0-9]{1,10}|\*)(?::(?:[0-9]{1,10}|\*))?)*")
_FETCH: Final = re.compile(rb"([0-9:,*]+) \((.*)\)", re.DOTALL)
_ITEM: Final = re.compile(
    rb" ?(?:(?P<name>UID|FLAGS|INTERNALDATE|RFC822\.SIZE)(?= |$)"
    rb"|BODY\.PEEK\[(?P<section>|TEXT|HEADER|HEADER\.FIELDS \((?P<fields>[!-~ ]+?)\))\]"
    rb"(?:<(?P<start>[0-9]{1,10})\.(?P<most>[0-9]{1,10})>)?)",
    re.IGNORECASE,
)
_STORE: Final = re.compile(rb"([0-9:,*]+) ([+-])FLAGS(\.SILENT)? \(([^()]*)\)", re.IGNORECASE)
_MOVE: Final = re.compile(rb'([0-9:,*]+) "?([^"]+)"?')
_WORD: Final = re.compile(rb' ?(?:"((?:[^"\\]|\\["\\])*)"|([^\s"]+))')
_FIELD: Final = re.compile(rb"(?im)^([!-9;-~]+):[ \t]*((?:.|\r\n[ \t])*)\r\n")


class NotUnderstoodError(Exception):
    """A command does not make sense, or asks for something that is not known here."""


class OpenMailbox:
    """What a session sees of a mailbox: messages keep their numbers until it is told what has changed.

    Attributes:
        read_only: Whether nothing may be changed.
    """

    def __init__(self, folder: Folder, *, read_only: bool) -> None:
        self.folder = folder
        self.read_only = read_only
        self._seen: list[Letter] = list(folder.letters.values())

    def __len__(self) -> int:
        return len(self._seen)

    def news(self) -> bytes:
        """What has come and gone since this was asked last (RFC 9051 7.5.1, 7.3.1)."""
        there, told = self.folder.letters, b""
        for number in range(len(self._seen), 0, -1):
            if self._seen[number - 1].uid not in there:
                del self._seen[number - 1]
                told += b"* %d EXPUNGE\r\n" % number
        last = self._seen[-1].uid if self._seen else 0
        come = [letter for uid, letter in there.items() if uid > last]
        if come:
            self._seen += come
            told += b"* %d EXISTS\r\n" % len(self._seen)
        return told

    def fetch(self, arguments: bytes, *, by_uid: bool) -> bytes:
        """RFC 9051 6.4.5, of which only what leaves flags as they are."""
        found = _FETCH.fullmatch(arguments)
        if found is None:
            raise NotUnderstoodError
        items = list(_items(found[2]))
        told = b""
        for number, letter in self._chosen(found[1], by_uid=by_uid):
            values = b" ".join(_value(item, letter) for item in items)
            told += b"* %d FETCH (%s)\r\n" % (number, values)
        return told

    def search(self, arguments: bytes, *, by_uid: bool) -> bytes:
        """RFC 9051 6.4.4, of which what a flow asks for."""
        criteria = [match[1] if match[2] is None else match[2] for match in _WORD.finditer(arguments)]
        if not criteria or len(criteria) > MAX_CRITERIA:
            raise NotUnderstoodError
        found = list(enumerate(self._seen, start=1))
        while criteria:
            found = self._filtered(found, criteria)
        numbers = b"".join(b" %d" % (letter.uid if by_uid else number) for number, letter in found)
        return b"* SEARCH%s\r\n" % numbers

    def store(self, arguments: bytes, *, by_uid: bool) -> bytes:
        """RFC 9051 6.4.6."""
        found = _STORE.fullmatch(arguments)
        if found is None:
            raise NotUnderstoodError
        told = b""
        for number, letter in self._chosen(found[1], by_uid=by_uid):
            flags = set(found[4].split())
            letter.flags = letter.flags | flags if found[2] == b"+" else letter.flags - flags
            if found[3] is None:
                told += b"* %d FETCH (UID %d %s)\r\n" % (number, letter.uid, _flags(letter))
        return told

    def expunge(self, only: bytes | None = None) -> bytes:
        """RFC 9051 6.4.3, and RFC 4315 2.1 with a set of UIDs."""
        chosen = enumerate(self._seen, start=1) if only is None else self._chosen(only, by_uid=True)
        self.folder.remove([letter.uid for _, letter in chosen if b"\\Deleted" in letter.flags])
        return self.news()

    def move(self, arguments: bytes, others: Mapping[str, Folder], *, by_uid: bool) -> bytes | None:
        """RFC 6851; `None` if there is no such mailbox."""
        found = _MOVE.fullmatch(arguments)
        if found is None:
            raise NotUnderstoodError
        target = others.get(found[2].decode("ascii", "replace"))
        if target is None:
            return None
        for _, letter in self._chosen(found[1], by_uid=by_uid):
            target.add(letter.octets, letter.flags)
            self.folder.remove([letter.uid])
        return self.news()

    def _filtered(self, found: list[tuple[int, Letter]], criteria: list[bytes]) -> list[tuple[int, Letter]]:
        """What meets the first criterion, which is taken from the list."""
        key = criteria.pop(0).upper()
        if _SET.fullmatch(key):
            chosen = {number for number, _ in self._chosen(key, by_uid=False)}
            return [(number, letter) for number, letter in found if number in chosen]
        if key == b"ALL":
            return found
        if key == b"DELETED":
            return [(number, letter) for number, letter in found if b"\\Deleted" in letter.flags]
        if key == b"UID" and criteria:
            chosen = {number for number, _ in self._chosen(criteria.pop(0), by_uid=True)}
            return [(number, letter) for number, letter in found if number in chosen]
        if key == b"OR" and len(criteria) > 1:
            either = [*self._filtered(found, criteria), *(self._filtered(found, criteria) if criteria else ())]
            return sorted(dict(either).items())
        name = criteria.pop(0) if key == b"HEADER" and len(criteria) > 1 else key
        if not criteria or (name is key and key not in (b"FROM", b"SUBJECT")):
            raise NotUnderstoodError
        sought = criteria.pop(0).lower()
        return [
            (number, letter)
            for number, letter in found
            if any(sought in value.lower() for each, value in _fields(letter) if each.lower() == name.lower())
        ]

    def _chosen(self, numbers: bytes, *, by_uid: bool) -> Iterator[tuple[int, Letter]]:
        """RFC 9051 section 9, sequence-set: `*` is the last message, and ranges may stand the wrong way round."""
        if not _SET.fullmatch(numbers):
            raise NotUnderstoodError
        last = (self._seen[-1].uid if by_uid else len(self._seen)) if self._seen else 0
        ranges = []
        for each in numbers.split(b","):
            ends = [last if end == b"*" else int(end) for end in each.split(b":")]
            ranges.append((min(ends), max(ends)))
        for number, letter in enumerate(self._seen, start=1):
            place = letter.uid if by_uid else number
            if any(low <= place <= high for low, high in ranges):
                yield number, letter


def _items(text: bytes) -> Iterator[re.Match[bytes]]:
    at = 0
    while at < len(text):
        item = _ITEM.match(text, at)
        if item is None:
            raise NotUnderstoodError
        yield item
        at = item.end()


def _value(item: re.Match[bytes], letter: Letter) -> bytes:
    """One item of a FETCH response, with its name."""
    match item["name"] and item["name"].upper():
        case b"UID":
            return b"UID %d" % letter.uid
        case b"FLAGS":
            return _flags(letter)
        case b"INTERNALDATE":
            return time.strftime('INTERNALDATE "%d-%b-%Y %H:%M:%S +0000"', time.gmtime(letter.arrived)).encode()
        case b"RFC822.SIZE":
            return b"RFC822.SIZE %d" % len(letter.octets)
    section, content = item["section"].upper(), letter.octets
    head, _, body = letter.octets.partition(b"\r\n\r\n")
    if section == b"TEXT":
        content = body
    elif section == b"HEADER":
        content = head + b"\r\n\r\n"
    elif item["fields"] is not None:
        wanted = item["fields"].lower().split()
        fields = _FIELD.finditer(head + b"\r\n")
        content = b"".join(each[0] for each in fields if each[1].lower() in wanted) + b"\r\n"
    name = b"BODY[%s]" % item["section"]
    if item["start"] is not None:
        start = int(item["start"])
        content, name = content[start : start + int(item["most"])], name + b"<%d>" % start
    return b"%s {%d}\r\n%s" % (name, len(content), content)


def _flags(letter: Letter) -> bytes:
    return b"FLAGS (%s)" % b" ".join(sorted(letter.flags))


def _fields(letter: Letter) -> Sequence[tuple[bytes, bytes]]:
    return [(each[1], each[2]) for each in _FIELD.finditer(letter.octets.partition(b"\r\n\r\n")[0] + b"\r\n")]
