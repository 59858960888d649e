"""Remove messages by IMAP: exactly the given ones, even if others are marked as deleted."""

from __future__ import annotations

from collections.abc import Collection

from exporter.model import FailureReason
from exporter.protocol.dialogue import Dialogue
from exporter.protocol.errands.find import search
from exporter.protocol.imap import Imap
from exporter.protocol.imap_refusal import refusal
from exporter.protocol.imap_response import Condition


def remove(imap: Imap, messages: Collection[int], trash: bytes | None) -> Dialogue[bool]:
    """Remove messages from the open mailbox; whether they are gone, or only marked as deleted.

    Args:
        imap: The session, with the mailbox opened to remove.
        messages: UIDs, of messages that were looked at in this session.
        trash: The name of the mailbox for deleted messages; `None` if there is none.

    Raises:
        DialogueError: The server refuses.
    """
    numbers = b",".join(b"%d" % uid for uid in sorted(messages))
    announced = imap.announced()
    mark = b"UID STORE " + numbers + rb" +FLAGS.SILENT (\Deleted)"
    if not announced.isdisjoint({"UIDPLUS", "IMAP4REV2"}):
        yield from _command(imap, mark)
        # RFC 4315 2.1: only those of them that are marked.
        if (yield from _obeys(imap, b"UID EXPUNGE " + numbers)):
            return True
    else:
        moves = not announced.isdisjoint({"MOVE", "IMAP4REV2"}) and trash is not None
        if moves and (yield from _obeys(imap, b"UID MOVE " + numbers + b" " + (trash or b""))):
            return True
        yield from _command(imap, mark)
    # RFC 9051 6.4.3: EXPUNGE removes all that are marked. It is for us to say only where all of those are ours.
    marked = yield from search(imap, b"DELETED")
    if marked is None or not set(marked) <= set(messages):
        return False
    yield from _command(imap, b"EXPUNGE")
    return True


def _obeys(imap: Imap, line: bytes) -> Dialogue[bool]:
    """Whether the server does what it announces that it can."""
    reply = yield from imap.command(line)
    return reply.end.condition is Condition.OK


def _command(imap: Imap, line: bytes) -> Dialogue[None]:
    reply = yield from imap.command(line)
    if reply.end.condition is not Condition.OK:
        verb = line.decode("ascii", "replace").split(" ")
        name = " ".join(verb[: 2 if verb[0] == "UID" else 1])
        raise refusal(FailureReason.COMMAND_REFUSED, f"{name} is answered with", reply.end)
