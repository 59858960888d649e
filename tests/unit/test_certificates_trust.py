"""A path that does not reach a trusted authority: is an intermediate missing, or is the authority unknown?"""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID, ObjectIdentifier

from exporter.certificates import VerificationFinding, examine, trust
from exporter.certificates.fields import take_apart
from exporter.certificates.verification import Code
from exporter.model import CertificateProblem as Problem
from tests.authority import issue, named
from tests.bending import element
from tests.certificates import NAME, world

INCOMPLETE, UNKNOWN = Problem.INCOMPLETE_CHAIN, Problem.UNKNOWN_AUTHORITY
STRANGER = named("Stranger")


def issued_by(*names: str) -> x509.AuthorityKeyIdentifier:
    """Says that the issuer's own issuer is called so."""
    return x509.AuthorityKeyIdentifier(None, [x509.DirectoryName(named(name)) for name in names], 7)


def policy(number: str) -> x509.CertificatePolicies:
    return x509.CertificatePolicies([x509.PolicyInformation(ObjectIdentifier(number), None)])


def access(method: ObjectIdentifier) -> x509.AuthorityInformationAccess:
    return x509.AuthorityInformationAccess(
        [x509.AccessDescription(method, x509.UniformResourceIdentifier("http://ca.example.com/ca.crt"))]
    )


def told(*extensions: x509.ExtensionType, above: bool = False, anchors: frozenset[bytes] = frozenset()) -> set[Problem]:
    """What is said of a path whose last certificate has these extensions: the leaf, or one above it."""
    stranger = issue("Stranger", authority=True)
    last = issue(
        "Last", stranger, alternatives=[NAME], authority=above, extensions=[(each, False) for each in extensions]
    )
    path = [issue(NAME, last, alternatives=[NAME]), last] if above else [last]
    found = [VerificationFinding(Code.UNABLE_TO_GET_ISSUER_CERT_LOCALLY, len(path) - 1)]
    chain = examine([each.der for each in path], [each.der for each in path], found, finished=True, anchors=anchors)
    return {fault.problem for fault in chain.faults}


@pytest.mark.parametrize(
    ("extensions", "above", "expected"),
    [
        ((), False, {INCOMPLETE, UNKNOWN}),
        ((), True, {UNKNOWN}),
        ((issued_by("Stranger"),), False, {UNKNOWN}),
        ((issued_by("Stranger"),), True, {UNKNOWN}),
        ((issued_by("Another"),), False, {INCOMPLETE}),
        ((issued_by("Another"),), True, {INCOMPLETE}),
        ((issued_by("Another", "Stranger"),), False, {UNKNOWN}),
        ((access(AuthorityInformationAccessOID.CA_ISSUERS),), False, {INCOMPLETE}),
        ((access(AuthorityInformationAccessOID.CA_ISSUERS),), True, {UNKNOWN}),
        ((access(AuthorityInformationAccessOID.OCSP),), False, {INCOMPLETE, UNKNOWN}),
        ((policy("2.23.140.1.2.1"),), False, {INCOMPLETE}),
        ((policy("2.23.140.1.3"),), False, {INCOMPLETE, UNKNOWN}),
        ((x509.UnrecognizedExtension(ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2"), b"\4\0"),), False, {INCOMPLETE}),
    ],
    ids=range(13),
)
def test_what_is_missing_is_told_by_what_the_last_certificate_says(
    extensions: tuple[x509.ExtensionType, ...], above: bool, expected: set[Problem]
) -> None:
    assert expected == told(*extensions, above=above)


def test_an_authority_of_the_right_name_with_another_key_is_unknown() -> None:
    trusted = frozenset({STRANGER.public_bytes()})

    assert {UNKNOWN} == told(issued_by("Another"), anchors=trusted)
    assert {INCOMPLETE} == told(
        issued_by("Another"), anchors=frozenset({world().root.certificate.subject.public_bytes()})
    )


def test_what_stands_behind_an_access_method_is_not_taken_for_one() -> None:
    """RFC 5280 4.2.2.1: a method, and then a place, which may be anything."""
    method = bytes.fromhex("06082b06010505073001")
    content = element(0x30, element(0x30, method + element(0x86, trust.CA_ISSUERS)))

    assert {INCOMPLETE, UNKNOWN} == told(x509.UnrecognizedExtension(x509.AuthorityInformationAccess.oid, content))


def test_a_root_that_does_not_say_which_key_it_has_contradicts_nothing() -> None:
    plain = issue("Root", authority=True, key_identifiers=False)
    by_key = (x509.AuthorityKeyIdentifier(b"a key", None, None), False)

    assert not trust.denies_itself(take_apart(plain.der))
    assert not trust.denies_itself(
        take_apart(issue("Root", authority=True, key_identifiers=False, extensions=[by_key]).der)
    )


def test_dns_names_alone_are_excluded_by_name() -> None:
    others = (x509.RFC822Name("z.example"), x509.DirectoryName(STRANGER), x509.DNSName("Z.test"))
    authority = issue("Bound", authority=True, extensions=[(x509.NameConstraints(None, others), True)])

    assert ["z.test"] == trust.excluded(take_apart(authority.der))


def test_what_stands_behind_an_excluded_name_is_not_excluded() -> None:
    """RFC 5280 4.2.1.10: behind the base there may be numbers, and nothing that says a name."""
    subtree = element(0x30, element(0x82, b"a.test"), element(0x82, b"b.test"))
    constraints = element(0x30, element(0xA1, subtree)) + element(0x30, element(0xA1, element(0x30, b"\x82\x01c")))
    odd = x509.UnrecognizedExtension(x509.NameConstraints.oid, constraints)

    assert ["a.test"] == trust.excluded(take_apart(issue("Authority", authority=True, extensions=[(odd, True)]).der))
