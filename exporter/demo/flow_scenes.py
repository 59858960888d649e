"""The mail flows of the demo: what happens to the mail, and what the daemon should report.

This file has only values. stage.py starts the flows, and the tests check that the daemon reports what is expected.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from exporter.demo.post import Route
from exporter.model import Outcome

SENDS: Final = "healthy-submission"
READS_BY_IMAP: Final = "healthy-imaps"
READS_BY_POP3: Final = "healthy-pop3s"
"""The scenes whose servers the flows use to send and to read."""

FLOW_INTERVAL: Final = 15.0
"""Seconds between two messages of a flow."""

SLOW: Final = 5.0
"""Seconds until a slow message is delivered."""


@dataclass(frozen=True, slots=True)
class FlowScene:
    """One flow.

    Attributes:
        name: The name of the flow and of the recipient.
        shows: What the flow shows, in a few words.
        expected: The outcome of every message.
        route: What the server does with the message.
        reads: The scene whose server has the mailbox.
        within: As in `Expected`.
        give_up: As in `Flow`.
    """

    name: str
    shows: str
    expected: Outcome
    route: Route
    reads: str = READS_BY_IMAP
    within: float = 4.0
    give_up: float = 60.0


def flow_scenes(account: str) -> tuple[FlowScene, ...]:
    """All flows. The mail is read in the mailbox of this account."""
    return (
        FlowScene("healthy", "arrives at once", Outcome.DELIVERED, Route(account)),
        FlowScene(
            "slow",
            f"is on its way for {SLOW:g} s, and is read by POP3",
            Outcome.LATE,
            Route(account, delay=SLOW),
            reads=READS_BY_POP3,
        ),
        FlowScene("junk", "is filed as spam", Outcome.JUNK, Route(account, folder="Junk")),
        FlowScene("lost", "is taken and never arrives", Outcome.LOST, Route(None), give_up=8.0),
        FlowScene("bounced", "is returned to its sender", Outcome.BOUNCED, Route(None, bounces=True)),
    )
