"""Parses received messages into their parts, with limits on untrusted input."""

from __future__ import annotations

import email
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from email.policy import compat32
from typing import Final

MAX_MESSAGE: Final = 64 * 1024
"""The most octets of a message to read. Ours have 2,000 when sent, and up to 10,000 when they arrive."""

MAX_FIELD: Final = 2048
"""The most octets of a Content field, because the parser takes quadratic time for its parameters."""

MAX_PARTS: Final = 50
"""The most parts of a message. Ours have one, and delivery status notifications have three."""

_BOUNDARY: Final = b"boundary"

_CONTENT_FIELD: Final = re.compile(
    rb"(?<![^\r\n])content-[a-z-]{1,40}[ \t]*:[^\r\n]*(?:(?:\r\n|\r|\n)[ \t][^\r\n]*)*", re.IGNORECASE
)
"""A Content field with its continuation lines. The parser accepts a bare CR as the end of a line, too."""

_TYPE: Final = re.compile(r"[!-.0-~]{1,127}/[!-.0-~]{1,127}")
"""RFC 6838 4.2: each half of a type has at most 127 characters."""

UNREADABLE_TYPE: Final = "of an unreadable type"
"""Replaces malformed types, because untrusted text must not be shown."""


class UnreadableMessage(ValueError):
    """A message cannot be parsed. The text says why, for people."""


class _UndividedMessage(Message):
    """A message whose enclosed messages and reports stay whole, because the parser cannot decode what it takes apart.

    RFC 2046 5.2.1 and RFC 3464 2.1 allow no encoding for them, and some servers encode them in base64.
    """

    def get_content_type(self) -> str:
        return re.sub("^message/", "kept/", super().get_content_type())


@dataclass(frozen=True, slots=True)
class Part:
    """One part that contains no other parts.

    Attributes:
        content_type: The type in lower case, or `UNREADABLE_TYPE`.
        content: The content, decoded from its transfer encoding.
    """

    content_type: str
    content: bytes


def parts(octets: bytes) -> tuple[Part, ...]:
    """The parts of a message that have content, in their order: at least one. An enclosed message is one part.

    Raises:
        UnreadableMessage: The message is malformed, or exceeds a limit.
    """
    if len(octets) > MAX_MESSAGE:
        raise UnreadableMessage(f"larger than {MAX_MESSAGE} octets")
    # Count before parsing: the parser tries all boundaries at every line, and recurses for each.
    if octets.lower().count(_BOUNDARY) > MAX_PARTS:
        raise UnreadableMessage(f"more than {MAX_PARTS} parts")
    if any(len(field[0]) > MAX_FIELD for field in _CONTENT_FIELD.finditer(octets)):
        raise UnreadableMessage(f"a field about its content has more than {MAX_FIELD} octets")
    try:
        found = tuple(_leaves(email.message_from_bytes(octets, _UndividedMessage, policy=compat32)))
    except UnreadableMessage:
        raise
    except (ValueError, LookupError, AttributeError, TypeError, AssertionError, RecursionError) as error:
        raise UnreadableMessage(f"its structure cannot be read ({type(error).__name__})") from None
    return found


def _leaves(message: Message) -> Iterator[Part]:
    for number, part in enumerate(message.walk()):
        if number >= MAX_PARTS:
            raise UnreadableMessage(f"more than {MAX_PARTS} parts")
        content_type = Message.get_content_type(part)
        if not part.is_multipart():
            payload = part.get_payload(decode=True)
            known = _TYPE.fullmatch(content_type) is not None
            yield Part(
                content_type if known else UNREADABLE_TYPE,
                payload if isinstance(payload, bytes) else b"",
            )
