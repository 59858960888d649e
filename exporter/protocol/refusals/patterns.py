"""Patterns of what servers say, and their meaning: how they are written down, and matched."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import Final, TypeAlias

from exporter.model import FailureReason

PatternRow: TypeAlias = tuple[bytes, FailureReason]
"""The pattern of what is found in a refusal, and what that means."""

MAX_JUDGED: Final = 512
"""Octets of a refusal that are looked at, in 4 ms at most. Those that the tables know have 300 at most."""


def row(reason: FailureReason, *patterns: bytes) -> PatternRow:
    """One meaning, and all ways to say it. Letter case makes no difference."""
    return any_of(*patterns), reason


def match(table: Iterable[PatternRow], words: bytes) -> FailureReason | None:
    """The meaning of the first matching row; `None` if no row matches."""
    return next((reason for pattern, reason in table if compiled(pattern).search(words)), None)


@cache
def compiled(pattern: bytes) -> re.Pattern[bytes]:
    """Compiles on first use: compiling all takes a tenth of a second, and most servers never refuse a login."""
    return re.compile(pattern, re.IGNORECASE | re.DOTALL)


def any_of(*patterns: bytes) -> bytes:
    return b"|".join([b"(?:%s)" % pattern for pattern in patterns])
