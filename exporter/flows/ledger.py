"""The messages of one flow: which are in flight, what becomes of each, and that each is counted once.

Pure: it is told of everything with its time, and has no clock and no connection of its own. A message that was sent
before this process began is known by its token alone; it is taken in when it is found.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from types import MappingProxyType
from typing import Final

from exporter.flows import signature
from exporter.flows.bounces import Bounce
from exporter.flows.judging import Copy, judge
from exporter.flows.signature import Token
from exporter.model import BLAMED, Fault, Flow, Leg, Outcome, Settled

MAX_IN_FLIGHT: Final = 10
"""While more are under way, sending more would only add to whatever holds them up."""

GRACE: Final = 2.0
"""Seconds from finding a message to judging it, in which a second copy may turn up."""

MAX_REMEMBERED: Final = 1000
"""Settled messages whose late copies are recognised as such."""


class Standing(Enum):
    """What a message that was found is to its flow."""

    AWAITED = "awaited"
    """In flight, or sent by an earlier run and not given up yet: to be judged."""
    COPY = "copy"
    """It arrived, was judged and removed."""
    LEFTOVER = "leftover"
    """It was given up, or never counted as sent, or could not be removed when it was judged: to be removed."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in time by both clocks.

    Attributes:
        at: Monotonic seconds: what durations are taken from.
        wall: Unix timestamp: what tokens and people are told.
    """

    at: float
    wall: float


@dataclass(slots=True)
class InFlight:
    """A message on its way. Times are monotonic seconds but for `token.sent_at`.

    Attributes:
        text: The token as text.
        begun: When its submission began.
        submitted: When the server had taken it; `None` while it has not, or where an earlier run sent it.
        receipt: What the server said when it took it, for people; empty likewise.
        earlier: Whether an earlier run sent it.
        seen: When it could be read first; `None` while it was not found.
        retrieved: Seconds that fetching it took.
        copies: What was fetched.
    """

    token: Token
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
        """Whether the submission has ended well."""
        return self.submitted is not None or self.earlier


class Ledger:
    """The messages of one flow, or of one of the MX hosts that it hands them to.

    Attributes:
        flow: May be replaced, by one of the same name.
        mark: What stands for it in tokens.
    """

    def __init__(self, flow: Flow, mx: str, begun_at: float, run: str = "") -> None:
        """Begin with nothing in flight.

        Args:
            flow: Whose messages.
            mx: The MX host; empty where there is none.
            begun_at: Now, as a Unix timestamp: what was sent before was sent by an earlier run.
            run: Tells the messages of a single run from those of others; empty where an earlier run's are ours too.
        """
        self.flow = flow
        self.mx = mx
        self.mark = signature.mark(flow.name, mx, run)
        # Ten a second would not catch up with the numbers of an earlier run.
        self._sequence = int(begun_at * 10)
        self._in_flight: dict[Token, InFlight] = {}
        self._arrived: dict[Token, bool] = {}
        """Those that were judged, and whether they were removed."""
        self._began_at = begun_at

    def __len__(self) -> int:
        return len(self._in_flight)

    def __iter__(self) -> Iterator[InFlight]:
        return iter(tuple(self._in_flight.values()))

    @property
    def may_send(self) -> bool:
        """Whether another message may be sent now."""
        return len(self._in_flight) <= MAX_IN_FLIGHT

    def next_token(self, now: Moment) -> Token:
        """The token of the next message, sent now."""
        self._sequence += 1
        return Token(self.mark, self._sequence, round(now.wall * 1000) / 1000)

    def begin(self, token: Token, text: str, now: Moment) -> InFlight:
        """The submission of a message begins."""
        entry = InFlight(token, text, now.at)
        self._in_flight[token] = entry
        return entry

    def submitted(self, entry: InFlight, now: Moment, receipt: str = "") -> None:
        """The server has taken the message, and said so in these words."""
        entry.submitted = now.at
        entry.receipt = receipt

    def forget(self, entry: InFlight) -> None:
        """A submission was broken off, and nothing is known of it."""
        self._in_flight.pop(entry.token, None)

    def not_submitted(self, entry: InFlight, outcome: Outcome, *, reason: str, detail: str, now: Moment) -> Settled:
        """The server has not taken it. Should it arrive all the same, it is a leftover."""
        self._in_flight.pop(entry.token, None)
        return self._settled(entry, outcome, reason, detail, now, legs={Leg.SUBMIT: now.at - entry.begun})

    def standing(self, token: Token, text: str, now: Moment) -> tuple[Standing, InFlight | None]:
        """What a message that was found is, and its entry if it is awaited."""
        entry = self._in_flight.get(token)
        if entry is not None:
            return Standing.AWAITED, entry
        if token in self._arrived:
            return Standing.COPY if self._arrived[token] else Standing.LEFTOVER, None
        age = now.wall - token.sent_at
        if token.sent_at >= self._began_at or age > self.flow.give_up:
            return Standing.LEFTOVER, None
        entry = InFlight(token, text, now.at - max(age, 0.0), earlier=True)
        self._in_flight[token] = entry
        return Standing.AWAITED, entry

    def found(self, entry: InFlight, copy: Copy, seen: float, retrieved: float) -> None:
        """A copy of a message was found and fetched.

        Args:
            entry: The message.
            copy: What was fetched.
            seen: When it could be read.
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
        """Judge a message that was found, and settle it.

        Args:
            entry: The message; at least one copy of it was fetched.
            now: When it was removed.
            removing: Seconds that removing it took; `None` if it could not be removed.
        """
        self._in_flight.pop(entry.token, None)
        self._arrived[entry.token] = removing is not None
        if len(self._arrived) > MAX_REMEMBERED:
            del self._arrived[next(iter(self._arrived))]
        seen = entry.begun if entry.seen is None else entry.seen
        took = max(seen - entry.begun, 0.0)
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

    def copied(self, token: Token, text: str, mailbox: str, now: Moment) -> Settled:
        """A further copy of a message that was settled has arrived: the message was a duplicate after all."""
        entry = InFlight(token, text, 0.0)
        detail = f"another copy arrived in {mailbox}, {now.wall - token.sent_at:.0f} s after the message was sent"
        settled = self._settled(entry, Outcome.DUPLICATE, "", detail, now, legs={})
        return replace(settled, faults=(Fault(Outcome.DUPLICATE, detail),))

    def bounced(self, bounce: Bounce, text: str, now: Moment) -> Settled | None:
        """A notification says that a message will not arrive; `None` if that settles nothing."""
        standing, entry = self.standing(bounce.token, text, now)
        if standing is not Standing.AWAITED or entry is None or entry.copies or not bounce.settles:
            return None
        self._in_flight.pop(entry.token, None)
        legs = {} if entry.submitted is None else {Leg.SUBMIT: entry.submitted - entry.begun}
        return self._settled(entry, Outcome.BOUNCED, bounce.reason, bounce.words, now, legs=legs)

    def overdue(self, now: Moment) -> bool:
        """Whether a message is to be given up at the next look."""
        return any(self._is_overdue(entry, now) for entry in self._in_flight.values())

    def give_up(self, now: Moment, failure: tuple[str, str] | None) -> list[Settled]:
        """Settle what did not arrive in time.

        Args:
            now: When.
            failure: Reason and detail of the visit that could not read the mailbox; `None` if it was read just now,
                and what is missing is lost.
        """
        settled: list[Settled] = []
        for entry in [each for each in self._in_flight.values() if self._is_overdue(each, now)]:
            if failure is None and entry.copies:
                continue
            del self._in_flight[entry.token]
            legs = {} if entry.submitted is None else {Leg.SUBMIT: entry.submitted - entry.begun}
            if failure is None:
                detail = f"it was not found within {self.flow.give_up:g} s, and the mailbox can be read"
                if entry.receipt:
                    # Often with the number that the server's log has it by.
                    detail += f"; the server took it with {entry.receipt}"
                settled.append(self._settled(entry, Outcome.LOST, "", detail, now, legs=legs))
            else:
                reason, detail = failure
                settled.append(self._settled(entry, Outcome.RECEIVE_FAILED, reason, detail, now, legs=legs))
        return settled

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
