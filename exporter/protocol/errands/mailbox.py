"""Can the mailbox be opened, and what is in it? By IMAP and POP3. The mailbox is not changed."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from typing import Final, TypeVar

from exporter.model import Facts, FailureReason, MailboxFacts
from exporter.protocol import pop3
from exporter.protocol.dialogue import Dialogue, Learn, ProtocolError
from exporter.protocol.imap import CommandResult, Imap
from exporter.protocol.imap_refusal import refusal
from exporter.protocol.imap_response import Condition, Data, mailbox_status, storage_quota

T = TypeVar("T")

MAX_TOLD: Final = 8
"""Answers of one kind that are taken apart. There is one STATUS, and a QUOTA for each quota root."""

MAX_PARSED: Final = 4096
"""Octets of one that is taken apart; all together take 10 ms at most. A STATUS has a hundred."""

_DROP_LISTING: Final = re.compile(rb"([0-9]{1,18})(?:[ \t]+([0-9]{1,18}))?(?:[ \t].*)?", re.DOTALL)


def look_at_mailbox(imap: Imap, name: str) -> Dialogue[MailboxFacts]:
    """Figures first, then the proof that it opens: STATUS is not for a selected mailbox (RFC 9051 6.3.11).

    Raises:
        DialogueError: It cannot be opened.
    """
    yield from imap.look_for_capabilities()
    yield from imap.introduce()
    announced, mailbox = imap.announced(), imap.mailbox(name)
    with_size = b" SIZE" if not announced.isdisjoint({"STATUS=SIZE", "IMAP4REV2"}) else b""
    # A refusal is not judged here: EXAMINE asks for more than STATUS does, and its answer says what is wrong.
    answer = yield from imap.ask(b"STATUS " + mailbox + b" (MESSAGES UNSEEN" + with_size + b")")
    told = _read(mailbox_status, answer, "STATUS")
    figures = {figure: value for status in told for figure, value in status.items()}
    facts = MailboxFacts(name, figures.get("MESSAGES"), figures.get("UNSEEN"), figures.get("SIZE"))
    if figures:
        yield Learn(Facts(mailbox=facts))
    # RFC 9051 6.3.3: EXAMINE, never SELECT: looking must not change \Recent or \Seen.
    reply = yield from imap.command(b"EXAMINE " + mailbox)
    if reply.end.condition is not Condition.OK:
        # NO by the RFC; BAD from Exchange Online ("authenticated but not connected") for a mailbox of others.
        raise refusal(FailureReason.MAILBOX_UNAVAILABLE, "EXAMINE is answered with", reply.end)
    if facts.messages is None:
        facts = replace(facts, messages=next((data.number for data in reply.named("EXISTS")), None))
    yield Learn(Facts(mailbox=facts))
    # RFC 9208 section 1: QUOTA is from RFC 2087, and the newer edition names the resources that it counts.
    if any(item == "QUOTA" or item.startswith("QUOTA=RES-") for item in announced):
        facts = yield from _with_quota(imap, mailbox, facts)
    return facts


def _with_quota(imap: Imap, mailbox: bytes, facts: MailboxFacts) -> Dialogue[MailboxFacts]:
    """RFC 9208 4.1.2. The quota root with the least room left counts; a refusal gives no value."""
    reply = yield from imap.ask(b"GETQUOTAROOT " + mailbox)
    quotas = _read(storage_quota, reply, "QUOTA")
    # A limit of 0 means no limit: Courier and others write it so.
    limited = [quota for quota in quotas if quota[1] > 0]
    if limited:
        used, limit = min(limited, key=lambda quota: quota[1] - quota[0])
        facts = replace(facts, quota_used=used, quota_limit=limit)
    elif quotas:
        facts = replace(facts, quota_used=quotas[0][0])
    if quotas:
        yield Learn(Facts(mailbox=facts))
    return facts


def _read(parse: Callable[[Data], T | None], reply: CommandResult | None, name: str) -> list[T]:
    """What the answers to an optional question say. One that is malformed or absurd costs the figure, not the probe."""
    read = []
    for data in islice(reply.named(name) if reply else (), MAX_TOLD):
        with suppress(ProtocolError):
            if sum(map(len, data.fragments)) <= MAX_PARSED and (value := parse(data)) is not None:
                read.append(value)
    return read


def look_at_maildrop(_: pop3.Pop3) -> Dialogue[MailboxFacts]:
    """The one mailbox that a login by POP3 leads to (RFC 1939 section 5).

    Raises:
        DialogueError: The server refuses.
    """
    response = yield from pop3.command(b"STAT")
    if not response.positive:
        raise pop3.refusal(FailureReason.MAILBOX_UNAVAILABLE, "STAT is answered with", response)
    # RFC 1939 section 5: the number of messages, one space, their size in octets; what follows is free. A size of more
    # than 2 GiB is negative at some servers, and then not known.
    found = _DROP_LISTING.fullmatch(response.text)
    if found is None:
        raise ProtocolError(f"STAT is answered with {response}")
    facts = MailboxFacts("INBOX", messages=int(found[1]), size=None if found[2] is None else int(found[2]))
    yield Learn(Facts(mailbox=facts))
    return facts
