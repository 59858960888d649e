"""Lists of tag=value that mail's TXT records are made of: `v=DMARC1; p=none`. Pure; what tags mean lives elsewhere.

The records of DKIM, DMARC, MTA-STS, TLS-RPT and PACC share this form (RFC 6376 section 3.2). They differ in the white
space that they allow around the signs; this parser allows all of it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

MAX_SHOWN = 80
"""Characters of a record's part that are quoted."""

_NAME = re.compile("[A-Za-z][A-Za-z0-9_]*")


class TagError(ValueError):
    """This is not a list of tags; the message says which part is wrong."""


def parse_tags(text: str) -> dict[str, str]:
    """The tags of a record in their order, with names in lower case.

    Raises:
        TagError: A part is not tag=value, or a tag stands there twice (RFC 6376 section 3.2).
    """
    tags: dict[str, str] = {}
    for part in text.split(";"):
        if not part.strip():
            continue
        # Not by a pattern for the whole: one that also strips the value takes quadratic time for one full of spaces.
        written, equals, value = part.partition("=")
        name = written.strip().lower()
        if not equals or not _NAME.fullmatch(name):
            raise TagError(f"{shown(part.strip())} is not tag=value")
        if name in tags:
            raise TagError(f"the tag {name} stands there twice")
        tags[name] = value.strip()
    return tags


def having_version(texts: Sequence[str], version: str) -> list[str]:
    """The records that begin with `v=` and this version, as the RFCs have what counts as one of theirs at all."""
    begin = re.compile(rf"\s*v\s*=\s*{re.escape(version)}\s*(?:;|$)")
    return [text for text in texts if begin.match(text)]


def shown(text: str) -> str:
    """A part of a record for people: printable ASCII on one line, and not all of it if it is long."""
    plain = ascii(text)[1:-1]
    return f'"{plain if len(plain) <= MAX_SHOWN else plain[:MAX_SHOWN] + "..."}"'
