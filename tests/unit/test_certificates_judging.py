"""The judgement, without a handshake: what OpenSSL is said to have found, and what becomes of it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID
from OpenSSL.SSL import X509VerificationCodes

from exporter.certificates import ChainVerdict, VerificationFinding, examine, failure_reason, judge
from exporter.certificates.certificate import OVERHEAD
from exporter.certificates.verification import DATES, NO_ISSUER, REPORTS, WEAKNESSES, Code
from exporter.model import CertificateProblem as Problem
from exporter.model import FailureReason as Reason
from tests.authority import NOW, Party, Span, issue, rsa_key, signed_over, staple
from tests.certificates import NAME, world


def verdict(
    path: list[Party],
    *findings: tuple[int, int],
    presented: list[Party] | None = None,
    name: str = NAME,
    at: float = 0.0,
    finished: bool = True,
) -> ChainVerdict:
    """The judgement, by default of a path that was presented just so.

    Args:
        at: Seconds from now.
    """
    sent = [party.der for party in path if presented is None] + [party.der for party in presented or ()]
    found = [VerificationFinding(*finding) for finding in findings]
    chain = examine(sent, [party.der for party in path], found, finished=finished)
    return judge(chain, name, b"", NOW.timestamp() + at)


@pytest.fixture(scope="module")
def path() -> list[Party]:
    return [issue(NAME, world().intermediate, alternatives=[NAME]), world().intermediate, world().root]


def test_nothing_wrong_is_nothing_said(path: list[Party]) -> None:
    assert ChainVerdict((), "", None, None) == verdict(path)


@pytest.mark.parametrize("code", sorted(set(Code) - DATES - WEAKNESSES))
def test_whatever_openssl_reports_keeps_a_chain_from_being_verified(path: list[Party], code: Code) -> None:
    found = verdict(path, (code, 1))

    assert any(problem.fails for problem in found.problems)


def test_a_report_that_nobody_expected_is_invalid_and_quoted(path: list[Party]) -> None:
    found = verdict(path, (9999, 0))

    assert (Problem.INVALID,) == found.problems
    assert "OpenSSL does not accept the certificate (X509_V_ERR 9999)" == found.detail


def test_a_verification_that_did_not_get_to_the_leaf_proves_nothing(path: list[Party]) -> None:
    found = verdict(path, finished=False)

    assert (Problem.INVALID,) == found.problems
    assert "OpenSSL could not verify the chain" == found.detail


def test_no_certificate_is_not_verified() -> None:
    found = verdict([])

    assert (Problem.INVALID,) == found.problems
    assert found.detail.startswith("the server presented no certificate that can be read")


def test_a_path_without_its_leaf_is_not_verified(path: list[Party]) -> None:
    chain = examine([], [party.der for party in path], (), finished=True)

    assert (Problem.INVALID,) == judge(chain, NAME, b"", NOW.timestamp()).problems


def test_what_cannot_be_read_is_not_verified(path: list[Party]) -> None:
    chain = examine([b"junk"], [b"junk", path[1].der], (), finished=True)

    found = judge(chain, NAME, b"staple", NOW.timestamp())

    assert (Problem.INVALID,) == found.problems
    assert "the certificate cannot be read" in found.detail


def test_malformed_names_are_for_nobody_and_said_to_be(path: list[Party]) -> None:
    broken = x509.UnrecognizedExtension(x509.SubjectAlternativeName.oid, b"\x04\x00")
    leaf = issue(NAME, world().intermediate, extensions=[(broken, False)])

    found = verdict([leaf, *path[1:]])

    assert (Problem.NAME_MISMATCH,) == found.problems
    assert "its subjectAltName is malformed" in found.detail


def test_junk_beside_the_path_does_not_matter(path: list[Party]) -> None:
    sent = [path[0].der, path[1].der, b"junk"]
    chain = examine(sent, [party.der for party in path], (), finished=True)

    assert () == judge(chain, NAME, b"", NOW.timestamp()).problems
    assert 2 == len(chain.presented)


def test_dates_are_judged_by_the_time_given_and_not_by_openssl(path: list[Party]) -> None:
    day = 86400.0
    last = path[0].certificate.not_valid_after_utc.timestamp() - NOW.timestamp()
    first = path[0].certificate.not_valid_before_utc.timestamp() - NOW.timestamp()

    assert () == verdict(path, (Code.CERT_HAS_EXPIRED, 0)).problems
    assert () == verdict(path, at=last).problems
    assert (Problem.EXPIRED,) == verdict(path, at=last + 1).problems
    assert () == verdict(path, at=first).problems
    assert (Problem.NOT_YET_VALID,) == verdict(path, at=first - day).problems


def test_an_expired_issuer_is_named(path: list[Party]) -> None:
    old = issue("Old", world().root, authority=True, days=Span(-9, -1))
    leaf = issue(NAME, old, alternatives=[NAME])

    found = verdict([leaf, old, path[-1]])

    assert (Problem.EXPIRED,) == found.problems
    assert found.detail.startswith('the issuing certificate "CN=Old" expired on ')


def test_below_an_expired_issuer_a_certificate_is_valid_from_its_first_second_to_its_last() -> None:
    old = issue("Old", world().root, authority=True, days=Span(-9, -1))
    leaf = issue(NAME, old, alternatives=[NAME], days=Span(-9, 0))

    assert ["issuing certificate"] == [words[4:23] for words in verdict([leaf, old, world().root]).detail.split("; ")]
    assert 2 == len(verdict([leaf, old, world().root], at=1.0).detail.split("; "))
    new = issue(NAME, old, alternatives=[NAME], days=Span(0, 9))
    assert (Problem.EXPIRED,) == verdict([new, old, world().root]).problems
    assert (Problem.EXPIRED, Problem.NOT_YET_VALID) == verdict([new, old, world().root], at=-1.0).problems


def test_the_anchor_may_be_signed_as_it_likes_but_its_key_counts() -> None:
    weak = issue("Weak Root", authority=True, key=rsa_key(1024, "root"))

    found = verdict([issue(NAME, weak, alternatives=[NAME]), weak])

    assert (Problem.WEAK_KEY,) == found.problems
    assert 'the key of the issuing certificate "CN=Weak Root" is too weak (RSA 1024)' == found.detail


def test_the_signature_of_the_anchor_is_no_matter_and_every_other_is() -> None:
    root = issue("Old Root", authority=True, key=rsa_key(2048, "old root"))
    middle = issue("Middle", root, authority=True)
    leaf = issue(NAME, root, alternatives=[NAME])

    assert () == verdict([leaf, signed_over(root, root, "sha1")]).problems
    below = [issue(NAME, middle, alternatives=[NAME]), signed_over(middle, root, "sha1"), root]
    assert (Problem.WEAK_SIGNATURE,) == verdict(below).problems
    found = verdict([issue(NAME, middle, alternatives=[NAME]), signed_over(middle, root, "sha1")], (20, 1))
    assert (Problem.UNKNOWN_AUTHORITY, Problem.WEAK_SIGNATURE) == found.problems


def test_a_root_that_names_another_signer_is_not_taken_for_an_anchor() -> None:
    another = x509.AuthorityKeyIdentifier(b"another key", None, None)
    root = issue("Root", authority=True, extensions=[(another, False)])
    path = [issue(NAME, root, alternatives=[NAME]), root]
    words = 'the issuing certificate "CN=Root" says that it was signed by another (authorityKeyIdentifier)'

    assert ((Problem.INVALID,), words) == ((found := verdict(path)).problems, found.detail)
    assert words in verdict(path, (9999, 0)).detail
    # Without a further certificate on the path, this certificate does not count as an anchor.
    assert words not in verdict(path, (20, 1)).detail


def test_an_address_among_the_dns_names_is_not_taken_for_one() -> None:
    leaf = issue("leaf", world().root, alternatives=["192.0.2.1"])
    path = [leaf, world().root]

    found = verdict(path, name="192.0.2.1")
    assert (Problem.NAME_MISMATCH,) == found.problems
    assert 'the certificate has "192.0.2.1" as a DNS name, and not as the IP address that it is' == found.detail
    assert 'the certificate is for "192.0.2.1", not for "192.0.2.9"' == verdict(path, name="192.0.2.9").detail
    assert 'the certificate is for "192.0.2.1", not for "mail.test"' == verdict(path, name="mail.test").detail


@pytest.mark.parametrize(("stapled", "words"), [(b"", "sends none"), (b"junk", "sends one that proves nothing")])
def test_it_is_told_how_a_demanded_staple_is_missing(stapled: bytes, words: str) -> None:
    demand = x509.TLSFeature([x509.TLSFeatureType.status_request])
    leaf = issue(NAME, world().root, alternatives=[NAME], extensions=[(demand, False)])
    chain = examine([leaf.der], [leaf.der, world().root.der], (), finished=True)

    found = judge(chain, NAME, stapled, NOW.timestamp())
    assert (Problem.STAPLE_MISSING,) == found.problems
    assert found.detail.endswith(f"and the server {words}")


def test_a_weakness_that_openssl_reports_too_is_said_once() -> None:
    small = issue(NAME, world().root, alternatives=[NAME], key=rsa_key(1024, "leaf"))

    found = verdict([small, world().root], (Code.EE_KEY_TOO_SMALL, 0))

    assert "the key of the certificate is too weak (RSA 1024)" == found.detail


def test_a_weakness_that_only_this_machine_s_policy_sees_counts(path: list[Party]) -> None:
    found = verdict(path, (Code.CA_KEY_TOO_SMALL, 1))

    assert (Problem.WEAK_KEY,) == found.problems
    assert 'the key of the issuing certificate "CN=Intermediate" is too weak' == found.detail


def test_both_reports_of_a_missing_issuer_are_one_problem() -> None:
    leaf = issue(NAME, world().stranger, alternatives=[NAME])

    found = verdict([leaf], (20, 0), (21, 0))

    assert (Problem.INCOMPLETE_CHAIN, Problem.UNKNOWN_AUTHORITY) == found.problems


@pytest.mark.parametrize(
    ("order", "good"),
    [([0], True), ([0, 1], True), ([0, 1, 2], True), ([0, 2, 1], False), ([0, 0, 1], False), ([0, 1, 2, 1], True)],
    ids=str,
)
def test_the_order_is_judged_as_far_as_the_path_goes(path: list[Party], order: list[int], good: bool) -> None:
    found = verdict(path, presented=[path[place] for place in order])

    assert (() if good else (Problem.WRONG_ORDER,)) == found.problems


@pytest.mark.parametrize("problem", [problem for problem in Problem if problem.fails])
def test_every_problem_that_fails_has_its_reason(problem: Problem) -> None:
    assert failure_reason([problem]).value.startswith("tls_")


def test_the_reason_is_that_of_what_is_mended_first() -> None:
    assert Reason.TLS_CERTIFICATE_EXPIRED == failure_reason([Problem.WEAK_KEY, Problem.NAME_MISMATCH, Problem.EXPIRED])
    assert Reason.TLS_NAME_MISMATCH == failure_reason([Problem.SELF_SIGNED, Problem.NAME_MISMATCH])
    assert Reason.TLS_UNTRUSTED == failure_reason([Problem.WRONG_ORDER, Problem.INCOMPLETE_CHAIN, Problem.WEAK_KEY])


@pytest.mark.parametrize("problems", [(), (Problem.WRONG_ORDER,)])
def test_without_a_failing_problem_there_is_no_reason(problems: tuple[Problem, ...]) -> None:
    with pytest.raises(ValueError, match="empty"):
        failure_reason(problems)


def test_the_numbers_are_openssl_s() -> None:
    named = {name.removeprefix("ERR_"): number for name, number in vars(X509VerificationCodes).items()}
    shared = {code.name for code in Code} & named.keys()

    assert {name: named[name] for name in shared} == {name: Code[name].value for name in shared}
    # What pyOpenSSL does not name are those of the security level: OpenSSL's x509_vfy.h.
    unnamed = {code.name: code.value for code in Code if code.name not in shared}
    assert {"EE_KEY_TOO_SMALL": 66, "CA_KEY_TOO_SMALL": 67, "CA_MD_TOO_WEAK": 68} == unnamed


def test_every_number_is_somebody_s_business() -> None:
    assert set(Code) == set(REPORTS) | DATES | NO_ISSUER


@pytest.mark.parametrize(
    ("names", "wanted", "words"),
    [
        (["a.example"], "b.example", 'the certificate is for "a.example", not for "b.example"'),
        (
            ["a.example", "b.example", "c.example", "d.example", "e.example"],
            "f.example",
            'the certificate is for "a.example", "b.example", "c.example" and 2 more, not for "f.example"',
        ),
        (
            ["192.0.2.1"],
            "192.0.2.1",
            'the certificate has "192.0.2.1" as a DNS name, and not as the IP address that it is',
        ),
        (
            [],
            "b.example",
            'the certificate has no host as subjectAltName, so it is not for "b.example"; common names do not count',
        ),
    ],
    ids=str,
)
def test_a_mismatch_says_for_whom_the_certificate_is(names: list[str], wanted: str, words: str) -> None:
    leaf = issue("common", world().root, alternatives=names)

    assert words == verdict([leaf, world().root], name=wanted).detail


def test_a_revocation_says_when_it_was() -> None:
    root = issue("Root", authority=True)
    leaf = issue(NAME, root, alternatives=[NAME])
    revoked = staple(leaf, root, status=ocsp.OCSPCertStatus.REVOKED)
    path = (leaf.der, root.der)

    verdict = judge(examine(path, path, (), finished=True), NAME, revoked, NOW.timestamp())

    when = (NOW - timedelta(days=2)).strftime("%Y-%m-%d")
    assert verdict.detail.startswith(f"the authority revoked the certificate on {when}")


def test_an_unusual_key_usage_of_a_server_is_no_matter_if_it_is_for_servers(path: list[Party]) -> None:
    client = issue(NAME, world().root, alternatives=[NAME], usages=[ExtendedKeyUsageOID.CLIENT_AUTH])

    assert () == verdict(path, (Code.INVALID_PURPOSE, 0)).problems
    assert () == verdict(path[:1], (Code.INVALID_PURPOSE, 0)).problems
    assert (Problem.WRONG_PURPOSE,) == verdict(path, (Code.INVALID_PURPOSE, 1)).problems
    assert (Problem.WRONG_PURPOSE,) == verdict([client, world().root], (Code.INVALID_PURPOSE, 0)).problems


@pytest.mark.parametrize(("begin", "end"), [(1, 60), (-30, -1)])
def test_a_path_is_valid_while_all_of_it_is(begin: float, end: float) -> None:
    middle = issue("Middle", world().root, authority=True, days=Span(begin, end))
    leaf = issue(NAME, middle, alternatives=[NAME])
    problem = Problem.NOT_YET_VALID if begin > 0 else Problem.EXPIRED

    assert (problem,) == verdict([leaf, middle, world().root]).problems
    chain = examine([], [each.der for each in (leaf, middle)], (), finished=True)
    first, last = NOW.timestamp() + 86400 * begin, NOW.timestamp() + 86400 * end
    assert [False, True, True, False] == [chain.is_current(at) for at in (first - 1, first, last, last + 1)]


def test_a_chain_takes_up_what_all_of_it_does(path: list[Party]) -> None:
    octets = [party.der for party in path]
    unsent, unverified, whole = (
        examine(presented, path, (), finished=True)
        for presented, path in (([], octets), (octets, []), (octets, octets))
    )

    assert whole.leaf is not None
    assert whole.issuer is not None
    assert 3 * OVERHEAD + whole.leaf.size == whole.size - unsent.size
    assert 3 * OVERHEAD + whole.issuer.size == whole.size - unverified.size


def test_a_weakness_of_what_cannot_be_read_is_told_as_openssl_does() -> None:
    chain = examine([], [b"junk"], [VerificationFinding(Code.EE_KEY_TOO_SMALL, 0)], finished=True)

    assert Problem.WEAK_KEY in {fault.problem for fault in chain.faults}
