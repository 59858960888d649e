"""The parts of a received message, bounded: a bomb of parts within parts is a reason, never an exception."""

from __future__ import annotations

import email
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from email.policy import compat32
from typing import Final

MAX_MESSAGE: Final = 64 * 1024
"""Octets of a message that are fetched to be judged. Ours have 2,000, and 10,000 by the time they arrive."""

MAX_FIELD: Final = 2048
"""Octets of a field that describes content. The parser takes quadratic time for its parameters."""

MAX_PARTS: Final = 50
"""Parts of a message. Ours has one, a delivery status notification three."""

MAX_BLOCKS: Final = 200
"""Blocks of fields in a delivery status notification: one for each recipient, and ours have one."""

_BOUNDARY: Final = b"boundary"

_CONTENT_FIELD: Final = re.compile(
    rb"(?<![^\r\n])content-[a-z-]{1,40}[ \t]*:[^\r\n]*(?:(?:\r\n|\r|\n)[ \t][^\r\n]*)*", re.IGNORECASE
)
"""One of them with its continuation lines; the parser takes a bare CR for the end of a line, too."""

_TYPE: Final = re.compile(r"[!-.0-~]{1,127}/[!-.0-~]{1,127}")
"""RFC 6838 4.2: neither half of a type is longer."""

UNREADABLE_TYPE: Final = "of an unreadable type"
"""In place of a type that is none: whatever is there instead must not be shown."""


class UnreadableMessage(ValueError):
    """A message cannot be taken apart; says why, for people."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part that holds no others.

    Attributes:
        content_type: In lower case, or `UNREADABLE_TYPE`.
        content: Decoded from its transfer encoding.
    """

    content_type: str
    content: bytes


def parts(octets: bytes) -> tuple[Part, ...]:
    """The parts of a message that hold content, in their order; those within an enclosed message too.

    Raises:
        UnreadableMessage: It is too large, or made to be expensive.
    """
    if len(octets) > MAX_MESSAGE:
        raise UnreadableMessage(f"larger than {MAX_MESSAGE} octets")
    # Counted before it is parsed: the parser takes all boundaries at every line, and goes one call deeper for each.
    if octets.lower().count(_BOUNDARY) > MAX_PARTS:
        raise UnreadableMessage(f"more than {MAX_PARTS} parts")
    if any(len(field[0]) > MAX_FIELD for field in _CONTENT_FIELD.finditer(octets)):
        raise UnreadableMessage(f"a field about its content has more than {MAX_FIELD} octets")
    # The parser makes a message of each block of a notification.
    if b"delivery-status" in octets.lower() and octets.replace(b"\r", b"").count(b"\n\n") > MAX_BLOCKS:
        raise UnreadableMessage(f"more than {MAX_BLOCKS} blocks")
    try:
        found = tuple(_leaves(email.message_from_bytes(octets, policy=compat32)))
    except UnreadableMessage:
        raise
    except (ValueError, LookupError, AttributeError, TypeError, AssertionError, RecursionError) as error:
        raise UnreadableMessage(f"its structure cannot be read ({type(error).__name__})") from None
    return found


def _leaves(message: Message) -> Iterator[Part]:
    for number, part in enumerate(message.walk()):
        if number >= MAX_PARTS:
            raise UnreadableMessage(f"more than {MAX_PARTS} parts")
        content_type = part.get_content_type()
        if not _TYPE.fullmatch(content_type):
            content_type = UNREADABLE_TYPE
        if content_type == "message/delivery-status":
            # The parser makes each block of fields a message of its own; as text they are easier to take apart.
            yield Part(
                content_type, b"\n".join(_block(each) for each in part.get_payload() if isinstance(each, Message))
            )
        elif not part.is_multipart():
            payload = part.get_payload(decode=True)
            yield Part(content_type, payload if isinstance(payload, bytes) else b"")


def _block(fields: Message) -> bytes:
    """The fields of one block, without decoding anything, and the empty line that ends it."""
    lines = (f"{name}: {value}\n" for name, value in fields.items())
    return "".join(lines).encode("utf-8", "replace")
