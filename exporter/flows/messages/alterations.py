"""Compares the body and the subject of a received message with those that were sent, and describes the difference.

Another transfer encoding is not an alteration: RFC 5321 lets servers encode, and the decoded text is the same.
"""

from __future__ import annotations

import re
from typing import Final

from exporter.flows.messages import message
from exporter.flows.messages.headers import Headers, decoded, text
from exporter.flows.messages.mime import Part, UnreadableMessage, parts

MAX_SHOWN: Final = 40
"""The most octets of a difference to show."""

MAX_KINDS: Final = 5
"""The most added parts to name."""

MAX_SUBJECT: Final = 100
"""The most characters of another subject to show. What servers add stands at its beginning."""

_LINE_END: Final = re.compile(rb"\r?\n")


def alteration(octets: bytes, token: str, headers: Headers) -> str | None:
    """How a message differs from the sent one, for people; `None` if it does not.

    Args:
        octets: The received message, or the part of it that was fetched.
        token: The token that it was sent with.
        headers: The header of the message.
    """
    if (headers.first(message.HEADER) or "").strip().lower() != token:
        return f"the header {message.HEADER} was removed or changed"
    try:
        found = parts(octets)
    except UnreadableMessage as error:
        return f"the message is not as it was sent: {error}"
    sent = _canonical(message.body(token))
    unchanged = next((part for part in found if _canonical(part.content) == sent), None)
    if unchanged is not None:
        return _additions([part for part in found if part is not unchanged])
    plain = next((part for part in found if part.content_type == "text/plain"), None)
    if plain is None:
        return f"the body is {found[0].content_type} instead of text/plain"
    return _difference(sent, _canonical(plain.content))


def new_subject(headers: Headers, flow: str) -> str | None:
    """How the subject differs from the sent one, for people; `None` if it does not. Folding does not count."""
    found = decoded(headers.first("Subject") or "")
    if "".join(found.split()) == "".join(decoded(message.subject(flow)).split()):
        return None
    return f'the subject is "{found[:MAX_SUBJECT]}"' if found else "the subject was removed"


def _canonical(content: bytes) -> bytes:
    """Ignores the kind of line ends, which servers may change, and empty lines at the end (RFC 6376 3.4.3)."""
    return _LINE_END.sub(b"\n", content).rstrip(b"\n") + b"\n"


def _additions(more: list[Part]) -> str | None:
    kinds = ", ".join(part.content_type for part in more[:MAX_KINDS])
    return f"a part {kinds} was added" if more else None


def _difference(sent: bytes, received: bytes) -> str:
    """Describes the octets from the first difference to the last: their place, and both versions."""
    start = _alike(sent, received)
    tail = _alike(sent[start:][::-1], received[start:][::-1])
    before, after = sent[start : len(sent) - tail], received[start : len(received) - tail]
    if not before:
        where = "at the end" if start + 1 >= len(sent) else f"at octet {start}"
        return f"{len(after)} octets were added {where}: {_shown(after)}"
    if not after:
        return f"{len(before)} octets were removed at octet {start}: {_shown(before)}"
    where = f"octet {start} was" if len(before) == 1 else f"octets {start} to {start + len(before) - 1} were"
    return f"{where} {_shown(before)} and {'is' if len(before) == 1 else 'are'} {_shown(after)}"


def _alike(one: bytes, other: bytes) -> int:
    """The length of the common beginning."""
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _shown(octets: bytes) -> str:
    cut = text(octets[:MAX_SHOWN].replace(b"\n", b"\\n"))
    return f'"{cut}..."' if len(octets) > MAX_SHOWN else f'"{cut}"'
