"""Wait for mail by IMAP: IDLE (RFC 2177) where it is offered, else by asking."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from exporter.model import FailureReason
from exporter.protocol.dialogue import AwaitServer, Dialogue, ProtocolError, Send
from exporter.protocol.imap import CommandResult, Imap
from exporter.protocol.imap_refusal import refusal
from exporter.protocol.imap_response import UNTAGGED, Condition, Continuation, Data, Status, read_response

MAX_NEWS: Final = 10_000
"""Responses in one go, as many as messages that somebody marks or removes. A server that tells more is asked again."""


def offers_idle(imap: Imap) -> bool:
    """Whether the server tells by itself; part of IMAP4rev2 (RFC 9051 appendix E)."""
    return not imap.announced().isdisjoint({"IDLE", "IMAP4REV2"})


def idle(imap: Imap, patience: Callable[[], float]) -> Dialogue[bool]:
    """Wait until mail may have come to the open mailbox; whether it has. `Imap.messages` says how many there are.

    Args:
        imap: The session.
        patience: Is asked again and again how many seconds to wait on, without a word to the server; 0 ends it.
            RFC 2177 section 3: a server may log out a client that has said nothing for 30 minutes.

    Raises:
        DialogueError: The server refuses, or hangs up.
    """
    tag = imap.new_tag()
    yield Send(tag + b" IDLE")
    begun = yield from imap.read(tag)
    if isinstance(begun, CommandResult):
        raise refusal(FailureReason.COMMAND_REFUSED, "IDLE is answered with", begun.end)
    told, came = 0, False
    while not came and told < MAX_NEWS and (seconds := patience()) > 0:
        if (yield AwaitServer(seconds)):
            came = yield from _take_news(imap)
            told += 1
    yield Send(b"DONE")
    reply = yield from imap.read_reply(tag)
    if reply.end.condition is not Condition.OK:
        raise refusal(FailureReason.COMMAND_REFUSED, "IDLE ends with", reply.end)
    return came or bool(reply.named("EXISTS"))


def ask_for_news(imap: Imap) -> Dialogue[None]:
    """Let the server tell how many messages there are. NOOP, because some servers show nothing new before it.

    Raises:
        DialogueError: The server hangs up.
    """
    yield from imap.command(b"NOOP")


def _take_news(imap: Imap) -> Dialogue[bool]:
    response = yield from read_response()
    imap.heed(response)
    match response:
        case Data(name="EXISTS"):
            return True
        case Status(condition=Condition.BYE):
            raise refusal(FailureReason.CONNECTION_CLOSED, "the server ends IDLE with", response)
        case Status(tag=tag) if tag != UNTAGGED:
            raise refusal(FailureReason.COMMAND_REFUSED, "the server ends IDLE with", response)
        case Continuation():
            raise ProtocolError(f"the server asks to go on during IDLE: {response}")
    # RFC 2177 lets a server say "* OK Still here".
    return False
