"""What is remembered of a mailbox from one look to the next, so that a look costs the same in a large one."""

from __future__ import annotations

from dataclasses import dataclass, field

from exporter.flows.signature import Token
from exporter.model import Flow
from exporter.protocol.errands.mailboxes import Opened

WINDOW = 400
"""Messages that one search looks at, the newest first: its answer fits into one line whatever they are."""

MAX_ATTEMPTS = 2
"""Times that a message is fetched. One at which the connection broke twice is left alone."""


@dataclass(slots=True)
class Place:
    """A mailbox that is looked at.

    Attributes:
        name: As the configuration calls it.
        written: As the server wants it written; `None` while that is not known, or where there is none.
        also: Other names that the configuration has for the same mailbox.
        uid_validity: `None` before the first look.
        next_uid: The first UID that was not looked at yet.
        to_sweep: Messages, counted from the oldest, that were there before the first look and are still to be searched
            for leftovers.
        exists: How many messages there are.
        next_look: When to look again, in monotonic seconds.
        looked: When it was looked at last.
        attempts: How often messages were tried to be fetched without success, by UID.
        held: The UIDs of our messages that wait to be judged.
        sweep_at: When all messages are to be searched for leftovers again, in monotonic seconds.
        unowned: The desk's generation when a message of ours was seen that belonged to no flow; `None` if none was.
    """

    name: str
    written: bytes | None = None
    also: tuple[str, ...] = ()
    uid_validity: int | None = None
    next_uid: int = 0
    to_sweep: int = 0
    exists: int = 0
    next_look: float = 0.0
    looked: float = float("-inf")
    attempts: dict[int, int] = field(default_factory=dict)
    held: dict[Token, list[int]] = field(default_factory=dict)
    sweep_at: float = float("inf")
    unowned: int | None = None

    def called_by(self, flow: Flow) -> str:
        """What a flow calls the mailbox."""
        names = (flow.expected.mailbox, *flow.receiving.mailboxes)
        return next((name for name in names if name == self.name or name in self.also), self.name)

    @property
    def is_new(self) -> bool:
        """Whether it was never looked at, or its UIDs mean something else now."""
        return self.next_uid == 0

    def opened(self, opened: Opened) -> bool:
        """Take note of what the server said when the mailbox was opened; whether UIDs that were known are void."""
        void = not self.is_new and opened.uid_validity != self.uid_validity
        if void:
            # RFC 9051 2.3.1.1. A server that tells no UIDVALIDITY is taken to keep its UIDs, and is asked again
            # what a message is before that is removed.
            self.next_uid, self.to_sweep = 0, 0
            self.attempts.clear()
            self.held.clear()
        self.uid_validity = opened.uid_validity
        self.exists = opened.exists
        if self.is_new:
            self.to_sweep = opened.exists
            self.next_uid = opened.uid_next or 1
        elif opened.uid_next is None or opened.uid_next > self.next_uid:
            # Something came while another mailbox was open, of which the server will not tell by itself.
            self.next_look = 0.0
        return void

    def sweep_again(self, at: float) -> None:
        """Search all messages for leftovers again, at that time or earlier."""
        self.sweep_at = min(self.sweep_at, at)

    def begin_sweep(self, now: float, generation: int) -> None:
        """Begin what is due."""
        if self.unowned not in (None, generation):
            # It may belong to a flow by now.
            self.sweep_at, self.unowned = now, None
        if self.sweep_at <= now:
            self.sweep_at, self.to_sweep = float("inf"), self.exists

    def window(self) -> bytes:
        """The newest messages, as a sequence set."""
        return b"%d:*" % max(1, self.exists - WINDOW + 1)

    def next_sweep(self) -> tuple[int, int] | None:
        """The range of messages to search for leftovers next; `None` if all were."""
        if self.to_sweep <= 0:
            return None
        last = min(self.to_sweep, self.exists)
        self.to_sweep = max(last - WINDOW, 0)
        return (self.to_sweep + 1, last) if last else None

    def gives_up_on(self, uid: int) -> bool:
        """Whether a message was tried too often; else this is another try."""
        tried = self.attempts.get(uid, 0)
        self.attempts[uid] = tried + 1
        return tried >= MAX_ATTEMPTS

    def fetched(self, uid: int) -> None:
        self.attempts.pop(uid, None)
