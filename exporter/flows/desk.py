"""What the senders and readers of flows share: the ledgers, the key, and who is told what became of each message."""

from __future__ import annotations

import asyncio
import math
import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final
from typing import Protocol as Interface

import structlog

from exporter.flows import signature
from exporter.flows.headers import Headers
from exporter.flows.ledger import Ledger, Moment
from exporter.flows.matching import addresses
from exporter.flows.message import HEADER, SUBJECT
from exporter.flows.signature import Token
from exporter.model import MIN_FLOW_KEY, Flow, Flows, Outcome, Removal, Secret, SecretSource, Settled
from exporter.threads import in_own_thread

UNKNOWN_AFTER: Final = 3600.0
"""Seconds after which a message of ours that belongs to no flow is a leftover. Another process with the same key, as in
a staged change of the configuration, has had its time to find it."""

KEY_FOR: Final = 10.0
"""Seconds for which a key that was read is used: the file may be replaced at any time."""

KEY_WITHIN: Final = 10.0
"""Seconds to read the key. A file system that hangs must not stop a flow without a word."""

_OWN_LINE: Final = rb"(?m)^[ \t]*%s[ \t]*\r?$"


class Observer(Interface):
    """Who wants to know what flows find."""

    def settled(self, settled: Settled) -> None:
        """It is known what became of a message."""

    def removed(self, flow: str, mx: str, kind: Removal) -> None:
        """A message was removed from a mailbox."""

    def in_flight(self, flow: str, mx: str, count: int) -> None:
        """So many messages are under way now."""

    def newest(self, flow: str, arrived_at: float | None) -> None:
        """The newest message that a flow awaits came at this Unix time; `None` if there is none."""

    def held_up(self, flow: str, mx: str, why: str) -> None:
        """Something keeps a flow from its work, for people; empty if nothing does any more."""


log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Ours:
    """A message of ours that was found.

    Attributes:
        token: What it is marked with.
        text: The same as text.
        stripped: Whether the token was found in the body alone.
    """

    token: Token
    text: str
    stripped: bool = False


class Desk:
    """The state of all flows of a process.

    Attributes:
        generation: Another number whenever a flow or MX host has become known.
    """

    def __init__(
        self,
        observer: Observer,
        *,
        run: str = "",
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self.observer = observer
        self.generation = 0
        self._run = run
        self.key: Secret | None = None
        self._source: SecretSource | None = None
        self._read_at = 0.0
        self._clock = clock
        self._wall_clock = wall_clock
        self._began_at = wall_clock()
        self._ledgers: dict[tuple[str, str], Ledger] = {}
        self._by_mark: dict[bytes, Ledger] = {}
        self._former: set[bytes] = set()
        self._flows: dict[str, Flow] = {}
        self._last: dict[tuple[str, str], tuple[Outcome, str]] = {}

    def configure(self, flows: Flows) -> None:
        """Go on with these flows. Messages in flight of those that stay are still looked for."""
        if flows.key != self._source:
            self._source, self.key, self._read_at = flows.key, None, 0.0
        self._flows = {flow.name: flow for flow in flows.flows if flow.sending is not None}
        for (name, mx), ledger in list(self._ledgers.items()):
            if name in self._flows:
                ledger.flow = self._flows[name]
            else:
                del self._ledgers[name, mx]
                self._last.pop((name, mx), None)
                self._former.add(ledger.mark)
        for flow in self._flows.values():
            if flow.sending is not None and flow.sending.mx is None:
                self.ledger(flow, "")
        self._index()

    def ledger(self, flow: Flow, mx: str) -> Ledger:
        """The ledger of a flow, or of one of its MX hosts."""
        ledger = self._ledgers.get((flow.name, mx))
        if ledger is None:
            ledger = self._ledgers[flow.name, mx] = Ledger(flow, mx, self._began_at, self._run)
            self._former.discard(ledger.mark)
            self._index()
        return ledger

    def ledgers(self, names: Iterable[str]) -> Iterator[Ledger]:
        """Those of some flows."""
        wanted = set(names)
        return iter([ledger for (name, _), ledger in self._ledgers.items() if name in wanted])

    def owner(self, token: Token) -> Ledger | None:
        """Whose message a token marks; `None` if that flow is not known."""
        return self._by_mark.get(token.mark)

    def abandoned_in(self, token: Token) -> float:
        """Seconds until a message that no flow looks for where it is may be removed; 0 if it may be now."""
        if self._run:
            # Those of the daemon, which runs beside this.
            return math.inf
        if token.mark in self._former:
            return 0.0
        patience = max((flow.give_up for flow in self._flows.values()), default=0.0)
        return max(token.sent_at + max(UNKNOWN_AFTER, patience) - self._wall_clock(), 0.0)

    async def read_key(self) -> Secret:
        """The key, as it is now.

        Raises:
            OSError: It cannot be read, or there is none.
        """
        if self._source is None:
            raise OSError("there is no flow_key")
        if self.key is None or self._clock() - self._read_at > KEY_FOR:
            # A file may lie on a disk that hangs.
            try:
                async with asyncio.timeout(KEY_WITHIN):
                    self.key = await in_own_thread(self._source.read, "flow-key")
            except TimeoutError:
                raise OSError(f"{self._source} cannot be read within {KEY_WITHIN:g} s") from None
            self._read_at = self._clock()
        if len(self.key.reveal()) < MIN_FLOW_KEY:
            raise OSError(f"the flow key is {len(self.key.reveal())} octets long, and {MIN_FLOW_KEY} are needed")
        return self.key

    def recognise(self, headers: Headers) -> Ours | None:
        """A message of ours, by its header; `None` if nothing in it is signed by us.

        Only the fields that we set count: an answer to our message quotes its Message-ID elsewhere.
        """
        if self.key is None:
            return None
        for field in (HEADER, "Message-ID"):
            for value in headers.all(field)[:3]:
                token = signature.find(value.encode(), self.key)
                if token is not None:
                    return Ours(token, signature.sign(token, self.key))
        return None

    def may_be_stripped(self, headers: Headers) -> bool:
        """Whether a message looks like one of ours that lost its header fields, so that its body is worth a look.

        Answers and automatic ones quote our text, and people forward it: those are theirs.
        """
        if not (headers.first("Subject") or "").startswith(SUBJECT):
            return False
        answers = any(headers.first(field) is not None for field in ("In-Reply-To", "References"))
        if answers or (headers.first("Auto-Submitted") or "auto-generated").strip().lower() != "auto-generated":
            return False
        senders = {flow.sending.sender.lower() for flow in self._flows.values() if flow.sending is not None}
        return any(address.lower() in senders for address in addresses(headers))

    def recognise_body(self, body: bytes) -> Ours | None:
        """A message of ours whose header was stripped, by the token that has a line of its body to itself."""
        token = None if self.key is None else signature.find(body, self.key)
        if token is None or self.key is None:
            return None
        text = signature.sign(token, self.key)
        if re.search(_OWN_LINE % text.encode(), body) is None:
            return None
        return Ours(token, text, stripped=True)

    def text_of(self, token: Token) -> str:
        return "" if self.key is None else signature.sign(token, self.key)

    def now(self) -> Moment:
        return Moment(self._clock(), self._wall_clock())

    def settle(self, ledger: Ledger, settled: Settled | None) -> None:
        """Tell what became of a message."""
        if settled is not None:
            self._write(settled)
            self.observer.settled(settled)
        self.count(ledger)

    def count(self, ledger: Ledger) -> None:
        """Tell how many messages are under way."""
        self.observer.in_flight(ledger.flow.name, ledger.mx, len(ledger))

    def _write(self, settled: Settled) -> None:
        """A line in the log for each change of what becomes of a flow's messages, none while that stays."""
        whose, found = (settled.flow, settled.mx), (settled.outcome, settled.reason)
        if self._last.get(whose) == found:
            return
        self._last[whose] = found
        named = {"flow": settled.flow} | ({"mx": settled.mx} if settled.mx else {})
        if settled.leg is None:
            log.info("flow delivers", **named)
        else:
            told = {"outcome": settled.outcome.value, "leg": settled.leg.value, "reason": settled.reason or None}
            log.warning("flow fails", **named, **told, detail=settled.detail)

    def _index(self) -> None:
        self.generation += 1
        self._by_mark = {ledger.mark: ledger for ledger in self._ledgers.values()}
