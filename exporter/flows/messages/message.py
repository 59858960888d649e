"""Builds the messages that flows send.

The body depends only on the token. So a message that arrives can be compared with the sent one, which is not stored.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime
from typing import Final

HEADER: Final = "X-Mail-Exporter-Token"
"""The header field with the token. The Message-ID has the token too, but some servers replace it."""

SUBJECT: Final = "mail-exporter probe of flow "
"""The beginning of the subject. The flow's name follows."""

MAX_LINE: Final = 200
"""Octets of a header line. Folding at 78 would move the Message-ID to the next line, which some servers misread."""

FILLER_LINES: Final = 12
WORDS_A_LINE: Final = 10
_TEXT: Final = (
    "about above after again among apple beach below black board bread brown chair clean clear clock "
    "cloud coast cover dance drive early earth eight enjoy enter every field fifth final first floor "
    "fresh front fruit glass grain grass green group happy heart heavy horse hotel house image inner "
    "issue judge juice large later laugh"
)
"""Words of five letters, so that the text always has the same length."""


def build(token: str, flow: str, sender: str, recipient: str, sent_at: float) -> bytes:
    """Build the message with this token. Its lines end with CRLF.

    Args:
        token: The token as text, from `signature.sign`.
        flow: The flow's name, for people.
        sender: The sender's address.
        recipient: The recipient's address.
        sent_at: The time of sending, as a Unix timestamp.
    """
    international = not (sender + recipient).isascii()
    message = EmailMessage(policy=(SMTPUTF8 if international else SMTP).clone(max_line_length=MAX_LINE))
    message["From"] = _address(sender)
    message["To"] = _address(recipient)
    message["Subject"] = subject(flow)
    message["Date"] = format_datetime(datetime.fromtimestamp(sent_at, UTC))
    message["Message-ID"] = f"<{token}@{_domain(sender)}>"
    message[HEADER] = token
    # RFC 3834 section 5: this prevents vacation replies. Exchange needs the header field below for that.
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    message["Feedback-ID"] = f"{hashlib.sha256(flow.encode()).hexdigest()[:16]}:flow:mail-exporter"
    # ASCII in short lines, so that no server needs to encode it again.
    message.set_content(body(token).decode("ascii").replace("\r\n", "\n"), charset="us-ascii", cte="7bit")
    return message.as_bytes()


def subject(flow: str) -> str:
    """The subject of a flow's messages."""
    return f"{SUBJECT}{flow}, may be deleted"


def body(token: str) -> bytes:
    """The body of the message with this token: ASCII, in lines of less than 78 characters that end with CRLF."""
    lines = [
        "mail-exporter sent this message to find out whether mail arrives.",
        "It may be deleted, and no reply is wanted.",
        "",
        token,
        "",
        ".This line begins with a dot, which has to survive the transfer.",
        "",
        *_filler(token),
    ]
    return "".join(f"{line}\r\n" for line in lines).encode("ascii")


def _filler(token: str) -> list[str]:
    """Text that is different in each message, because Gmail drops messages whose text it has just seen."""
    count = FILLER_LINES * WORDS_A_LINE
    choices = hashlib.shake_256(token.encode()).digest(count)
    known = _TEXT.split()
    words = [known[octet % len(known)] for octet in choices]
    return [" ".join(words[at : at + WORDS_A_LINE]) for at in range(0, count, WORDS_A_LINE)]


def _domain(address: str) -> str:
    return address.rpartition("@")[2]


def _address(address: str) -> Address:
    local, _, domain = address.rpartition("@")
    if local.startswith('"') and local.endswith('"'):
        local = local[1:-1].replace("\\", "")
    return Address(username=local, domain=domain)
