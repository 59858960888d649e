"""Why an IMAP server says no: response codes (RFC 5530) and servers' own wording, as reasons.

Tables, and the two functions that read them. A server that is seen to say it in yet another way is a new row.
"""

from __future__ import annotations

import re
from typing import Final

from exporter.model import FailureReason
from exporter.protocol import sasl
from exporter.protocol.dialogue import DialogueError
from exporter.protocol.imap_response import UNTAGGED, Condition, Status

TEMPORARY: Final = frozenset({"UNAVAILABLE", "INUSE", "LIMIT", "SERVERBUG"})
"""Response codes of a server that would do what it is asked, at another time or if it were well."""

LOGIN_REFUSALS: Final[sasl.Refusals] = (
    # Gmail: the user has not switched IMAP on.
    (re.compile(rb"(?i)NO .*not enabled for IMAP"), FailureReason.AUTH_DISABLED),
    # Exchange Online and Outlook.com: passwords are switched off for the organisation or for everybody.
    (re.compile(rb"(?i)NO .*BasicAuthBlocked"), FailureReason.AUTH_DISABLED),
    # Exchange, Gmail, Dovecot: overloaded, or too many sessions at once.
    (
        re.compile(rb"(?i)(?:NO|BYE) .*(?:Server Unavailable|Too many simultaneous|Maximum number of connections)"),
        FailureReason.AUTH_UNAVAILABLE,
    ),
    (re.compile(rb"(?i)[A-Z]+ \[(?:%s)\b" % "|".join(sorted(TEMPORARY)).encode()), FailureReason.AUTH_UNAVAILABLE),
    # Stalwart says it without the code.
    (re.compile(rb"(?i)[A-Z]+ (?:\[PRIVACYREQUIRED\b|.*clear-text)"), FailureReason.AUTH_INSECURE),
    (
        re.compile(rb"(?i)[A-Z]+ \[(?:AUTHENTICATIONFAILED|AUTHORIZATIONFAILED|EXPIRED|CONTACTADMIN)\b"),
        FailureReason.AUTH_REJECTED,
    ),
    # Dovecot: a mechanism that was announced and is not there.
    (re.compile(rb"(?i)[A-Z]+ .*unsupported authentication mechanism"), FailureReason.AUTH_MECHANISM_NOT_OFFERED),
    # RFC 9051 7.1.3: the command was not understood, so nothing is said about the login.
    (re.compile(rb"(?i)BAD\b"), FailureReason.COMMAND_REFUSED),
    (re.compile(rb"(?i)BYE\b"), FailureReason.CONNECTION_CLOSED),
)
"""By the condition, the response code and the text of what ends LOGIN or AUTHENTICATE. Wording goes before codes, which
are less exact."""


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
        farewell: The reason where the server hangs up, whatever it was asked.
    """
    if status.code in TEMPORARY:
        reason = FailureReason.SERVER_BUSY
    else:
        reason = farewell if status.condition is Condition.BYE else permanent
    return DialogueError(reason, f"{context} {status}", in_step=status.tag != UNTAGGED)


def login_refusal(status: Status) -> DialogueError:
    """The failure that a refused login is."""
    reason = sasl.refusal_reason(LOGIN_REFUSALS, status.words)
    return DialogueError(reason, f"the login is answered with {status}", in_step=status.tag != UNTAGGED)
