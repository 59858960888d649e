"""Whether a certificate is for a name: RFC 9525, by service-identity.

Only subjectAltNames count: DNS names, whole-label wildcards and IP addresses. The common name is never used
(RFC 9525 2). Internationalised names are compared as A-labels (RFC 9525 6.3).
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import Final

import idna
from service_identity.exceptions import CertificateError
from service_identity.hazmat import DNS_ID, DNSPattern, IPAddress_ID

from exporter.certificates.der import CONTEXT, HIGH_TAG, LONG, SEQUENCE, Element, MalformedError, extent, first, some

A_LABEL: Final = "xn--"
"""How an internationalised label begins (RFC 5890 2.3.2.1)."""

REMEMBERED: Final = 16384
"""Names whose form is kept: one for each endpoint of a large process."""

DNS_NAME: Final = CONTEXT | 2
IP_ADDRESS: Final = CONTEXT | 7
"""Kinds of GeneralName (RFC 5280 4.2.1.6)."""

MAX_LISTED: Final = 1000
"""Names of any kind that are gone over to be shown."""

MAX_JUDGED: Final = 5000
"""Names of any kind that are gone over to be matched. The largest certificates of public authorities have 2,000."""

MAX_HEX: Final = 32
"""Octets shown of a name that cannot be read."""


def of_host(alternatives: bytes) -> list[Element]:
    """The DNS names and IP addresses in their order, up to a limit and as far as they can be parsed.

    Args:
        alternatives: A subjectAltName, DER; empty if there is none.
    """
    names = [name for whole in some(alternatives, 1) for name in some(whole.content, MAX_LISTED)]
    return [name for name in names if name.tag in (DNS_NAME, IP_ADDRESS)]


def shown(name: Element) -> str:
    """A DNS name or IP address in words."""
    if name.tag == DNS_NAME:
        return name.content.decode("ascii", "backslashreplace")
    try:
        address = ipaddress.ip_address(name.content)
    except ValueError:
        return f"#{name.content[:MAX_HEX].hex()}"  # such as a network, which belongs into name constraints
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    # RFC 5952 5; Python writes it so from 3.13 on.
    return str(address) if mapped is None else f"::ffff:{mapped}"


def matches(alternatives: bytes, name: str) -> bool:
    """Whether a certificate is for the name, which is a DNS name or an IP address.

    Args:
        alternatives: Its subjectAltName, DER; empty if it has none.
        name: The name that it should be for.
    """
    identity = _identity(name)
    match identity:
        case IPAddress_ID():
            return bool(_present(alternatives, IP_ADDRESS, {identity.ip.packed}))
        case DNS_ID():
            return _is_among(identity, alternatives)
        case _:
            return False


def _is_among(identity: DNS_ID, alternatives: bytes) -> bool:
    """Whether one of the DNS names is the one sought.

    Only two names can match: the name itself, and the wildcard for its first label. So only these are looked for.
    """
    host = identity.hostname.decode("ascii")
    label, _, parent = host.partition(".")
    wildcard = f"*.{parent}"
    presented = _present(alternatives, DNS_NAME, {host.encode(), wildcard.encode()})
    if host.encode() in presented and _is_for(host, identity):
        return True
    if label.startswith(A_LABEL):
        # RFC 9525 6.3 lets a wildcard stand for a whole label of any kind. service-identity excludes A-labels, which
        # OpenSSL and browsers allow. So ask it for a plain label in the same place.
        identity = DNS_ID(f"label.{parent}")
    return wildcard.encode() in presented and _is_for(wildcard, identity)


def _present(alternatives: bytes, kind: int, sought: set[bytes]) -> set[bytes]:
    """Which of the sought names the certificate has.

    A certificate may have 50,000 names, and the event loop waits meanwhile. So this does not use `elements`, and it
    returns early if none of the names can be there.
    """
    found: set[bytes] = set()
    lowered = alternatives.lower()
    if not any(name in lowered for name in ({each.lower() for each in sought})):
        return found
    try:
        listed = first(alternatives, SEQUENCE).content if alternatives else b""
        at, end = 0, len(listed)
        for _ in range(MAX_JUDGED):
            if at >= end:
                break
            tag, length, begin = listed[at], listed[at + 1], at + 2
            if length < LONG and tag & HIGH_TAG != HIGH_TAG:
                at = begin + length
            else:
                _, begin, _, at = extent(listed, at)
            if tag == kind:
                name = listed[begin:at]
                if (name := name.lower() if kind == DNS_NAME else name) in sought:
                    found.add(name)
    except (MalformedError, IndexError):
        pass  # what comes after cannot be found
    return found


def _is_for(host: str, identity: DNS_ID) -> bool:
    try:
        return identity.verify(DNSPattern.from_bytes(host.encode()))
    except CertificateError:
        return False  # a wildcard that is none, or an IP address written as a DNS name


@lru_cache(REMEMBERED)
def server_name_indication(name: str) -> bytes | None:
    """What to send in SNI: A-labels without a trailing dot; `None` for an IP address, which RFC 6066 3 rules out."""
    identity = _identity(name)
    return identity.hostname if isinstance(identity, DNS_ID) else None


def _identity(name: str) -> DNS_ID | IPAddress_ID | None:
    try:
        return IPAddress_ID(name)
    except ValueError:
        pass
    try:
        return DNS_ID(_hostname(name))
    except ValueError:
        return None  # nothing that a certificate could be for


def _hostname(name: str) -> str:
    """The name in lower-case A-labels. UTS 46 maps what people type, such as capitals, to what IDNA 2008 allows."""
    absolute = name.removesuffix(".")
    if absolute.isascii():
        return absolute.lower()
    return idna.encode(absolute, uts46=True).decode("ascii")
