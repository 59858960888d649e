"""The mailboxes behind one login, in one IMAP session: opened when they are needed, searched, fetched from, cleared.

What a message is, and what becomes of it, does not live here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from exporter.flows.assignment import Assignment
from exporter.flows.desk import Desk
from exporter.flows.places import Place
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
"""What is fetched of every new message."""

NEWEST: Final = 50
"""Messages that are looked at one by one where the server cannot search."""

TRY_AGAIN: Final = 3600.0
"""Seconds after which it is tried again to remove what a server has refused to."""


class ImapMailboxes:
    """Those of one visit.

    Attributes:
        has_idle: Whether the server tells of mail by itself.
    """

    def __init__(self, here: Inside, work: Assignment, desk: Desk) -> None:
        self.has_idle = False
        self._here = here
        self._work = work
        self._desk = desk
        self._trash: bytes | None = None
        self._open: Place | None = None

    async def run(self, errand: Callable[[Any], Dialogue[T]]) -> T:
        """Run an errand for as long as an exchange may take."""
        seconds = self._here.endpoint.timeout
        try:
            async with asyncio.timeout(seconds):
                return await self._here.run(errand)
        except TimeoutError:
            raise DialogueError(FailureReason.TIMEOUT, f"no reply within {seconds:g} s", in_step=False) from None

    async def find_mailboxes(self) -> None:
        """RFC 6154: special uses have whatever names the server likes."""
        uses = await self.run(special_uses)
        self._trash = uses.get("\\trash")
        client = self._here.session.client
        self.has_idle = offers_idle(client)
        primary = self._work.primary()
        found: dict[bytes, Place] = {}
        for place in sorted(self._work.places.values(), key=lambda place: place is not primary):
            special = place.name.startswith("\\")
            place.written = uses.get(place.name.lower()) if special else client.mailbox(place.name)
            place.also = ()
            self._work.absent.discard(place.name)
            if place.written is None:
                self._lacks(place)
            elif (same := found.setdefault(place.written, place)) is not place:
                # Else each message in it would count twice.
                same.also, place.written = (*same.also, place.name), None

    def _lacks(self, place: Place) -> None:
        """There is no such mailbox: nothing can be in it, but mail that is expected there cannot be read either."""
        self._work.absent.add(place.name)
        if place is self._work.primary():
            raise DialogueError(FailureReason.MAILBOX_UNAVAILABLE, f"there is no mailbox {place.name}")

    async def go_to(self, place: Place) -> bool:
        """Have a mailbox open; whether there is one."""
        if self._open is place:
            return True
        written = place.written or b""
        opened = await self.run(lambda imap: open_mailbox(imap, written, to_remove=self._work.removes))
        if opened is None:
            # RFC 9051 6.3.2: after a SELECT that failed no mailbox is open.
            self._open = None
            place.written = None
            self._lacks(place)
            return False
        self._open = place
        if place.opened(opened):
            self._work.forget_copies(place)
        return True

    def is_open(self, place: Place) -> bool:
        """Whether that is the mailbox that is open."""
        return self._open is place

    async def search(self, among: bytes, criteria: Sequence[bytes]) -> tuple[int, ...] | None:
        """The UIDs of messages that meet all criteria; `None` if the server cannot search for that."""
        return await self.run(lambda imap: find.search(imap, among, *criteria))

    async def fetch(self, uids: Sequence[int]) -> list[Fetched]:
        return await self.run(lambda imap: find.fetch_fields(imap, find.uids(uids), FIELDS)) if uids else []

    async def fetch_newest(self, last: int) -> list[Fetched]:
        """The last messages of a mailbox, where the server cannot search."""
        if last < 1:
            return []
        messages = b"%d:%d" % (max(1, last - NEWEST + 1), last)
        return await self.run(lambda imap: find.fetch_fields(imap, messages, FIELDS))

    async def remove(self, place: Place, uids: Sequence[int]) -> bool:
        """Remove messages of ours; whether they are gone. A refusal is the flow's trouble, and not the visit's."""
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

    async def idle(self, patience: Callable[[], float]) -> int | None:
        """Wait in IDLE. The server may be silent for as long as it likes, but has to answer what is said to it."""
        seconds = self._here.endpoint.timeout
        loop = asyncio.get_running_loop()

        def wait_on() -> float:
            left = patience()
            deadline.reschedule(loop.time() + left + seconds)
            return left

        try:
            async with asyncio.timeout(seconds) as deadline:
                return await self._here.run(lambda imap: idle(imap, wait_on))
        except TimeoutError:
            raise DialogueError(
                FailureReason.TIMEOUT, f"no reply to IDLE within {seconds:g} s", in_step=False
            ) from None
