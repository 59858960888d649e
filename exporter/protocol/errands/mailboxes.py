"""Open a mailbox by IMAP, and find out which one is for what (RFC 6154)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from exporter.model import FailureReason
from exporter.protocol import imap_command
from exporter.protocol.dialogue import Dialogue, ProtocolError
from exporter.protocol.imap import Imap, Reply
from exporter.protocol.imap_refusal import refusal
from exporter.protocol.imap_response import Condition

ABSENT: Final = frozenset({"NONEXISTENT", "TRYCREATE"})
"""Response codes (RFC 5530) that say that there is no such mailbox."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A mailbox that was opened.

    Attributes:
        exists: How many messages there are.
        uid_validity: `None` where the server does not tell; UIDs mean nothing for longer than this session then.
        uid_next: Where the UIDs of coming messages begin; `None` where the server does not tell.
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
        name: As the server wants it written.
        to_remove: Whether messages of ours are to be removed, which needs SELECT (RFC 9051 6.3.2). It takes the flag
            \Recent from messages and changes nothing else; without it, EXAMINE changes nothing at all.

    Raises:
        DialogueError: It cannot be opened.
    """
    yield from imap.introduce()
    verb = b"SELECT" if to_remove else b"EXAMINE"
    reply = yield from imap.command(verb + b" " + name)
    if reply.end.condition is not Condition.OK:
        if reply.end.code in ABSENT or b"doesn't exist" in reply.end.words.lower():
            return None
        raise refusal(FailureReason.MAILBOX_UNAVAILABLE, f"{verb.decode()} is answered with", reply.end)
    return Opened(
        exists=next((data.number or 0 for data in reply.named("EXISTS")), 0),
        uid_validity=_code(reply, "UIDVALIDITY"),
        uid_next=_code(reply, "UIDNEXT"),
        read_only=not to_remove or reply.end.code == "READ-ONLY",
    )


def special_uses(imap: Imap) -> Dialogue[Mapping[str, bytes]]:
    """The name of the mailbox for each special use, as the server wants it written, by the use in lower case.

    A server need not tell, or not well; what it tells badly is left out.
    """
    yield from imap.look_for_capabilities()
    announced = imap.announced()
    # RFC 6154 section 3: those alone, where the server can pick them; else they are told among all others, and with
    # more mailboxes than one reply may hold those of the first level have to do.
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


def _code(reply: Reply, name: str) -> int | None:
    for status in reply.notices:
        if status.code == name and status.argument.isdigit() and len(status.argument) <= 20:
            return int(status.argument)
    return None
