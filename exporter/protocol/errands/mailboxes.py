"""Opens a mailbox by IMAP, and finds the mailboxes with a special use (RFC 6154)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from exporter.model import FailureReason
from exporter.protocol import imap_command
from exporter.protocol.dialogue import Dialogue, ProtocolError
from exporter.protocol.imap import CommandResult, Imap
from exporter.protocol.imap_refusal import refusal
from exporter.protocol.imap_response import Condition

ABSENT: Final = frozenset({"NONEXISTENT", "TRYCREATE"})
"""Response codes (RFC 5530) that say that there is no such mailbox."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A mailbox that was opened.

    Attributes:
        exists: The number of messages.
        uid_validity: `None` if the server does not give it. UIDs are then valid only in this session.
        uid_next: The lowest UID of future messages; `None` if the server does not give it.
        read_only: Whether messages cannot be removed.
    """

    exists: int
    uid_validity: int | None
    uid_next: int | None
    read_only: bool


def open_mailbox(imap: Imap, name: bytes, *, to_remove: bool) -> Dialogue[Opened | None]:
    r"""Open a mailbox; `None` if there is none of that name.

    Args:
        imap: The session.
        name: The name in the server's own encoding.
        to_remove: Whether messages of ours are to be removed, which needs SELECT (RFC 9051 6.3.2). It takes the flag
            \Recent from messages and changes nothing else; without it, EXAMINE changes nothing at all.

    Raises:
        DialogueError: It cannot be opened.
    """
    yield from imap.introduce()
    verb = b"SELECT" if to_remove else b"EXAMINE"
    imap.messages = 0
    reply = yield from imap.command(verb + b" " + name)
    if reply.end.condition is not Condition.OK:
        if reply.end.code in ABSENT or b"doesn't exist" in reply.end.words.lower():
            return None
        raise refusal(FailureReason.MAILBOX_UNAVAILABLE, f"{verb.decode()} is answered with", reply.end)
    return Opened(
        exists=imap.messages,
        uid_validity=_code(reply, "UIDVALIDITY"),
        uid_next=_code(reply, "UIDNEXT"),
        read_only=not to_remove or reply.end.code == "READ-ONLY",
    )


def special_uses(imap: Imap) -> Dialogue[Mapping[str, bytes]]:
    """The name of the mailbox for each special use, in the server's own encoding.

    The keys are in lower case. Servers may give none; malformed ones are left out.
    """
    yield from imap.look_for_capabilities()
    announced = imap.announced()
    # RFC 6154 section 3: ask for these mailboxes alone if the server supports that, otherwise for all. If one reply
    # cannot hold all mailboxes, ask for those of the first level.
    picks = "SPECIAL-USE" in announced
    command = b'LIST (SPECIAL-USE) "" "*"' if picks else b'LIST "" "%"'
    reply = yield from imap.ask(command)
    if picks and (reply is None or reply.end.condition is not Condition.OK):
        reply = yield from imap.ask(b'LIST "" "%"')
    found: dict[str, bytes] = {}
    for data in reply.named("LIST") if reply else ():
        try:
            values = data.values()
        except ProtocolError:
            continue
        if len(values) < 3 or not isinstance(values[0], tuple) or not isinstance(values[2], bytes):
            continue
        written = imap_command.quote(values[2])
        for attribute in values[0]:
            if isinstance(attribute, bytes) and written is not None:
                found.setdefault(attribute.decode("ascii", "replace").lower(), written)
    return found


def _code(reply: CommandResult, name: str) -> int | None:
    for status in reply.notices:
        if status.code == name and status.argument.isdigit() and len(status.argument) <= 20:
            return int(status.argument)
    return None
