"""Parses lists of tag=value, as in TXT records such as `v=DMARC1; p=none`. Pure. Other modules interpret the tags.

The records of DKIM, DMARC, MTA-STS, TLS-RPT and PACC have this form (RFC 6376 section 3.2). They differ in whether they
allow white space around the equals sign.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

MAX_SHOWN = 80
"""The most characters of a part that are quoted."""

_NAME = re.compile("[A-Za-z0-9][A-Za-z0-9_.-]*")
"""As RFC 8461 section 3.1 and RFC 8460 section 3 have it for extensions. The other RFCs allow less."""


class RecordError(ValueError):
    """A record or policy that a domain publishes cannot be used; the message says why, and which part is wrong."""


def parse_tags(text: str, *, spaces: bool = True) -> dict[str, str]:
    """The tags of a record in their order. Letter case matters in their names.

    Args:
        text: The record.
        spaces: Whether white space may stand around the equals sign. RFC 8461 and RFC 8460 do not allow it.

    Raises:
        RecordError: A part is not tag=value, or a tag occurs twice (RFC 6376 section 3.2).
    """
    tags: dict[str, str] = {}
    for part in text.split(";"):
        if not part.strip():
            continue
        # A pattern for the whole part that also strips the value would take quadratic time for many spaces.
        written, equals, value = part.partition("=")
        name = written.strip()
        if not equals or not _NAME.fullmatch(name):
            raise RecordError(f"{shown(part.strip())} is not tag=value")
        if not spaces and f"{name}={value.strip()}" != part.strip():
            raise RecordError(f"{shown(part.strip())} has a space beside the equals sign")
        if name in tags:
            raise RecordError(f"the tag {name} stands there twice")
        tags[name] = value.strip()
    return tags


def having_version(texts: Sequence[str], version: str, *, loosely: bool = False) -> list[str]:
    """The records that begin with `v=` and this version. The RFCs ignore all others.

    Args:
        texts: TXT records.
        version: The version, in which letter case matters.
        loosely: Whether `V = ` is as good as `v=` (RFC 9989 section 4.7).
    """
    equals = r"[vV][ \t]*=[ \t]*" if loosely else "v="
    begin = re.compile(rf"{equals}{re.escape(version)}[ \t]*(?:;|\Z)")
    return [text for text in texts if begin.match(text)]


def almost(texts: Sequence[str], version: str) -> str | None:
    """The first text that was meant as a record of this version, where none is one; `None` if there is none either."""
    word = re.escape(version)
    begins = re.compile(rf"[\s\"'\\]*(?:v\s*(?:[=:]\s*)?)?{word}", re.IGNORECASE)
    later = re.compile(rf";\s*v\s*=\s*{word}", re.IGNORECASE)
    return next((text for text in texts if begins.match(text) or later.search(text)), None)


def shown(text: str) -> str:
    """A part of a record for people: one line of printable ASCII, shortened if it is long."""
    plain = ascii(text)[1:-1]
    return f'"{plain if len(plain) <= MAX_SHOWN else plain[:MAX_SHOWN] + "..."}"'
