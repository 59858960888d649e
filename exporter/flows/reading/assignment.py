"""The work of one reader: the mailboxes behind one login, and all flows that use them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from exporter.flows.desk import Desk
from exporter.flows.ledger import Ledger, Moment
from exporter.flows.reading.watched_mailboxes import WINDOW, WatchedMailbox
from exporter.model import Endpoint, Flow

INBOX: Final = "INBOX"


class Assignment:
    """The work of one reader.

    Attributes:
        endpoint: The endpoint to visit.
        places: The mailboxes, by name.
        reads_bounces: Whether delivery status notifications of a flow arrive here.
        changed: Whether the reader must start a new visit, because its endpoint or mailboxes have changed.
        absent: Names of mailboxes that do not exist.
        failure: Reason and detail if the last visit failed; `None` if it succeeded.
    """

    def __init__(self, endpoint: Endpoint, desk: Desk) -> None:
        self.endpoint = endpoint
        self.places: dict[str, WatchedMailbox] = {}
        self.reads_bounces = False
        self.changed = False
        self.absent: set[str] = set()
        self.failure: tuple[str, str] | None = None
        self._desk = desk
        self._flows: tuple[Flow, ...] = ()
        self._bouncing: tuple[Flow, ...] = ()
        self._newest: dict[str, float] = {}
        self._to_search: dict[tuple[str, str], int] = {}
        self._troubled = False

    def configure(self, endpoint: Endpoint, flows: tuple[Flow, ...], bouncing: tuple[Flow, ...]) -> None:
        """Use these flows from now on.

        Args:
            endpoint: The endpoint to visit.
            flows: The flows whose messages arrive here.
            bouncing: The flows whose delivery status notifications arrive here.
        """
        names = [name for flow in flows for name in flow.receiving.mailboxes]
        names += [INBOX] if bouncing else []
        places = {name: self.places.get(name) or WatchedMailbox(name) for name in dict.fromkeys(names)}
        self.changed = self.changed or endpoint != self.endpoint or places.keys() != self.places.keys()
        if endpoint != self.endpoint:
            places = {name: WatchedMailbox(name) for name in places}
        gone = {flow.name for flow in self._flows} - {flow.name for flow in flows}
        for name in gone:
            self._newest.pop(name, None)
        before = {flow.name: flow for flow in self._flows}
        for flow in flows:
            if flow.awaited is not None and (before.get(flow.name) or flow).awaited != flow.awaited:
                # The flow awaits another message now, so its newest one must be searched for again.
                self._newest.pop(flow.name, None)
                for name in flow.receiving.mailboxes:
                    self._to_search.pop((flow.name, name), None)
        self.endpoint, self.places = endpoint, places
        self._flows, self._bouncing = flows, bouncing
        self.reads_bounces = bool(bouncing)

    @property
    def removes(self) -> bool:
        """Whether messages of ours may be here, which must be removed."""
        return any(flow.sending is not None for flow in self._flows) or self.reads_bounces

    def flows(self) -> tuple[Flow, ...]:
        """All flows that use these mailboxes."""
        return tuple({flow.name: flow for flow in (*self._flows, *self._bouncing)}.values())

    def ledgers(self) -> Iterator[Ledger]:
        """The ledgers of the flows whose messages arrive here."""
        return self._desk.ledgers(flow.name for flow in self._flows if flow.sending is not None)

    def awaits(self, ledger: Ledger) -> bool:
        """Whether this reader looks for messages of that flow, not another reader of the same mailbox."""
        return any(flow.name == ledger.flow.name for flow in self._flows)

    def hears_of(self, ledger: Ledger) -> bool:
        """Whether this reader looks for notifications about messages of that flow, or no reader does."""
        sending = ledger.flow.sending
        return (
            sending is None or sending.bounces is None or any(each.name == ledger.flow.name for each in self._bouncing)
        )

    def primary(self) -> WatchedMailbox | None:
        """The mailbox in which mail is expected; `None` if there are no mailboxes."""
        for flow in self._flows:
            if flow.sending is not None and flow.expected.mailbox in self.places:
                return self.places[flow.expected.mailbox]
        return next(iter(self.places.values()), None)

    def has_in_flight(self) -> bool:
        """Whether a message or a notification may still arrive."""
        return self.age_of_youngest(0.0) is not None

    def age_of_youngest(self, now: float) -> float | None:
        """Seconds since the newest message in flight was sent; `None` if no message is in flight."""
        names = [flow.name for flow in self.flows() if flow.sending is not None]
        begun = [entry.begun for ledger in self._desk.ledgers(names) for entry in ledger]
        return max(now - max(begun), 0.0) if begun else None

    def rhythm(self) -> float:
        """Seconds between two looks for awaited messages; infinite if no flow awaits one."""
        return min((flow.interval for flow in self._flows if flow.awaited is not None), default=float("inf"))

    def is_sweeping(self) -> bool:
        """Whether older messages must still be searched for leftovers."""
        return self.removes and any(place.to_sweep > 0 for place in self.places.values() if place.written is not None)

    def deadlines(self, grace: float) -> list[float]:
        """When messages must be judged or given up, in monotonic seconds."""
        return [
            entry.begun + ledger.flow.give_up if entry.seen is None else entry.seen + grace
            for ledger in self.ledgers()
            for entry in ledger
            if entry.on_its_way
        ]

    def needs_full_look(self, now: Moment) -> bool:
        """Whether all mailboxes must be read now: before a message counts as lost, or as the only copy."""
        return any(ledger.overdue(now) or any(ledger.ripe(entry, now) for entry in ledger) for ledger in self.ledgers())

    def forget_copies(self, place: WatchedMailbox) -> None:
        """Forget copies in this mailbox, because its UIDs are invalid. The copies will be found again."""
        for ledger in self.ledgers():
            for entry in ledger:
                entry.copies = [copy for copy in entry.copies if copy.mailbox not in (place.name, *place.also)]
                if not entry.copies:
                    entry.seen = None

    def awaiting(self, mailbox: str, *, found_too: bool = False) -> list[Flow]:
        """The flows that await a message in a mailbox; by default only flows that have not found one yet."""
        names = {mailbox, *(self.places[mailbox].also if mailbox in self.places else ())}
        return [
            flow
            for flow in self._flows
            if flow.awaited is not None
            and not names.isdisjoint(flow.receiving.mailboxes)
            and (found_too or self._to_search.get((flow.name, mailbox)) != 0)
        ]

    def windows(self, flow: Flow, place: WatchedMailbox, most: int) -> Iterator[tuple[int, int]]:
        """Yields ranges of messages to search for the flow's awaited message, the newest first, at most this many."""
        key = flow.name, place.name
        for _ in range(most):
            last = min(self._to_search.get(key, place.exists), place.exists)
            if last <= 0:
                break
            first = max(last - WINDOW, 0) + 1
            yield first, last
            if self._to_search.get(key) == 0:
                return
            self._to_search[key] = first - 1
        if self._to_search.get(key, 0) == 0:
            self._to_search[key] = 0
            self._desk.observer.newest(flow.name, self._newest.get(flow.name))

    def found(self, flow: Flow, place: WatchedMailbox) -> None:
        """Stop searching older messages of the mailbox, because the flow's newest message was found."""
        self._to_search[flow.name, place.name] = 0

    def newer(self, flow: Flow, arrived_at: float) -> None:
        """Note that an awaited message arrived at this Unix time. Nothing has arrived in the future."""
        arrived_at = min(arrived_at, self._desk.now().wall)
        newest = max(arrived_at, self._newest.get(flow.name, arrived_at))
        self._newest[flow.name] = newest
        self._desk.observer.newest(flow.name, newest)

    def held_up(self, why: str) -> None:
        """Report to all flows why the reader cannot work; an empty text says that it can again."""
        if not why and not self._troubled:
            return
        self._troubled = bool(why)
        for ledger in self.ledgers():
            self._desk.observer.held_up(ledger.flow.name, ledger.mx, why)

    def failed(self, reason: str, detail: str) -> None:
        """Note that a visit failed. Overdue messages are settled as `receive_failed`, not as `lost`."""
        self.failure = reason, detail
        for ledger in self.ledgers():
            for settled in ledger.give_up(self._desk.now(), self.failure):
                self._desk.settle(ledger, settled)
