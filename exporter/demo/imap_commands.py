"""How an IMAP server reads a command (RFC 9051 section 9): atoms, quoted strings, literals and a list of items."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from exporter.demo.server_session import MAX_LINE
from exporter.demo.wire import Wire

MAX_LITERAL: Final = 4096
"""Octets of a literal: names and passwords are all that a client of this server has to say."""

MAX_LITERALS: Final = 4
"""Literals in one command: LOGIN may have two, nothing here needs more."""

AS_THEY_ARE: Final = frozenset({b"UID", b"FETCH", b"SEARCH", b"STORE", b"EXPUNGE", b"LIST"})
"""Commands with a grammar of their own, whose arguments are taken as they are written."""

_HEAD: Final = re.compile(rb'([^\x00-\x20\x7f-\xff"%()*+\\{]+) ([A-Za-z]+)')
_ARGUMENT: Final = re.compile(
    rb' (?:"(?P<quoted>(?:[^"\\]|\\["\\])*)"|\((?P<items>[A-Za-z ]+)\)|(?P<atom>[^\x00-\x20\x7f-\xff"%()*\\{]+))'
)
_LITERAL: Final = re.compile(rb" \{([0-9]{1,10})(\+?)\}$")
_TAG: Final = re.compile(rb"[A-Za-z0-9.]{1,64}(?= |$)")


class UnreadableCommandError(Exception):
    """The command is invalid; the next one may be valid.

    Attributes:
        tag: Its tag, or `*` if not even that was to be found.
        problem: To tell the client.
    """

    def __init__(self, tag: bytes, problem: bytes) -> None:
        super().__init__(problem)
        self.tag = tag
        self.problem = problem


class TooMuchError(Exception):
    """The client sends more than is accepted without waiting, so the session cannot continue."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command in its parts.

    Attributes:
        verb: In capitals.
        texts: The arguments that are strings, whichever way they were written.
        items: The words of the one that is a list, in capitals.
        rest: All that stands behind the verb, of the commands in `AS_THEY_ARE`.
    """

    tag: bytes
    verb: bytes
    texts: tuple[bytes, ...] = ()
    items: tuple[bytes, ...] = ()
    rest: bytes = b""


async def read_command(wire: Wire) -> Command:
    """The client's next command, asking for its literals on the way.

    Raises:
        ClientGoneError: There is no next one.
        LineTooLongError: It does not end.
        TooMuchError: A literal is too large that the client sends without asking.
        UnreadableCommandError: It is not a command.
    """
    line = await wire.read_line(MAX_LINE)
    found = _TAG.match(line)
    tag = found[0] if found else b"*"
    head = _HEAD.match(line)
    if head is None:
        raise UnreadableCommandError(tag, b"a tag and a command, please")
    texts: list[bytes] = []
    items: tuple[bytes, ...] = ()
    rest = line[head.end() :]
    if head[2].upper() in AS_THEY_ARE:
        return Command(tag, head[2].upper(), rest=rest.strip())
    for _ in range(MAX_LITERALS + 1):
        announced = _LITERAL.search(rest)
        for argument in _arguments(rest[: announced.start()] if announced else rest, tag):
            if isinstance(argument, bytes):
                texts.append(argument)
            else:
                items = argument
        if announced is None:
            return Command(tag, head[2].upper(), tuple(texts), items)
        texts.append(await _literal(wire, tag, size=int(announced[1]), waits=not announced[2]))
        rest = await wire.read_line(MAX_LINE)
    raise UnreadableCommandError(tag, b"too many literals")


def _arguments(text: bytes, tag: bytes) -> list[bytes | tuple[bytes, ...]]:
    found: list[bytes | tuple[bytes, ...]] = []
    position = 0
    while position < len(text):
        argument = _ARGUMENT.match(text, position)
        if argument is None:
            raise UnreadableCommandError(tag, b"the arguments make no sense")
        position = argument.end()
        if argument["items"] is not None:
            found.append(tuple(argument["items"].upper().split()))
        elif argument["atom"] is not None:
            found.append(argument["atom"])
        else:
            found.append(re.sub(rb"\\(.)", rb"\1", argument["quoted"]))
    return found


async def _literal(wire: Wire, tag: bytes, *, size: int, waits: bool) -> bytes:
    """RFC 9051 section 4.3, and RFC 7888 for clients that do not wait."""
    if size > MAX_LITERAL:
        if waits:
            raise UnreadableCommandError(tag, b"that literal is too large")
        raise TooMuchError
    if waits:
        await wire.send(b"+ go on\r\n")
    return await wire.read_exactly(size)
