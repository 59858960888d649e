"""Reads mailboxes by IMAP for flows: waits for mail, and finds messages that may be ours.

One visit reads all mailboxes of a login, for all flows that share them. It reads only a few header fields of other
people's messages, and never changes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from exporter.flows.desk import Desk
from exporter.flows.ledger import GRACE, Moment
from exporter.flows.messages.dates import internal_date
from exporter.flows.messages.headers import read_headers
from exporter.flows.messages.matching import literal, matches
from exporter.flows.messages.message import HEADER, SUBJECT
from exporter.flows.reading.assignment import Assignment
from exporter.flows.reading.imap_mailboxes import NEWEST, ImapMailboxes
from exporter.flows.reading.imap_taking import ImapTaking
from exporter.flows.reading.pace import LEAST_PAUSE, Pace
from exporter.flows.reading.watched_mailboxes import WINDOW, WatchedMailbox
from exporter.model import FailureReason, Flow
from exporter.protocol import imap_command
from exporter.protocol.dialogue import DialogueError
from exporter.protocol.errands import find
from exporter.protocol.errands.idle import ask_for_news
from exporter.visiting.visit import Inside

FEW: Final = 20
"""Up to this many new messages are fetched one by one. If there are more, the server searches for ours."""

OURS: Final = b'OR %s SUBJECT "%s"' % (find.has_field(HEADER), SUBJECT.strip().encode())
"""The search for messages that may be ours. Some servers, such as Yahoo's, find nothing by other fields' names."""

REPORTS: Final = b'HEADER Content-Type "delivery-status"'
"""The search for delivery status notifications (RFC 6522)."""

BETWEEN_FULL_LOOKS: Final = 1.0
"""The least seconds between two looks at all mailboxes. Messages that become ripe meanwhile are settled together."""

AT_ONCE: Final = 50
"""The most messages to remove by one command."""

UNTIL_SENT: Final = 2.0
"""The longest wait without IDLE, in seconds, while a message is about to be sent."""

MAX_SWEEPS: Final = 10
"""The most windows of older messages to search for an awaited one in one look."""


class ImapReading:
    """One visit, from the login to the logout."""

    def __init__(self, here: Inside, work: Assignment, desk: Desk, pace: Pace) -> None:
        """Prepare to read.

        Args:
            here: The visit.
            work: The mailboxes and flows to read for. It may change during the visit.
            desk: The state of all flows.
            pace: Decides when to look and when to leave.
        """
        self._mailboxes = ImapMailboxes(here, work, desk)
        self._taking = ImapTaking(self._mailboxes, work, desk)
        self._work = work
        self._desk = desk
        self._pace = pace
        self._full_look: Moment | None = None

    async def run(self) -> None:
        """Look and wait by turns, until there is no reason to stay."""
        await self._mailboxes.find_mailboxes()
        for place in self._work.places.values():
            place.next_look = 0.0
        while True:
            await self._read_key()
            await self._look_where_due()
            await self._settle_what_is_ripe()
            await self._give_up_what_is_overdue()
            self._pace.read(self._work)
            if self._pace.may_leave(self._work, idles=self._mailboxes.has_idle):
                return
            await self._wait()

    async def _read_key(self) -> None:
        if self._work.removes:
            try:
                await self._desk.read_key()
            except OSError as error:
                raise DialogueError(FailureReason.SECRET_UNREADABLE, str(error)) from None

    async def _look_where_due(self) -> None:
        """Look at the mailboxes that are due, or at all before a message counts as lost or as the only copy."""
        now = self._desk.now()
        last = self._full_look
        everywhere = self._work.needs_full_look(now) and (last is None or now.at - last.at >= BETWEEN_FULL_LOOKS)
        for place in self._work.places.values():
            # A mailbox that was due in five minutes is urgent once a message is in flight.
            place.next_look = min(
                place.next_look, self._pace.next_look(self._work, place, idles=self._mailboxes.has_idle)
            )
            if place.written is not None and (everywhere or place.next_look <= now.at):
                await self._look(place)
                place.next_look = self._pace.next_look(self._work, place, idles=self._mailboxes.has_idle)
        if everywhere:
            self._full_look = now

    async def _look(self, place: WatchedMailbox) -> None:
        """Look at all new messages of a mailbox, and at one window of older ones."""
        if self._mailboxes.is_open(place):
            await self._mailboxes.run(ask_for_news)
        elif not await self._mailboxes.go_to(place):
            return
        seen = self._desk.now().at
        self._taking.let_go(place)
        place.begin_sweep(seen, self._desk.generation)
        await self._take_new(place, seen)
        window = place.next_sweep()
        if window is not None:
            await self._sweep(place, *window, seen)
        for flow in self._work.awaiting(place.name):
            await self._find_awaited(place, flow)

    async def _take_new(self, place: WatchedMailbox, seen: float) -> None:
        self._taking.begin(bodies=True)
        first = place.next_uid
        # The count may be outdated, and an empty mailbox has no sequence numbers. UIDs alone are always right.
        window = place.window() + b" " if place.exists > WINDOW else b""
        among = window + find.uid_range(first)
        found = await self._mailboxes.run(lambda imap: find.search(imap, among))
        if found is None:
            fetched = await self._mailboxes.fetch_newest(place.exists)
        else:
            # "n:*" includes the last message even if its UID is below n (RFC 9051 section 9, seq-range).
            new = [uid for uid in found if uid >= first]
            if window and len(new) >= WINDOW:
                # There are more than one search covers. Older ones may include ours.
                place.sweep_again(seen)
            if len(new) > FEW:
                new = await self._picked(among, new)
            fetched = await self._mailboxes.fetch(new)
        for each in sorted(fetched, key=lambda each: each.uid):
            if each.uid >= first:
                await self._taking.take(place, each, seen)
                place.next_uid = max(place.next_uid, each.uid + 1)
        if found:
            place.next_uid = max(place.next_uid, found[-1] + 1)

    async def _picked(self, among: bytes, new: Sequence[int]) -> list[int]:
        """Picks from many new messages: those that may be ours, notifications, and in any case the newest."""
        marked = await self._mailboxes.search(among, (OURS,))
        if marked is None:
            return list(new[-NEWEST:])
        reports = await self._mailboxes.search(among, (REPORTS,)) if self._work.reads_bounces else None
        return sorted({*marked, *(reports or ())[-FEW:], *new[-FEW:]})

    async def _sweep(self, place: WatchedMailbox, first: int, last: int, seen: float) -> None:
        """Look for leftovers of earlier runs among the messages with these numbers."""
        self._taking.begin(bodies=False)
        among = b"%d:%d" % (first, last)
        found = await self._mailboxes.search(among, (OURS,))
        if found is not None and self._work.reads_bounces:
            # Notifications may have arrived while the exporter was not running.
            reports = await self._mailboxes.search(among, (REPORTS,))
            found = tuple(sorted({*found, *(reports or ())[-FEW:]}))
        fetched = await self._mailboxes.fetch_newest(last) if found is None else await self._mailboxes.fetch(found)
        for each in fetched:
            if each.uid < place.next_uid:
                await self._taking.take(place, each, seen)

    async def _find_awaited(self, place: WatchedMailbox, flow: Flow) -> None:
        """Search for the newest message that a flow awaits, among those from before the first look."""
        if flow.awaited is None:
            return
        criteria = [
            b"%s %s" % (key, quoted)
            for key, pattern in ((b"FROM", flow.awaited.sender), (b"SUBJECT", flow.awaited.subject))
            if (piece := literal(pattern)) is not None and (quoted := imap_command.quote(piece.encode())) is not None
        ]
        for first, last in self._work.windows(flow, place, MAX_SWEEPS):
            among = b"%d:%d" % (first, last)
            found = await self._mailboxes.search(among, criteria)
            fetched = await (
                self._mailboxes.fetch_newest(last) if found is None else self._mailboxes.fetch(found[-FEW:])
            )
            dates = [
                internal_date(each.arrived)
                for each in fetched
                if matches(read_headers(each.content), flow.awaited)
                and self._desk.recognise(read_headers(each.content)) is None
            ]
            known = [date for date in dates if date is not None]
            if known:
                self._work.newer(flow, max(known))
                self._work.found(flow, place)
                return

    async def _settle_what_is_ripe(self) -> None:
        if self._full_look is None:
            return
        look = self._full_look
        ripe = [(ledger, entry) for ledger in self._work.ledgers() for entry in ledger if ledger.ripe(entry, look)]
        for start in range(0, len(ripe), AT_ONCE):
            await self._taking.settle(ripe[start : start + AT_ONCE])

    async def _give_up_what_is_overdue(self) -> None:
        """Settle messages as lost that were overdue and missing at the last look at all mailboxes."""
        if self._full_look is None:
            return
        for ledger in self._work.ledgers():
            for settled in ledger.give_up(self._full_look, None):
                self._desk.settle(ledger, settled)

    async def _wait(self) -> None:
        """Wait until the server reports mail, a flow sends a message, or the next look is due."""
        primary = self._work.primary()
        # Always pause, so that other tasks can run.
        until = max(self._pace.wake_at(self._work, GRACE), self._desk.now().at + LEAST_PAUSE)
        if (
            self._mailboxes.has_idle
            and primary is not None
            and primary.written is not None
            and self._pace.worth_idling(until)
        ):
            if not await self._mailboxes.go_to(primary) or primary.next_look <= self._desk.now().at:
                return
            if await self._mailboxes.idle(lambda: self._pace.patience(until)):
                primary.next_look = 0.0
        else:
            # The sender wakes the reader before and after it sends.
            soon = self._desk.now().at + UNTIL_SENT
            await self._pace.pause(min(until, soon) if self._mailboxes.has_idle else until)
