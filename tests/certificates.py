"""Certificate situations: what a server may present, what is wrong with it, and what `openssl s_client` makes of it.

A table to run every layer against: the judgement, the handshake, the protocols and the real tool. The certificates are
made when first asked for, all under one trusted root.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_network

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from exporter.model import CertificateProblem as Problem
from exporter.model import FailureReason as Reason
from exporter.model import StapleStatus
from tests.authority import Party, Span, address, issue, named, rsa_key, signed_over, staple, tampered

NAME = "mail.example.com"
EXPIRED = Span(-90, -3)
FUTURE = Span(2, 90)


@dataclass(frozen=True, slots=True, eq=False)
class Situation:
    """One thing that a server may present.

    Attributes:
        title: What it is, as the name of a test.
        chain: As presented, the server's own first.
        problems: All that is to be found, in order.
        reason: Why a probe that verifies fails; `None` if it does not.
        server_name: What the certificate has to be for.
        staple: The OCSP response sent along; empty for none.
        staple_status: What it is worth.
        dissent: Why `openssl s_client` takes the other side; `None` where it agrees.
    """

    title: str
    chain: tuple[Party, ...]
    problems: tuple[Problem, ...] = ()
    reason: Reason | None = None
    server_name: str = NAME
    staple: bytes = b""
    staple_status: StapleStatus | None = None
    dissent: str | None = None

    @property
    def leaf(self) -> Party:
        """The server's own certificate and key."""
        return self.chain[0]

    @property
    def verified(self) -> bool:
        """Nothing keeps it from being trusted."""
        return self.reason is None


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """The authorities that situations are made of."""

    root: Party
    intermediate: Party
    trusted_leaf: Party
    old_root: Party
    weak_root: Party
    stranger: Party
    strange_intermediate: Party

    @property
    def trusted(self) -> tuple[x509.Certificate, ...]:
        """What the client is told to trust."""
        parties = (self.root, self.trusted_leaf, self.old_root, self.weak_root)
        return tuple(party.certificate for party in parties)


@cache
def world() -> World:
    """Made once."""
    root = issue("Trusted Root", authority=True, key=rsa_key(2048, "root"))
    weak_root = issue("SHA-1 Root", authority=True, key=rsa_key(2048, "weak root"))
    stranger = issue("Strange Root", authority=True)
    return World(
        root=root,
        intermediate=issue("Intermediate", root, authority=True, key=rsa_key(2048, "intermediate")),
        trusted_leaf=issue(NAME, alternatives=[NAME]),
        old_root=issue("Old Root", authority=True, days=Span(-900, -10)),
        weak_root=signed_over(weak_root, weak_root, "sha1"),
        stranger=stranger,
        strange_intermediate=issue("Strange Intermediate", stranger, authority=True),
    )


@cache
def situations() -> tuple[Situation, ...]:
    """All of them."""
    groups = (_good, _named, _dated, _untrusted, _ordered, _weak, _misused, _forged, _stapled, _manifold)
    return tuple(situation for group in groups for situation in group(world()))


def _good(w: World) -> Iterator[Situation]:
    leaf = issue(NAME, w.intermediate, alternatives=[NAME])
    yield Situation("a leaf with its intermediate", (leaf, w.intermediate))
    yield Situation("the root is sent along", (leaf, w.intermediate, w.root))
    yield Situation("a root issued the leaf", (issue(NAME, w.root, alternatives=[NAME]),))
    yield Situation("a self-signed leaf that is trusted by itself", (w.trusted_leaf,))
    for key in (ed25519.Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP384R1()), rsa_key(2048, "leaf")):
        party = issue(NAME, w.intermediate, alternatives=[NAME], key=key)
        yield Situation(f"a leaf with an {type(key).__name__}", (party, w.intermediate))
    unmarked = issue(NAME, w.intermediate, alternatives=[NAME], usages=None)
    yield Situation("a leaf without extendedKeyUsage", (unmarked, w.intermediate))
    yield Situation("a leaf that is an authority itself", (issue(NAME, w.root, alternatives=[NAME], authority=True),))
    constraint = x509.NameConstraints([x509.DNSName("example.com")], None)
    bound = issue("Bound", w.root, authority=True, extensions=[(constraint, True)])
    yield Situation("name constraints that are kept", (issue(NAME, bound, alternatives=[NAME]), bound))
    cross = issue("Strange Root", w.root, authority=True, key=w.stranger.key)
    below = issue(NAME, w.strange_intermediate, alternatives=[NAME])
    yield Situation("a cross-signed authority", (below, w.strange_intermediate, cross))


def _named(w: World) -> Iterator[Situation]:
    def served(*alternatives: str | x509.GeneralName) -> tuple[Party, ...]:
        return issue(NAME, w.intermediate, alternatives=alternatives), w.intermediate

    idn = "xn--bcher-kva.example.com"
    no_dns = x509.RFC822Name("postmaster@example.com")
    loose = "OpenSSL takes a wildcard inside a label, which RFC 9525 6.3 rules out"
    common = "OpenSSL falls back on the common name, which RFC 9525 2 rules out"
    mismatch = (Problem.NAME_MISMATCH,), Reason.TLS_NAME_MISMATCH
    yield Situation("one name of several", served("example.com", "imap.example.com", NAME))
    yield Situation("capitals make no difference", served("MAIL.Example.COM"))
    yield Situation("a wildcard", served("*.example.com"))
    yield Situation("a wildcard for an internationalised name", served("*.example.com"), server_name=idn)
    yield Situation("an internationalised name", served(idn), server_name=idn)
    yield Situation("an IPv4 address", served(address("127.0.0.1")), server_name="127.0.0.1")
    yield Situation("an IPv6 address", served(address("::1")), server_name="::1")
    yield Situation("a useless name beside the right one", served("192.0.2.1", "*", NAME))
    yield Situation("another name", served("mail.example.org"), *mismatch)
    yield Situation("a wildcard does not stand for two labels", served("*.com"), *mismatch)
    yield Situation(
        "a wildcard does not stand for the parent", served("*.example.com"), *mismatch, server_name="example.com"
    )
    yield Situation("a wildcard inside a label", served("m*.example.com"), *mismatch, dissent=loose)
    yield Situation("a wildcard in the second label", served("mail.*.com"), *mismatch)
    yield Situation("an address written as a DNS name", served("127.0.0.1"), *mismatch, server_name="127.0.0.1")
    yield Situation("another address", served(address("127.0.0.2")), *mismatch, server_name="127.0.0.1")
    loopback = x509.IPAddress(ip_network("127.0.0.0/8"))
    yield Situation("a network is not an address", served(loopback), *mismatch, server_name="127.0.0.1")
    yield Situation("a common name only", served(), *mismatch, dissent=common)
    yield Situation("a common name beside an e-mail address", served(no_dns), *mismatch, dissent=common)


def _dated(w: World) -> Iterator[Situation]:
    def under(days: Span) -> tuple[Party, ...]:
        authority = issue("Dated Intermediate", w.root, authority=True, days=days)
        return issue(NAME, authority, alternatives=[NAME]), authority

    expired = (Problem.EXPIRED,), Reason.TLS_CERTIFICATE_EXPIRED
    early = (Problem.NOT_YET_VALID,), Reason.TLS_CERTIFICATE_NOT_YET_VALID
    old = issue(NAME, w.intermediate, alternatives=[NAME], days=EXPIRED)
    young = issue(NAME, w.intermediate, alternatives=[NAME], days=FUTURE)
    yield Situation("an expired leaf", (old, w.intermediate), *expired)
    yield Situation("a leaf that is not yet valid", (young, w.intermediate), *early)
    yield Situation("an expired intermediate", under(EXPIRED), *expired)
    yield Situation("an intermediate that is not yet valid", under(FUTURE), *early)
    yield Situation("an expired root", (issue(NAME, w.old_root, alternatives=[NAME]),), *expired)


def _untrusted(w: World) -> Iterator[Situation]:
    leaf = issue(NAME, w.intermediate, alternatives=[NAME])
    strange = issue(NAME, w.strange_intermediate, alternatives=[NAME])
    unknown = (Problem.UNKNOWN_AUTHORITY,), Reason.TLS_UNTRUSTED
    incomplete = (Problem.INCOMPLETE_CHAIN,), Reason.TLS_UNTRUSTED
    either = (Problem.INCOMPLETE_CHAIN, Problem.UNKNOWN_AUTHORITY), Reason.TLS_UNTRUSTED
    yield Situation("self-signed", (issue(NAME, alternatives=[NAME]),), (Problem.SELF_SIGNED,), Reason.TLS_UNTRUSTED)
    yield Situation("an unknown authority", (strange, w.strange_intermediate), *unknown)
    yield Situation("an unknown root is sent along", (strange, w.strange_intermediate, w.stranger), *unknown)
    namesake = issue("Trusted Root", authority=True)
    yield Situation("an authority of a trusted one's name", (issue(NAME, namesake, alternatives=[NAME]),), *unknown)
    yield Situation("a lone leaf that does not say whose it is", (leaf,), *either)
    yield Situation("a lone leaf with another's intermediate", (leaf, w.strange_intermediate), *either)
    where = x509.UniformResourceIdentifier("http://ca.example.com/intermediate.der")
    access = x509.AuthorityInformationAccess([x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, where)])
    policy = x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier("2.23.140.1.2.1"), None)])
    hints: tuple[tuple[str, x509.ExtensionType], ...] = (
        ("says where its issuer's is", access),
        ("is of a public authority", policy),
    )
    for title, hint in hints:
        hinted = issue(NAME, w.intermediate, alternatives=[NAME], extensions=[(hint, False)])
        yield Situation(f"a lone leaf that {title}", (hinted,), *incomplete)
    for title, above, found in (("an intermediate", "Trusted Root", incomplete), ("a root", "Far Root", unknown)):
        issuer = issue("Far Root", authority=True)
        serial = x509.random_serial_number()
        whose = x509.AuthorityKeyIdentifier(None, [x509.DirectoryName(named(above))], serial)
        told = issue(NAME, issuer, alternatives=[NAME], extensions=[(whose, False)])
        yield Situation(f"a lone leaf that says that {title} issued it", (told,), *found)
    upper = issue("Upper", w.root, authority=True)
    lower = issue("Lower", upper, authority=True)
    yield Situation("the upper intermediate is missing", (issue(NAME, lower, alternatives=[NAME]), lower), *unknown)


def _ordered(w: World) -> Iterator[Situation]:
    lower = issue("Lower Intermediate", w.intermediate, authority=True)
    leaf = issue(NAME, lower, alternatives=[NAME])
    found = (Problem.WRONG_ORDER,)
    yield Situation("intermediates the wrong way round", (leaf, w.intermediate, lower), found)
    yield Situation("the leaf is sent twice", (leaf, leaf, lower, w.intermediate), found)
    yield Situation("another's intermediate in between", (leaf, w.strange_intermediate, lower, w.intermediate), found)
    yield Situation("another's intermediate at the end", (leaf, lower, w.intermediate, w.strange_intermediate))


def _weak(w: World) -> Iterator[Situation]:
    key = (Problem.WEAK_KEY,), Reason.TLS_CERTIFICATE_INVALID
    signature = (Problem.WEAK_SIGNATURE,), Reason.TLS_CERTIFICATE_INVALID
    small = issue(NAME, w.intermediate, alternatives=[NAME], key=rsa_key(1024, "leaf"))
    yield Situation("a leaf with RSA 1024", (small, w.intermediate), *key)
    small_authority = issue("Small", w.root, authority=True, key=rsa_key(1024, "authority"))
    yield Situation(
        "an intermediate with RSA 1024", (issue(NAME, small_authority, alternatives=[NAME]), small_authority), *key
    )
    for digest in ("sha1", "md5"):
        leaf = signed_over(issue(NAME, w.intermediate, alternatives=[NAME]), w.intermediate, digest)
        yield Situation(f"a leaf signed over {digest}", (leaf, w.intermediate), *signature)
    outdated = signed_over(issue("Outdated", w.root, authority=True), w.root, "sha1")
    yield Situation(
        "an intermediate signed over sha1", (issue(NAME, outdated, alternatives=[NAME]), outdated), *signature
    )
    yield Situation("a root signed over sha1 does not matter", (issue(NAME, w.weak_root, alternatives=[NAME]),))


def _misused(w: World) -> Iterator[Situation]:
    purpose = (Problem.WRONG_PURPOSE,), Reason.TLS_CERTIFICATE_INVALID
    invalid = (Problem.INVALID,), Reason.TLS_CERTIFICATE_INVALID
    client = issue(NAME, w.intermediate, alternatives=[NAME], usages=[ExtendedKeyUsageOID.CLIENT_AUTH])
    yield Situation("a client's certificate", (client, w.intermediate), *purpose)
    mail = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
    for_mail = issue("For e-mail", w.root, authority=True, extensions=[(mail, False)])
    yield Situation("an intermediate for e-mail", (issue(NAME, for_mail, alternatives=[NAME]), for_mail), *purpose)
    server = issue("other.example.com", w.intermediate, alternatives=["other.example.com"])
    below = issue(NAME, server, alternatives=[NAME])
    yield Situation("another server issued the leaf", (below, server, w.intermediate), *invalid)
    last = issue("Last", w.root, authority=True, path_length=0)
    too_deep = issue("Too deep", last, authority=True)
    yield Situation(
        "more intermediates than allowed", (issue(NAME, too_deep, alternatives=[NAME]), too_deep, last), *invalid
    )
    for title, constraints in (
        ("a name that the authority is not for", x509.NameConstraints([x509.DNSName("example.org")], None)),
        ("a name that the authority may not issue for", x509.NameConstraints(None, [x509.DNSName("example.com")])),
    ):
        bound = issue("Bound", w.root, authority=True, extensions=[(constraints, True)])
        yield Situation(title, (issue(NAME, bound, alternatives=[NAME]), bound), *invalid)
    odd = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")
    critical = issue(NAME, w.intermediate, alternatives=[NAME], extensions=[(odd, True)])
    yield Situation("a critical extension that nobody knows", (critical, w.intermediate), *invalid)


def _forged(w: World) -> Iterator[Situation]:
    invalid = (Problem.INVALID,), Reason.TLS_CERTIFICATE_INVALID
    leaf = tampered(issue(NAME, w.intermediate, alternatives=[NAME]))
    yield Situation("a signature that is not the issuer's", (leaf, w.intermediate), *invalid)
    impostor = issue("Trusted Root", authority=True, key=rsa_key(2048, "impostor"), key_identifiers=False)
    bare = issue(NAME, impostor, alternatives=[NAME], key_identifiers=False)
    yield Situation("a signature by a namesake of the issuer", (bare,), *invalid)


def _stapled(w: World) -> Iterator[Situation]:
    leaf = issue(NAME, w.intermediate, alternatives=[NAME])
    signing = [ExtendedKeyUsageOID.OCSP_SIGNING]
    delegate = issue("Responder", w.intermediate, usages=signing)
    retired = issue("Responder", w.intermediate, usages=signing, days=EXPIRED)
    unappointed = issue("Responder", w.intermediate)
    revoked, unknown = ocsp.OCSPCertStatus.REVOKED, ocsp.OCSPCertStatus.UNKNOWN
    found = (Problem.REVOKED,), Reason.TLS_CERTIFICATE_INVALID
    shown = "s_client prints a staple and does not judge it"

    def taken_back(title: str, response: bytes) -> Situation:
        return Situation(
            title, (leaf, w.intermediate), *found, staple=response, staple_status=StapleStatus.REVOKED, dissent=shown
        )

    def harmless(title: str, response: bytes, status: StapleStatus = StapleStatus.INVALID) -> Situation:
        return Situation(title, (leaf, w.intermediate), staple=response, staple_status=status)

    by_delegate = staple(leaf, w.intermediate, responder=delegate, appointed=[delegate], status=revoked)
    by_retired = staple(leaf, w.intermediate, responder=retired, appointed=[retired], status=revoked)
    by_unappointed = staple(leaf, w.intermediate, responder=unappointed, appointed=[unappointed], status=revoked)
    by_stranger = staple(leaf, w.intermediate, responder=w.stranger, appointed=[w.stranger], status=revoked)
    yield taken_back("revoked by the issuer", staple(leaf, w.intermediate, status=revoked))
    yield taken_back("revoked by an appointed responder", by_delegate)
    yield harmless("good by staple", staple(leaf, w.intermediate), StapleStatus.GOOD)
    yield harmless("unknown by staple", staple(leaf, w.intermediate, status=unknown), StapleStatus.UNKNOWN)
    yield harmless("a revocation of yesterday", staple(leaf, w.intermediate, status=revoked, days=Span(-9, -1)))
    yield harmless("a revocation of tomorrow", staple(leaf, w.intermediate, status=revoked, days=Span(1, 9)))
    yield harmless("a revocation by a retired responder", by_retired)
    yield harmless("a revocation by a responder that nobody appointed", by_unappointed)
    yield harmless("a revocation by a stranger", by_stranger)
    feature = x509.TLSFeature([x509.TLSFeatureType.status_request])
    bound = (issue(NAME, w.intermediate, alternatives=[NAME], extensions=[(feature, False)]), w.intermediate)
    good = staple(bound[0], w.intermediate)
    yield Situation("must-staple with a staple", bound, staple=good, staple_status=StapleStatus.GOOD)
    yield Situation("must-staple without a staple", bound, (Problem.STAPLE_MISSING,))


def _manifold(w: World) -> Iterator[Situation]:
    snake_oil = issue("localhost", alternatives=["localhost"], days=EXPIRED, key=rsa_key(1024, "snake oil"))
    yield Situation(
        "a forgotten default certificate",
        (snake_oil,),
        (Problem.EXPIRED, Problem.NAME_MISMATCH, Problem.SELF_SIGNED, Problem.WEAK_KEY),
        Reason.TLS_CERTIFICATE_EXPIRED,
    )
    wrong_host = issue("mx.example.org", w.strange_intermediate, alternatives=["mx.example.org"], days=FUTURE)
    yield Situation(
        "early, for another, and by a stranger",
        (wrong_host, w.strange_intermediate),
        (Problem.NOT_YET_VALID, Problem.NAME_MISMATCH, Problem.UNKNOWN_AUTHORITY),
        Reason.TLS_CERTIFICATE_NOT_YET_VALID,
    )
    lower = issue("Lower Intermediate", w.intermediate, authority=True)
    shuffled = issue("mx.example.org", lower, alternatives=["mx.example.org"])
    yield Situation(
        "for another, and in the wrong order",
        (shuffled, w.intermediate, lower),
        (Problem.NAME_MISMATCH, Problem.WRONG_ORDER),
        Reason.TLS_NAME_MISMATCH,
    )
