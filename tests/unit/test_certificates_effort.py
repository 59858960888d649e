"""Work that one server can make us do while everybody waits: refused before it is done. No time is measured here."""

from __future__ import annotations

from functools import cache
from math import gcd
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from exporter.certificates import REFUSAL, Effort, certificate, names, strength
from exporter.certificates.certificate import alternatives
from exporter.certificates.chain import MAX_SHOWN
from exporter.model import CertificateProblem as Problem
from exporter.model import TlsFacts, TlsPolicy
from exporter.net.tls import TlsContexts
from exporter.net.tls.contexts import MAX_DEPTH
from tests.authority import NOW, Party, issue, pem, rsa_key
from tests.bending import element
from tests.certificates import NAME
from tests.handshakes import meeting, server_context

SUBJECT_ALTERNATIVE_NAME = x509.SubjectAlternativeName.oid


def met(tmp_path: Path, root: Party, *chain: Party) -> TlsFacts:
    file = tmp_path / "authorities.pem"
    file.write_bytes(pem(root.certificate))
    client = TlsContexts().context(TlsPolicy(ca_file=file))
    with meeting(client, server_context(*chain)) as both:
        assert both.error is None
        return both.facts(NAME, NOW.timestamp())


def path_of(count: int, root: Party, key: rsa.RSAPrivateKey | None = None, *, constraints: int = 0) -> list[Party]:
    """A leaf below so many authorities, the leaf first."""
    excluded = [x509.DNSName(f"z{number:04}") for number in range(constraints)]
    extensions = [(x509.NameConstraints(None, excluded), True)] if excluded else []
    path = [root]
    for number in range(count):
        path.append(issue(f"Authority {number}", path[-1], authority=True, key=key, extensions=extensions))
    others = [f"n{number:04}" for number in range(constraints)]
    return [issue("leaf", path[-1], alternatives=[NAME, *others]), *reversed(path[1:])]


@pytest.mark.parametrize(
    ("between", "names", "allowed"), [(0, 1023, True), (0, 1024, False), (1, 1022, True), (1, 1023, False)]
)
def test_as_many_comparisons_are_allowed_as_openssl_allows_for_one_authority(
    between: int, names: int, allowed: bool
) -> None:
    """2**20, and 1,024 constraints here: each name counts, and the subject of each certificate is one more."""
    excluded = [x509.DNSName(f"z{number:04}") for number in range(1024)]
    root = issue("Root", authority=True, extensions=[(x509.NameConstraints(None, excluded), True)])
    above = [root, *[issue("Between", root, authority=True) for _ in range(between)]]
    leaf = issue("leaf", above[-1], alternatives=[f"n{number:04}" for number in range(names)])
    effort = Effort()
    assert all(effort.allows(each.der) for each in (*above, leaf))
    assert allowed is effort.allows_constraints()


@pytest.mark.parametrize(
    ("curve", "effort"),
    [
        (ec.SECP256R1(), strength.FAST),
        (ec.SECP521R1(), strength.SLOW_CURVE),
        (ec.BrainpoolP512R1(), strength.SLOW_CURVE * (512 / 521) ** 2),
    ],
    ids=lambda each: getattr(each, "name", ""),
)
def test_a_curve_needs_as_much_work_as_its_kind_and_size(curve: ec.EllipticCurve, effort: float) -> None:
    key = ec.generate_private_key(curve).public_key()

    assert effort == strength.key_of(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).effort


@cache
def laborious() -> rsa.RSAPrivateKey:
    """A key whose public exponent is as long as its modulus."""
    numbers = rsa_key(2048, "laborious").private_numbers()
    phi = (numbers.p - 1) * (numbers.q - 1)
    public = next(each for each in range(numbers.public_numbers.n - 2, 0, -2) if gcd(each, phi) == 1)
    private = pow(public, -1, phi)
    return rsa.RSAPrivateNumbers(
        numbers.p,
        numbers.q,
        private,
        rsa.rsa_crt_dmp1(private, numbers.p),
        rsa.rsa_crt_dmq1(private, numbers.q),
        rsa.rsa_crt_iqmp(numbers.p, numbers.q),
        rsa.RSAPublicNumbers(public, numbers.public_numbers.n),
    ).private_key()


def test_what_cannot_be_read_needs_no_work_of_ours_and_is_left_to_the_judgement() -> None:
    effort = Effort()

    assert effort.allows(b"no certificate")
    assert effort.allows(issue("Root", authority=True).der)


def test_one_laborious_key_is_verified(tmp_path: Path) -> None:
    root = issue("Root", authority=True)

    assert met(tmp_path, root, *path_of(1, root, laborious())).verified


def test_a_path_of_laborious_keys_is_not_gone_through(tmp_path: Path) -> None:
    root = issue("Root", authority=True)

    facts = met(tmp_path, root, *path_of(12, root, laborious()))

    assert (Problem.INVALID,) == facts.problems
    assert facts.detail == REFUSAL
    assert 13 == len(facts.chain)
    assert facts.verified_chain_not_after is None


@pytest.mark.parametrize("count", [MAX_DEPTH, MAX_DEPTH + 1])
def test_a_path_has_an_end(count: int, tmp_path: Path) -> None:
    root = issue("Root", authority=True)

    facts = met(tmp_path, root, *path_of(count, root))

    assert (count <= MAX_DEPTH) == facts.verified


def test_more_certificates_than_anybody_reads_are_not_shown(tmp_path: Path) -> None:
    root = issue("Root", authority=True)
    own = path_of(0, root)
    unneeded = [issue(f"Unneeded {number}", authority=True) for number in range(100)]

    facts = met(tmp_path, root, *own, *unneeded)

    assert facts.verified
    assert len(facts.chain) == MAX_SHOWN


def test_name_constraints_in_reason_are_compared(tmp_path: Path) -> None:
    root = issue("Root", authority=True)

    assert met(tmp_path, root, *path_of(3, root, constraints=100)).verified


def test_name_constraints_beyond_reason_are_not_compared(tmp_path: Path) -> None:
    root = issue("Root", authority=True)

    facts = met(tmp_path, root, *path_of(3, root, constraints=1000))

    assert (Problem.INVALID,) == facts.problems
    assert facts.detail == REFUSAL


@pytest.mark.parametrize("constraints", [b"\x30\xff", b"\x30\x06\xa0\x04\x30\x82\xff\xff", b""])
def test_malformed_constraints_count_as_many_and_break_nothing(constraints: bytes) -> None:
    extension = x509.UnrecognizedExtension(x509.NameConstraints.oid, constraints)
    authority = issue("Authority", authority=True, extensions=[(extension, True)])
    leaf = issue("leaf", authority, alternatives=[NAME])
    effort = Effort()

    assert effort.allows(authority.der)
    assert effort.allows(leaf.der)
    assert effort.allows_constraints()


def test_what_follows_both_kinds_of_constraints_is_not_counted() -> None:
    kinds = element(0x30, element(0xA0), element(0xA1), element(0xA2, element(0x30) * 5000))
    bound = x509.UnrecognizedExtension(x509.NameConstraints.oid, kinds)
    authority = issue("Authority", authority=True, extensions=[(bound, True)])
    leaf = issue("leaf", authority, alternatives=[f"n{number:04}" for number in range(1024)])
    effort = Effort()

    assert all(effort.allows(each.der) for each in (authority, leaf))
    assert effort.allows_constraints()


@pytest.mark.parametrize(("octets", "allowed"), [(2046, True), (2048, False)])
def test_so_much_that_cannot_be_counted_is_too_much(octets: int, allowed: bool) -> None:
    """With 4,096 octets of constraints, 2,046 octets of names make 2**20 comparisons at most."""
    endless = b"\x30\x84\xff\xff\xff\xff"
    broken = x509.UnrecognizedExtension(x509.NameConstraints.oid, endless.ljust(4096, b"\0"))
    names = x509.UnrecognizedExtension(SUBJECT_ALTERNATIVE_NAME, endless.ljust(octets, b"\0"))
    authority = issue("Authority", authority=True, extensions=[(broken, True)])
    leaf = issue("leaf", authority, extensions=[(names, False)])
    effort = Effort()

    assert effort.allows(authority.der)
    assert effort.allows(leaf.der)
    assert allowed is effort.allows_constraints()


def test_what_cannot_be_read_is_left_to_others() -> None:
    assert Effort().allows(b"junk")


@pytest.mark.parametrize(("before", "found"), [(names.MAX_JUDGED - 1, True), (names.MAX_JUDGED, False)])
def test_a_name_is_looked_for_among_so_many(before: int, found: bool) -> None:
    others = element(0x82, b"a") * before
    encoded = element(0x30, others, element(0x82, NAME.encode()))

    assert found == names.matches(encoded, NAME)


def test_a_name_inside_another_name_does_not_count() -> None:
    inside = element(0x30, element(0xA0, element(0x82, NAME.encode())), element(0x82, b"x." + NAME.encode()))

    assert not names.matches(inside, NAME)


def test_a_large_certificate_is_not_kept() -> None:
    large = element(0x30, element(0x82, b"a") * 30_000)
    extension = x509.UnrecognizedExtension(SUBJECT_ALTERNATIVE_NAME, large)
    made = [issue("leaf", extensions=[(extension, False)]) for _ in range(60)]

    for party in made:
        found = certificate.read(party.der)
        assert len(found.facts.names) == certificate.MAX_NAMES
        assert large == alternatives(found.fields())

    kept = certificate.read.cache
    assert kept is not None
    assert sum(each.size for each in kept.values()) <= certificate.REMEMBERED


def test_constraints_are_compared_with_what_is_below_them_only() -> None:
    excluded = [x509.DNSName(f"z{number:04}") for number in range(1024)]
    names = [x509.DNSName(f"n{number:04}") for number in range(1024)]
    bound = (x509.NameConstraints(None, excluded), True)
    root = issue("Root", authority=True, alternatives=names)
    middle = issue("Middle", root, authority=True, alternatives=names, extensions=[bound])
    leaf = issue("leaf", middle, alternatives=[NAME])
    effort = Effort()
    assert all(effort.allows(each.der) for each in (root, middle, leaf))
    assert effort.allows_constraints()
