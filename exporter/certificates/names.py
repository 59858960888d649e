"""Whether a certificate is for a name: RFC 9525, by service-identity.

A name is looked for among the subjectAltNames only: DNS names, whole-label wildcards and IP addresses. The common name
is never used (RFC 9525 2). Internationalised names are compared as A-labels (RFC 9525 6.3).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import idna
from cryptography import x509
from service_identity.exceptions import CertificateError
from service_identity.hazmat import DNS_ID, CertificatePattern, DNSPattern, IPAddress_ID, IPAddressPattern

A_LABEL: Final = "xn--"
"""How an internationalised label begins (RFC 5890 2.3.2.1)."""


REMEMBERED: Final = 16384
"""Names whose form is kept: one for each endpoint of a large process."""


def patterns(alternatives: x509.SubjectAlternativeName) -> tuple[CertificatePattern, ...]:
    """The identifiers of a certificate that a name can match.

    One that matches nothing, such as `*` alone or an IP address written as a DNS name, is left out; the others count.
    """
    found: list[CertificatePattern] = []
    for dns in alternatives.get_values_for_type(x509.DNSName):
        try:
            found.append(DNSPattern.from_bytes(dns.encode()))
        except CertificateError:
            continue
    addresses = alternatives.get_values_for_type(x509.IPAddress)
    # The name constraints of an authority hold networks in this place; a leaf with one identifies nobody.
    hosts = (a for a in addresses if isinstance(a, ipaddress.IPv4Address | ipaddress.IPv6Address))
    return (*found, *map(IPAddressPattern, hosts))


def matches(identifiers: Sequence[CertificatePattern], name: str) -> bool:
    """Whether one of them is for the name, which is a DNS name or an IP address."""
    identity = _identity(name)
    if identity is None:
        return False
    if any(identity.verify(pattern) for pattern in identifiers):
        return True
    # RFC 9525 6.3 lets a wildcard stand for a whole label of any kind. service-identity leaves A-labels out, OpenSSL
    # and browsers do not: ask again with a plain label in its place, of the wildcards alone.
    label, _, parent = _hostname(name).partition(".")
    if not label.startswith(A_LABEL) or not isinstance(identity, DNS_ID):
        return False
    stand_in = DNS_ID(f"label.{parent}")
    wildcards = (p for p in identifiers if isinstance(p, DNSPattern) and p.pattern.startswith(b"*."))
    return any(stand_in.verify(pattern) for pattern in wildcards)


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
