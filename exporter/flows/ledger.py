"""The messages of one flow: keeps those in flight, and settles each of them once.

It is pure: callers pass in all events with their times, and it has no clock and no connection. A message that an
earlier process sent is known by its token alone, and enters the ledger when it is found.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from types import MappingProxyType
from typing import Final

from cachetools import FIFOCache

from exporter.flows.messages import signature
from exporter.flows.messages.bounces import Bounce
from exporter.flows.messages.headers import read_headers
from exporter.flows.messages.hops import read_hops
from exporter.flows.messages.message_judging import Copy, judge
from exporter.flows.messages.signature import MessageToken
from exporter.model import BLAMED, Flow, Leg, MessageFault, Outcome, Settled

MAX_IN_FLIGHT: Final = 10
"""While more messages are in flight, no more are sent, because they would add to a backlog."""

GRACE: Final = 2.0
"""Seconds from finding a message to judging it, because a second copy may arrive in that time."""

MAX_REMEMBERED: Final = 1000
"""How many settled messages are remembered to recognise late copies."""


class Standing(Enum):
    """How a message that was found relates to its flow."""

    AWAITED = "awaited"
    """In flight, or sent by an earlier run and not given up yet. It will be judged."""
    COPY = "copy"
    """Another copy of a message that was judged and removed."""
    LEFTOVER = "leftover"
    """It was given up, never counted as sent, or could not be removed after it was judged. It will be removed."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in time by both clocks.

    Attributes:
        at: Monotonic seconds, for durations.
        wall: Unix timestamp, for tokens and people.
    """

    at: float
    wall: float


@dataclass(slots=True)
class InFlight:
    """A message in flight. Times are monotonic seconds, except `token.sent_at`.

    Attributes:
        text: The token as text.
        begun: When its submission began.
        submitted: When the server accepted it; `None` before that, or if an earlier run sent it.
        receipt: The server's reply when it accepted the message, for people; empty in the same cases.
        earlier: Whether an earlier run sent it.
        seen: When it was first readable; `None` until it is found.
        retrieved: Seconds that fetching it took.
        copies: The copies that were fetched.
    """

    token: MessageToken
    text: str
    begun: float
    submitted: float | None = None
    receipt: str = ""
    earlier: bool = False
    seen: float | None = None
    retrieved: float = 0.0
    copies: list[Copy] = field(default_factory=list)

    @property
    def on_its_way(self) -> bool:
        """Whether the server has accepted it."""
        return self.submitted is not None or self.earlier


class Ledger:
    """The messages of one flow, or those that it hands to one MX host.

    Attributes:
        flow: The flow; it may be replaced by one of the same name.
        mx: The MX host; empty if there is none.
        mark: Identifies the ledger in tokens.
    """

    def __init__(self, flow: Flow, mx: str, begun_at: float, run: str = "") -> None:
        """Begin with nothing in flight.

        Args:
            flow: The flow.
            mx: The MX host; empty if there is none.
            begun_at: Now, as a Unix timestamp.
            run: Identifies the messages of a single run; empty if messages of earlier runs count, too.
        """
        self.flow = flow
        self.mx = mx
        self.mark = signature.mark(flow.name, mx, run)
        # So numbers are above those of an earlier run, unless it sent more than ten messages a second.
        self._sequence = int(begun_at * 10)
        self._in_flight: dict[MessageToken, InFlight] = {}
        self._ended: FIFOCache[MessageToken, Standing] = FIFOCache(MAX_REMEMBERED)
        """What messages that are no longer in flight are if they are found."""
        self._began_at = begun_at

    def __len__(self) -> int:
        return len(self._in_flight)

    def __contains__(self, token: MessageToken) -> bool:
        return token in self._in_flight

    def __iter__(self) -> Iterator[InFlight]:
        return iter(tuple(self._in_flight.values()))

    @property
    def may_send(self) -> bool:
        return len(self._in_flight) <= MAX_IN_FLIGHT

    def next_token(self, now: Moment) -> MessageToken:
        """The token of the next message, which is sent now."""
        self._sequence += 1
        return MessageToken(self.mark, self._sequence, round(now.wall * 1000) / 1000)

    def begin(self, token: MessageToken, text: str, now: Moment) -> InFlight:
        """Note that the submission of a message begins."""
        entry = InFlight(token, text, now.at)
        self._in_flight[token] = entry
        return entry

    def submitted(self, entry: InFlight, now: Moment, receipt: str = "") -> None:
        """Note that the server accepted the message with this reply."""
        entry.submitted = now.at
        entry.receipt = receipt

    def forget(self, entry: InFlight) -> None:
        """Drop a message whose submission was interrupted, so that its fate is unknown."""
        self._end(entry)

    def not_submitted(self, entry: InFlight, outcome: Outcome, *, reason: str, detail: str, now: Moment) -> Settled:
        """Settle a message that the server did not accept. If it arrives anyway, it is a leftover."""
        self._end(entry)
        return self._settled(entry, outcome, reason, detail, now, legs={Leg.SUBMIT: now.at - entry.begun})

    def standing(self, token: MessageToken, text: str, now: Moment) -> tuple[Standing, InFlight | None]:
        """Classify a message that was found; with its entry if it is awaited."""
        entry = self._in_flight.get(token)
        if entry is not None:
            return Standing.AWAITED, entry
        ended = self._ended.get(token)
        if ended is not None:
            return ended, None
        age = now.wall - token.sent_at
        if token.sent_at >= self._began_at or age > self.flow.give_up:
            return Standing.LEFTOVER, None
        entry = InFlight(token, text, now.at - max(age, 0.0), earlier=True)
        self._in_flight[token] = entry
        return Standing.AWAITED, entry

    def found(self, entry: InFlight, copy: Copy, seen: float, retrieved: float) -> None:
        """Note a copy of a message that was found and fetched.

        Args:
            entry: The message.
            copy: The copy.
            seen: When it was readable.
            retrieved: Seconds that fetching took.
        """
        if entry.seen is None:
            entry.seen = seen
            entry.retrieved = retrieved
        entry.copies.append(copy)

    def ripe(self, entry: InFlight, now: Moment) -> bool:
        """Whether a message that was found may be judged now."""
        return entry.seen is not None and entry.on_its_way and now.at >= entry.seen + GRACE

    def arrived(self, entry: InFlight, now: Moment, removing: float | None) -> Settled:
        """Judge a message that was found and settle it.

        Args:
            entry: The message. At least one copy of it was fetched.
            now: When it was removed.
            removing: Seconds that removing it took; `None` if it could not be removed.
        """
        self._end(entry, Standing.LEFTOVER if removing is None else Standing.COPY)
        seen = entry.begun if entry.seen is None else entry.seen
        took = max(seen - entry.begun, 0.0)
        if entry.earlier:
            took = _took_by_itself(entry, took)
        arrival, faults = judge(self.flow, entry.text, entry.copies, entry.token.sent_at, took)
        legs = {Leg.RETRIEVE: entry.retrieved}
        if entry.submitted is not None:
            legs[Leg.SUBMIT] = entry.submitted - entry.begun
            legs[Leg.TRANSIT] = max(seen - entry.submitted, 0.0)
        if removing is not None:
            legs[Leg.REMOVE] = removing
        outcome = faults[0].outcome if faults else Outcome.DELIVERED
        detail = "; ".join(fault.detail for fault in faults)
        settled = self._settled(entry, outcome, "", detail, now, legs=legs)
        return replace(settled, took=took, arrival=arrival, faults=tuple(faults))

    def copied(self, token: MessageToken, text: str, mailbox: str, now: Moment) -> Settled:
        """Settle a late copy of a message that was already settled: the outcome is `duplicate`."""
        entry = InFlight(token, text, 0.0)
        detail = f"another copy arrived in {mailbox}, {now.wall - token.sent_at:.0f} s after the message was sent"
        settled = self._settled(entry, Outcome.DUPLICATE, "", detail, now, legs={})
        return replace(settled, faults=(MessageFault(Outcome.DUPLICATE, detail),))

    def bounced(self, bounce: Bounce, text: str, now: Moment) -> Settled | None:
        """Settle a message as `bounced`; `None` if the notification is not final, or the message is not awaited."""
        standing, entry = self.standing(bounce.token, text, now)
        if standing is not Standing.AWAITED or entry is None or entry.copies or not bounce.settles:
            return None
        self._end(entry)
        legs = {} if entry.submitted is None else {Leg.SUBMIT: entry.submitted - entry.begun}
        return self._settled(entry, Outcome.BOUNCED, bounce.reason, bounce.words, now, legs=legs)

    def overdue(self, now: Moment) -> bool:
        """Whether a message will be given up at the next look."""
        return any(self._is_overdue(entry, now) for entry in self._in_flight.values())

    def give_up(self, now: Moment, failure: tuple[str, str] | None) -> list[Settled]:
        """Settle messages that did not arrive in time.

        Args:
            now: The time of the look.
            failure: Reason and detail if the mailbox could not be read. `None` if it was read just now, so that missing
                messages are lost.
        """
        settled: list[Settled] = []
        for entry in [each for each in self._in_flight.values() if self._is_overdue(each, now)]:
            if failure is None and entry.copies:
                continue
            self._end(entry)
            legs = {} if entry.submitted is None else {Leg.SUBMIT: entry.submitted - entry.begun}
            if failure is None:
                detail = f"it was not found within {self.flow.give_up:g} s, and the mailbox can be read"
                if entry.receipt:
                    # It often has the server's queue ID, which helps to find the message in the server's log.
                    detail += f"; the server took it with {entry.receipt}"
                settled.append(self._settled(entry, Outcome.LOST, "", detail, now, legs=legs))
            else:
                reason, detail = failure
                settled.append(self._settled(entry, Outcome.RECEIVE_FAILED, reason, detail, now, legs=legs))
        return settled

    def _end(self, entry: InFlight, standing: Standing = Standing.LEFTOVER) -> None:
        self._in_flight.pop(entry.token, None)
        self._ended[entry.token] = standing

    def _is_overdue(self, entry: InFlight, now: Moment) -> bool:
        return entry.on_its_way and now.at >= entry.begun + self.flow.give_up

    def _settled(
        self, entry: InFlight, outcome: Outcome, reason: str, detail: str, now: Moment, *, legs: Mapping[Leg, float]
    ) -> Settled:
        return Settled(
            flow=self.flow.name,
            mx=self.mx,
            token=entry.text,
            outcome=outcome,
            leg=BLAMED.get(outcome),
            reason=reason,
            detail=detail,
            sent_at=entry.token.sent_at,
            settled_at=now.wall,
            legs=MappingProxyType({leg: legs[leg] for leg in Leg if leg in legs}),
        )


def _took_by_itself(entry: InFlight, found_after: float) -> float:
    """Seconds until a message of an earlier run arrived, which may have been while nobody looked.

    The last server's time counts if it is possible, because the message was not late if only the exporter was down.
    """
    hops = read_hops(read_headers(entry.copies[0].octets), entry.token.sent_at, found_after)
    arrived_at = hops[-1].at if hops else None
    took = found_after if arrived_at is None else arrived_at - entry.token.sent_at
    return took if 0.0 <= took <= found_after else found_after
