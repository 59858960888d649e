"""Macros of SPF records (RFC 7208 section 7), without those that are for explanations only. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import quote

MAX_DOMAIN = 253
"""Section 7.3: longer names lose labels from the left."""

MAX_DIGITS = 4
"""The most digits of a number of labels that are read. No name that fits into DNS has as many labels."""

_EXPANSION = re.compile(r"%(?:\{([a-z])([0-9]*)(r?)([.\-+,/_=]*)\}|([%_-]))", re.IGNORECASE)
_LITERAL = {"%": "%", "_": " ", "-": "%20"}


@dataclass(frozen=True, slots=True)
class SenderIdentity:
    """The facts of the mail that is judged.

    Attributes:
        sender: The reverse-path, or `postmaster` at the HELO name.
    """

    address: IPv4Address | IPv6Address
    sender: str
    helo: str


def needs_validated_name(text: str) -> bool:
    """Whether the text contains the client's name (`%{p}`), which needs look-ups."""
    return "%{p" in text.lower()


def expand(text: str, domain: str, session: SenderIdentity, validated: str) -> str:
    """The text with its macros replaced.

    Args:
        text: Text with macros, from a parsed record.
        domain: The domain that is being checked.
        session: The mail.
        validated: The value of `%{p}`.
    """

    def replaced(match: re.Match[str]) -> str:
        if match[5]:
            return _LITERAL[match[5]]
        value = _value(match[1].lower(), domain, session, validated)
        parts = re.split(f"[{re.escape(match[4] or '.')}]", value)
        if match[3]:
            parts.reverse()
        if match[2]:
            parts = parts[-int(match[2][:MAX_DIGITS]) :]
        joined = ".".join(parts)
        return quote(joined, safe="-._~") if match[1].isupper() else joined

    return _EXPANSION.sub(replaced, text)


def shortened(domain: str) -> str:
    """A name that is short enough for DNS. Labels are removed from the left."""
    domain = domain.removesuffix(".")
    if len(domain) <= MAX_DOMAIN:
        return domain
    # One search: macros can make a name of a megabyte, and removing single labels would take minutes.
    dot = domain.find(".", len(domain) - MAX_DOMAIN - 1)
    return domain[dot + 1 :] if dot >= 0 else domain.rpartition(".")[2]


def _value(letter: str, domain: str, session: SenderIdentity, validated: str) -> str:
    local, _, sender_domain = session.sender.rpartition("@")
    six = isinstance(session.address, IPv6Address)
    values = {
        "s": session.sender,
        "l": local,
        "o": sender_domain,
        "d": domain,
        # Section 7.3: IPv6 addresses are written as nibbles with dots, because they become parts of names.
        "i": ".".join(session.address.exploded.replace(":", "")) if six else str(session.address),
        "p": validated,
        "v": "ip6" if six else "in-addr",
        "h": session.helo,
    }
    return values[letter]
