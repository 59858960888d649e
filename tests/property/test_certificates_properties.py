"""Whatever a server presents: a value or `UnreadableError`, words fit to be shown, and no verdict by accident."""

from __future__ import annotations

import string
from typing import Final

from cryptography.x509.ocsp import OCSPCertStatus
from hypothesis import given
from hypothesis import strategies as st
from OpenSSL import crypto

from exporter.certificates import (
    Chain,
    VerificationFinding,
    certificate,
    examine,
    judge,
    names,
    server_name_indication,
    staple,
    text,
)
from exporter.certificates.certificate import UnreadableError
from exporter.certificates.verification import DATES, Code
from exporter.model import CertificateProblem as Problem
from exporter.model import StapleStatus
from tests import authority
from tests.authority import NOW, issue
from tests.certificates import NAME

ROOT: Final = issue("Root", authority=True)
LEAF: Final = issue(NAME, ROOT, alternatives=[NAME])
PATH: Final = (LEAF.der, ROOT.der)
RESPONSE: Final = authority.staple(LEAF, ROOT)

codes = st.one_of(st.sampled_from(Code), st.integers(1, 120))
findings = st.lists(st.builds(VerificationFinding, codes, st.integers(0, 5)), max_size=6)
hosts = st.one_of(
    st.text(max_size=80), st.text(string.ascii_lowercase + "-.*1234567890:", max_size=40), st.ip_addresses().map(str)
)


def bent(original: bytes) -> st.SearchStrategy[bytes]:
    """The same with some octets changed, cut short, or with something behind."""

    def bend(changes: dict[int, int], end: int, behind: bytes) -> bytes:
        octets = bytearray(original)
        for place, value in changes.items():
            octets[place] = value
        return bytes(octets[:end]) + behind

    places = st.dictionaries(st.integers(0, len(original) - 1), st.integers(0, 255), max_size=4)
    ends = st.one_of(st.just(len(original)), st.integers(0, len(original)))
    return st.builds(bend, places, ends, st.binary(max_size=4))


junk = st.one_of(st.binary(max_size=64), bent(LEAF.der), st.just(LEAF.der), st.just(ROOT.der))


@given(st.one_of(st.binary(max_size=200), bent(LEAF.der), bent(ROOT.der)))
def test_a_certificate_is_read_or_unreadable(der: bytes) -> None:
    try:
        found = certificate.read(der)
    except UnreadableError:
        return
    shown = (found.facts.subject, found.facts.issuer, *found.facts.names)
    assert all(words.isprintable() and len(words) <= text.MAX_SHOWN for words in shown)
    assert found.facts.serial.lstrip("-").isalnum()


chains = st.builds(
    lambda presented, path, found, finished: examine(presented, path, found, finished=finished),
    st.lists(junk, max_size=4),
    st.lists(junk, max_size=4),
    findings,
    st.booleans(),
)


OF_NO_INTEREST = VerificationFinding(Code.INVALID_PURPOSE, 0)
"""OpenSSL's word on the leaf's keyUsage, whose extendedKeyUsage is good here."""


@given(chains, hosts, st.floats(0, 4e9))
def test_a_judgement_is_made_of_anything(chain: Chain, name: str, now: float) -> None:
    verdict = judge(chain, name, b"staple", now)

    assert sorted(verdict.problems, key=list(Problem).index) == list(dict.fromkeys(verdict.problems))
    assert verdict.detail.isascii()
    assert verdict.detail.isprintable()
    assert bool(verdict.problems) == bool(verdict.detail)


@given(findings.filter(lambda found: any(code not in DATES for code, _ in found)))
def test_a_chain_that_openssl_has_anything_against_is_never_verified(found: list[VerificationFinding]) -> None:
    found = [each for each in found if each != OF_NO_INTEREST]
    verdict = judge(examine(PATH, PATH, found, finished=True), NAME, b"", NOW.timestamp())

    assert any(code not in DATES for code, _ in found) == any(problem.fails for problem in verdict.problems)


@given(findings, st.booleans())
def test_only_a_chain_without_any_fault_is_sound(found: list[VerificationFinding], finished: bool) -> None:
    clean = finished and all(code in DATES or (code, depth) == OF_NO_INTEREST for code, depth in found)

    assert clean == examine(PATH, PATH, found, finished=finished).sound


@given(st.one_of(st.binary(max_size=200), bent(RESPONSE)))
def test_a_changed_response_claims_nothing_that_was_not_signed(response: bytes) -> None:
    found = staple.read(response, certificate.read(LEAF.der), certificate.read(ROOT.der))

    assert found.status in {StapleStatus.GOOD, StapleStatus.INVALID}
    if found.status is StapleStatus.GOOD:
        assert NOW.timestamp() + 6 * 86400 == found.next_update


@given(bent(authority.staple(LEAF, ROOT, status=OCSPCertStatus.REVOKED)), st.floats(0, 4e9))
def test_a_changed_revocation_never_turns_good(response: bytes, now: float) -> None:
    found = staple.read(response, certificate.read(LEAF.der), certificate.read(ROOT.der))

    assert found.status_at(now) in {StapleStatus.REVOKED, StapleStatus.INVALID}


@given(st.lists(st.text(string.ascii_letters + string.digits + "-.*_ \x00", max_size=30), max_size=4), hosts)
def test_names_are_compared_and_never_raise(presented: list[str], name: str) -> None:
    leaf = certificate.read(issue("leaf", ROOT, alternatives=presented).der)

    assert names.matches(certificate.alternatives(leaf.fields()), name) in {True, False}


@given(hosts)
def test_sni_is_a_host_name_or_nothing(name: str) -> None:
    sent = server_name_indication(name)

    assert sent is None or set(sent) <= set(b"abcdefghijklmnopqrstuvwxyz0123456789-_.")


@given(st.text())
def test_whatever_is_quoted_fits_on_a_line(words: str) -> None:
    shown = text.quoted(words)

    assert shown.isascii()
    assert shown.isprintable()
    assert len(shown) <= text.MAX_QUOTED + 2


@given(st.sampled_from(PATH), st.data())
def test_what_openssl_reads_can_be_read(plain: bytes, data: st.DataObject) -> None:
    changed = data.draw(bent(plain))
    try:
        parsed = crypto.load_certificate(crypto.FILETYPE_ASN1, changed)
    except crypto.Error:
        return

    facts = certificate.read(crypto.dump_certificate(crypto.FILETYPE_ASN1, parsed)).facts

    assert facts.subject.isprintable()
    assert facts.issuer.isprintable()
