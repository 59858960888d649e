"""Visits a mailbox server for the flows that share a login: repeatedly, or in one long visit."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from exporter.flows.desk import Desk
from exporter.flows.ledger import GRACE
from exporter.flows.reading.assignment import Assignment
from exporter.flows.reading.imap_reading import ImapReading
from exporter.flows.reading.pace import AT_REST, MAX_PAUSE, SHARE_ELSEWHERE, Pace
from exporter.flows.reading.pop3_reading import Maildrop, Pop3Reading
from exporter.model import Endpoint, FailureReason, Flow, Protocol
from exporter.visiting.visit import Inside, Visitor

RETRY: Final = 2.0
"""Seconds to wait after a failed visit. Each further failure doubles them, up to MAX_PAUSE."""

LEAST_PAUSE_POP3: Final = 2.0
"""The least seconds between two visits by POP3, because each needs a login."""

ATTENTION_WITHIN: Final = 2.0
"""The most seconds to delay a message until its reader is awake."""

STAY_AT_MOST: Final = 24 * 3600.0
"""The most seconds of one visit. Readers usually leave earlier by themselves."""

log = structlog.get_logger()


class MailboxReader:
    """Reads the mailboxes of one login.

    Attributes:
        work: The mailboxes, and the flows to read for.
    """

    def __init__(self, endpoint: Endpoint, desk: Desk, visitor: Visitor) -> None:
        self.work = Assignment(endpoint, desk)
        self._desk = desk
        self._visitor = visitor
        self._maildrop = Maildrop()
        self._failures = 0
        self._pace = Pace(lambda: desk.now().at)
        self._task: asyncio.Task[None] | None = None

    def configure(self, endpoint: Endpoint, flows: tuple[Flow, ...], bouncing: tuple[Flow, ...]) -> None:
        """Use these flows from now on."""
        self.work.configure(endpoint, flows, bouncing)
        self._pace.wanted.set()

    def start(self) -> None:
        self._task = asyncio.create_task(self._go_on())

    async def attention(self) -> None:
        """Wait until the reader is awake, before a message is sent."""
        self._pace.wanted.set()
        if self.work.failure is None:
            try:
                async with asyncio.timeout(ATTENTION_WITHIN):
                    await self._pace.attentive.wait()
            except TimeoutError:
                return

    def sent(self) -> None:
        """Wake the reader, because a message was sent or settled."""
        self._pace.wanted.set()

    def stop(self) -> None:
        """Leave at the next opportunity."""
        self._pace.stopping = True
        self._pace.wanted.set()

    async def ended(self) -> None:
        """Wait for the end of the current visit."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def cancel(self) -> None:
        """Cancel the current visit."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _go_on(self) -> None:
        while not self._pace.stopping:
            try:
                await self.visit()
            except Exception:
                log.exception("bug: reading mail for flows broke", endpoint=self.work.endpoint.name)
                self._failures += 1
            await self._pace.pause(self._desk.now().at + self._until_next())

    async def visit(self) -> None:
        """Make one visit. A failure is reported to all flows that are read here."""
        work = self.work
        work.changed = False
        if work.removes:
            try:
                await self._desk.read_key()
            except OSError as error:
                self._note_failure(FailureReason.SECRET_UNREADABLE, str(error))
                return
        self._pace.arrive()

        async def inside(here: Inside) -> None:
            if work.endpoint.protocol is Protocol.POP3:
                await Pop3Reading(here, work, self._desk, self._maildrop).run()
                self._pace.read(work)
            else:
                await ImapReading(here, work, self._desk, self._pace).run()

        stays = STAY_AT_MOST if work.endpoint.protocol is Protocol.IMAP else None
        visited = await self._visitor.visit(work.endpoint, inside, stay=stays)
        failure = visited.result.failure
        if failure is None:
            self._failures = 0
            work.held_up("")
        else:
            self._note_failure(failure.reason, f"{failure.phase}: {failure.detail}")

    def _note_failure(self, reason: FailureReason, detail: str) -> None:
        if not self._failures:
            log.warning("flows cannot read mail", endpoint=self.work.endpoint.name, reason=reason, detail=detail)
        self._failures += 1
        self.work.held_up(f"{self.work.endpoint.name} cannot be read: {reason}: {detail}")
        self.work.failed(reason, detail)

    def _until_next(self) -> float:
        """Seconds until the next visit."""
        now = self._desk.now().at
        if self._failures:
            return min(RETRY * 2.0 ** (self._failures - 1), MAX_PAUSE)
        if self.work.changed:
            return 0.0
        age = self.work.age_of_youngest(now)
        if age is None:
            return min(AT_REST, self.work.rhythm())
        pause = max(LEAST_PAUSE_POP3, SHARE_ELSEWHERE * age)
        due = [at - now for at in self.work.deadlines(GRACE)]
        return max(
            min([pause, MAX_PAUSE, *due]), LEAST_PAUSE_POP3 if self.work.endpoint.protocol is Protocol.POP3 else 0.0
        )
