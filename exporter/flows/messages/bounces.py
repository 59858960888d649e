"""Reads delivery status notifications (RFC 3464) for our messages: the action, the code and the remote server's text.

A notification is about our message if it returns a message or header with one of our tokens (RFC 6522), or is a reply
to our message. Some servers send free text instead. Their wording never changes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

from exporter.flows.messages import signature, status_codes
from exporter.flows.messages.headers import Headers, read_headers, text
from exporter.flows.messages.mime import UnreadableMessage, parts
from exporter.flows.messages.signature import MessageToken
from exporter.model import Secret

MAX_WORDS: Final = 300
"""The most characters of a remote server's text to keep."""

MAX_BLOCKS: Final = 200
"""The most blocks of fields in a notification to read. It has one for each recipient, and we have one."""

MAX_TEXT: Final = 16_384
"""The most octets of a free-text notification to search for the remote server's text."""

_REPORTS: Final = frozenset({"message/delivery-status", "message/global-delivery-status"})
"""The types of the part that says what became of a message (RFC 3464; RFC 6533 where addresses are international)."""

_BLANK: Final = re.compile(rb"\n[ \t\r]*\n")

_ANSWERED: Final = ("In-Reply-To", "References")
"""Fields that name the message which a notification is about. Exchange and Gmail may return no other part of it."""

_DAEMON: Final = re.compile(r"\b(?:mailer-daemon|postmaster)\b", re.IGNORECASE)
_COPY: Final = re.compile(
    rb"(?im)^(?:-{3,} .*\b(?:copy of|header of the original)\b|[ ]*Below is a copy of the original message:"
    rb"|(?:Message headers follow|Original message follows)\.)"
)
"""What stands before the returned message: qmail and Exim; GMX and IONOS; OpenSMTPD; DragonFly, which FreeBSD uses."""

_FAILED: Final = re.compile(
    rb"permanent error|An error has occurred while attempting to deliver|There was an error delivering your mail"
)
"""The words of the same servers. Their notices of delay have others."""

_REPLY: Final = re.compile(rb"\b(5[0-9]{2}[ -][^\r\n]*)")

_OWN_WORDS: Final = re.compile(
    rb"(?m)^([^\r\n]{1,300}\(#([45]\.[0-9]{1,3}\.[0-9]{1,3})\)|([45]\.[0-9]{1,3}\.[0-9]{1,3}) [^\r\n]{1,300})"
)
"""What qmail and GMX write without a reply code: qmail's own words end with the status, and GMX begins with it."""

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
    reports = [index for index, part in enumerate(found) if part.content_type in _REPORTS]
    if not reports:
        return None if _is_report(headers) else _read_text(b"\n".join(part.content for part in found), key)
    returned = found[reports[0] + 1 :]
    token = next((token for part in returned if (token := signature.find(part.content, key)) is not None), None)
    if token is None:
        answered = "\n".join(value for name in _ANSWERED for value in headers.all(name)[:3])
        token = signature.find(answered.encode(), key)
    if token is None:
        return None
    bounce = _read_report(found[reports[0]].content, token)
    if bounce.words:
        return bounce
    # OpenSMTPD writes the remote server's text only into the part for people.
    words = _last_reply(b"\n".join(part.content for part in found[: reports[0]])[:MAX_TEXT])
    return replace(bounce, words=words, reason=_more_exact(bounce.reason, words))


def _read_text(content: bytes, key: Secret) -> Bounce | None:
    """Parses a free-text notification."""
    copy = _COPY.search(content[:MAX_TEXT])
    if copy is None:
        return None
    above = content[: copy.start()]
    if not _FAILED.search(above):
        return None
    token = signature.find(content[copy.end() :], key)
    if token is None:
        return None
    words = _last_reply(above)
    if words:
        return Bounce(token, "failed", status_codes.reason(words), words)
    own = _OWN_WORDS.search(above)
    words, code = (text(own[1]), text(own[2] or own[3])) if own is not None else ("", "")
    return Bounce(token, "failed", status_codes.reason(code), words[:MAX_WORDS])


def _last_reply(content: bytes) -> str:
    """The last 5xx reply in a text for people; empty if there is none."""
    found = _REPLY.findall(content)
    return text(found[-1])[:MAX_WORDS] if found else ""


def _more_exact(reason: str, words: str) -> str:
    """RFC 3464 2.3.4 lets servers write an unspecific 5.0.0 even if the text has the exact code."""
    return status_codes.reason(words) if reason.endswith(".0.0") and words else reason


def _read_report(content: bytes, token: MessageToken) -> Bounce:
    """RFC 3464 2.1: a report has a block about the message, then one for each recipient.

    We have one recipient, which may be an alias of several. The first one that failed counts.
    """
    blocks = [read_headers(block.lstrip()) for block in _BLANK.split(content, MAX_BLOCKS)[:MAX_BLOCKS]]
    about = [block for block in blocks if block.first("Action") is not None] or blocks
    told = next((block for block in about if _action(block) in _SETTLING), about[0])
    kind, typed, words = (told.first("Diagnostic-Code") or "").partition(";")
    words = (words if typed else kind).strip()
    reason = _more_exact(status_codes.reason(told.first("Status") or words), words)
    return Bounce(token, _action(told), reason, words[:MAX_WORDS])


def _action(block: Headers) -> str:
    """RFC 3464 2.1.1: a comment may follow."""
    return re.split(r"[;\s(]", (block.first("Action") or "").lower(), maxsplit=1)[0]
