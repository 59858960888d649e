"""Find and remove messages by POP3 (RFC 1939): UIDL of the newest, TOP, RETR, DELE, and a QUIT that is answered."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from exporter.model import FailureReason
from exporter.protocol.dialogue import Dialogue, DialogueError, ProtocolError, ReadPiece, ResponseTooLargeError
from exporter.protocol.pop3 import Pop3, command, refusal

MAX_NEWEST: Final = 50
"""Messages that are looked at in one visit, from the newest on. More would have to come between two visits."""

MAX_TEXT_LINES: Final = 40_000
"""Lines of a header or message that are read to get past it: 2 MiB of ordinary text. TOP sends a header whole."""

MAX_KEPT: Final = 65536
"""Octets of it that are kept."""

_UIDL: Final = re.compile(rb"([0-9]{1,10}) +([!-~]{1,70})(?: .*)?", re.DOTALL)
_LISTED: Final = re.compile(rb"([0-9]{1,10}) +([0-9]{1,18})(?: .*)?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Listed:
    """A message in a maildrop.

    Attributes:
        number: In this session.
        uidl: What it is called in every session.
    """

    number: int
    uidl: str


def list_newest(_: Pop3, messages: int, known: Collection[str]) -> Dialogue[list[Listed]]:
    """The newest messages that are not known yet, each asked for by itself: a maildrop of 100,000 costs no more.

    Args:
        _: The session.
        messages: How many there are, by STAT.
        known: By UIDL.

    Raises:
        DialogueError: The server does not know UIDL.
    """
    found: list[Listed] = []
    for number in range(messages, max(messages - MAX_NEWEST, 0), -1):
        response = yield from command(b"UIDL %d" % number)
        if not response.positive:
            raise refusal(FailureReason.COMMAND_REFUSED, "UIDL is answered with", response)
        words = _UIDL.fullmatch(response.text)
        if words is None or int(words[1]) != number:
            raise ProtocolError(f"UIDL {number} is answered with {response}")
        uidl = words[2].decode("ascii")
        if uidl not in known:
            found.append(Listed(number, uidl))
    return found


def size_of(_: Pop3, number: int) -> Dialogue[int]:
    response = yield from command(b"LIST %d" % number)
    words = _LISTED.fullmatch(response.text) if response.positive else None
    if words is None:
        raise refusal(FailureReason.COMMAND_REFUSED, "LIST is answered with", response)
    return int(words[2])


def fetch_header(_: Pop3, number: int) -> Dialogue[bytes]:
    """The header of a message, or its first octets.

    Raises:
        DialogueError: The server does not know TOP, or the header has no end.
    """
    response = yield from command(b"TOP %d 0" % number)
    if not response.positive:
        raise refusal(FailureReason.COMMAND_REFUSED, "TOP is answered with", response)
    return (yield from read_text())


def fetch_whole(_: Pop3, number: int) -> Dialogue[bytes]:
    """A message. Only for those of ours, and those whose size is known to be small."""
    response = yield from command(b"RETR %d" % number)
    if not response.positive:
        raise refusal(FailureReason.COMMAND_REFUSED, "RETR is answered with", response)
    return (yield from read_text())


def remove_and_leave(pop3: Pop3, numbers: Collection[int]) -> Dialogue[None]:
    """Remove messages. RFC 1939 section 6: they are gone when QUIT is answered, so it is said and awaited here.

    Raises:
        DialogueError: The server refuses one of the two; nothing is removed then.
    """
    for number in numbers:
        response = yield from command(b"DELE %d" % number)
        if not response.positive:
            raise refusal(FailureReason.COMMAND_REFUSED, "DELE is answered with", response)
    pop3.left = True
    response = yield from command(b"QUIT")
    if not response.positive:
        raise DialogueError(
            FailureReason.COMMAND_REFUSED, f"QUIT is answered with {response}, so not all is removed", in_step=False
        )


def read_text() -> Dialogue[bytes]:
    """The lines up to a lone dot, of which the first octets are kept."""
    kept: list[bytes] = []
    room = MAX_KEPT
    begins = True
    for _ in range(MAX_TEXT_LINES):
        octets = yield from read_piece(begins=begins)
        if octets is None:
            return b"".join(kept)
        begins = octets.endswith(b"\n")
        if room > 0:
            kept.append(octets[:room])
            room -= len(octets)
    raise ResponseTooLargeError(f"a message of more than {MAX_TEXT_LINES} lines")


def read_piece(*, begins: bool) -> Dialogue[bytes | None]:
    """The next octets of a message, at most one line, which ends with CRLF; `None` behind its last.

    Args:
        begins: Whether a line begins here, where a dot has a meaning (RFC 1939 section 3).
    """
    piece = yield ReadPiece()
    if piece.endswith(b"\n"):
        piece = piece[:-1].removesuffix(b"\r") + b"\r\n"
    if not begins:
        return piece
    return None if piece == b".\r\n" else piece.removeprefix(b".")
