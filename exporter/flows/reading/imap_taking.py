"""Handles messages that were found by IMAP: ours are fetched, judged and removed, and others are left alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

from exporter.flows.desk import Desk, Ours
from exporter.flows.ledger import InFlight, Ledger, Standing
from exporter.flows.messages.bounces import may_be_bounce, read_bounce
from exporter.flows.messages.dates import internal_date
from exporter.flows.messages.headers import read_headers
from exporter.flows.messages.matching import matches
from exporter.flows.messages.message_judging import Copy
from exporter.flows.messages.signature import MessageToken
from exporter.flows.reading.assignment import Assignment
from exporter.flows.reading.imap_mailboxes import ImapMailboxes
from exporter.flows.reading.watched_mailboxes import WatchedMailbox
from exporter.model import Removal
from exporter.protocol.errands import find
from exporter.protocol.errands.find import Fetched

MAX_BODY: Final = 2048
"""The most octets of a body to search for the token of a stripped message. It is within the first 200."""

MAX_BODIES: Final = 5
"""The most messages of one look whose body is searched for a token, because their header has none."""

SOON: Final = 1.0
"""Seconds to wait before looking again for a message that the server could not return."""


class ImapTaking:
    """Handles messages, one at a time."""

    def __init__(self, mailboxes: ImapMailboxes, work: Assignment, desk: Desk) -> None:
        self._mailboxes = mailboxes
        self._work = work
        self._desk = desk
        self._bodies = 0
        """How many bodies may still be searched. Anybody may send many messages with our subject."""

    def begin(self, *, bodies: bool) -> None:
        """Begin another look; `bodies` says whether it may search bodies for tokens."""
        self._bodies = MAX_BODIES if bodies else 0

    def let_go(self, place: WatchedMailbox) -> None:
        """Search again for messages that were to be judged and are no longer in flight, such as unconfirmed ones."""
        for token in list(place.held):
            ledger = self._desk.owner(token)
            if ledger is None or token not in ledger:
                del place.held[token]
                place.sweep_again(self._desk.now().at)

    async def take(self, place: WatchedMailbox, fetched: Fetched, seen: float) -> None:
        """Find out what a message is, and handle it. Other people's messages are left unchanged."""
        headers = read_headers(fetched.content)
        ours = self._desk.recognise(headers)
        for flow in self._work.awaiting(place.name, found_too=True):
            if flow.awaited is not None and ours is None and matches(headers, flow.awaited):
                self._work.newer(flow, internal_date(fetched.arrived) or self._desk.now().wall)
        if not self._work.removes or place.gives_up_on(fetched.uid):
            return
        if ours is None and self._bodies > 0 and self._work.has_in_flight() and self._desk.may_be_stripped(headers):
            self._bodies -= 1
            ours = await self._recognise_body(fetched.uid)
        if ours is not None:
            await self._take_ours(place, fetched, ours, seen)
        elif self._work.reads_bounces and may_be_bounce(headers):
            await self._take_bounce(place, fetched.uid)
        place.fetched(fetched.uid)

    async def _take_ours(self, place: WatchedMailbox, fetched: Fetched, ours: Ours, seen: float) -> None:
        now = self._desk.now()
        ledger = self._desk.owner(ours.token)
        if ledger is None or not self._work.awaits(ledger):
            await self._remove_if_abandoned(place, fetched.uid, ours.token)
            return
        if fetched.uid in place.held.get(ours.token, ()):
            return
        if fetched.deleted:
            # It was settled before. Only its removal has to be completed.
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

    async def _take_awaited(
        self, place: WatchedMailbox, uid: int, ledger: Ledger, entry: InFlight, seen: float
    ) -> None:
        begun = self._desk.now().at
        whole = await self._mailboxes.run(lambda imap: find.fetch_message(imap, uid))
        if whole is None:
            place.sweep_again(self._desk.now().at + SOON)
            return
        took = self._desk.now().at - begun
        ledger.found(entry, Copy(place.called_by(ledger.flow), whole.content), seen=seen, retrieved=took)
        place.held.setdefault(entry.token, []).append(uid)
        self._desk.count(ledger)

    async def _take_bounce(self, place: WatchedMailbox, uid: int) -> None:
        whole = await self._mailboxes.run(lambda imap: find.fetch_message(imap, uid))
        if whole is None or self._desk.key is None:
            return
        bounce = read_bounce(whole.content, self._desk.key)
        if bounce is None:
            return
        ledger = self._desk.owner(bounce.token)
        if ledger is None or not self._work.hears_of(ledger):
            await self._remove_if_abandoned(place, uid, bounce.token)
            return
        await self._clear(place, uid, ledger, Removal.BOUNCE)
        self._desk.settle(ledger, ledger.bounced(bounce, self._desk.text_of(bounce.token), self._desk.now()))

    async def _remove_if_abandoned(self, place: WatchedMailbox, uid: int, token: MessageToken) -> None:
        """Remove a message that no flow looks for here, after another reader or process had the time to find it."""
        seconds = self._desk.abandoned_in(token)
        if seconds <= 0:
            await self._mailboxes.remove(place, (uid,))
        elif seconds < math.inf:
            place.unowned = self._desk.generation
            place.sweep_again(self._desk.now().at + seconds)

    async def _clear(self, place: WatchedMailbox, uid: int, ledger: Ledger, kind: Removal) -> None:
        """Remove one message that is not awaited any more, and report it."""
        if await self._mailboxes.remove(place, (uid,)):
            self._desk.observer.removed(ledger.flow.name, ledger.mx, kind)

    async def settle(self, ripe: Sequence[tuple[Ledger, InFlight]]) -> None:
        """Remove messages, then count them. In this order, an interruption cannot make a message count twice."""
        begun, gone = self._desk.now().at, set[MessageToken]()
        owners = {entry.token: ledger for ledger, entry in ripe}
        places = [place for place in self._work.places.values() if not owners.keys().isdisjoint(place.held)]
        try:
            for place in places:
                held = {uid: token for token in owners for uid in place.held.pop(token, ())}
                there = await self._still_there(place, held)
                if there and await self._mailboxes.remove(place, there):
                    for uid in there:
                        gone.add(held[uid])
                        self._desk.observer.removed(owners[held[uid]].flow.name, owners[held[uid]].mx, Removal.OWN)
        except BaseException:
            for place in places:
                place.sweep_again(self._desk.now().at)
            raise
        finally:
            now = self._desk.now()
            for ledger, entry in ripe:
                # An entry without copies is skipped: its UIDs became invalid meanwhile, and it will be found again.
                if entry.copies:
                    removing = now.at - begun if entry.token in gone else None
                    self._desk.settle(ledger, ledger.arrived(entry, now, removing))

    async def _still_there(self, place: WatchedMailbox, held: Mapping[int, MessageToken]) -> list[int]:
        """The UIDs that still belong to these messages. They may have changed if the mailbox was opened again."""
        if not held or not await self._mailboxes.go_to(place):
            return []
        found = []
        for each in await self._mailboxes.fetch(list(held)):
            headers = read_headers(each.content)
            ours = self._desk.recognise(headers)
            if ours is None and self._desk.may_be_stripped(headers):
                ours = await self._recognise_body(each.uid)
            if ours is not None and held.get(each.uid) == ours.token:
                found.append(each.uid)
        return found

    async def _recognise_body(self, uid: int) -> Ours | None:
        body = await self._mailboxes.run(lambda imap: find.fetch_text(imap, uid, most=MAX_BODY))
        return self._desk.recognise_body(body)
