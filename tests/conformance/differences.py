"""Where our verdict differs from the one that x509-limbo expects, and why. docs/reliability.md has the same table."""

from __future__ import annotations

from typing import Final

CRL = "We read no revocation lists; a stapled OCSP response is judged."
DEPTH = "The case sets a maximal depth of its own. Ours is 16 intermediates."
IDENTIFIERS = "A key identifier is missing that helps to find an issuer. OpenSSL found it without."
COMMON_NAME = (
    "The common name is not among the subjectAltNames. We never look at it, so it cannot mislead anybody here."
)
ISSUED_OTHERWISE = "A rule for public authorities of how to issue. Nobody is misled by a certificate that breaks it."
PURPOSES = "A rule for public authorities on extendedKeyUsage. The purpose is allowed, which is what we ask."
SUFFIX = (
    "A wildcard below a public suffix. That is a rule for issuing; we use no list of suffixes to judge certificates."
)
NOT_FOLLOWED = "OpenSSL follows one path and does not go back for another; `openssl verify` rejects it too."
LEAF_CONSTRAINTS = "Name constraints in a server's certificate constrain nobody."
BASIC = "The root lacks basicConstraints, or has them not critical. It is trusted for being in the store."
AUTHORITY = "A server's certificate that is an authority's. x509-limbo has both verdicts on it; we follow RFC 5280."

DIFFERENCES: Final[dict[str, str]] = {
    "crl::revoked-certificate-with-crl": CRL,
    "crl::crlnumber-missing": CRL,
    "crl::crlnumber-critical": CRL,
    "crl::issuer-missing-crlsign": CRL,
    "pathlen::max-chain-depth-0-exhausted": DEPTH,
    "pathlen::max-chain-depth-1-exhausted": DEPTH,
    "rfc5280::aki::leaf-missing-aki": IDENTIFIERS,
    "rfc5280::aki::intermediate-missing-aki": IDENTIFIERS,
    "rfc5280::aki::cross-signed-root-missing-aki": IDENTIFIERS,
    "rfc5280::nc::permitted-dns-match-noncritical": "Name constraints that are not critical; they are kept.",
    "rfc5280::nc::invalid-dnsname-leading-period": "A constraint with a leading dot, which OpenSSL takes as meant.",
    "rfc5280::nc::not-allowed-in-ee-noncritical": LEAF_CONSTRAINTS,
    "rfc5280::nc::not-allowed-in-ee-critical": LEAF_CONSTRAINTS,
    "rfc5280::nc::nc-permits-invalid-dns-san": "A name that matches nothing, beside the right one.",
    "rfc5280::nc::nc-forbids-alternate-chain-ica": NOT_FOLLOWED,
    "rfc5280::nc::nc-forbids-same-chain-ica": NOT_FOLLOWED,
    "rfc5280::pc::ica-noncritical-pc": "Policy constraints that are not critical. We ask for no policy.",
    "rfc5280::san::noncritical-with-empty-subject": ISSUED_OTHERWISE,
    "rfc5280::san::underscore-dns": "Mail servers have names with underscores; OpenSSL and browsers take them.",
    "rfc5280::serial::too-long": ISSUED_OTHERWISE,
    "rfc5280::serial::zero": ISSUED_OTHERWISE,
    "rfc5280::ski::root-missing-ski": IDENTIFIERS,
    "rfc5280::ski::intermediate-missing-ski": IDENTIFIERS,
    "rfc5280::root-missing-basic-constraints": BASIC,
    "rfc5280::root-non-critical-basic-constraints": BASIC,
    "rfc5280::leaf-ku-keycertsign": ISSUED_OTHERWISE,
    "webpki::aki::root-with-aki-missing-keyidentifier": IDENTIFIERS,
    "webpki::cn::ipv4-hex-mismatch": COMMON_NAME,
    "webpki::cn::ipv4-leading-zeros-mismatch": COMMON_NAME,
    "webpki::cn::ipv6-uppercase-mismatch": COMMON_NAME,
    "webpki::cn::ipv6-uncompressed-mismatch": COMMON_NAME,
    "webpki::cn::ipv6-non-rfc5952-mismatch": COMMON_NAME,
    "webpki::cn::punycode-not-in-san": COMMON_NAME,
    "webpki::cn::utf8-vs-punycode-mismatch": COMMON_NAME,
    "webpki::cn::not-in-san": COMMON_NAME,
    "webpki::cn::case-mismatch": COMMON_NAME,
    "webpki::eku::ee-anyeku": PURPOSES,
    "webpki::eku::ee-critical-eku": PURPOSES,
    "webpki::eku::ee-without-eku": PURPOSES,
    "webpki::eku::root-has-eku": PURPOSES,
    "webpki::san::public-suffix-multi-label-wildcard-san": SUFFIX,
    "webpki::san::public-suffix-private-namespace-wildcard-san": SUFFIX,
    "webpki::san::san-critical-with-nonempty-subject": ISSUED_OTHERWISE,
    "webpki::malformed-aia": "A malformed extension that nobody asked for.",
    "webpki::forbidden-rsa-not-divisible-by-8-in-root": ISSUED_OTHERWISE,
    "webpki::forbidden-rsa-key-not-divisible-by-8-in-leaf": ISSUED_OTHERWISE,
    "webpki::ee-basicconstraints-ca": AUTHORITY,
    "webpki::ca-as-leaf": AUTHORITY,
}
