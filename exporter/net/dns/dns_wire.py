"""From the octets of an answer to a DNS message that answers the question. Pure, and bounded by the octets.

A record that cannot be read costs itself and not the answer: dnspython raises for the whole message, so that one wrong
TLSA record would hide all the others. What an answer means is decided in `dns_query`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct

import dns.exception
import dns.flags
import dns.message
import dns.rdata
import dns.rdataclass
import dns.rdatatype

MAX_MESSAGE = 16384
"""Octets of an answer. Some domains have 5 KiB of TXT records at their top; addresses take a tenth of that."""

_HEADER = Struct("!4x4H")
"""RFC 1035 section 4.1.1: the numbers of questions and of records in three sections."""

_RECORD = Struct("!HHIH")
"""RFC 1035 section 4.1.3: type, class, TTL and length, after the name."""

_POINTER = 0xC0
"""RFC 1035 section 4.1.4: the two bits that make a label a pointer, which ends a name."""

_UNPARSEABLE = (dns.exception.DNSException, ValueError, IndexError, OverflowError)


class BadAnswer(ValueError):
    """What the server sent cannot be used. The message completes "192.0.2.53 ...", e.g. "answered SERVFAIL"."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered.

    Attributes:
        unreadable: How many records of the kind that was asked for cannot be read; they are missing in the message.
    """

    message: dns.message.QueryMessage
    unreadable: int = 0


def read_answer(wire: bytes, query: dns.message.QueryMessage) -> Answer:
    """Reads a message, and makes sure that it answers this question (RFC 5452 section 9.1).

    A truncated one is returned whatever its records are worth; the caller sees its TC flag.

    Raises:
        BadAnswer: It answers another question, or is not a DNS message.
    """
    if len(wire) > MAX_MESSAGE:
        raise BadAnswer(f"sent an answer of more than {MAX_MESSAGE} octets")
    unreadable = 0
    try:
        try:
            message = _read(wire)
        except dns.exception.DNSException:
            unreadable = _count_unreadable(wire, query.question[0].rdtype)
            message = _read(wire, continue_on_error=True)
    except _UNPARSEABLE as error:
        raise BadAnswer(f"sent what is not a DNS message ({type(error).__name__})") from error
    if not isinstance(message, dns.message.QueryMessage) or not query.is_response(message):
        raise BadAnswer("sent an answer to another question")
    return Answer(message, unreadable)


def _read(wire: bytes, *, continue_on_error: bool = False) -> dns.message.Message:
    try:
        return dns.message.from_wire(wire, raise_on_truncation=True, continue_on_error=continue_on_error)
    except dns.message.Truncated as truncated:
        message: dns.message.Message = truncated.message()  # type: ignore[no-untyped-call] # dnspython left this one out
        return message


def _count_unreadable(wire: bytes, rdtype: dns.rdatatype.RdataType) -> int:
    """How many records of this kind in the answer cannot be read, where the message as a whole can be taken apart.

    Raises:
        DNSException: The message itself is broken.
    """
    if int.from_bytes(wire[2:4]) & dns.flags.TC:
        return 0
    count = 0
    for kind, rdclass, start, length in _records(wire):
        if kind != rdtype:
            continue
        try:
            dns.rdata.from_wire(dns.rdataclass.RdataClass(rdclass), rdtype, wire, start, length)
        except _UNPARSEABLE:
            count += 1
    return count


def _records(wire: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Type, class, place and length of each record in the answer section.

    Raises:
        DNSException: Some record of the message does not end where the next one begins.
    """
    if len(wire) < _HEADER.size:
        raise dns.message.ShortHeader
    questions, answers, authorities, additional = _HEADER.unpack_from(wire)
    at = _HEADER.size
    for _ in range(questions):
        at = _after_name(wire, at) + 4
    for number in range(answers + authorities + additional):
        at = _after_name(wire, at)
        if at + _RECORD.size > len(wire):
            raise dns.exception.FormError
        kind, rdclass, _, length = _RECORD.unpack_from(wire, at)
        at += _RECORD.size
        if number < answers:
            yield kind, rdclass, at, length
        at += length
    if at != len(wire):
        raise dns.message.TrailingJunk


def _after_name(wire: bytes, at: int) -> int:
    """Where the name at this place ends.

    Raises:
        DNSException: It goes beyond the message.
    """
    while at < len(wire):
        length = wire[at]
        if length & _POINTER == _POINTER:
            return at + 2
        at += 1 + length
        if not length:
            return at
    raise dns.exception.FormError
