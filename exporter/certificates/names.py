"""Whether a certificate is for a name: RFC 9525, by service-identity.

A name is looked for among the subjectAltNames only: DNS names, whole-label wildcards and IP addresses. The common name
is never used (RFC 9525 2). Internationalised names are compared as A-labels (RFC 9525 6.3).
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import idna
from cryptography import x509
from service_identity.exceptions import CertificateError
from service_identity.hazmat import DNS_ID, DNSPattern, IPAddress_ID

A_LABEL: Final = "xn--"
"""How an internationalised label begins (RFC 5890 2.3.2.1)."""

REMEMBERED: Final = 16384
"""Names whose form is kept: one for each endpoint of a large process."""


@dataclass(frozen=True, slots=True)
class Identifiers:
    """Whom a certificate is for.

    Attributes:
        hosts: DNS names and wildcards as presented, in lower case; also those that match nothing, such as `*`.
    """

    hosts: frozenset[str] = frozenset()
    addresses: frozenset[ipaddress.IPv4Address | ipaddress.IPv6Address] = frozenset()


def identifiers(alternatives: x509.SubjectAlternativeName) -> Identifiers:
    """Those of a certificate."""
    addresses = alternatives.get_values_for_type(x509.IPAddress)
    return Identifiers(
        hosts=frozenset(map(str.lower, alternatives.get_values_for_type(x509.DNSName))),
        # The name constraints of an authority hold networks in this place; a leaf with one identifies nobody.
        addresses=frozenset(a for a in addresses if isinstance(a, ipaddress.IPv4Address | ipaddress.IPv6Address)),
    )


def matches(presented: Identifiers, name: str) -> bool:
    """Whether a certificate is for the name, which is a DNS name or an IP address."""
    identity = _identity(name)
    match identity:
        case IPAddress_ID():
            return identity.ip in presented.addresses
        case DNS_ID():
            return _is_among(identity, presented.hosts)
        case None:
            return False


def _is_among(identity: DNS_ID, hosts: frozenset[str]) -> bool:
    """Whether one of the hosts is the one sought.

    Only two can be: the name itself, and the wildcard for its first label. Nothing else is looked at, however many
    names a certificate has.
    """
    host = identity.hostname.decode("ascii")
    label, _, parent = host.partition(".")
    wildcard = f"*.{parent}"
    if host in hosts and _is_for(host, identity):
        return True
    if label.startswith(A_LABEL):
        # RFC 9525 6.3 lets a wildcard stand for a whole label of any kind. service-identity leaves A-labels out,
        # OpenSSL and browsers do not: ask it for a plain label in the same place.
        identity = DNS_ID(f"label.{parent}")
    return wildcard in hosts and _is_for(wildcard, identity)


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
