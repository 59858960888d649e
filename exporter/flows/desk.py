"""The state that senders and readers of flows share: the ledgers, the key, and the observer of outcomes."""

from __future__ import annotations

import asyncio
import math
import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import structlog
from cachetools import FIFOCache

from exporter.flows.ledger import Ledger, Moment
from exporter.flows.messages import signature
from exporter.flows.messages.headers import Headers
from exporter.flows.messages.matching import addresses
from exporter.flows.messages.message import HEADER, SUBJECT
from exporter.flows.messages.signature import MessageToken
from exporter.metrics.flow_state import FlowStates
from exporter.model import MIN_FLOW_KEY, Flow, Flows, Outcome, Secret, SecretSource, Settled
from exporter.threads import in_own_thread

UNKNOWN_AFTER: Final = 3600.0
"""Seconds after which a message of ours that belongs to no flow is a leftover. It may belong to another process with
the same key, for example during a rolling update, which needs time to find it."""

KEY_FOR: Final = 10.0
"""Seconds for which the key is cached. The file may be replaced at any time."""

MAX_FORMER: Final = 1000
"""How many flows and MX hosts that are gone are remembered. DNS may name other hosts every time."""

KEY_WITHIN: Final = 10.0
"""Seconds to read the key. A flow must report an error if the file system hangs."""

_OWN_LINE: Final = rb"(?m)^[ \t]*%s[ \t]*\r?$"


log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Ours:
    """A message of ours that was found.

    Attributes:
        token: Its token.
        text: The token as text.
    """

    token: MessageToken
    text: str


class Desk:
    """The state of all flows of a process.

    Attributes:
        generation: A number that changes whenever a flow or MX host is added.
        observer: Receives what flows find.
        key: The key that was read last; `None` before the first time.
    """

    def __init__(
        self,
        observer: FlowStates,
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
        self._former: FIFOCache[bytes, None] = FIFOCache(MAX_FORMER)
        self._flows: dict[str, Flow] = {}
        self._last: dict[tuple[str, str], tuple[Outcome, str]] = {}

    def configure(self, flows: Flows) -> None:
        """Use these flows from now on. Remaining flows keep their messages in flight."""
        if flows.key != self._source:
            self._source, self.key, self._read_at = flows.key, None, 0.0
        self._flows = {flow.name: flow for flow in flows.flows if flow.sending is not None}
        for (name, mx), ledger in list(self._ledgers.items()):
            if name in self._flows:
                ledger.flow = self._flows[name]
            else:
                del self._ledgers[name, mx]
                self._last.pop((name, mx), None)
                self._former[ledger.mark] = None
        for flow in self._flows.values():
            if flow.sending is not None and flow.sending.mx is None:
                self.ledger(flow, "")
        self._index()

    def ledger(self, flow: Flow, mx: str) -> Ledger:
        """The ledger of a flow, or of one of its MX hosts. It is created on first use."""
        ledger = self._ledgers.get((flow.name, mx))
        if ledger is None:
            ledger = self._ledgers[flow.name, mx] = Ledger(flow, mx, self._began_at, self._run)
            self._former.pop(ledger.mark, None)
            self._index()
        return ledger

    def keep_hosts(self, flow: Flow, hosts: Iterable[str]) -> None:
        """Forget the other MX hosts of a flow, once none of their messages is in flight."""
        kept = set(hosts)
        for (name, mx), ledger in list(self._ledgers.items()):
            if name == flow.name and mx not in kept and not len(ledger):
                del self._ledgers[name, mx]
                self._last.pop((name, mx), None)
                self._former[ledger.mark] = None
                self._index()
                self.observer.forgotten(name, mx)

    def ledgers(self, names: Iterable[str]) -> Iterator[Ledger]:
        """The ledgers of these flows."""
        wanted = set(names)
        return iter([ledger for (name, _), ledger in self._ledgers.items() if name in wanted])

    def owner(self, token: MessageToken) -> Ledger | None:
        """The ledger that a token belongs to; `None` if no flow has it."""
        return self._by_mark.get(token.mark)

    def abandoned_in(self, token: MessageToken) -> float:
        """Seconds until a message may be removed that no flow looks for in its mailbox; 0 if it may be now."""
        if self._run:
            # The message may belong to the daemon, which runs at the same time.
            return math.inf
        if token.mark in self._former:
            return 0.0
        patience = max((flow.give_up for flow in self._flows.values()), default=0.0)
        return max(token.sent_at + max(UNKNOWN_AFTER, patience) - self._wall_clock(), 0.0)

    async def read_key(self) -> Secret:
        """The current key.

        Raises:
            OSError: The key is missing, too short, or cannot be read.
        """
        if self._source is None:
            raise OSError("there is no flow_key")
        if self.key is None or self._clock() - self._read_at > KEY_FOR:
            # The file may be on a disk that hangs.
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
        """Recognises a message of ours by its header; `None` if the header has no token that we signed.

        Only fields that we set are checked, because a reply to our message has its Message-ID in other fields.
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
        """Whether a message may be one of ours that lost its header fields. Its body is then checked for a token.

        Replies, automatic replies and forwarded messages quote our text, but are not ours.
        """
        if not (headers.first("Subject") or "").startswith(SUBJECT):
            return False
        answers = any(headers.first(field) is not None for field in ("In-Reply-To", "References"))
        if answers or (headers.first("Auto-Submitted") or "auto-generated").strip().lower() != "auto-generated":
            return False
        senders = {flow.sending.sender.lower() for flow in self._flows.values() if flow.sending is not None}
        return any(address.lower() in senders for address in addresses(headers))

    def recognise_body(self, body: bytes) -> Ours | None:
        """Recognises a message of ours without our header fields, by a line of its body that is only the token."""
        token = None if self.key is None else signature.find(body, self.key)
        if token is None or self.key is None:
            return None
        text = signature.sign(token, self.key)
        if re.search(_OWN_LINE % text.encode(), body) is None:
            return None
        return Ours(token, text)

    def text_of(self, token: MessageToken) -> str:
        return "" if self.key is None else signature.sign(token, self.key)

    def now(self) -> Moment:
        return Moment(self._clock(), self._wall_clock())

    def settle(self, ledger: Ledger, settled: Settled | None) -> None:
        """Report the outcome of a message, if it is known, and the number in flight."""
        if settled is not None:
            self._write(settled)
            self.observer.settled(settled)
        self.count(ledger)

    def count(self, ledger: Ledger) -> None:
        """Report how many messages are in flight."""
        self.observer.in_flight(ledger.flow.name, ledger.mx, len(ledger))

    def _write(self, settled: Settled) -> None:
        """Log an outcome if it differs from the flow's last one."""
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
