"""A hundred mail domains in a small Internet: every state of every check, with posttls-finger as the witness.

nsd and unbound answer, signed and validated; servers listen on ports 25 and 443 of public-looking addresses, in a
network namespace that nothing can leave. `tests.servers.mail_scenes` says what each domain is like, this file what is
to be said of it.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.servers.programs import program, unavailable

_VERIFIED = re.compile(r": (?:Verified|Trusted) TLS connection established")

ROOT = Path(__file__).parents[2]

EXPECTED = {
    "ee311.lab": ("mx+ dnssec+ dane+ mta_sts?", "d1s1o1"),
    "ee301.lab": ("mx+ dnssec+ dane+ mta_sts?", "d1s1o1"),
    "ee312.lab": ("mx+ dnssec+ dane+ mta_sts?", "d1s1o1"),
    "ee302.lab": ("mx+ dnssec+ dane+ mta_sts?", "d1s1o1"),
    "ee310.lab": ("mx+ dnssec+ dane+ mta_sts?", "d1s1o1"),
    "ee300.lab": ("mx+ dnssec+ dane+ mta_sts?", "d1s1o1"),
    "ta201.lab": ("mx+ dnssec+ dane+ mta_sts?", "d1s1o1"),
    "ta211.lab": ("mx+ dnssec+ dane+ mta_sts?", "d1s1o1"),
    "ta202.lab": ("mx+ dnssec+ dane+ mta_sts?", "d1s1o1"),
    "ta200.lab": ("mx+ dnssec+ dane+ mta_sts?", "d1s1o1"),
    "ta210.lab": ("mx+ dnssec+ dane+ mta_sts?", "d1s1o1"),
    "ta-name.lab": ("mx+ dnssec+ dane!dane_mismatch mta_sts?", "d0s1o1"),
    "ta-expired.lab": ("mx+ dnssec+ dane!dane_mismatch mta_sts?", "d0s1o1"),
    "ta-missing.lab": ("mx+ dnssec+ dane!dane_mismatch mta_sts?", "d0s1o1"),
    "ta-domain.lab": ("mx+ dnssec+ dane+ mta_sts?", "d1s1o1"),
    "ee-expired.lab": ("mx+ dnssec+ dane+dane_renewal_unprepared mta_sts?", "d1s1o1"),
    "mismatch.lab": ("mx+ dnssec+ dane!dane_mismatch mta_sts?", "d0s1o1"),
    "pkix-only.lab": ("mx+ dnssec+ dane+dane_unusable mta_sts?", "d1s1o1"),
    "pkix-beside.lab": ("mx+ dnssec+ dane+dane_unusable mta_sts?", "d1s1o1"),
    "malformed.lab": ("mx+ dnssec+ dane!dane_malformed mta_sts?", "d1s1o1"),
    "malformed-only.lab": ("mx+ dnssec+ dane!dane_malformed mta_sts?", "d1s1o1"),
    "tlsa-no-tls.lab": ("mx+ dnssec+ dane!dane_without_starttls mta_sts?", "d0s1o1"),
    "digest-weak.lab": ("mx+ dnssec+ dane!dane_mismatch mta_sts?", "d0s1o1"),
    "digest-strong.lab": ("mx+ dnssec+ dane+ mta_sts?", "d1s1o1"),
    "digest-none.lab": ("mx+ dnssec+ dane+ mta_sts?", "d1s1o1"),
    "digest-of-other.lab": ("mx+ dnssec+ dane+ mta_sts?", "d1s1o1"),
    "digest-many.lab": ("mx+ dnssec+ dane+ mta_sts?", "d1s1o1"),
    "ta-client.lab": ("mx+ dnssec+ dane!dane_mismatch mta_sts?", "d0s1o1"),
    "ta-self.lab": ("mx+ dnssec+ dane!dane_mismatch mta_sts?", "d0s1o1"),
    "ta-self-twice.lab": ("mx+ dnssec+ dane!dane_mismatch mta_sts?", "d0s1o1"),
    "ta-unordered.lab": ("mx+ dnssec+ dane+ mta_sts?", "d1s1o1"),
    "ta-common-name.lab": ("mx+ dnssec+ dane+ mta_sts?", "d1s1o1"),
    "ta-common-name-unused.lab": ("mx+ dnssec+ dane!dane_mismatch mta_sts?", "d0s1o1"),
    "ta-wildcard.lab": ("mx+ dnssec+ dane+ mta_sts?", "d1s1o1"),
    "ta-alias.lab": ("mx+mx_is_alias dnssec+ dane!dane_mismatch mta_sts?", "d0s1o1"),
    "ta-alias-target.lab": ("mx+mx_is_alias dnssec+ dane+ mta_sts?", "d1s1o1"),
    "ta-hosted.lab": ("mx+ dnssec+ dane!dane_mismatch mta_sts?", "d0s1o1"),
    "ta-guest.lab": ("mx+ dnssec+ dane+ mta_sts?", "d1s1o1"),
    "ta-unsigned-hosted.lab": ("mx+ dnssec+ dane!dane_mismatch mta_sts?", "d0s1o1"),
    "ta-unsigned-guest.lab": ("mx+ dnssec? dane+dane_mx_insecure mta_sts?", "d1s1o1"),
    "www.ta-also.lab": ("mx+ dnssec+ dane+ mta_sts?", "d1s1o1"),
    "www.ta-really.lab": ("mx+ dnssec+ dane+ mta_sts?", "d1s1o1"),
    "no-tls.lab": ("mx+ dnssec+ dane? mta_sts?", "d1s1o1"),
    "unsigned.lab": ("mx+ dnssec? dane!dane_insecure mta_sts?", "d1s1o1"),
    "bogus.lab": ("mx?dns_failed dnssec!dnssec_bogus dane? mta_sts?", ""),
    "bogus-tlsa.lab": ("mx+ dnssec+ dane!dane_lookup_failed mta_sts?", "d0s1o1"),
    "bare.lab": ("mx+ dnssec+ dane? mta_sts?", "d1s1o1"),
    "alias-target.lab": ("mx+mx_is_alias dnssec+ dane+ mta_sts?", "d1s1o1"),
    "alias-own.lab": ("mx+mx_is_alias dnssec+ dane+ mta_sts?", "d1s1o1"),
    "alias-both.lab": ("mx+mx_is_alias dnssec+ dane+ mta_sts?", "d1s1o1"),
    "alias-outside.lab": ("mx+mx_is_alias dnssec+dnssec_mx_insecure dane!dane_mismatch mta_sts?", "d0s1o1"),
    "mx-insecure.lab": ("mx+ dnssec? dane+dane_mx_insecure mta_sts?", "d1s1o1"),
    "mx-insecure-bad.lab": ("mx+ dnssec? dane!dane_mismatch,dane_mx_insecure mta_sts?", "d0s1o1"),
    "mx-outside.lab": ("mx+ dnssec+dnssec_mx_insecure dane!dane_insecure mta_sts?", "d1s1o1"),
    "keys-both.lab": ("mx+ dnssec+ dane+ mta_sts?", "d1s1o1"),
    "keys-only-rsa.lab": ("mx+ dnssec+ dane!dane_key_type_mismatch mta_sts?", "d0s1o1"),
    "keys-only-ecdsa.lab": ("mx+ dnssec+ dane!dane_key_type_mismatch mta_sts?", "d1s1o1"),
    "keys-neither.lab": ("mx+ dnssec+ dane!dane_mismatch mta_sts?", "d0s1o1"),
    "rollover.lab": ("mx+ dnssec+ dane+ mta_sts?", "d1s1o1"),
    "withdrawn.lab": ("mx+ dnssec+ dane+ mta_sts?", "d1s1o1"),
    "same-key.lab": ("mx+ dnssec+ dane+ mta_sts?", "d1s1o1"),
    "renewal-due.lab": ("mx+ dnssec+ dane+dane_renewal_unprepared mta_sts?", "d1s1o1"),
    "renewal-ready.lab": ("mx+ dnssec+ dane+ mta_sts?", "d1s1o1"),
    "one-dead.lab": ("mx!mx_unreachable dnssec+ dane? mta_sts?", "d01s01o01"),
    "all-dead.lab": ("mx!mx_all_unreachable dnssec+ dane? mta_sts?", ""),
    "null-mx.lab": ("mx+ dnssec+ dane? mta_sts?", ""),
    "null-beside.lab": ("mx!mx_null_beside_others dnssec+ dane? mta_sts?", "d1s1o1"),
    "no-mx-but-address.lab": ("mx+mx_implicit dnssec+ dane? mta_sts?", "d1s1o1"),
    "no-mx-at-all.lab": ("mx!mx_missing dnssec+ dane? mta_sts?", ""),
    "mx-address.lab": ("mx!mx_is_address dnssec+ dane? mta_sts?", ""),
    "mx-private.lab": ("mx?target_not_allowed dnssec+ dane? mta_sts?", ""),
    "mx-no-address.lab": ("mx!mx_without_address dnssec+ dane? mta_sts?", ""),
    "refused.lab": ("mx!mx_refuses dnssec+ dane? mta_sts?", "d0s0o0"),
    "partial.lab": ("mx+ dnssec+ dane+dane_partial mta_sts?", "d11s11o11"),
    "dual-stack.lab": ("mx+ dnssec+ dane!dane_mismatch mta_sts?", "d01s11o11"),
    "gone.null-mx.lab": ("mx!domain_not_found dnssec+ dane? mta_sts?", ""),
    "users.lab": ("mx+ dane+ autoconfig+", ""),
    "users-mismatch.lab": ("mx+ dane!dane_mismatch autoconfig+", ""),
    "users-unsigned.lab": ("mx+ dane!dane_insecure autoconfig+", ""),
    "loop.lab": ("mx?dns_failed dnssec+ dane? mta_sts?", ""),
    "loop-far.lab": ("mx?dns_failed dnssec+ dane? mta_sts?", ""),
    "loop-back.lab": ("mx?dns_failed dnssec+ dane? mta_sts?", ""),
    "cut.lab": ("mx?dns_failed dnssec+ dane? mta_sts?", "d1s1o1"),
    "cut-all.lab": ("mx?dns_failed dnssec+ dane? mta_sts?", ""),
    "www.is-alias.lab": ("mx+ dnssec+ dane+ mta_sts?", "d1s1o1"),
    "sts-good.lab": ("mx+ dnssec+ dane? mta_sts+", "d1s1o1"),
    "sts-testing.lab": ("mx+ dnssec+ dane? mta_sts+mta_sts_not_enforced", "d1s1o1"),
    "sts-none.lab": ("mx+ dnssec+ dane? mta_sts+mta_sts_not_enforced", "d1s1o1"),
    "sts-wildcard.lab": ("mx+ dnssec+ dane? mta_sts+", "d1s1o1"),
    "sts-unlisted.lab": ("mx+ dnssec+ dane? mta_sts!mta_sts_mx_unlisted", "d1s0o1"),
    "sts-short.lab": ("mx+ dnssec+ dane? mta_sts+mta_sts_max_age_short", "d1s1o1"),
    "sts-absent.lab": ("mx+ dnssec+ dane? mta_sts!mta_sts_policy_unreachable", "d1s1o1"),
    "sts-garbage.lab": ("mx+ dnssec+ dane? mta_sts!mta_sts_policy_invalid", "d1s1o1"),
    "sts-html.lab": ("mx+ dnssec+ dane? mta_sts!mta_sts_policy_invalid", "d1s1o1"),
    "sts-redirect.lab": ("mx+ dnssec+ dane? mta_sts!mta_sts_policy_unreachable", "d1s1o1"),
    "sts-huge.lab": ("mx+ dnssec+ dane? mta_sts!mta_sts_policy_unreachable", "d1s1o1"),
    "sts-untrusted-web.lab": ("mx+ dnssec+ dane? mta_sts!mta_sts_policy_certificate", "d1s1o1"),
    "sts-bad-cert.lab": ("mx+ dnssec+ dane? mta_sts!mta_sts_mx_certificate", "d1s0o1"),
    "sts-bad-name.lab": ("mx+ dnssec+ dane? mta_sts!mta_sts_mx_certificate", "d1s0o1"),
    "sts-no-tls.lab": ("mx+ dnssec+ dane? mta_sts!mta_sts_mx_without_starttls", "d1s0o1"),
    "sts-two.lab": ("mx+ dnssec+ dane? mta_sts!mta_sts_several_records", "d1s1o1"),
    "sts-no-id.lab": ("mx+ dnssec+ dane? mta_sts!mta_sts_record_invalid", "d1s1o1"),
    "spf-good.lab": ("spf+", ""),
    "spf-missing.lab": ("spf!spf_missing", ""),
    "spf-two.lab": ("spf!spf_several_records", ""),
    "spf-syntax.lab": ("spf!spf_syntax", ""),
    "spf-open.lab": ("spf!spf_allows_all", ""),
    "spf-not-allowed.lab": ("spf!spf_sender_not_allowed", ""),
    "spf-include-missing.lab": ("spf!spf_missing_include", ""),
    "spf-many.lab": ("spf!spf_too_many_lookups", ""),
    "spf-void.lab": ("spf!spf_too_many_void_lookups", ""),
    "dmarc-good.lab": ("dmarc+", ""),
    "dmarc-missing.lab": ("dmarc!dmarc_missing", ""),
    "dmarc-none.lab": ("dmarc+dmarc_not_enforced", ""),
    "dmarc-syntax.lab": ("dmarc!dmarc_syntax", ""),
    "dmarc-two.lab": ("dmarc!dmarc_several_records", ""),
    "dmarc-taker.lab": ("dmarc+", ""),
    "dmarc-agreed.lab": ("dmarc+", ""),
    "dmarc-unasked.lab": ("dmarc!dmarc_reports_not_accepted", ""),
    "dkim-good.lab": ("dkim+", ""),
    "dkim-weak.lab": ("dkim+dkim_key_weak", ""),
    "dkim-revoked.lab": ("dkim!dkim_revoked", ""),
    "dkim-broken.lab": ("dkim!dkim_syntax", ""),
    "dkim-missing.lab": ("dkim!dkim_missing", ""),
    "listed.lab": ("dnsbl!dnsbl_listed,dnsbl_unusable", ""),
    "clean.lab": ("dnsbl+", ""),
    "lists-useless.lab": ("dnsbl?dnsbl_unusable", ""),
    "ptr-good.lab": ("reverse_dns+", ""),
    "ptr-unconfirmed.lab": ("reverse_dns!reverse_dns_unconfirmed", ""),
    "ptr-missing.lab": ("reverse_dns!reverse_dns_missing", ""),
    "rpt-good.lab": ("tls_rpt+", ""),
    "rpt-none.lab": ("tls_rpt?", ""),
    "rpt-bad.lab": ("tls_rpt!tls_rpt_invalid", ""),
    "rpt-two.lab": ("tls_rpt!tls_rpt_several_records", ""),
    "everything.lab": (
        "mx+ dnssec+ dane? mta_sts? tls_rpt? spf+ dmarc!dmarc_missing reverse_dns!reverse_dns_missing autoconfig?",
        "d1s1o1",
    ),
}
"""Of each domain: every check (`+` succeeds, `!` fails, `?` cannot be said) with its problems; and of each kind of
sender whether it delivers (1) or not (0) to each address: `d` DANE, `s` MTA-STS, `o` neither."""


@pytest.fixture(scope="module")
def found() -> Iterator[dict[str, Any]]:
    """What was judged of each domain."""
    for name, package in (("nsd", "nsd"), ("unbound", "unbound"), ("posttls-finger", "postfix"), ("ip", "iproute2")):
        program(name, package=package)
    if subprocess.run(["unshare", "-n", "-m", "true"], capture_output=True, check=False).returncode:
        unavailable("no namespaces of one's own can be had here")
    # Not pytest's directory: the servers run without privileges and have to come by.
    with TemporaryDirectory(prefix="mail-lab-") as directory:
        Path(directory).chmod(0o755)
        done = subprocess.run(
            ["unshare", "-n", "-m", sys.executable, "-m", "tests.servers.mail_lab", directory],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert 0 == done.returncode, done.stderr
        yield json.loads((Path(directory) / "found.json").read_text())


def summary(report: dict[str, Any]) -> tuple[str, str]:
    """A report in the form of the table above."""
    marks = {True: "+", False: "!", None: "?"}
    checks = " ".join(
        each["check"] + marks[each["success"]] + ",".join(sorted({problem["problem"] for problem in each["problems"]}))
        for each in report["checks"]
    )
    senders: dict[str, list[bool]] = {}
    for row in report["deliverable"]:
        senders.setdefault(row["sender"], []).append(row["deliverable"])
    letters = {"dane": "d", "mta_sts": "s", "opportunistic": "o"}
    rows = "".join(
        letter + "".join(str(int(one)) for one in sorted(senders[sender]))
        for sender, letter in letters.items()
        if sender in senders
    )
    return checks, rows


pytestmark = pytest.mark.timeout(300)


@pytest.mark.parametrize("domain", EXPECTED)
def test_every_state_is_told(found: dict[str, Any], domain: str) -> None:
    assert EXPECTED[domain] == summary(found[domain])


def test_no_other_domain_was_judged(found: dict[str, Any]) -> None:
    assert EXPECTED.keys() == found.keys()


def would_deliver(said: str) -> bool:
    """What posttls-finger's words mean.

    "Trusted" stands for two things: under MX records that are not signed, that the host is verified and not the choice
    of it; since Postfix 3.10 also, after a complaint, that an authority is trusted and the name is not right.
    """
    return bool(_VERIFIED.search(said)) and "certificate verification failed" not in said


def test_the_verdict_under_dane_is_postfixs(found: dict[str, Any]) -> None:
    fingered = {domain: report for domain, report in found.items() if "posttls" in report}
    ours = {
        domain: [row["deliverable"] for row in report["deliverable"] if row["sender"] == "dane"]
        for domain, report in fingered.items()
    }
    theirs = {domain: [would_deliver(report["posttls"])] for domain, report in fingered.items()}
    assert len(theirs) > 45
    assert theirs == ours


def test_the_zones_own_name_servers_are_asked_and_say_nothing_else(found: dict[str, Any]) -> None:
    assert {True} == {report["at_home"] for report in found.values() if "posttls" in report}
    problems = {p["problem"] for report in found.values() for check in report["checks"] for p in check["problems"]}
    assert "dane_withdrawn" not in problems


def test_a_record_that_is_withdrawn_first_is_told_of_while_everybody_still_delivers(found: dict[str, Any]) -> None:
    assert ("mx+ dnssec+ dane+dane_withdrawn mta_sts?", "d1s1o1") == summary(found["withdrawn.lab"]["later"])


def rows(report: dict[str, Any], kind: str) -> set[tuple[Any, ...]]:
    return {tuple(row[4:]) for row in report["matches"] if row[3] == kind}


def test_each_record_is_compared_with_each_kind_of_key(found: dict[str, Any]) -> None:
    assert {(3, 1, 1, False)} == rows(found["keys-only-rsa.lab"], "ecdsa")
    assert {(3, 1, 1, True)} == rows(found["keys-only-rsa.lab"], "rsa")
    assert {(3, 1, 1, True), (3, 1, 1, False)} == rows(found["keys-both.lab"], "ecdsa")
    assert {(3, 1, 1, True)} == rows(found["ee311.lab"], "ecdsa")
    assert set() == rows(found["ee311.lab"], "rsa")


def test_records_that_are_not_for_mail_have_no_rows(found: dict[str, Any]) -> None:
    assert [] == found["pkix-only.lab"]["matches"]
    assert {3} == {row[4] for row in found["pkix-beside.lab"]["matches"]}


@pytest.mark.parametrize(
    ("domain", "ready"),
    [
        ("rollover", True),
        ("ee311", False),
        ("same-key", False),
        ("renewal-due", False),
        ("renewal-ready", True),
        ("keys-both", False),
    ],
)
def test_a_rollover_is_judged_by_key_and_not_by_counting(found: dict[str, Any], domain: str, ready: bool) -> None:
    assert {f"mx.{domain}.lab:25": ready} == found[f"{domain}.lab"]["rollover_ready"]


def test_figures_without_a_check_of_their_own(found: dict[str, Any]) -> None:
    assert [1, 0, 0, 2, 0] == [
        found[f"{domain}.lab"]["mx_records"]
        for domain in ("ee311", "null-mx", "no-mx-but-address", "one-dead", "no-mx-at-all")
    ]
    assert ["enforce", "1", 604800, False] == found["sts-good.lab"]["policy"]
    assert ["none", "reject"] == [found[f"dmarc-{which}.lab"]["dmarc_policy"] for which in ("none", "good")]
    assert {"45.67.200.1 bl.lab": True, "45.67.200.2 bl.lab": False} == found["listed.lab"]["listed"]
    assert {} == found["lists-useless.lab"]["listed"]


def test_every_detail_is_one_line_of_printable_text(found: dict[str, Any]) -> None:
    details = [
        problem["detail"] for report in found.values() for check in report["checks"] for problem in check["problems"]
    ]
    details += [row["detail"] for report in found.values() for row in report["deliverable"]]
    assert [] == [detail for detail in details if not detail.isprintable() or not detail]
