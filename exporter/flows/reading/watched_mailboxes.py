"""The state of a mailbox between two looks. It makes a look at a large mailbox as cheap as at a small one."""

from __future__ import annotations

from dataclasses import dataclass, field

from exporter.flows.messages.signature import MessageToken
from exporter.model import Flow
from exporter.protocol.errands.mailboxes import Opened

WINDOW = 400
"""How many messages one search covers, so that its answer always fits into one line."""

MAX_ATTEMPTS = 2
"""How often a message is tried. If the connection breaks at it each time, it is ignored."""


@dataclass(slots=True)
class WatchedMailbox:
    """A mailbox that is read.

    Attributes:
        name: The name in the configuration.
        written: The name as sent to the server; `None` if it is not known yet or the mailbox does not exist.
        also: Other names of the same mailbox in the configuration.
        uid_validity: The UIDVALIDITY; `None` before the first look.
        next_uid: The first UID that was not read yet; 0 before the first look.
        to_sweep: How many of the oldest messages must still be searched for leftovers.
        exists: How many messages there are.
        next_look: When to look again, in monotonic seconds.
        attempts: The number of failed attempts to fetch a message, by UID.
        held: The UIDs of our messages that wait to be judged.
        sweep_at: When all messages must be searched for leftovers again, in monotonic seconds.
        unowned: The desk's generation when a message was found that belonged to no flow; `None` if there was none.
    """

    name: str
    written: bytes | None = None
    also: tuple[str, ...] = ()
    uid_validity: int | None = None
    next_uid: int = 0
    to_sweep: int = 0
    exists: int = 0
    next_look: float = 0.0
    attempts: dict[int, int] = field(default_factory=dict)
    held: dict[MessageToken, list[int]] = field(default_factory=dict)
    sweep_at: float = float("inf")
    unowned: int | None = None

    def called_by(self, flow: Flow) -> str:
        """The name of the mailbox in a flow's configuration."""
        names = (flow.expected.mailbox, *flow.receiving.mailboxes)
        return next((name for name in names if name == self.name or name in self.also), self.name)

    @property
    def is_new(self) -> bool:
        """Whether it was never read, or its known UIDs became invalid."""
        return self.next_uid == 0

    def opened(self, opened: Opened) -> bool:
        """Note the server's answer to opening the mailbox; whether known UIDs became invalid."""
        void = not self.is_new and opened.uid_validity != self.uid_validity
        if void:
            # RFC 9051 2.3.1.1. A server without UIDVALIDITY is assumed to keep its UIDs. Each message is fetched and
            # recognised again before it is removed.
            self.next_uid, self.to_sweep = 0, 0
            self.attempts.clear()
            self.held.clear()
        self.uid_validity = opened.uid_validity
        self.exists = opened.exists
        if self.is_new:
            self.to_sweep = opened.exists
            self.next_uid = opened.uid_next or 1
        elif opened.uid_next is None or opened.uid_next > self.next_uid:
            # Mail arrived while another mailbox was open, so the server will not report it in IDLE.
            self.next_look = 0.0
        return void

    def sweep_again(self, at: float) -> None:
        """Search all messages for leftovers again, at that time or earlier."""
        self.sweep_at = min(self.sweep_at, at)

    def begin_sweep(self, now: float, generation: int) -> None:
        """Start to search for leftovers if that is due."""
        if self.unowned not in (None, generation):
            # The message may belong to a new flow.
            self.sweep_at, self.unowned = now, None
        if self.sweep_at <= now:
            self.sweep_at, self.to_sweep = float("inf"), self.exists

    def window(self) -> bytes:
        """The newest messages as a sequence set."""
        return b"%d:*" % max(1, self.exists - WINDOW + 1)

    def next_sweep(self) -> tuple[int, int] | None:
        """The range of messages to search for leftovers next; `None` if all were searched."""
        if self.to_sweep <= 0:
            return None
        last = min(self.to_sweep, self.exists)
        self.to_sweep = max(last - WINDOW, 0)
        return (self.to_sweep + 1, last) if last else None

    def gives_up_on(self, uid: int) -> bool:
        """Whether a message was tried too often. Each call counts as an attempt."""
        tried = self.attempts.get(uid, 0)
        self.attempts[uid] = tried + 1
        return tried >= MAX_ATTEMPTS

    def fetched(self, uid: int) -> None:
        self.attempts.pop(uid, None)
