"""Reads a maildrop by POP3 for flows. Each look is a visit, and the server removes messages when it answers QUIT."""

from __future__ import annotations

from typing import Final

from cachetools import FIFOCache

from exporter.flows.desk import Desk, Ours
from exporter.flows.ledger import InFlight, Ledger, Standing
from exporter.flows.messages.bounces import may_be_bounce, read_bounce
from exporter.flows.messages.dates import date_of_arrival
from exporter.flows.messages.headers import Headers, read_headers
from exporter.flows.messages.matching import matches
from exporter.flows.messages.message_judging import Copy
from exporter.flows.messages.mime import MAX_MESSAGE
from exporter.flows.reading.assignment import INBOX, Assignment
from exporter.model import FailureReason, Removal, Settled
from exporter.protocol.dialogue import DialogueError
from exporter.protocol.errands.mailbox import look_at_maildrop
from exporter.protocol.errands.maildrop import Listed, fetch_header, fetch_whole, list_newest, remove_and_leave, size_of
from exporter.visiting.visit import Inside

MAX_KNOWN: Final = 2000
"""How many of other people's messages are remembered by UIDL, so that each is read only once."""

MAX_ATTEMPTS: Final = 2


class Maildrop:
    """The state of a maildrop between two visits.

    Attributes:
        foreign: UIDLs of messages that are not ours.
        attempts: The number of failed attempts to fetch a message, by UIDL.
        held: Our messages that wait to be judged, by UIDL.
        readable: Whether the server has ever sent the header of a message.
    """

    def __init__(self) -> None:
        self.foreign: FIFOCache[str, None] = FIFOCache(MAX_KNOWN)
        self.attempts: dict[str, int] = {}
        self.held: dict[str, tuple[Ledger, InFlight]] = {}
        self.readable = False

    def is_foreign(self, uidl: str) -> None:
        """Remember a message that is not ours."""
        self.attempts.pop(uidl, None)
        self.foreign[uidl] = None

    def gives_up_on(self, uidl: str) -> bool:
        """Whether a message was tried too often. Each call counts as an attempt."""
        tried = self.attempts.get(uidl, 0)
        self.attempts[uidl] = tried + 1
        return tried >= MAX_ATTEMPTS


class Pop3Reading:
    """One visit, from the login to the logout."""

    def __init__(self, here: Inside, work: Assignment, desk: Desk, maildrop: Maildrop) -> None:
        self._here = here
        self._work = work
        self._desk = desk
        self._maildrop = maildrop
        self._numbers: dict[str, int] = {}
        self._refused: DialogueError | None = None
        self._doomed: list[tuple[int, Ledger | None, Removal, Settled | None]] = []

    async def run(self) -> None:
        """Read the newest messages, judge ours, and remove them."""
        now = self._desk.now()
        facts = await self._here.run(look_at_maildrop)
        listed: list[Listed] = await self._here.run(
            lambda pop3: list_newest(pop3, facts.messages or 0, self._maildrop.foreign)
        )
        self._numbers = {each.uidl: each.number for each in listed}
        held = self._maildrop.held
        for uidl in [uidl for uidl, (ledger, entry) in held.items() if entry.token not in ledger]:
            # Its submission was not confirmed, or it was given up, so it is a leftover now.
            del held[uidl]
        for each in reversed(listed):
            if each.uidl not in held:
                await self._take(each)
        if self._refused is not None and not self._maildrop.readable:
            # A server without TOP. If it refuses single messages, those are left out.
            self._maildrop.attempts.clear()
            raise self._refused
        for flow in self._work.awaiting(INBOX):
            # All messages that can be read were read, so mark the search as complete.
            list(self._work.windows(flow, self._work.places[INBOX], 1))
        ripe = await self._judge_what_is_ripe()
        await self._remove_what_is_doomed(ripe)
        for ledger in self._work.ledgers():
            for settled in ledger.give_up(now, None):
                self._desk.settle(ledger, settled)

    async def _take(self, each: Listed) -> None:
        if self._maildrop.gives_up_on(each.uidl):
            self._maildrop.is_foreign(each.uidl)
            return
        try:
            header = await self._here.run(lambda pop3: fetch_header(pop3, each.number))
        except DialogueError as error:
            if error.reason is not FailureReason.COMMAND_REFUSED or not error.in_step:
                raise
            self._refused = error
            return
        self._maildrop.readable = True
        headers = read_headers(header)
        ours = await self._recognise(each.number, headers) if self._work.removes else None
        if ours is None:
            await self._take_other(each, headers)
            return
        self._maildrop.attempts.pop(each.uidl, None)
        ledger, now = self._desk.owner(ours.token), self._desk.now()
        if ledger is None or not self._work.awaits(ledger):
            if self._desk.abandoned_in(ours.token) <= 0:
                self._doomed.append((each.number, None, Removal.LEFTOVER, None))
            return
        standing, entry = ledger.standing(ours.token, ours.text, now)
        if entry is not None:
            octets = await self._fetch(each.number) or header
            took = self._desk.now().at - now.at
            ledger.found(entry, Copy(INBOX, octets), seen=now.at, retrieved=took)
            self._maildrop.held[each.uidl] = (ledger, entry)
        elif standing is Standing.COPY:
            settled = ledger.copied(ours.token, ours.text, INBOX, now)
            self._doomed.append((each.number, ledger, Removal.OWN, settled))
        else:
            self._doomed.append((each.number, ledger, Removal.LEFTOVER, None))

    async def _take_other(self, each: Listed, headers: Headers) -> None:
        """Handle a message that no flow sent: a notification, an awaited message, or a foreign one."""
        for flow in self._work.awaiting(INBOX, found_too=True):
            if flow.awaited is not None and matches(headers, flow.awaited):
                self._work.newer(flow, date_of_arrival(headers) or self._desk.now().wall)
        octets = b""
        if self._desk.key is not None and self._work.reads_bounces and may_be_bounce(headers):
            octets = await self._fetch(each.number) or b""
        bounce = read_bounce(octets, self._desk.key) if octets and self._desk.key is not None else None
        ledger = None if bounce is None else self._desk.owner(bounce.token)
        if bounce is None or ledger is None or not self._work.hears_of(ledger):
            self._maildrop.is_foreign(each.uidl)
            return
        # At once, because nobody else tells: the ledger has given the message up with this.
        self._desk.settle(ledger, ledger.bounced(bounce, self._desk.text_of(bounce.token), self._desk.now()))
        self._doomed.append((each.number, ledger, Removal.BOUNCE, None))

    async def _recognise(self, number: int, headers: Headers) -> Ours | None:
        ours = self._desk.recognise(headers)
        if ours is None and self._work.has_in_flight() and self._desk.may_be_stripped(headers):
            ours = self._desk.recognise_body((await self._fetch(number) or b"").partition(b"\r\n\r\n")[2])
        return ours

    async def _fetch(self, number: int) -> bytes | None:
        """Fetch a message; `None` if it is too large."""
        if await self._here.run(lambda pop3: size_of(pop3, number)) > MAX_MESSAGE:
            return None
        return await self._here.run(lambda pop3: fetch_whole(pop3, number))

    async def _judge_what_is_ripe(self) -> list[tuple[Ledger, InFlight]]:
        """Mark all copies of ripe messages for removal. Missing copies were removed by somebody else."""
        ripe: dict[int, tuple[Ledger, InFlight]] = {}
        now = self._desk.now()
        held = {uidl: each for uidl, each in self._maildrop.held.items() if each[0].ripe(each[1], now)}
        for uidl, (ledger, entry) in held.items():
            ripe[id(entry)] = ledger, entry
            number = self._numbers.get(uidl)
            if number is not None and await self._is_still(entry, number):
                self._doomed.append((number, ledger, Removal.OWN, None))
        # Not before: if the connection breaks, the next visit judges them.
        for uidl in held:
            del self._maildrop.held[uidl]
        return list(ripe.values())

    async def _is_still(self, entry: InFlight, number: int) -> bool:
        """Whether a message is still the one that was found. Some servers give a UIDL to another message later."""
        try:
            header = await self._here.run(lambda pop3: fetch_header(pop3, number))
        except DialogueError as error:
            if error.reason is not FailureReason.COMMAND_REFUSED or not error.in_step:
                raise
            return False
        ours = await self._recognise(number, read_headers(header))
        return ours is not None and ours.token == entry.token

    async def _remove_what_is_doomed(self, ripe: list[tuple[Ledger, InFlight]]) -> None:
        """Remove messages, then count them. In this order, an interruption cannot make a message count twice."""
        begun, gone = self._desk.now().at, False
        try:
            if self._doomed:
                numbers = [number for number, *_ in self._doomed]
                await self._here.run(lambda pop3: remove_and_leave(pop3, numbers))
                gone = True
        finally:
            now = self._desk.now()
            for _, ledger, kind, settled in self._doomed:
                if ledger is not None:
                    if gone:
                        self._desk.observer.removed(ledger.flow.name, ledger.mx, kind)
                    self._desk.settle(ledger, settled)
            for ledger, entry in ripe:
                self._desk.settle(ledger, ledger.arrived(entry, now, now.at - begun if gone else None))
