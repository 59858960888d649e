"""Reads mailboxes by IMAP for flows: waits for mail, fetches what may be ours, judges it and removes it.

One visit reads all mailboxes behind a login, for all flows that share them. Foreign messages are looked at by a few
header fields, and never touched.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import structlog

from exporter.flows.assignment import Assignment
from exporter.flows.bounces import may_be_bounce, read_bounce
from exporter.flows.dates import internal_date
from exporter.flows.desk import Desk, Ours
from exporter.flows.headers import read_headers
from exporter.flows.judging import Copy
from exporter.flows.ledger import GRACE, InFlight, Ledger, Moment, Standing
from exporter.flows.matching import literal, matches
from exporter.flows.pace import LEAST_PAUSE, Pace
from exporter.flows.places import WINDOW, Place
from exporter.model import FailureReason, Flow, Removal
from exporter.protocol import imap_command
from exporter.protocol.dialogue import Dialogue, DialogueError
from exporter.protocol.errands import find
from exporter.protocol.errands.find import Fetched
from exporter.protocol.errands.idle import ask_for_news, idle, offers_idle
from exporter.protocol.errands.mailboxes import open_mailbox, special_uses
from exporter.protocol.errands.remove import remove
from exporter.visiting.visit import Inside

T = TypeVar("T")

FIELDS: Final = ("X-Mail-Exporter-Token", "Message-ID", "From", "Subject", "Content-Type", "In-Reply-To")
"""What is fetched of every new message."""

FEW: Final = 20
"""New messages that are looked at one by one; among more, ours are searched for."""

NEWEST: Final = 50
"""Messages that are looked at one by one where the server cannot search."""

REPORTS: Final = b'HEADER Content-Type "delivery-status"'
"""What delivery status notifications are found by (RFC 6522)."""

MAX_BODY: Final = 2048
"""Octets of a body in which the token of a stripped message is looked for; it stands within the first 200."""

BETWEEN_FULL_LOOKS: Final = 1.0
"""Seconds: what has become ripe meanwhile is settled together, after all mailboxes were opened once."""

MAX_BODIES: Final = 5
"""Messages of one look that are looked into for a token that their header lacks."""

MAX_SWEEPS: Final = 10
"""Windows of older messages that are searched in one go for one that is awaited."""

log = structlog.get_logger()


class ImapReading:
    """One visit, from after its login to before its goodbye."""

    def __init__(self, here: Inside, work: Assignment, desk: Desk, pace: Pace) -> None:
        """Begin.

        Args:
            here: The visit.
            work: What is to be read, and for whom; it may change meanwhile.
            desk: The state of all flows.
            pace: When to look, and when to leave.
        """
        self._here = here
        self._work = work
        self._desk = desk
        self._pace = pace
        self._open: Place | None = None
        self._trash: bytes | None = None
        self._has_idle = False
        self._full_look: Moment | None = None
        self._bodies = 0
        """Bodies that may still be looked into: somebody may send any number of messages with our subject."""

    async def run(self) -> None:
        """Look, wait and look again, for as long as there is a reason to stay."""
        await self._find_mailboxes()
        for place in self._work.places.values():
            place.next_look = 0.0
        while True:
            await self._desk.read_key()
            await self._look_where_due()
            await self._settle_what_is_ripe()
            await self._give_up_what_is_overdue()
            self._pace.read(self._work)
            if self._pace.may_leave(self._work, idles=self._has_idle):
                return
            await self._wait()

    async def _run(self, errand: Callable[[Any], Dialogue[T]]) -> T:
        """Run an errand for as long as an exchange may take."""
        seconds = self._here.endpoint.timeout
        try:
            async with asyncio.timeout(seconds):
                return await self._here.run(errand)
        except TimeoutError:
            raise DialogueError(FailureReason.TIMEOUT, f"no reply within {seconds:g} s", in_step=False) from None

    async def _find_mailboxes(self) -> None:
        """RFC 6154: special uses have whatever names the server likes."""
        uses = await self._run(special_uses)
        self._trash = uses.get("\\trash")
        client = self._here.session.client
        self._has_idle = offers_idle(client)
        for place in self._work.places.values():
            special = place.name.startswith("\\")
            place.written = uses.get(place.name.lower()) if special else client.mailbox(place.name)
            self._work.absent.discard(place.name)
            if place.written is None:
                self._lacks(place)

    def _lacks(self, place: Place) -> None:
        """There is no such mailbox: nothing can be in it, but mail that is expected there cannot be read either."""
        self._work.absent.add(place.name)
        if place is self._work.primary():
            raise DialogueError(FailureReason.MAILBOX_UNAVAILABLE, f"there is no mailbox {place.name}")

    async def _look_where_due(self) -> None:
        """Look at the mailboxes whose time it is; at all of them before anything is said to be lost or to be alone."""
        now = self._desk.now()
        last = self._full_look
        everywhere = self._work.needs_full_look(now) and (last is None or now.at - last.at >= BETWEEN_FULL_LOOKS)
        for place in self._work.places.values():
            # What was to be looked at in five minutes is urgent once a message is on its way.
            place.next_look = min(place.next_look, self._pace.next_look(self._work, place, idles=self._has_idle))
            if place.written is not None and (everywhere or place.next_look <= now.at):
                await self._look(place)
                place.next_look = self._pace.next_look(self._work, place, idles=self._has_idle)
        if everywhere:
            self._full_look = now

    async def _go_to(self, place: Place) -> bool:
        """Have a mailbox open; whether there is one."""
        if self._open is place:
            return True
        written = place.written or b""
        opened = await self._run(lambda imap: open_mailbox(imap, written, to_remove=self._work.removes))
        if opened is None:
            # RFC 9051 6.3.2: after a SELECT that failed no mailbox is open.
            self._open = None
            place.written = None
            self._lacks(place)
            return False
        self._open = place
        before = place.uid_validity
        place.opened(opened)
        if before is not None and before != place.uid_validity:
            self._work.forget_copies(place.name)
        return True

    async def _look(self, place: Place) -> None:
        """All that is new in a mailbox, and one window of what was there before."""
        if self._open is place:
            count = await self._run(ask_for_news)
            place.exists = place.exists if count is None else count
        elif not await self._go_to(place):
            return
        seen = self._desk.now().at
        place.looked = seen
        await self._take_new(place, seen)
        window = place.next_sweep()
        if window is not None:
            await self._sweep(place, *window, seen)
        for flow in self._work.awaiting(place.name):
            await self._find_awaited(place, flow)

    async def _take_new(self, place: Place, seen: float) -> None:
        self._bodies = MAX_BODIES
        first = place.next_uid
        # The count may be old, and nothing can be said about places in an empty mailbox: UIDs alone are always right.
        window = place.window() + b" " if place.exists > WINDOW else b""
        among = window + find.uid_range(first)
        found = await self._run(lambda imap: find.search(imap, among))
        if found is None:
            fetched = await self._fetch_newest(place.exists)
        else:
            # "n:*" takes in the last message even if its UID is below n (RFC 9051 section 9, seq-range).
            new = [uid for uid in found if uid >= first]
            if len(new) > FEW:
                marked = await self._run(lambda imap: find.search(imap, among, find.has_field(FIELDS[0])))
                new = sorted({*(marked or ()), *new[-(FEW if marked is not None else NEWEST) :]})
            fetched = await self._fetch(new)
        for each in sorted(fetched, key=lambda each: each.uid):
            if each.uid >= first:
                await self._take(place, each, seen)
                place.next_uid = max(place.next_uid, each.uid + 1)
        if found:
            place.next_uid = max(place.next_uid, found[-1] + 1)

    async def _sweep(self, place: Place, first: int, last: int, seen: float) -> None:
        """What earlier runs left behind, among so many messages."""
        self._bodies = 0
        among = b"%d:%d" % (first, last)
        found = await self._search(among, (find.has_field(FIELDS[0]),))
        if found is not None and self._work.reads_bounces:
            # Notifications that came while nobody was looking.
            reports = await self._search(among, (REPORTS,))
            found = tuple(sorted({*found, *(reports or ())[-FEW:]}))
        fetched = await self._fetch_newest(last) if found is None else await self._fetch(found)
        for each in fetched:
            if each.uid < place.next_uid:
                await self._take(place, each, seen)

    async def _search(self, among: bytes, criteria: Sequence[bytes]) -> tuple[int, ...] | None:
        return await self._run(lambda imap: find.search(imap, among, *criteria))

    async def _fetch(self, uids: Sequence[int]) -> list[Fetched]:
        return await self._run(lambda imap: find.fetch_fields(imap, find.uids(uids), FIELDS)) if uids else []

    async def _fetch_newest(self, last: int) -> list[Fetched]:
        """The last messages of a mailbox, where the server cannot search."""
        if last < 1:
            return []
        messages = b"%d:%d" % (max(1, last - NEWEST + 1), last)
        return await self._run(lambda imap: find.fetch_fields(imap, messages, FIELDS))

    async def _take(self, place: Place, fetched: Fetched, seen: float) -> None:
        """Find out what a message is, and do with it what is due. A foreign one is left as it is."""
        headers = read_headers(fetched.content)
        ours = self._desk.recognise(headers)
        for flow in self._work.awaiting(place.name, found_too=True):
            if flow.awaited is not None and ours is None and matches(headers, flow.awaited):
                self._work.newer(flow, internal_date(fetched.arrived) or self._desk.now().wall)
        if not self._work.removes or place.gives_up_on(fetched.uid):
            return
        if ours is None and self._bodies > 0 and self._work.has_in_flight() and self._desk.may_be_stripped(headers):
            self._bodies -= 1
            body = await self._run(lambda imap: find.fetch_text(imap, fetched.uid, most=MAX_BODY))
            ours = self._desk.recognise_body(body)
        if ours is not None:
            await self._take_ours(place, fetched, ours, seen)
        elif self._work.reads_bounces and may_be_bounce(headers):
            await self._take_bounce(place, fetched.uid)
        place.fetched(fetched.uid)

    async def _take_ours(self, place: Place, fetched: Fetched, ours: Ours, seen: float) -> None:
        now = self._desk.now()
        ledger = self._desk.owner(ours.token)
        if ledger is None:
            if self._desk.is_abandoned(ours.token):
                await self._remove(place, (fetched.uid,))
            return
        if fetched.uid in place.held.get(ours.token, ()):
            return
        if fetched.deleted:
            # It was dealt with, and only the server's way of removing it is to be caught up on.
            await self._clear(place, fetched.uid, ledger, Removal.LEFTOVER)
            return
        standing, entry = ledger.standing(ours.token, ours.text, now)
        if entry is not None:
            await self._take_awaited(place, fetched.uid, ledger, entry, seen)
        elif standing is Standing.COPY:
            await self._clear(place, fetched.uid, ledger, Removal.OWN)
            self._desk.settle(ledger, ledger.copied(ours.token, ours.text, place.name, now))
        else:
            await self._clear(place, fetched.uid, ledger, Removal.LEFTOVER)

    async def _take_awaited(self, place: Place, uid: int, ledger: Ledger, entry: InFlight, seen: float) -> None:
        begun = self._desk.now().at
        whole = await self._run(lambda imap: find.fetch_message(imap, uid))
        if whole is None:
            return
        took = self._desk.now().at - begun
        ledger.found(entry, Copy(place.name, whole.content), seen=seen, retrieved=took)
        place.held.setdefault(entry.token, []).append(uid)
        self._desk.count(ledger)

    async def _take_bounce(self, place: Place, uid: int) -> None:
        whole = await self._run(lambda imap: find.fetch_message(imap, uid))
        if whole is None or self._desk.key is None:
            return
        bounce = read_bounce(whole.content, self._desk.key)
        if bounce is None:
            return
        ledger = self._desk.owner(bounce.token)
        if ledger is None:
            if self._desk.is_abandoned(bounce.token):
                await self._remove(place, (uid,))
            return
        await self._clear(place, uid, ledger, Removal.BOUNCE)
        self._desk.settle(ledger, ledger.bounced(bounce, self._desk.text_of(bounce.token), self._desk.now()))

    async def _find_awaited(self, place: Place, flow: Flow) -> None:
        """The newest message that a flow awaits, among those that were there before the first look."""
        if flow.awaited is None:
            return
        criteria = [
            b"%s %s" % (key, quoted)
            for key, pattern in ((b"FROM", flow.awaited.sender), (b"SUBJECT", flow.awaited.subject))
            if (piece := literal(pattern)) is not None and (quoted := imap_command.quote(piece.encode())) is not None
        ]
        for first, last in self._work.windows(flow, place, MAX_SWEEPS):
            among = b"%d:%d" % (first, last)
            found = await self._search(among, criteria)
            fetched = await (self._fetch_newest(last) if found is None else self._fetch(found[-FEW:]))
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

    async def _clear(self, place: Place, uid: int, ledger: Ledger, kind: Removal) -> None:
        """Remove one message that no run waits for any more, and say so."""
        if await self._remove(place, (uid,)):
            self._desk.observer.removed(ledger.flow.name, ledger.mx, kind)

    async def _remove(self, place: Place, uids: Sequence[int]) -> bool:
        """Remove messages of ours; whether they are gone. A refusal is the flow's trouble, and not the visit's."""
        if not await self._go_to(place):
            return False
        try:
            gone = await self._run(lambda imap: remove(imap, uids, self._trash))
        except DialogueError as error:
            if not error.in_step:
                raise
            self._work.held_up(f"messages cannot be removed from {place.name}: {error.detail}")
            return False
        self._work.held_up("")
        return gone

    async def _settle_what_is_ripe(self) -> None:
        if self._full_look is None:
            return
        for ledger in self._work.ledgers():
            for entry in ledger:
                if ledger.ripe(entry, self._full_look):
                    await self._settle(ledger, entry)

    async def _settle(self, ledger: Ledger, entry: InFlight) -> None:
        """Remove a message, then count it: one that was removed and not counted is counted by nobody twice."""
        begun, gone = self._desk.now().at, False
        try:
            for place in self._work.places.values():
                uids = place.held.pop(entry.token, [])
                if uids and (gone := await self._remove(place, uids)):
                    for _ in uids:
                        self._desk.observer.removed(ledger.flow.name, ledger.mx, Removal.OWN)
        finally:
            now = self._desk.now()
            self._desk.settle(ledger, ledger.arrived(entry, now, now.at - begun if gone else None))

    async def _give_up_what_is_overdue(self) -> None:
        """What was missing at the last look at all mailboxes, and was overdue then, is lost."""
        if self._full_look is None:
            return
        for ledger in self._work.ledgers():
            for settled in ledger.give_up(self._full_look, None):
                self._desk.settle(ledger, settled)

    async def _wait(self) -> None:
        """Until the server tells of mail, somebody sends some, or it is time to look."""
        primary = self._work.primary()
        # Never without a pause: others have things to do, too.
        until = max(self._pace.wake_at(self._work, GRACE), self._desk.now().at + LEAST_PAUSE)
        if self._has_idle and primary is not None and primary.written is not None and self._pace.worth_idling(until):
            if not await self._go_to(primary):
                return
            count = await self._here.run(lambda imap: idle(imap, lambda: self._pace.patience(until)))
            if count is not None:
                primary.exists = count
                primary.next_look = 0.0
        else:
            await self._pace.pause(until)
