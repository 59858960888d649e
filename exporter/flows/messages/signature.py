"""Signed tokens, which mark messages as ours. A token has the flow, the message's number and the time of sending.

A message without a validly signed token is never treated as ours. The token has all that must be known about a message
in flight, so a restart needs no state file.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b32decode, b32encode
from dataclasses import dataclass
from typing import Final

from exporter.model import Secret

VERSION: Final = 1
"""The first octet. It distinguishes this layout from future ones."""

MAX_CANDIDATES: Final = 64
"""The most candidates to verify in one text. Our messages have three at most; hostile ones may have thousands."""

_MARK: Final = 6
_SEQUENCE: Final = 5
_TIME: Final = 6
_PAYLOAD: Final = 1 + _MARK + _SEQUENCE + _TIME
_MAC: Final = 17
"""Octets of the HMAC to keep: 136 bits. RFC 2104 section 5 recommends at least half of its 256 bits."""

TOKEN_LENGTH: Final = (_PAYLOAD + _MAC) * 8 // 5
"""Characters: 35 octets fill 56 characters of base32 exactly."""

# Without dashes, because full-text search splits words at them. In one letter case, because some servers change it.
_TOKEN: Final = re.compile(rb"(?<![0-9A-Za-z])[A-Za-z2-7]{%d}(?![0-9A-Za-z])" % TOKEN_LENGTH)


@dataclass(frozen=True, slots=True)
class MessageToken:
    """The content of a token.

    Attributes:
        mark: Identifies the flow; see `mark`.
        sequence: The message's number within the flow.
        sent_at: When its submission began, as a Unix timestamp in whole milliseconds.
    """

    mark: bytes
    sequence: int
    sent_at: float


def mark(flow: str, mx: str = "", run: str = "") -> bytes:
    """The octets that identify a flow in tokens, with its MX host and single run if there are any."""
    return hashlib.sha256(f"{flow}\0{mx}\0{run}".encode()).digest()[:_MARK]


def sign(token: MessageToken, key: Secret) -> str:
    """The token as text: lower-case letters and digits."""
    payload = (
        bytes([VERSION])
        + token.mark
        + (token.sequence % 256**_SEQUENCE).to_bytes(_SEQUENCE)
        + round(token.sent_at * 1000).to_bytes(_TIME)
    )
    return b32encode(payload + _code(payload, key)).decode().lower()


def verify(text: str, key: Secret) -> MessageToken | None:
    """The content of a token; `None` if its signature is not valid."""
    try:
        octets = b32decode(text.upper())
    except ValueError:
        return None
    payload, code = octets[:_PAYLOAD], octets[_PAYLOAD:]
    # The comparison takes constant time, so that nobody can guess a signature octet by octet.
    if len(octets) != _PAYLOAD + _MAC or not hmac.compare_digest(code, _code(payload, key)) or payload[0] != VERSION:
        return None
    sequence = int.from_bytes(payload[1 + _MARK : -_TIME])
    return MessageToken(payload[1 : 1 + _MARK], sequence, int.from_bytes(payload[-_TIME:]) / 1000)


def find(text: bytes, key: Secret) -> MessageToken | None:
    """The first validly signed token in a text; `None` if there is none."""
    for number, found in enumerate(_TOKEN.finditer(text)):
        if number == MAX_CANDIDATES:
            break
        token = verify(found[0].decode(), key)
        if token is not None:
            return token
    return None


def _code(payload: bytes, key: Secret) -> bytes:
    return hmac.new(key.reveal(), b"mail-exporter flow\0" + payload, hashlib.sha256).digest()[:_MAC]
