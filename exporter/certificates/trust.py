"""Why a path does not reach a trusted authority: what can be known when its last certificate's issuer is missing.

OpenSSL says only that the issuer of the last certificate was neither sent nor is trusted. An administrator has to know
which of two things to do: make the server send an intermediate, or trust an authority. What was sent often tells:

- If a trusted authority has the issuer's name, it is another of that name, such as one made anew with another key.
- An authority key identifier may name the issuer's own issuer (RFC 5280 4.2.1.1). If that is the issuer itself, a root
  is missing; if it is another, an intermediate.
- The leaf of a public authority is never issued by a root (Baseline Requirements 6.1.7), and such leaves can be told by
  their certificate transparency stamps (RFC 6962) or the Forum's policies. A leaf that says where its issuer's
  certificate is to be had (RFC 5280 4.2.2.1) is made to be completed.
- Above the leaf nothing tells: the missing one may be the root, which servers rightly leave out (RFC 8446 4.4.2). It
  is called an unknown authority.

A leaf that comes alone and says nothing of the kind may be either, and is reported as both.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Final

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID

from exporter.certificates import text
from exporter.certificates.certificate import Certificate, unwarned
from exporter.model import CertificateProblem as Problem

FORUM_POLICIES: Final = "2.23.140.1.2."
"""The arc of the CA/Browser Forum's policies for servers: domain, organisation and individual validated."""


@unwarned()
def missing_issuer(last: Certificate, anchors: Container[bytes], *, is_leaf: bool, whose: str) -> dict[Problem, str]:
    """The problems of a path whose last certificate was issued by nobody known, each with its words.

    Args:
        last: The certificate at which the path breaks off; not self-signed.
        anchors: The names of the trusted authorities, DER.
        is_leaf: Whether it is the leaf, and so the only one.
        whose: How to call it.
    """
    issuer = text.quoted(last.facts.issuer)
    incomplete = f"the server does not send {issuer}, the intermediate that issued {whose}"
    unknown = f"{issuer}, which issued {whose}, is not among the trusted authorities"
    parsed = last.parsed()
    if parsed.issuer.public_bytes() in anchors:
        return {Problem.UNKNOWN_AUTHORITY: f"the trusted authority {issuer} does not have the key that signed {whose}"}
    is_root = _issuer_is_root(parsed)
    if is_root or (is_root is None and not is_leaf):
        return {Problem.UNKNOWN_AUTHORITY: unknown}
    if is_root is False or _is_made_to_be_completed(parsed):
        return {Problem.INCOMPLETE_CHAIN: incomplete}
    return {
        Problem.INCOMPLETE_CHAIN: incomplete,
        Problem.UNKNOWN_AUTHORITY: "or that is no intermediate, but an authority that is not trusted",
    }


def _issuer_is_root(certificate: x509.Certificate) -> bool | None:
    """Whether the issuer of this certificate is self-signed; `None` if the certificate does not say."""
    try:
        key = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension):
        return None
    above = [name.value for name in key.authority_cert_issuer or () if isinstance(name, x509.DirectoryName)]
    return certificate.issuer in above if above else None


def _is_made_to_be_completed(leaf: x509.Certificate) -> bool:
    """Whether it is a public authority's, or tells where its issuer's certificate is to be had."""
    try:
        extensions = list(leaf.extensions)
    except (ValueError, x509.DuplicateExtension):
        return False
    for extension in extensions:
        match extension.value:
            case x509.PrecertificateSignedCertificateTimestamps():
                return True
            case x509.CertificatePolicies() as policies:
                if any(p.policy_identifier.dotted_string.startswith(FORUM_POLICIES) for p in policies):
                    return True
            case x509.AuthorityInformationAccess() as access:
                if any(a.access_method == AuthorityInformationAccessOID.CA_ISSUERS for a in access):
                    return True
    return False
