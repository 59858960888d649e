"""The answers of one set of nameservers: reused within their TTL, and each question asked once, however many wait.

What a name means to a probe is decided in `resolve`; how a question is asked, in `dns_query`. Should the nameservers
change, this is thrown away with all it holds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import dns.name
import dns.rdatatype
from cachetools import LRUCache

from exporter.net.dns.dns_query import Absent, Failed, QueryOutcome, RecordSet, ask
from exporter.net.dns.nameserver import Nameserver

GRACE = 1.0
"""Seconds for which the other questions are waited for when one has brought records. Nameservers that drop questions
for AAAA exist (RFC 4074), and would otherwise make every probe of their names as slow as a whole timeout. The 50 ms of
RFC 8305 section 3 would let the family that is probed depend on which answer comes first."""

LATE = 0.1
"""Seconds by which a question may outlive its deadline before it is given up on, so that it can say itself how it
went."""

MAX_KEPT = 32768
"""Answers held at once: both families of all the names that one process can probe, with room to spare. Those that
nobody asked for the longest go first."""

Question = tuple[str, dns.rdatatype.RdataType]
"""An absolute name in lower case, without the final dot, and the kind of records."""


@dataclass(frozen=True, slots=True)
class _Kept:
    outcome: RecordSet | Absent
    expires: float


@dataclass(slots=True)
class _Asking:
    """A running question, and how many wait for its answer."""

    task: asyncio.Task[QueryOutcome]
    waiting: int = 0


class Answers:
    """Asks questions, and keeps and shares the answers.

    Attributes:
        nameservers: The servers that it asks, in order.
    """

    def __init__(self, nameservers: Sequence[Nameserver], clock: Callable[[], float]) -> None:
        self.nameservers = tuple(nameservers)
        self._clock = clock
        self._kept: LRUCache[Question, _Kept] = LRUCache(MAX_KEPT)
        self._asking: dict[Question, _Asking] = {}

    async def ask(self, questions: Sequence[Question], deadline: float) -> list[QueryOutcome]:
        """Asks at the same time what is not known, and returns the answers in the order of the questions.

        Args:
            questions: Different ones.
            deadline: When to give up, on the loop's clock.
        """
        outcomes: dict[Question, QueryOutcome] = {}
        for question in questions:
            kept = self._known(question)
            if kept is not None:
                outcomes[question] = kept
        if len(outcomes) == len(questions):
            return list(outcomes.values())
        loop = asyncio.get_running_loop()
        budget = deadline - loop.time()
        with ExitStack() as asked:
            tasks = {
                asked.enter_context(self._asked(question, deadline)): question
                for question in questions
                if question not in outcomes
            }
            until = deadline + LATE
            waiting = set(tasks)
            while waiting:
                if any(isinstance(outcome, RecordSet) for outcome in outcomes.values()):
                    until = min(until, loop.time() + GRACE)
                done, waiting = await asyncio.wait(
                    waiting, timeout=max(until - loop.time(), 0), return_when=asyncio.FIRST_COMPLETED
                )
                if not done:
                    break
                outcomes.update((tasks[task], task.result()) for task in done)
        late = Failed(f"no answer within {round(budget, 1):g} s")
        return [outcomes.get(question, late) for question in questions]

    async def ask_unchecked(self, question: Question, deadline: float) -> QueryOutcome:
        """The answer without the server's validation (RFC 4035 section 3.2.2). It is neither kept nor shared."""
        name, rdtype = question
        return await ask(absolute_name(name), rdtype, self.nameservers, deadline, checking_disabled=True)

    def _known(self, question: Question) -> RecordSet | Absent | None:
        """The answer to a question, if one is known and has not expired."""
        kept = self._kept.get(question)
        if kept is None:
            return None
        if kept.expires <= self._clock():
            del self._kept[question]
            return None
        return kept.outcome

    @contextmanager
    def _asked(self, question: Question, deadline: float) -> Iterator[asyncio.Task[QueryOutcome]]:
        """Ask the question while somebody is in this block, and cancel it after that.

        The deadline of anyone who asked first counts for all. The task may be waited for by `asyncio.wait`, and not be
        awaited itself: that would cancel it for the others too.
        """
        asking = self._asking.get(question)
        if asking is None:
            asking = _Asking(asyncio.create_task(self._ask(question, deadline), name=f"dns {question[0]}"))
            asking.task.add_done_callback(lambda task: self._forget(question, task))
            self._asking[question] = asking
        asking.waiting += 1
        try:
            yield asking.task
        finally:
            asking.waiting -= 1
            if not asking.waiting:
                asking.task.cancel()
                self._forget(question, asking.task)

    async def _ask(self, question: Question, deadline: float) -> QueryOutcome:
        name, rdtype = question
        # The TTL counts from before the question, so that an answer is never reused for longer than it says.
        asked_at = self._clock()
        outcome = await ask(absolute_name(name), rdtype, self.nameservers, deadline)
        if isinstance(outcome, RecordSet | Absent) and outcome.ttl > 0:
            self._kept[question] = _Kept(outcome, asked_at + outcome.ttl)
        return outcome

    def _forget(self, question: Question, task: asyncio.Task[QueryOutcome]) -> None:
        """Let the next caller ask again, unless somebody already does."""
        asking = self._asking.get(question)
        if asking is not None and asking.task is task:
            del self._asking[question]


def absolute_name(name: str) -> dns.name.Name:
    """The name as dnspython has it. Its labels are taken as they are: `resolve` has made sure they can be."""
    return dns.name.Name([*(label.encode("ascii") for label in name.split(".")), b""])
