"""Reads enhanced status codes (RFC 3463) as reasons. Only registered codes (RFC 5248) count, so the set is closed."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import Final

REGISTERED: Final = MappingProxyType({1: 10, 2: 4, 3: 6, 4: 7, 5: 6, 6: 10, 7: 30})
"""The subjects in IANA's registry, each with its highest detail. There are no gaps.
Subject 0 has only detail 0, which is the general code of a class."""

MAX_BEFORE: Final = 64
"""The code must be within this many characters. It follows the reply code."""

_CODE: Final = re.compile(r"(?<![0-9.])([245])\.([0-9]{1,3})\.([0-9]{1,3})(?!\.?[0-9])")


def reason(text: str, reply_code: int | None = None) -> str:
    """The enhanced status code at the beginning of a server's text, or the general code of its class.

    Args:
        text: The text, such as `550 5.1.1 no such user`, or the code alone.
        reply_code: The SMTP reply code, for texts without an enhanced code.

    Returns:
        A code such as `5.1.1`; one like `5.0.0` if the text has no registered code.
    """
    found = _CODE.search(text[:MAX_BEFORE])
    if found is None:
        kind = str(reply_code or text.strip())[:1]
        return f"{kind if kind in ('4', '5') else '5'}.0.0"
    kind, subject, detail = found[1], int(found[2]), int(found[3])
    known = subject in REGISTERED and detail <= REGISTERED[subject]
    return f"{kind}.{subject}.{detail}" if known else f"{kind}.0.0"
