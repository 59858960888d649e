"""Why an IMAP server refuses a command: response codes (RFC 5530) as reasons. Logins have their own tables."""

from __future__ import annotations

from exporter.model import FailureReason
from exporter.protocol.dialogue import DialogueError
from exporter.protocol.imap_response import UNTAGGED, Condition, Status
from exporter.protocol.refusals import login_refusals


def refusal(
    permanent: FailureReason,
    context: str,
    status: Status,
    *,
    farewell: FailureReason = FailureReason.CONNECTION_CLOSED,
) -> DialogueError:
    """The failure that a refused command is.

    Args:
        permanent: The reason, unless the server asks to come back later or hangs up.
        context: The first words of the detail.
        status: What the server said.
        farewell: The reason if the server closes the connection, after any command.
    """
    busy = status.code in login_refusals.TEMPORARY
    greets = farewell is FailureReason.SERVER_REFUSED
    if (status.tag != UNTAGGED or greets) and status.code in {"", "ALERT"}:
        # Exchange: "BAD Request is throttled", "NO Server Unavailable. 15". Any other code says more than the words.
        busy = login_refusals.says_busy(status.words)
    last = farewell if status.condition is Condition.BYE else permanent
    reason = FailureReason.SERVER_BUSY if busy else last
    return DialogueError(reason, f"{context} {status}", in_step=status.tag != UNTAGGED)


def login_refusal(status: Status) -> DialogueError:
    """The failure that a refused login is."""
    verdict = login_refusals.judge(login_refusals.IMAP, status.words)
    detail = f"the login is answered with {status}"
    return DialogueError(verdict.reason, detail, in_step=status.tag != UNTAGGED, unclear=verdict.unclear)
