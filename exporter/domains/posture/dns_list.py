"""Names and answers of DNS lists (RFC 5782). Pure."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address

LISTED = {4: "127.0.0.2", 6: "::ffff:7f00:2"}
"""Section 5: the test entry that every list has."""

CLEAN = {4: "127.0.0.1", 6: "::ffff:7f00:1"}
"""Section 5: the address that no list may have."""

_ANSWERS = IPv4Network("127.0.0.0/8")
_ERRORS = IPv4Network("127.255.255.0/24")
"""Answers to clients that a list does not serve, such as public resolvers, or clients that ask too often."""


class NotAListingError(ValueError):
    """The list's answer is not a listing; the message has details."""


def dnsbl_name(address: str, zone: str) -> str:
    """The name whose A records tell whether the address is listed (sections 2.1 and 2.4)."""
    ip = ip_address(address)
    reverse, _, _ = ip.reverse_pointer.rpartition(".ip6.arpa" if isinstance(ip, IPv6Address) else ".in-addr.arpa")
    return f"{reverse}.{zone}"


def is_listed(answers: Iterable[str]) -> bool:
    """Whether the A records of that name mean that the address is listed.

    Raises:
        NotAListingError: They are an error code.
    """
    found = [IPv4Address(answer) for answer in answers]
    for answer in found:
        if answer in _ERRORS or answer not in _ANSWERS:
            raise NotAListingError(f"answered {answer}, which is an error and not a listing")
    return bool(found)
