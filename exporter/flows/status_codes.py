"""Enhanced mail system status codes (RFC 3463) by their registry (RFC 5248), as reasons: a closed set."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import Final

REGISTERED: Final = MappingProxyType({0: 0, 1: 10, 2: 4, 3: 6, 4: 7, 5: 6, 6: 10, 7: 30})
"""Each subject, and the highest detail that IANA's registry has for it; there are no gaps."""

MAX_BEFORE: Final = 64
"""Characters in which the code has to end: it stands behind the reply code."""

_CODE: Final = re.compile(r"(?<![0-9.])([245])\.([0-9]{1,3})\.([0-9]{1,3})(?![0-9.])")


def reason(text: str, reply_code: int | None = None) -> str:
    """The enhanced status code that a server's words begin with, if the registry knows it, else that of its class.

    Args:
        text: The words, such as `550 5.1.1 no such user`, or the code alone.
        reply_code: SMTP's reply code, for words without an enhanced one.

    Returns:
        Such as `5.1.1`; `5.0.0` or `4.0.0` where nothing better is known.
    """
    found = _CODE.search(text[:MAX_BEFORE])
    if found is None:
        kind = str(reply_code or text.strip())[:1]
        return f"{kind if kind in ('4', '5') else '5'}.0.0"
    kind, subject, detail = found[1], int(found[2]), int(found[3])
    known = subject in REGISTERED and detail <= REGISTERED[subject]
    return f"{kind}.{subject}.{detail}" if known else f"{kind}.0.0"
