"""Reads DER (X.690), element by element and as leniently as OpenSSL.

OpenSSL decides which certificates can be parsed. A stricter parser would overrule it because of an oddity: a character
that a type does not have, an unused version, or a field that nobody needs. So nothing is judged here, and only the
requested fields are parsed.

The input is untrusted: every loop here has a named bound, and the only exception is `MalformedError`.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final, NamedTuple

BOOLEAN: Final = 0x01
INTEGER: Final = 0x02
OCTET_STRING: Final = 0x04
OBJECT_IDENTIFIER: Final = 0x06
UTC_TIME: Final = 0x17
GENERALIZED_TIME: Final = 0x18
SEQUENCE: Final = 0x30
CONTEXT: Final = 0x80
"""Context-specific and primitive: `CONTEXT | 2` is `[2]`."""
CONSTRUCTED: Final = 0x20
"""Added to a tag: `CONTEXT | CONSTRUCTED | 0` is an explicit `[0]`."""

HIGH_TAG: Final = 0x1F
"""A tag with these bits goes on in the next octet (X.690 8.1.2.4)."""
LONG: Final = 0x80
"""A length below is a single octet (X.690 8.1.3.4)."""

MAX_NESTING: Final = 8
"""Elements of indefinite length inside each other. A certificate in DER has none, and one in BER hardly more."""

MAX_STEPS: Final = 1024
"""Elements gone over to find the end of one of indefinite length."""

MAX_IDENTIFIER: Final = 32
"""Octets of an object identifier that is written out; the longest in use have about fifteen."""

_UTC_TIME: Final = re.compile(rb"(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)?()(Z|[+-]\d{4})?")
_GENERALIZED_TIME: Final = re.compile(rb"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)?(\d\d)?([.,]\d+)?(Z|[+-]\d{4})?")
"""X.690 11.7 and 11.8, and what BER allows beside: no seconds, fractions of them, an offset (X.680 46, 47)."""

TURN_OF_CENTURY: Final = 50
"""RFC 5280 4.1.2.5.1: a UTCTime of a year below is of the 21st century, the others are of the 20th."""


class MalformedError(ValueError):
    """The input cannot be parsed; the message says why, in printable ASCII."""


class Element(NamedTuple):
    """One element.

    Attributes:
        tag: The first octet.
        content: What is in it.
        whole: With its header.
    """

    tag: int
    content: bytes
    whole: bytes


def elements(octets: bytes) -> Iterator[Element]:
    """The consecutive elements of the content.

    Raises:
        MalformedError: While iterating, at the first malformed element.
    """
    at = 0
    while at < len(octets):
        tag, start, end, after = extent(octets, at)
        yield Element(tag, octets[start:end], octets[at:after])
        at = after


def first(octets: bytes, tag: int | None = None) -> Element:
    """The first element of the content.

    Raises:
        MalformedError: It is missing, or has another tag.
    """
    found = next(elements(octets), None)
    if found is None:
        raise MalformedError("an element is missing")
    if tag is not None and found.tag != tag:
        raise MalformedError(f"an element has tag {found.tag}, and not {tag}")
    return found


def some(octets: bytes, most: int) -> list[Element]:
    """The first elements of the content, up to the first malformed one."""
    found: list[Element] = []
    with contextlib.suppress(MalformedError):  # what comes after cannot be found
        found.extend(islice(elements(octets), most))
    return found


def count(octets: bytes, most: int) -> int:
    """The number of elements in the content; `most` if there are more, or one is malformed."""
    at, end = 0, len(octets)
    try:
        for number in range(most):
            if at >= end:
                return number if at == end else most
            length = octets[at + 1]
            at = at + 2 + length if length < LONG and octets[at] & HIGH_TAG != HIGH_TAG else extent(octets, at)[3]
    except (MalformedError, IndexError):
        pass
    return most


def extent(octets: bytes, at: int) -> tuple[int, int, int, int]:
    """The tag of the element at a place, where its content begins and ends, and where the next one begins.

    Raises:
        MalformedError: The element is incomplete.
    """
    tag, start, length = _header(octets, at)
    if length is None:
        end = _end_of_contents(octets, start)
        return tag, start, end, end + 2
    if start + length > len(octets):
        raise MalformedError("an element is longer than what it is in")
    return tag, start, start + length, start + length


def _header(octets: bytes, at: int) -> tuple[int, int, int | None]:
    """An element's tag, where its content begins, and how long it is; `None` for indefinite."""
    try:
        tag = octets[at]
        at += 1
        if tag & HIGH_TAG == HIGH_TAG:  # a number that takes more octets (X.690 8.1.2.4)
            while octets[at] & LONG:
                at += 1
            at += 1
        length = octets[at]
        at += 1
    except IndexError:
        raise MalformedError("an element ends in its header") from None
    if length == LONG:
        return tag, at, None  # indefinite (X.690 8.1.3.6)
    if length & LONG:  # that many octets of length follow (X.690 8.1.3.5)
        size = length - LONG
        length, at = int.from_bytes(octets[at : at + size]), at + size
    return tag, at, length


def _end_of_contents(octets: bytes, at: int) -> int:
    """The position of the two octets that end an element of indefinite length (X.690 8.1.5)."""
    open_ones = 1
    for _ in range(MAX_STEPS):
        if octets[at : at + 2] == b"\0\0":
            open_ones -= 1
            if not open_ones:
                return at
            at += 2
            continue
        _, start, length = _header(octets, at)
        if length is None:
            open_ones += 1
            if open_ones > MAX_NESTING:
                break
            at = start
        else:
            at = start + length
    raise MalformedError("an element of indefinite length does not end")


def dotted(identifier: bytes) -> str:
    """An object identifier's content as numbers with dots between them (X.690 8.19); as hex if that gets too long."""
    if not identifier or len(identifier) > MAX_IDENTIFIER or identifier[-1] & 0x80:
        return f"#{identifier[:MAX_IDENTIFIER].hex()}"
    arcs, number = [], 0
    for octet in identifier:
        number = number << 7 | octet & 0x7F
        if not octet & 0x80:
            arcs.append(number)
            number = 0
    top = min(arcs[0] // 40, 2)
    return ".".join(map(str, (top, arcs[0] - 40 * top, *arcs[1:])))


def timestamp(element: Element) -> float | None:
    """A UTCTime or GeneralizedTime as a Unix timestamp; `None` if it is malformed."""
    form = {UTC_TIME: _UTC_TIME, GENERALIZED_TIME: _GENERALIZED_TIME}.get(element.tag)
    found = form.fullmatch(element.content) if form else None
    if found is None:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
    if element.tag == UTC_TIME:
        year += 2000 if year < TURN_OF_CENTURY else 1900
    fraction, zone = found[7], found[8] or b"Z"
    offset = 0 if zone == b"Z" else int(zone[:3]) * 60 + int(zone[:1] + zone[3:])
    try:
        moment = datetime(max(year, 1), month, day, hour, minute, second, tzinfo=UTC) - timedelta(minutes=offset)
    except (ValueError, OverflowError):
        return None
    return moment.timestamp() + (float(b"0." + fraction[1:9]) if fraction else 0.0)
