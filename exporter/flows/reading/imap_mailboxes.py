"""The mailboxes of one login in one IMAP session: opens them when needed, searches, fetches and removes messages.

imap_taking.py decides what a message is and what to do with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from exporter.flows.desk import Desk
from exporter.flows.reading.assignment import Assignment
from exporter.flows.reading.watched_mailboxes import WatchedMailbox
from exporter.model import FailureReason
from exporter.protocol.dialogue import Dialogue, DialogueError
from exporter.protocol.errands import find
from exporter.protocol.errands.find import Fetched
from exporter.protocol.errands.idle import idle, offers_idle
from exporter.protocol.errands.mailboxes import open_mailbox, special_uses
from exporter.protocol.errands.remove import remove
from exporter.visiting.visit import Inside

T = TypeVar("T")

FIELDS: Final = (
    "X-Mail-Exporter-Token",
    "Message-ID",
    "From",
    "Subject",
    "Content-Type",
    "In-Reply-To",
    "References",
    "Auto-Submitted",
)
"""The header fields that are fetched of every new message."""

NEWEST: Final = 50
"""How many messages are fetched one by one if the server cannot search."""

TRY_AGAIN: Final = 3600.0
"""Seconds to wait before trying again to remove messages after a refusal."""


class ImapMailboxes:
    """The mailboxes of one visit.

    Attributes:
        has_idle: Whether the server supports IDLE.
    """

    def __init__(self, here: Inside, work: Assignment, desk: Desk) -> None:
        self.has_idle = False
        self._here = here
        self._work = work
        self._desk = desk
        self._trash: bytes | None = None
        self._open: WatchedMailbox | None = None

    async def run(self, errand: Callable[[Any], Dialogue[T]]) -> T:
        """Run an errand within the endpoint's timeout."""
        seconds = self._here.endpoint.timeout
        try:
            async with asyncio.timeout(seconds):
                value = await self._here.run(errand)
        except TimeoutError:
            raise DialogueError(FailureReason.TIMEOUT, f"no reply within {seconds:g} s", in_step=False) from None
        self._count()
        return value

    def _count(self) -> None:
        """Note how many messages there are: others add and remove some at any time."""
        if self._open is not None:
            self._open.exists = self._here.session.client.messages

    async def find_mailboxes(self) -> None:
        """Find the server's names for all mailboxes, also for special uses (RFC 6154)."""
        uses = await self.run(special_uses)
        self._trash = uses.get("\\trash")
        client = self._here.session.client
        self.has_idle = offers_idle(client)
        primary = self._work.primary()
        found: dict[bytes, WatchedMailbox] = {}
        for place in sorted(self._work.places.values(), key=lambda place: place is not primary):
            special = place.name.startswith("\\")
            place.written = uses.get(place.name.lower()) if special else client.mailbox(place.name)
            place.also = ()
            self._work.absent.discard(place.name)
            if place.written is None:
                self._lacks(place)
            elif (same := found.setdefault(place.written, place)) is not place:
                # Otherwise each message in it would count twice.
                same.also, place.written = (*same.also, place.name), None

    def _lacks(self, place: WatchedMailbox) -> None:
        """Note that a mailbox does not exist. It is an error only for the mailbox in which mail is expected."""
        self._work.absent.add(place.name)
        if place is self._work.primary():
            raise DialogueError(FailureReason.MAILBOX_UNAVAILABLE, f"there is no mailbox {place.name}")

    async def go_to(self, place: WatchedMailbox) -> bool:
        """Open a mailbox, unless it is open already; whether it exists."""
        if self._open is place:
            return True
        written = place.written or b""
        self._open = None
        opened = await self.run(lambda imap: open_mailbox(imap, written, to_remove=self._work.removes))
        if opened is None:
            # RFC 9051 6.3.2: no mailbox is open after a failed SELECT.
            place.written = None
            self._lacks(place)
            return False
        self._open = place
        if place.opened(opened):
            self._work.forget_copies(place)
        return True

    def is_open(self, place: WatchedMailbox) -> bool:
        return self._open is place

    async def search(self, among: bytes, criteria: Sequence[bytes]) -> tuple[int, ...] | None:
        """The UIDs of messages that match all criteria; `None` if the server cannot search for them."""
        return await self.run(lambda imap: find.search(imap, among, *criteria))

    async def fetch(self, uids: Sequence[int]) -> list[Fetched]:
        return await self.run(lambda imap: find.fetch_fields(imap, find.uids(uids), FIELDS)) if uids else []

    async def fetch_newest(self, last: int) -> list[Fetched]:
        """Fetch the newest messages up to number `last`, for servers that cannot search."""
        if last < 1:
            return []
        messages = b"%d:%d" % (max(1, last - NEWEST + 1), last)
        return await self.run(lambda imap: find.fetch_fields(imap, messages, FIELDS))

    async def remove(self, place: WatchedMailbox, uids: Sequence[int]) -> bool:
        """Remove messages of ours; whether they are gone. A refusal is reported by the flow, and the visit goes on."""
        if not await self.go_to(place):
            return False
        try:
            gone = await self.run(lambda imap: remove(imap, uids, self._trash))
        except DialogueError as error:
            if not error.in_step:
                raise
            self._work.held_up(f"messages cannot be removed from {place.name}: {error.detail}")
            place.sweep_again(self._desk.now().at + TRY_AGAIN)
            return False
        self._work.held_up("")
        return gone

    async def idle(self, patience: Callable[[], float]) -> bool:
        """Wait in IDLE; whether mail may have come. The timeout only applies to the server's answers."""
        seconds = self._here.endpoint.timeout
        loop = asyncio.get_running_loop()

        def wait_on() -> float:
            left = patience()
            deadline.reschedule(loop.time() + left + seconds)
            return left

        try:
            async with asyncio.timeout(seconds) as deadline:
                came = await self._here.run(lambda imap: idle(imap, wait_on))
        except TimeoutError:
            raise DialogueError(
                FailureReason.TIMEOUT, f"no reply to IDLE within {seconds:g} s", in_step=False
            ) from None
        self._count()
        return came
