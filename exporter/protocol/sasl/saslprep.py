"""SASLprep (RFC 4013): one form for the names and passwords that people can type in several ways.

A table of RFC 3454 a step. Which mechanism prepares what it sends is the mechanism's matter.
"""

from __future__ import annotations

import stringprep
from collections.abc import Callable
from typing import Final
from unicodedata import ucd_3_2_0

PROHIBITED: Final[tuple[Callable[[str], bool], ...]] = (
    # RFC 4013 2.3, in its order, and 2.5: the strings that passwords are compared with are "stored strings".
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
    stringprep.in_table_a1,
)


def prepared(octets: bytes) -> bytes:
    """The octets as SASLprep wants them.

    Octets that are not UTF-8, and strings that SASLprep prohibits, are not changed. RFC 4013 has no form for them, and
    a server stores such a password as somebody typed it. PostgreSQL, which speaks SCRAM too, does the same. ASCII is
    not changed either, including control characters.
    """
    if octets.isascii():
        return octets
    try:
        text = octets.decode()
    except UnicodeDecodeError:
        return octets
    # RFC 4013 2.1: other spaces become the space, and what is commonly mapped to nothing is dropped.
    mapped = "".join(" " if stringprep.in_table_c12(c) else c for c in text if not stringprep.in_table_b1(c))
    # RFC 4013 2.2. Normalisation is that of Unicode 3.2, as everything in RFC 3454.
    normal = ucd_3_2_0.normalize("NFKC", mapped)
    if not normal or any(prohibits(c) for c in normal for prohibits in PROHIBITED) or not _reads_one_way(normal):
        return octets
    return normal.encode()


def _reads_one_way(text: str) -> bool:
    """RFC 3454 section 6: a string with right-to-left characters has no others, and begins and ends with one."""
    if not any(map(stringprep.in_table_d1, text)):
        return True
    ends_well = stringprep.in_table_d1(text[0]) and stringprep.in_table_d1(text[-1])
    return ends_well and not any(map(stringprep.in_table_d2, text))
