"""The kinds of cases in which x509-limbo once found us too strict or too lenient, with certificates of our own.

`make conformance LIMBO=FILE` runs the suite itself. What it says is kept in `tests.conformance.differences`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from exporter.certificates import ChainVerdict as Judgement
from exporter.certificates import examine, judge, strength
from exporter.certificates.verification import Code, VerificationFinding
from exporter.model import CertificateProblem as Problem
from tests.authority import NOW, Party, Span, issue, key_pem, pem
from tests.bending import SUBJECT, armoured, bent, element, replaced
from tests.certificates import NAME
from tests.conformance.differences import DIFFERENCES
from tests.conformance.limbo import Verdict, main, verdicts

ROOT = issue("Root", authority=True)
PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"


def case(leaf: Party, *intermediates: bytes, root: bytes = ROOT.der, expected: bool = True, **fields: object) -> object:
    """A case as x509-limbo writes it."""
    return {
        "id": "ours",
        "validation_kind": "SERVER",
        "features": [],
        "validation_time": None,
        "trusted_certs": [armoured(root).decode()],
        "untrusted_intermediates": [armoured(each).decode() for each in intermediates],
        "peer_certificate": pem(leaf.certificate).decode(),
        "peer_certificate_key": key_pem(leaf).decode(),
        "expected_peer_name": {"kind": "DNS", "value": NAME},
        "expected_result": "SUCCESS" if expected else "FAILURE",
    } | fields


def verdict(tmp_path: Path, one: object) -> Verdict:
    file = tmp_path / "x509-limbo.json"
    file.write_text(json.dumps(one))
    (found,) = verdicts([json.loads(file.read_text())], tmp_path)
    return found


@pytest.mark.parametrize("path_length", [None, 0])
def test_an_authority_may_be_a_server(path_length: int | None, tmp_path: Path) -> None:
    intermediate = issue("Intermediate", ROOT, authority=True, path_length=0)
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    leaf = issue("Another", intermediate, alternatives=[NAME], authority=True, path_length=path_length, key_usage=usage)

    assert verdict(tmp_path, case(leaf, intermediate.der)).agrees


def test_a_client_s_authority_may_not(tmp_path: Path) -> None:
    purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
    leaf = issue("Another", ROOT, alternatives=[NAME], authority=True, extensions=[(purposes, False)])

    assert not verdict(tmp_path, case(leaf)).found


@pytest.mark.parametrize(("fraction", "current"), [(0.0, True), (0.5, True), (0.999, True), (1.0, False)])
def test_the_last_second_counts_to_its_end(fraction: float, current: bool, tmp_path: Path) -> None:
    leaf = issue(NAME, ROOT, alternatives=[NAME], days=Span(-1, 1))
    ends = leaf.certificate.not_valid_after_utc.timestamp()
    moment = datetime.fromtimestamp(ends + fraction, UTC).isoformat()

    assert current == verdict(tmp_path, case(leaf, validation_time=moment)).found


def below(constraints: x509.NameConstraints | x509.UnrecognizedExtension) -> Iterator[Party]:
    bound = issue("Bound", ROOT, authority=True, extensions=[(constraints, True)])
    yield issue("leaf", bound, alternatives=["*.example.com"])
    yield bound


@pytest.mark.parametrize(
    ("excluded", "allowed"),
    [("mail.example.com", False), ("MAIL.example.com", False), ("www.example.com", True), ("ail.example.com", True)],
)
def test_a_wildcard_does_not_reach_what_the_authority_may_not_issue_for(
    excluded: str, allowed: bool, tmp_path: Path
) -> None:
    leaf, bound = below(x509.NameConstraints(None, [x509.DNSName(excluded)]))

    found = verdict(tmp_path, case(leaf, bound.der))

    assert allowed == found.found
    assert allowed != ("may not issue for" in found.detail)


@pytest.mark.parametrize("content", [b"\x30\x00", b"\x30\x04\xa0\x00\xa1\x00"])
def test_constraints_that_say_nothing_are_no_constraints(content: bytes, tmp_path: Path) -> None:
    leaf, bound = below(x509.UnrecognizedExtension(x509.NameConstraints.oid, content))

    found = verdict(tmp_path, case(leaf, bound.der))

    assert not found.found
    assert "name constraints that are empty" in found.detail


def test_a_root_that_denies_itself(tmp_path: Path) -> None:
    another = x509.AuthorityKeyIdentifier.from_issuer_public_key(issue("Another").key.public_key())
    root = issue("Root", authority=True, extensions=[(another, False)])
    leaf = issue("leaf", root, alternatives=[NAME])

    found = verdict(tmp_path, case(leaf, root=root.der))

    assert not found.found
    assert "says that it was signed by another" in found.detail


@pytest.mark.parametrize(("serial", "own_issuer", "denies"), [(7, True, False), (8, True, True), (7, False, True)])
def test_a_root_may_name_itself_in_every_way(serial: int, own_issuer: bool, denies: bool, tmp_path: Path) -> None:
    named = issue("Root" if own_issuer else "Another").certificate.subject
    identifier = x509.AuthorityKeyIdentifier(None, [x509.DirectoryName(named)], serial)
    root = issue("Root", authority=True, serial=7, extensions=[(identifier, False)])
    leaf = issue("leaf", root, alternatives=[NAME], key_identifiers=False)

    assert denies != verdict(tmp_path, case(leaf, root=root.der)).found


def test_an_authority_without_a_name() -> None:
    nameless = issue("Nameless", ROOT, authority=True)
    leaf = issue("leaf", nameless, alternatives=[NAME])
    path = [leaf.der, bent(nameless, ROOT, replaced(SUBJECT, element(0x30))), ROOT.der]

    judged = judgement(path)

    assert (Problem.INVALID,) == judged.problems
    assert "has no subject" in judged.detail


def test_a_key_that_nobody_uses_any_more_is_weak() -> None:
    key = dsa.generate_private_key(2048).public_key()
    encoded = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    found = strength.key_of(encoded)
    assert ("DSA 2048", True, 730) == (found.name, found.weak, round(found.effort))


def test_another_purpose_is_told_by_openssl_alone() -> None:
    mail = issue(NAME, ROOT, alternatives=[NAME], usages=[ExtendedKeyUsageOID.EMAIL_PROTECTION])
    server = issue(NAME, ROOT, alternatives=[NAME])

    assert (Problem.WRONG_PURPOSE,) == judgement([mail.der, ROOT.der], (Code.INVALID_PURPOSE, 0)).problems
    assert () == judgement([server.der, ROOT.der], (Code.INVALID_PURPOSE, 0)).problems
    assert (Problem.WRONG_PURPOSE,) == judgement([server.der, ROOT.der], (Code.INVALID_PURPOSE, 1)).problems


def judgement(path: list[bytes], *findings: tuple[int, int]) -> Judgement:
    chain = examine(path, path, [VerificationFinding(*each) for each in findings], finished=True)
    return judge(chain, NAME, b"", NOW.timestamp())


def test_a_verdict_that_nobody_expected_fails_the_suite(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    leaf = issue(NAME, ROOT, alternatives=[NAME])
    file = tmp_path / "x509-limbo.json"

    file.write_text(json.dumps({"testcases": [case(leaf)]}))
    assert 0 == main(str(file))
    file.write_text(json.dumps({"testcases": [case(leaf, expected=False)]}))
    assert 1 == main(str(file))

    assert "ours: accepted: NOT KNOWN" in capsys.readouterr().out


def test_the_page_has_every_difference_with_its_reason() -> None:
    rows = re.findall(r"^\| `([\w:-]+)` \| (?:accepted|rejected) \| (.+) \|$", PAGE.read_text(), re.MULTILINE)

    assert dict(rows) == DIFFERENCES
