"""Delivery status notifications (RFC 3464) for our messages: what happened, its code and the remote server's words.

A notification is ours if it contains one of our tokens, in the message or header that it returns (RFC 6522), or answers
one of our messages. Notifications of qmail and old versions of Exim are free text, but the words never change.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from exporter.flows import signature, status_codes
from exporter.flows.headers import Headers, read_headers, text
from exporter.flows.mime import UnreadableMessage, parts
from exporter.flows.signature import Token
from exporter.model import Secret

MAX_WORDS: Final = 300
"""Characters of a remote server's words that are kept."""

MAX_TEXT: Final = 16_384
"""Octets of a notification for people in which the words are looked for."""

_ANSWERED: Final = ("In-Reply-To", "References")
"""Fields of a notification that name our message; Exchange and Gmail write them, and may return nothing of it."""

_DAEMON: Final = re.compile(r"\bmailer-daemon\b", re.IGNORECASE)
_COPY: Final = re.compile(rb"(?im)^-{3,} .*\bcopy of\b")
_PERMANENT: Final = b"permanent error"
_REPLY: Final = re.compile(rb"\b(5[0-9]{2}[ -][^\r\n]*)")

_SETTLING: Final = frozenset({"failed"})
"""RFC 3464 2.3.3: after `delayed` the server goes on trying, and the other actions do not mean failure."""


@dataclass(frozen=True, slots=True)
class Bounce:
    """A notification about one of our messages.

    Attributes:
        token: The token of the message that it is about.
        action: `failed`, `delayed`, `delivered`, `relayed`, `expanded`, or what else it says.
        reason: The enhanced status code, as `status_codes.reason` gives it.
        words: What the remote server said; empty if that is not told.
    """

    token: Token
    action: str
    reason: str
    words: str

    @property
    def settles(self) -> bool:
        """Whether the message will not arrive."""
        return self.action in _SETTLING


def may_be_bounce(headers: Headers) -> bool:
    """Whether a message is worth fetching, by its header (RFC 6522)."""
    return _is_report(headers) or _DAEMON.search(headers.first("From") or "") is not None


def _is_report(headers: Headers) -> bool:
    return (headers.first("Content-Type") or "").lower().startswith("multipart/report")


def read_bounce(octets: bytes, key: Secret) -> Bounce | None:
    """The notification that a message is; `None` if it is none, or not about a message of ours."""
    headers = read_headers(octets)
    if not _is_report(headers):
        return _read_text(octets, key) if may_be_bounce(headers) else None
    try:
        found = parts(octets)
    except UnreadableMessage:
        return None
    reports = [index for index, part in enumerate(found) if part.content_type == "message/delivery-status"]
    if not reports:
        return None
    returned = found[reports[0] + 1 :]
    token = next((token for part in returned if (token := signature.find(part.content, key)) is not None), None)
    if token is None:
        # The parser keeps the header of an enclosed message apart from its content, and servers differ in what
        # they enclose it as: look at all that follows the report.
        token = signature.find(_behind_report(octets), key)
    if token is None:
        answered = "\n".join(value for name in _ANSWERED for value in headers.all(name)[:3])
        token = signature.find(answered.encode(), key)
    if token is None:
        return None
    return _read_report(found[reports[0]].content, token)


def _behind_report(octets: bytes) -> bytes:
    return octets[max(octets.lower().find(b"message/delivery-status"), 0) :]


def _read_text(octets: bytes, key: Secret) -> Bounce | None:
    """A notification for people, as qmail (QSBMF) and Exim before 4.73 write them."""
    copy = _COPY.search(octets[:MAX_TEXT])
    if copy is None or _PERMANENT not in octets[: copy.start()]:
        return None
    token = signature.find(octets[copy.end() :], key)
    if token is None:
        return None
    found = _REPLY.findall(octets[: copy.start()])
    words = text(found[-1]) if found else ""
    return Bounce(token, "failed", status_codes.reason(words), words[:MAX_WORDS])


def _read_report(content: bytes, token: Token) -> Bounce:
    """RFC 3464 2.1: a block about the message, and then one for each recipient. Ours has one recipient."""
    fields = read_headers(content.replace(b"\n\n", b"\n")).fields
    told = dict(reversed(fields))  # the first of a name wins
    action = told.get("action", "").split(";")[0].strip().lower()
    words = told.get("diagnostic-code", "").partition(";")[2].strip()
    status = told.get("status", "") or words
    # RFC 3464 2.3.4 lets a server that knows no better say 5.0.0 although its words have the code.
    reason = status_codes.reason(status)
    if reason.endswith(".0.0") and words:
        reason = status_codes.reason(words)
    return Bounce(token, action, reason, words[:MAX_WORDS])
