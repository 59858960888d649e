"""Why a path does not reach a trusted authority: what is known if the issuer of its last certificate is missing.

OpenSSL says only that the issuer of the last certificate was neither sent nor is trusted. An administrator has to know
which of two things to do: make the server send an intermediate, or trust an authority. What was sent often tells:

- If a trusted authority has the issuer's name, it is another of that name, such as one made again with another key.
- An authority key identifier may name the issuer's own issuer (RFC 5280 4.2.1.1). If that is the issuer itself, a root
  is missing; if it is another, an intermediate.
- A public authority never issues a leaf directly from a root (Baseline Requirements 6.1.7). Its leaves have certificate
  transparency stamps (RFC 6962) or a policy of the CA/Browser Forum. A leaf that says where its issuer's certificate
  can be downloaded (RFC 5280 4.2.2.1) also needs an intermediate.
- Above the leaf there is no such sign: the missing certificate may be the root, which servers rightly leave out
  (RFC 8446 4.4.2). This is reported as an unknown authority.

A leaf that is sent alone and has none of these signs may be either, and is reported as both.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Final

from exporter.certificates import text
from exporter.certificates.certificate import Certificate
from exporter.certificates.der import CONSTRUCTED, CONTEXT, Element, some
from exporter.certificates.fields import (
    AUTHORITY_INFORMATION_ACCESS,
    AUTHORITY_KEY_IDENTIFIER,
    CERTIFICATE_POLICIES,
    CERTIFICATE_TIMESTAMPS,
    NAME_CONSTRAINTS,
    SUBJECT_KEY_IDENTIFIER,
    Fields,
)
from exporter.model import CertificateProblem as Problem

FORUM_POLICIES: Final = bytes.fromhex("67810c0102")
"""2.23.140.1.2: the arc of the CA/Browser Forum's policies for servers: domain, organisation, individual validated."""

CA_ISSUERS: Final = bytes.fromhex("2b06010505073002")
"""1.3.6.1.5.5.7.48.2: where the issuer's certificate can be downloaded (RFC 5280 4.2.2.1)."""

KEY: Final = CONTEXT
ISSUERS: Final = CONTEXT | CONSTRUCTED | 1
SERIAL: Final = CONTEXT | 2
"""keyIdentifier, authorityCertIssuer and authorityCertSerialNumber (RFC 5280 4.2.1.1)."""

EXCLUDED: Final = CONTEXT | CONSTRUCTED | 1
"""excludedSubtrees (RFC 5280 4.2.1.10)."""

DNS_NAME: Final = CONTEXT | 2

DIRECTORY_NAME: Final = CONTEXT | CONSTRUCTED | 4
"""A kind of GeneralName (RFC 5280 4.2.1.6)."""

MAX_LISTED: Final = 100
"""Policies, places and names of one certificate that are looked at."""


def missing_issuer(last: Certificate, anchors: Container[bytes], *, is_leaf: bool, whose: str) -> dict[Problem, str]:
    """The problems of a path whose last certificate has an unknown issuer, each with its text.

    Args:
        last: The certificate at which the path breaks off; not self-signed.
        anchors: The names of the trusted authorities, DER.
        is_leaf: Whether it is the leaf, and so the only one.
        whose: Its name in a sentence.
    """
    issuer = text.quoted(last.facts.issuer)
    incomplete = f"the server does not send {issuer}, the intermediate that issued {whose}"
    unknown = f"{issuer}, which issued {whose}, is not among the trusted authorities"
    fields = last.fields()
    if fields.issuer in anchors:
        return {Problem.UNKNOWN_AUTHORITY: f"the trusted authority {issuer} does not have the key that signed {whose}"}
    is_root = _issuer_is_root(fields)
    if is_root or (is_root is None and not is_leaf):
        return {Problem.UNKNOWN_AUTHORITY: unknown}
    if is_root is False or _is_made_to_be_completed(fields):
        return {Problem.INCOMPLETE_CHAIN: incomplete}
    return {
        Problem.INCOMPLETE_CHAIN: incomplete,
        Problem.UNKNOWN_AUTHORITY: "or that is not an intermediate, but an authority that is not trusted",
    }


def _issuer_is_root(certificate: Fields) -> bool | None:
    """Whether the issuer of this certificate is self-signed; `None` if the certificate does not say."""
    named = [each.content for each in _entries(certificate, AUTHORITY_KEY_IDENTIFIER) if each.tag == ISSUERS]
    above = [name for names in named for name in _directory_names(names)]
    return certificate.issuer in above if above else None


def denies_itself(certificate: Fields) -> bool:
    """Whether a self-issued certificate names an issuer other than itself, by key, serial number or name."""
    if certificate.subject != certificate.issuer:
        return False
    own = [octets.content for octets in some(certificate.extension(SUBJECT_KEY_IDENTIFIER) or b"", 1)]
    for each in _entries(certificate, AUTHORITY_KEY_IDENTIFIER):
        if each.tag == KEY and own and each.content != own[0]:
            return True
        if each.tag == SERIAL and each.content != certificate.serial:
            return True
        if each.tag == ISSUERS and certificate.issuer not in _directory_names(each.content):
            return True
    return False


def constrains(authority: Fields) -> bool:
    """Whether its name constraints, which it has, say anything (RFC 5280 4.2.1.10 does not allow empty ones)."""
    return any(some(subtrees.content, 1) for subtrees in _entries(authority, NAME_CONSTRAINTS))


def excluded(authority: Fields) -> list[str]:
    """The DNS names, in lower case, that an authority may not issue for. Names below them are excluded too."""
    bases = [
        base
        for subtrees in _entries(authority, NAME_CONSTRAINTS)
        if subtrees.tag == EXCLUDED
        for subtree in some(subtrees.content, MAX_LISTED)
        for base in some(subtree.content, 1)
    ]
    return [base.content.decode("ascii", "replace").lower() for base in bases if base.tag == DNS_NAME and base.content]


def _is_made_to_be_completed(leaf: Fields) -> bool:
    """Whether it comes from a public authority, or says where its issuer's certificate can be downloaded."""
    if CERTIFICATE_TIMESTAMPS in leaf.extensions:
        return True
    if any(policy.startswith(FORUM_POLICIES) for policy in _kinds(leaf, CERTIFICATE_POLICIES)):
        return True
    return CA_ISSUERS in _kinds(leaf, AUTHORITY_INFORMATION_ACCESS)


def _directory_names(names: bytes) -> list[bytes]:
    return [name.content for name in some(names, MAX_LISTED) if name.tag == DIRECTORY_NAME]


def _kinds(certificate: Fields, extension: bytes) -> list[bytes]:
    """The object identifier that each entry of an extension begins with."""
    return [kind.content for entry in _entries(certificate, extension) for kind in some(entry.content, 1)]


def _entries(certificate: Fields, extension: bytes) -> list[Element]:
    """The entries of an extension that is a sequence, as far as they can be taken apart."""
    return [
        entry for whole in some(certificate.extension(extension) or b"", 1) for entry in some(whole.content, MAX_LISTED)
    ]
