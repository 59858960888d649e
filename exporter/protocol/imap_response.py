"""What an IMAP server says (RFC 9051 section 7): from lines and literals to responses, and from those to values.

This module only parses. A response is framed as a whole, and its values are parsed on demand. A server may send
unrequested data at any time, and a client has to ignore it. The meaning of a response for the probe is decided in
imap.py, and the meaning of a refusal in imap_refusal.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Final, TypeAlias

from exporter.protocol.dialogue import (
    BLANK,
    MAX_LITERAL,
    MAX_REPLY_LINES,
    Dialogue,
    ProtocolError,
    ReadExactly,
    ReadLine,
    ResponseTooLargeError,
    quoted,
)

MAX_DEPTH: Final = 16
"""Lists within lists. What is parsed here has one level; the deepest that IMAP has, a BODYSTRUCTURE, rarely ten."""

STORAGE_UNIT: Final = 1024
"""Octets in which a quota counts STORAGE (RFC 9208 5.1)."""

UNLIMITED: Final = (1 << 63) - 1
"""The largest number that RFC 9208 has, and no disk. From here on it means that there is no limit."""

UNTAGGED: Final = b"*"

ImapValue: TypeAlias = "bytes | tuple[ImapValue, ...] | None"
"""An atom, a number or a string as its octets; a list; `None` for NIL."""

_STATUS: Final = re.compile(
    rb"""(\*|[^\x00-\x20"%()*+\\{\x7f-\xff]+(?!\ +(?:PREAUTH|BYE)))\ +((OK|NO|BAD|PREAUTH|BYE)(?:\ .*)?)""",
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)
_CODE: Final = re.compile(rb"[A-Z]+ \[([^\x00-\x20()\[\]{\"]+)(?: ([^\]]*))?\]", re.IGNORECASE)
_CONTINUATION: Final = re.compile(rb"\+(?: (.*))?", re.DOTALL)
_DATA: Final = re.compile(rb"\* +(?:([0-9]{1,10}) +)?([A-Za-z][^\x00-\x20()\"{\x7f-\xff]*)(?: +(.*))?", re.DOTALL)
_LITERAL: Final = re.compile(rb"~?\{([0-9]{1,20})\}\Z")
_TOKEN: Final = re.compile(
    rb"""\x20*(?:
        (?P<bracket>[()])
      | "(?P<quoted>(?:[^"\\\0\r]|\\["\\])*)"
      | (?P<literal>~?\{[0-9]{1,20}\}\Z)
      | (?P<atom>[^\x00-\x20"(){\x7f]+)
    )""",
    re.VERBOSE,
)
_NUMBER: Final = re.compile(rb"[0-9]{1,20}")


class Condition(StrEnum):
    """The condition that a status response reports (RFC 9051 7.1)."""

    OK = "OK"
    NO = "NO"
    BAD = "BAD"
    PREAUTH = "PREAUTH"
    BYE = "BYE"


_CONDITIONS: Final = {condition.value.encode(): condition for condition in Condition}


@dataclass(frozen=True, slots=True)
class Status:
    """A status response.

    Attributes:
        tag: The tag of the command that it ends; `UNTAGGED` if it ends none.
        code: The response code's name in capitals; empty if there is none.
        argument: What stands behind the name in the response code.
        words: The response as it came, without the tag.
    """

    tag: bytes
    condition: Condition
    code: str
    argument: bytes
    words: bytes

    @property
    def line(self) -> str:
        """The whole response, for a detail that is about the tag."""
        return quoted(self.tag + b" " + self.words)

    def __str__(self) -> str:
        return quoted(self.words)


@dataclass(frozen=True, slots=True)
class Continuation:
    """A request to go on with the command (RFC 9051 7.6)."""

    text: bytes

    def __str__(self) -> str:
        return quoted(b"+ " + self.text)


@dataclass(frozen=True, slots=True)
class Data:
    """Server and mailbox data (RFC 9051 7.2 to 7.5).

    Attributes:
        name: In capitals; empty if the line is not one that IMAP has.
        number: The number of a message, or a count of messages; `None` if the response has none.
        fragments: What follows the name: a line, then a literal and a line as often as there are literals.
    """

    name: str
    number: int | None
    fragments: tuple[bytes, ...]

    def values(self) -> tuple[ImapValue, ...]:
        """What follows the name, parsed.

        Raises:
            ProtocolError: It is not a sequence of atoms, strings and lists.
        """
        return parse_values(self.fragments)

    def __str__(self) -> str:
        if not self.name:
            return quoted(b"".join(self.fragments))
        number = b"" if self.number is None else b"%d " % self.number
        return quoted(b"* " + number + self.name.encode() + b" " + b"".join(self.fragments))


ImapResponse: TypeAlias = Status | Continuation | Data


def read_response() -> Dialogue[ImapResponse]:
    """Read one response, with its literals."""
    line = (yield ReadLine()).rstrip(BLANK)
    if found := _STATUS.fullmatch(line):
        tag, words, condition = found.groups()
        code = _CODE.match(words)
        return Status(
            tag,
            _CONDITIONS[condition.upper()],
            code[1].upper().decode("ascii", "backslashreplace") if code else "",
            code[2] or b"" if code else b"",
            words,
        )
    if found := _CONTINUATION.fullmatch(line):
        return Continuation(found[1] or b"")
    # The blank behind the asterisk of an empty response went with those at the end of the line.
    if not (line == UNTAGGED or line.startswith(UNTAGGED + b" ")):
        raise ProtocolError(f"not a response of an IMAP server: {quoted(line)}")
    # RFC 9051 7: a client must be ready to accept any response at any time; what nobody needs is not judged.
    found = _DATA.fullmatch(line)
    number, name, rest = found.groups() if found else (None, b"", line)
    fragments = yield from _read_fragments(rest or b"", of_content=name.upper() == b"FETCH")
    return Data(name.upper().decode(), None if number is None else int(number), fragments)


def _read_fragments(line: bytes, *, of_content: bool) -> Dialogue[tuple[bytes, ...]]:
    """RFC 9051 4.3: a line that ends with a count in braces goes on with that many octets, and then with a line."""
    fragments = [line]
    while found := _LITERAL.search(line) if line.endswith(b"}") else None:
        if int(found[1]) > MAX_LITERAL:
            raise ResponseTooLargeError(f"a literal of {int(found[1])} octets, of which {MAX_LITERAL} are allowed")
        if len(fragments) >= 2 * MAX_REPLY_LINES:
            raise ResponseTooLargeError(f"a response of more than {MAX_REPLY_LINES} lines")
        fragments.append((yield ReadExactly(int(found[1]), of_content)))
        line = (yield ReadLine()).rstrip(BLANK)
        fragments.append(line)
    return tuple(fragments)


def parse_values(fragments: tuple[bytes, ...]) -> tuple[ImapValue, ...]:
    """The values that a response's fragments spell.

    Raises:
        ProtocolError: They are malformed.
    """
    lists: list[list[ImapValue]] = [[]]
    for token in _tokens(fragments):
        if token is _Bracket.OPEN:
            if len(lists) > MAX_DEPTH:
                raise ProtocolError(f"lists within lists, more than {MAX_DEPTH} deep")
            lists.append([])
        elif token is _Bracket.CLOSE:
            closed = tuple(lists.pop())
            if not lists:
                raise ProtocolError(f"a list ends that never began: {quoted(b''.join(fragments))}")
            lists[-1].append(closed)
        else:
            lists[-1].append(token)
    if len(lists) > 1:
        raise ProtocolError(f"a list that never ends: {quoted(b''.join(fragments))}")
    return tuple(lists[0])


class _Bracket(Enum):
    OPEN = b"("
    CLOSE = b")"


def _tokens(fragments: tuple[bytes, ...]) -> Iterator[bytes | _Bracket | None]:
    """RFC 9051 section 9. Let pass are more spaces than one, and none where a bracket or quote tells values apart."""
    literals = fragments[1::2]
    for number, line in enumerate(fragments[::2]):
        position, end = 0, len(line.rstrip(b" "))
        while position < end:
            found = _TOKEN.match(line, position)
            if found is None:
                raise ProtocolError(f"neither an atom nor a string nor a list: {quoted(line[position:])}")
            position = found.end()
            match found.lastgroup:
                case "bracket":
                    yield _Bracket(found["bracket"])
                case "quoted":
                    yield re.sub(rb"\\(.)", rb"\1", found["quoted"])
                case "literal":
                    yield literals[number]
                case _:
                    yield None if found["atom"].upper() == b"NIL" else found["atom"]


def mailbox_status(data: Data) -> dict[str, int]:
    """The numbers of a STATUS response (RFC 9051 7.3.3) by their names in capitals. Malformed ones are left out."""
    items = _items(data)
    if len(items) % 2:
        raise ProtocolError(f"not the status of a mailbox: {data}")
    return {
        name.decode("ascii", "backslashreplace").upper(): number
        for name, figure in zip(items[::2], items[1::2], strict=True)
        if isinstance(name, bytes) and (number := _number(figure)) is not None
    }


def storage_quota(data: Data) -> tuple[int, int] | None:
    """Bytes used and allowed, from a QUOTA response (RFC 9208 4.2.1); `None` if it does not limit storage.

    Some servers write a limit of 0 where there is none, or of -1, also without its sign, which are 0 here.
    """
    items = _items(data)
    if len(items) % 3:
        raise ProtocolError(f"not a quota: {data}")
    for name, used, limit in zip(items[::3], items[1::3], items[2::3], strict=True):
        if isinstance(name, bytes) and name.upper() == b"STORAGE" and (number := _number(used)) is not None:
            most = _number(limit) or 0
            return number * STORAGE_UNIT, most * STORAGE_UNIT if most < UNLIMITED else 0
    return None


def _items(data: Data) -> tuple[ImapValue, ...]:
    """What is in the list behind a name. Some servers write names of several words without quotes."""
    for value in data.values():
        if isinstance(value, tuple):
            return value
    raise ProtocolError(f"a list is missing in {data}")


def _number(value: ImapValue) -> int | None:
    return int(value) if isinstance(value, bytes) and _NUMBER.fullmatch(value) else None
