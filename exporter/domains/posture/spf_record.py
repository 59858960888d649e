"""The parser of SPF records (RFC 7208 sections 4.5, 5, 6 and 12). Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_network

from exporter.domains.tags import RecordError

MAX_RECORD = 16384
"""Characters. No answer is longer. Records over 450 are already too long for one datagram (section 3.4)."""

MAX_SHOWN = 80
"""The most characters of a term that are quoted."""

WHOLE = (32, 128)
"""Prefix lengths of a single address, IPv4 and IPv6."""

_VERSION = "v=spf1"

_MACRO = r"%\{[slodiphcrtvSLODIPHCRTV][0-9]*r?[.\-+,/_=]*\}|%%|%_|%-"
_MACRO_STRING = re.compile(rf"(?:{_MACRO}|[!-$&-~])*", re.IGNORECASE)
_DOMAIN_END = re.compile(
    rf"(?:{_MACRO}|[!-$&-~])*"
    r"(?:\.(?:[0-9]*[a-z][a-z0-9]*|[a-z0-9]+-[a-z0-9-]*[a-z0-9])\.?"
    rf"|{_MACRO})",
    re.IGNORECASE,
)
"""Section 7.1: a domain-spec ends with a dot and a top label, or with a macro.

A label can match each alternative in only one way, so that a failed match takes linear time.
"""

_MODIFIER = re.compile(r"([a-z][a-z0-9\-_.]*)=(.*)", re.IGNORECASE | re.DOTALL)
_MECHANISM = re.compile(r"([+\-?~]?)([a-z][a-z0-9\-_.]*)(.*)", re.IGNORECASE | re.DOTALL)
_LENGTHS = re.compile(r"(.*?)(?:/(0|[1-9][0-9]?))?(?://(0|[1-9][0-9]{0,2}))?", re.DOTALL)
_ADDRESS = re.compile(r":([0-9a-f.:]+)(/[0-9]+)?", re.IGNORECASE)

_NOT_IN_A_DOMAIN = frozenset("crt")
"""Macro letters for explanations only (section 7.2)."""


class Qualifier(StrEnum):
    """What a match means (section 4.6.2)."""

    PASS = "+"  # noqa: S105 - the word of RFC 7208
    FAIL = "-"
    SOFTFAIL = "~"
    NEUTRAL = "?"


class SpfMechanism(StrEnum):
    """The mechanisms (section 5)."""

    ALL = "all"
    INCLUDE = "include"
    A = "a"
    MX = "mx"
    PTR = "ptr"
    IP4 = "ip4"
    IP6 = "ip6"
    EXISTS = "exists"


@dataclass(frozen=True, slots=True)
class Term:
    """One mechanism with its qualifier.

    Attributes:
        domain: The domain as written, with macros; empty for the domain that is being checked.
        network: The network of `ip4` and `ip6`.
        lengths: The prefix lengths of `a` and `mx`, for IPv4 and IPv6.
    """

    text: str
    mechanism: SpfMechanism
    qualifier: Qualifier
    domain: str = ""
    network: IPv4Network | IPv6Network | None = None
    lengths: tuple[int, int] = WHOLE


@dataclass(frozen=True, slots=True)
class SpfRecord:
    """A record without mistakes.

    Attributes:
        redirect: The domain of the modifier `redirect`, with macros; empty without this modifier.
    """

    terms: tuple[Term, ...]
    redirect: str = ""


def is_spf(text: str) -> bool:
    """Whether a TXT record is an SPF record (section 4.5): the version, followed by a space or the end."""
    return text[: len(_VERSION)].lower() == _VERSION and text[len(_VERSION) :][:1] in ("", " ")


def parse_spf(text: str) -> SpfRecord:
    """Parse an SPF record. All terms are checked, also those that no evaluation reaches (section 4.6).

    Raises:
        RecordError: The record has a mistake.
    """
    if len(text) > MAX_RECORD:
        raise RecordError("the record is too long")
    if not text.isascii() or not text.isprintable():
        raise RecordError("the record holds characters that are not printable ASCII")
    terms: list[Term] = []
    modifiers: dict[str, str] = {}
    for word in text[len(_VERSION) :].split(" "):
        modifier = _MODIFIER.fullmatch(word)
        if modifier is not None:
            _modifier(modifier[1].lower(), modifier[2], word, modifiers)
        elif word:
            terms.append(_term(word))
    return SpfRecord(tuple(terms), modifiers.get("redirect", ""))


def _modifier(name: str, value: str, word: str, known: dict[str, str]) -> None:
    if name in ("redirect", "exp"):
        if name in known:
            raise RecordError(f"{name}= stands there twice")  # section 6
        known[name] = _domain(value, word)
    elif not _MACRO_STRING.fullmatch(value):
        raise RecordError(f"{word[:MAX_SHOWN]} is not well formed")


def _term(word: str) -> Term:
    match = _MECHANISM.fullmatch(word)
    name = match[2].lower() if match else ""
    if match is None or name not in set(SpfMechanism):
        raise RecordError(f"{word[:MAX_SHOWN]} is not a mechanism")
    qualifier, mechanism, rest = Qualifier(match[1] or "+"), SpfMechanism(name), match[3]
    if mechanism is SpfMechanism.ALL:
        if rest:
            raise RecordError(f"{word[:MAX_SHOWN]}: nothing stands behind all")
        return Term(word, mechanism, qualifier)
    if mechanism in (SpfMechanism.IP4, SpfMechanism.IP6):
        return Term(word, mechanism, qualifier, network=_network(mechanism, rest, word))
    lengths = WHOLE
    if mechanism in (SpfMechanism.A, SpfMechanism.MX):
        rest, lengths = _lengths(rest, word)
    if mechanism in (SpfMechanism.INCLUDE, SpfMechanism.EXISTS) and not rest:
        raise RecordError(f"{word[:MAX_SHOWN]} names no domain")
    if rest and not rest.startswith(":"):
        raise RecordError(f"{word[:MAX_SHOWN]} is not well formed")
    return Term(word, mechanism, qualifier, _domain(rest[1:], word) if rest else "", lengths=lengths)


def _lengths(rest: str, word: str) -> tuple[str, tuple[int, int]]:
    """Split off the prefix lengths, such as those of `a:example.com/24//64` (section 5.3)."""
    match = _LENGTHS.fullmatch(rest)
    if match is None:
        return rest, WHOLE
    four = 32 if match[2] is None else int(match[2])
    six = 128 if match[3] is None else int(match[3])
    if four > 32 or six > 128:  # noqa: PLR2004 - the bits of an address
        raise RecordError(f"{word[:MAX_SHOWN]}: the prefix is too long")
    return match[1], (four, six)


def _network(mechanism: SpfMechanism, rest: str, word: str) -> IPv4Network | IPv6Network:
    match = _ADDRESS.fullmatch(rest)
    network = _as_network(rest[1:]) if match is not None else None
    if match is None or network is None or network.version != (4 if mechanism is SpfMechanism.IP4 else 6):
        raise RecordError(f"{word[:MAX_SHOWN]} is not an address or a network of that kind")
    length = (match[2] or "")[1:]
    if len(length) > 1 and length.startswith("0"):
        raise RecordError(f"{word[:MAX_SHOWN]}: the prefix is not well formed")
    return network


def _as_network(text: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None


def _domain(text: str, word: str) -> str:
    """A domain-spec (section 7.1)."""
    if not _DOMAIN_END.fullmatch(text):
        raise RecordError(f"{word[:MAX_SHOWN]} does not name a domain")
    for letter in re.findall(r"%\{(.)", text):
        if letter.lower() in _NOT_IN_A_DOMAIN:
            raise RecordError(f"{word[:MAX_SHOWN]}: the macro {letter} is for explanations only")
    for count in re.findall(r"%\{.([0-9]+)", text):
        if not count.strip("0"):
            raise RecordError(f"{word[:MAX_SHOWN]}: a macro keeps no parts")  # section 7.1: DIGIT, nonzero
    return text
