"""Label values for both exposition formats, safe for any text from a server.

This module only escapes text. The rows have the labels.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

VALUE_LIMIT = 256
"""Characters of a value that comes from a server. A certificate's subject may hold any amount of text, and every
Prometheus that scrapes it keeps it in its index. Real subjects stay under 200. Values from the configuration are not
shortened."""

_UNFIT = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control characters but the line feed, which has an escape; and surrogates, which no encoding of Unicode can carry."""

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


def escaped(value: str) -> str:
    """A value fit to stand between the quotes; what cannot stand there becomes U+FFFD."""
    if value.isprintable() and '"' not in value and "\\" not in value:
        return value
    return _UNFIT.sub(_REPLACEMENT, value).translate(_ESCAPES)


def foreign(value: str) -> str:
    """As `escaped`, for a value that comes from a server: shortened to `VALUE_LIMIT`."""
    return escaped(value if len(value) <= VALUE_LIMIT else f"{value[: VALUE_LIMIT - 1]}…")


def label_pairs(pairs: Iterable[tuple[str, str]]) -> str:
    """Names with values as they stand between the braces of a sample; the values are escaped here."""
    return ",".join([f'{name}="{escaped(value)}"' for name, value in pairs])
