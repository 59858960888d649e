"""Parses hosts and addresses into their canonical form.

Names become A-labels in lower case. Addresses lose their brackets and get their shortest form. All other text is
refused, so that no space, CR, LF or NUL reaches a resolver, a socket or a command line. urls.py parses ports and URLs.
"""

from __future__ import annotations

import ipaddress
import re

import idna

from exporter.config.problems import quoted

MAX_NAME = 253
"""RFC 1035, 2.3.4: 255 octets on the wire are 253 characters as written."""

_MAX_WRITTEN = 1024
"""The limit before conversion, which may shorten a name. A longer one never fits afterwards."""

_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
"""RFC 1123, 2.1, and the underscore, which names inside organisations often have."""

_ENDS_IN_A_NUMBER = re.compile(r"(.*\.)?([0-9]+|0x[0-9a-f]*)", re.DOTALL)
"""Text that an operating system may parse as an IPv4 address: 127.1, 0x7f.1, 2130706433."""

_WITH_PORT = re.compile(r"[^:]+:[0-9]{1,5}")


def parse_host(text: str) -> str:
    """A DNS name in A-label form, or an IP address without brackets.

    Whether the name exists is not checked.

    Raises:
        ValueError: The text is neither. The message says why.
    """
    bracketed = text.startswith("[") and text.endswith("]")
    address = _address(text[1:-1] if bracketed else text)
    if address is not None and (not bracketed or address.version == 6):  # noqa: PLR2004 - the family's own name
        return _shortest(address)
    if "%" in text and _address(text.removeprefix("[").partition("%")[0]):
        raise ValueError(f"{quoted(text)} has a zone after the %; write an address that needs none")
    if bracketed:
        raise ValueError(f"{quoted(text)} is not an IPv6 address; write brackets only around one")
    return _name(text)


def parse_target_host(text: str) -> str:
    """As `parse_host`, but a final dot is kept, because it makes the name absolute.

    Raises:
        ValueError: The text is invalid. The message says why.
    """
    host = parse_host(text)
    return f"{host}." if _a_labels(text).endswith(".") else host


def parse_domain(written: str) -> str:
    """The name of a mail domain, in A-label form.

    Raises:
        ValueError: The text is not a domain. The message says why.
    """
    if "@" in written:
        raise ValueError(f"{quoted(written)} is a mail address; write the part after the @")
    domain = parse_host(written)
    if is_ipv4(domain) or is_ipv6(domain) or "." not in domain:
        raise ValueError(f"{quoted(written)} is not a domain; write one like example.com")
    return domain


def parse_selector(written: str) -> str:
    """A selector of DKIM keys (RFC 6376 section 3.1), which has the form of a name.

    Raises:
        ValueError: It is not a selector; the message says why.
    """
    selector, below, _ = written.partition("._domainkey")
    if below:
        raise ValueError(f"{quoted(written)} is the name of a record; write the selector alone: {selector}")
    return parse_host(written)


def parse_address(text: str) -> str:
    """An IP address in its shortest form.

    Raises:
        ValueError: The text is not an IP address.
    """
    address = _address(text)
    if address is None:
        raise ValueError(f"{quoted(text)} is not an IP address; write one like 192.0.2.1 or 2001:db8::1")
    return _shortest(address)


def is_ipv4(host: str) -> bool:
    """Whether `host`, as returned by `parse_host`, is an IPv4 address."""
    address = _address(host)
    return address is not None and address.version == 4  # noqa: PLR2004 - the family's own name


def is_ipv6(host: str) -> bool:
    """Whether `host`, as returned by `parse_host`, is an IPv6 address."""
    return ":" in host


def is_loopback(host: str) -> bool:
    """Whether `host`, as returned by `parse_host`, is `localhost` or a loopback address."""
    address = _address(host)
    return host == "localhost" or (address is not None and address.is_loopback)


def _shortest(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    """Writes the form of RFC 5952, also for IPv4 addresses in IPv6 ones (section 5). Python does that since 3.13."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return f"::ffff:{mapped}" if mapped is not None else address.compressed


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    if "%" in text:  # ipaddress accepts zones, but they name interfaces of one machine and are not part of an address
        return None
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _name(text: str) -> str:
    if not text:
        raise ValueError("is empty; write a name like mail.example.com")
    if "://" in text:
        raise ValueError(f"{quoted(text)} is a URL; write only the name in it")
    if _WITH_PORT.fullmatch(text):
        raise ValueError(f"{quoted(text)} has a port; write only the name before it")
    if len(text) > _MAX_WRITTEN:
        raise ValueError(f"{quoted(text)} is longer than the {MAX_NAME} characters of a DNS name; write a shorter one")
    # Certificates, greetings and labels have no final dot. For lookups, see `parse_target_host`.
    name = _a_labels(text).lower().removesuffix(".")
    if _ENDS_IN_A_NUMBER.fullmatch(name):
        raise ValueError(
            f"{quoted(text)} is neither a complete IPv4 address nor a name; write four decimal numbers, as in 192.0.2.1"
        )
    if len(name) > MAX_NAME:
        raise ValueError(f"{quoted(text)} is longer than the {MAX_NAME} characters of a DNS name; write a shorter one")
    for label in name.split("."):
        if not label:
            raise ValueError(f"{quoted(text)} has an empty part between its dots; write it like mail.example.com")
        if not _LABEL.fullmatch(label):
            raise ValueError(f"{quoted(text)} is not a host name: {_complaint(label)}; write it like mail.example.com")
    return name


def _complaint(label: str) -> str:
    """Why a label is invalid."""
    odd = re.search(r"[^a-z0-9_-]", label)
    if odd:
        return f"{quoted(odd[0])} cannot be in one"
    if label.startswith("-") or label.endswith("-"):
        return "its parts cannot begin or end with a hyphen"
    return "its parts can have 63 characters"


def _a_labels(text: str) -> str:
    """Converts names to A-labels (RFC 5891) with UTS 46, as browsers do."""
    if text.isascii():
        return text
    try:
        return idna.encode(text, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        raise ValueError(
            f"{quoted(text)} is not an internationalised name that DNS can hold (RFC 5891); check its letters"
        ) from None
