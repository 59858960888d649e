"""Reads delivery status notifications (RFC 3464) for our messages: the action, the code and the remote server's text.

A notification is about our message if it returns a message or header with one of our tokens (RFC 6522), or is a reply
to our message. Notifications of qmail and old versions of Exim are free text, but their wording never changes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from exporter.flows import signature, status_codes
from exporter.flows.headers import Headers, read_headers, text
from exporter.flows.mime import DELIVERY_STATUS, REPORT, UnreadableMessage, parts
from exporter.flows.signature import MessageToken
from exporter.model import Secret

MAX_WORDS: Final = 300
"""The most characters of a remote server's text to keep."""

MAX_TEXT: Final = 16_384
"""The most octets of a free-text notification to search for the remote server's text."""

_ANSWERED: Final = ("In-Reply-To", "References")
"""Fields that name the message which a notification is about. Exchange and Gmail may return no other part of it."""

_DAEMON: Final = re.compile(r"\b(?:mailer-daemon|postmaster)\b", re.IGNORECASE)
_COPY: Final = re.compile(rb"(?im)^-{3,} .*\bcopy of\b")
_PERMANENT: Final = b"permanent error"
_REPLY: Final = re.compile(rb"\b(5[0-9]{2}[ -][^\r\n]*)")

_QMAIL: Final = re.compile(rb"(?m)^([^\r\n]{1,300}\(#(5\.[0-9]{1,3}\.[0-9]{1,3})\))")
"""qmail's own words for what no remote server has said."""

_SETTLING: Final = frozenset({"failed"})
"""RFC 3464 2.3.3: after `delayed` the server keeps trying, and the other actions are not failures."""


@dataclass(frozen=True, slots=True)
class Bounce:
    """A notification about one of our messages.

    Attributes:
        token: The token of the message that it is about.
        action: `failed`, `delayed`, `delivered`, `relayed`, `expanded`, or another word of the server's.
        reason: The enhanced status code, as `status_codes.reason` gives it.
        words: The remote server's text; empty if the notification has none.
    """

    token: MessageToken
    action: str
    reason: str
    words: str

    @property
    def settles(self) -> bool:
        """Whether the message will not arrive."""
        return self.action in _SETTLING


def may_be_bounce(headers: Headers) -> bool:
    """Whether the header looks like a notification's (RFC 6522), so that the message should be fetched."""
    return _is_report(headers) or _DAEMON.search(headers.first("From") or "") is not None


def _is_report(headers: Headers) -> bool:
    return (headers.first("Content-Type") or "").lower().startswith("multipart/report")


def read_bounce(octets: bytes, key: Secret) -> Bounce | None:
    """Parses a notification; `None` if the message is not one, or is not about a message of ours."""
    headers = read_headers(octets)
    if not may_be_bounce(headers):
        return None
    try:
        found = parts(octets)
    except UnreadableMessage:
        return None
    # Some servers write multipart/mixed instead of multipart/report.
    reports = [index for index, part in enumerate(found) if part.content_type == DELIVERY_STATUS]
    if not reports:
        return None if _is_report(headers) else _read_text(octets, key)
    returned = found[reports[0] + 1 :]
    token = next((token for part in returned if (token := signature.find(part.content, key)) is not None), None)
    if token is None:
        # The parser separates the header of an enclosed message from its content, and servers enclose it as parts of
        # different types. So search everything after the report.
        token = signature.find(_behind_report(octets), key)
    if token is None:
        answered = "\n".join(value for name in _ANSWERED for value in headers.all(name)[:3])
        token = signature.find(answered.encode(), key)
    if token is None:
        return None
    return _read_report(found[reports[0]].content, token)


def _behind_report(octets: bytes) -> bytes:
    found = REPORT.search(octets)
    return octets[found.start() if found is not None else 0 :]


def _read_text(octets: bytes, key: Secret) -> Bounce | None:
    """Parses a free-text notification of qmail (QSBMF) or Exim before 4.73."""
    copy = _COPY.search(octets[:MAX_TEXT])
    if copy is None or _PERMANENT not in octets[: copy.start()]:
        return None
    token = signature.find(octets[copy.end() :], key)
    if token is None:
        return None
    found = _REPLY.findall(octets[: copy.start()])
    if found:
        words = text(found[-1])
        return Bounce(token, "failed", status_codes.reason(words), words[:MAX_WORDS])
    own = _QMAIL.search(octets[: copy.start()])
    words, code = (text(own[1]), text(own[2])) if own is not None else ("", "")
    return Bounce(token, "failed", status_codes.reason(code), words[:MAX_WORDS])


def _read_report(content: bytes, token: MessageToken) -> Bounce:
    """RFC 3464 2.1: a report has a block about the message, then one for each recipient. We have one recipient."""
    fields = read_headers(content.replace(b"\n\n", b"\n")).fields
    told = dict(reversed(fields))  # the first field of a name wins
    # RFC 3464 2.1.1: a comment may follow.
    action = re.split(r"[;\s(]", told.get("action", "").lower(), maxsplit=1)[0]
    kind, typed, words = told.get("diagnostic-code", "").partition(";")
    words = (words if typed else kind).strip()
    status = told.get("status", "") or words
    # RFC 3464 2.3.4 lets servers write an unspecific 5.0.0 even if the text has the exact code.
    reason = status_codes.reason(status)
    if reason.endswith(".0.0") and words:
        reason = status_codes.reason(words)
    return Bounce(token, action, reason, words[:MAX_WORDS])
