"""Odd records of every kind, from a nameserver on loopback: a value or a problem, and never an exception."""

from __future__ import annotations

from pathlib import Path

import pytest

from exporter.config.configuration import Domain
from exporter.demo.dns_server import nameserver, zone
from exporter.domains.handshakes import HandshakeResult, Handshakes, MailService
from exporter.domains.judge import Judge
from exporter.domains.lookups import Lookups
from exporter.model import DnsSettings, DomainCheck, DomainProblem, DomainReport, FailureReason, KeyType, Phase
from exporter.net.dns.resolve import Resolver
from exporter.net.http.fetch import Fetcher

MX = "@ MX 10 mx\nmx A 45.67.0.1\n"
ZEROS = "00" * 32
KEY = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="


class NoTls(Handshakes):
    """Servers that take connections, and offer nothing; those at 45.67.0.99 are down."""

    def __init__(self) -> None:
        """Needs no visitor."""

    async def shake(
        self,
        place: MailService,  # noqa: ARG002 - there is no TLS, whatever is asked for
        address: str,
        *,
        server_name: str,  # noqa: ARG002 - likewise
        key_type: KeyType | None,  # noqa: ARG002 - likewise
        ca_file: Path | None,  # noqa: ARG002 - likewise
    ) -> HandshakeResult:
        return (
            HandshakeResult(FailureReason.TIMEOUT, Phase.CONNECT) if address == "45.67.0.99" else HandshakeResult(None)
        )


async def report_of(records: str, name: str, check: str, **settings: object) -> DomainReport:
    """What is said of a domain."""
    lines = [line for line in records.splitlines() if line]
    async with nameserver([zone("odd.example", lines)], "127.0.0.1") as port:
        names = Resolver(DnsSettings((("127.0.0.1", port),), 5.0))
        judge = Judge(Lookups(names), lambda _: Fetcher(names), NoTls(), has_route=bool)
        return await judge.judge(Domain(name, (DomainCheck(check),), **settings))  # type: ignore[arg-type] # of `Domain`


async def told(records: str, name: str, check: str, **settings: object) -> str:
    """What a check came to, and its problems."""
    report = await report_of(records, name, check, **settings)
    assert DomainProblem.INTERNAL_ERROR not in {finding.problem for finding in report.findings}
    assert all(finding.detail.isprintable() for finding in report.findings)
    mark = {True: "+", False: "!", None: "?"}[report.success[DomainCheck(check)]]
    return mark + ",".join(sorted({finding.problem for finding in report.findings}))


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        (MX, "+"),
        ("@ MX 10 mx\nmx CNAME a\na CNAME b\nb CNAME mx", "?dns_failed"),
        ("@ MX 10 mx\nmx CNAME mx", "?dns_failed"),
        (
            "@ MX 10 c0\n" + "".join(f"c{n} CNAME c{n + 1}\n" for n in range(9)) + "c9 A 45.67.0.1",
            "+mx_is_alias",
        ),
        ("@ MX 10 45.67.0.1.", "!mx_is_address"),
        ("@ MX 10 [45.67.0.1].", "!mx_is_address"),
        ("@ MX 10 2a0d:5600::1.", "!mx_is_address"),
        (MX + "@ MX 20 a\\032b", "!mx_without_address"),
        (MX + "@ MX \\# 1 00", "!mx_malformed"),
        ("@ MX \\# 1 00", "?dns_failed"),
        ("@ MX 10 mx\nmx A 127.0.0.1\nmx AAAA ::ffff:10.0.0.1\nmx AAAA 64:ff9b::a9fe:a9fe", "?target_not_allowed"),
        ("@ MX 10 mail.corp.internal.", "!mx_without_address"),
        ("@ MX 0 .\n@ MX 10 .", "!mx_null_beside_others"),
        ("@ MX 0 .", "+"),
        ("* MX 10 mx\n* A 45.67.0.1\n@ MX 10 any", "+"),
        ("".join(f"@ MX 10 m{n}\nm{n} A 45.67.0.{n}\n" for n in range(1, 61)), "+"),
    ],
)
async def test_mx(records: str, expected: str) -> None:
    assert expected == await told(records, "odd.example", "mx")


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ("_25._tcp.mx TLSA \\# 1 03", "!dane_malformed"),
        (f"_25._tcp.mx TLSA 1 1 1 {ZEROS}", "+dane_unusable"),
        (f"_25._tcp.mx TLSA 3 9 1 {ZEROS}\n_25._tcp.mx TLSA 3 1 0 3000", "+dane_unusable"),
        (f"_25._tcp.mx TLSA \\# 0\n_25._tcp.mx TLSA 3 1 1 {ZEROS}", "!dane_malformed,dane_without_starttls"),
        ("_25._tcp.mx CNAME _25._tcp.mx", "!dane_lookup_failed"),
        (f"_25._tcp.mx CNAME other\nother TLSA 3 1 1 {ZEROS}", "!dane_without_starttls"),
        (f"*.mx TLSA 3 1 1 {ZEROS}\n*._tcp.mx TLSA 3 1 1 {ZEROS}", "!dane_without_starttls"),
        (f"@ MX 20 down\ndown A 45.67.0.99\n_25._tcp.down TLSA 3 1 1 {ZEROS}", "?dane_partial"),
    ],
)
async def test_dane(records: str, expected: str) -> None:
    assert expected == await told(MX + records, "odd.example", "dane")


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ("V=SPF1 MX -ALL", "+"),
        ("v=spf1  mx   -all ", "+"),
        ("v=spf1 redirect=odd.example", "!spf_too_many_lookups"),
        ("v=spf1 include:odd.example -all", "!spf_too_many_lookups"),
        ("v=spf1 mx exp=%{x} -all", "!spf_syntax"),
        ("v=spf1 a:%{z}.odd.example mx -all", "!spf_syntax"),
        ("v=spf1 mx redirect=a.odd.example redirect=b.odd.example", "!spf_syntax"),
        ("v=spf1 ip4:0.0.0.0/0 -all", "!spf_allows_all"),
        ("v=spf1 mx ip6:::/0 -all", "!spf_allows_all"),
        ("v=spf1 mx include:open.odd.example -all", "!spf_allows_all"),
        ("v=spf1 mx exists:%{i}.wild.odd.example -all", "!spf_allows_all"),
        ("v=spf1 mx unknown=%{d} -all", "+"),
        ("v=spf1 m\\195\\188x -all", "!spf_syntax"),
        ("v=spf1\\009mx -all", "!spf_missing"),
    ],
)
async def test_spf(record: str, expected: str) -> None:
    wild = "*.1.wild A 127.0.0.2\n*.0.0.0.wild A 127.0.0.2\n" + "240.0.0.1.wild A 127.0.0.2\n"
    records = f'{MX}@ TXT "{record}"\n@ TXT "other"\n@ TXT \\# 1 05\nopen TXT "v=spf1 +all"\n{wild}'
    assert expected == await told(records, "odd.example", "spf")


@pytest.mark.parametrize(
    ("name", "record", "expected"),
    [
        ("odd.example", "v=DMARC1;p=REJECT;", "+"),
        ("odd.example", "v=dmarc1; p=reject", "!dmarc_missing,dmarc_syntax"),
        ("odd.example", "v=DMARC1: p=reject", "!dmarc_missing,dmarc_syntax"),
        ("odd.example", "v=DMARC1; p=quarantine; t=y", "+dmarc_not_enforced"),
        ("odd.example", "v=DMARC1; p=reject; rua=mailto:a@sub.odd.example", "+"),
        ("odd.example", "v=DMARC1; p=reject; rua=mailto:a@other.example", "!dmarc_reports_not_accepted"),
        ("odd.example", "v=DMARC1; p=reject; pct=50; nonsense", "!dmarc_not_enforced,dmarc_syntax"),
        ("odd.example", "V = DMARC1; P=reject; pct=100", "+"),
        ("odd.example", " v=DMARC1; p=reject", "!dmarc_missing,dmarc_syntax"),
        ("odd.example", "p=reject; v=DMARC1", "!dmarc_missing,dmarc_syntax"),
        ("odd.example", "v=spf1 -all", "!dmarc_missing"),
        ("sub.odd.example", "v=DMARC1; p=none; sp=reject; np=none", "+"),
        ("nobody.odd.example", "v=DMARC1; p=reject; sp=reject; np=none", "+dmarc_not_enforced"),
        ("a.b.c.d.e.f.g.h.i.odd.example", "v=DMARC1; p=reject", "+"),
    ],
)
async def test_dmarc(name: str, record: str, expected: str) -> None:
    assert expected == await told(f'{MX}_dmarc TXT "{record}"\nsub TXT x', name, "dmarc")


async def test_a_failed_look_up_of_a_policy_is_told_with_its_reason() -> None:
    (finding,) = (await report_of("_dmarc CNAME _dmarc", "odd.example", "dmarc")).findings
    assert "_dmarc.odd.example: 127.0.0.1:" in finding.detail


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (f'"v=DKIM1; k=ed25519; p={KEY[:20]}" " {KEY[20:]}"', "+"),
        (f'"v=DKIM1; k=ed25519; h=sha1; p={KEY}"', "!dkim_syntax"),
        (f'"v=DKIM1; k=ed25519; h=sha1:sha256; t=s; n=x; p={KEY}"', "+"),
        (f'"v=DKIM1; k=ed25519; t=y; p={KEY}"', "+dkim_testing"),
        (f'"v=DKIM1; k=ed25519; P={KEY}"', "!dkim_syntax"),
        ('"p="', "!dkim_revoked"),
        ('"v=spf1 -all"', "!dkim_missing"),
        (f'"v=DKIM1; k=ed25519; p={KEY}"\ns1._domainkey TXT "v=DKIM1; p="', "!dkim_several_records"),
        (f'"v=DKIM1; k=ed25519; p={KEY}"\ns1._domainkey TXT "a note"', "+"),
    ],
)
async def test_dkim(record: str, expected: str) -> None:
    assert expected == await told(f"s1._domainkey TXT {record}", "odd.example", "dkim", dkim_selectors=("s1",))


async def test_a_selector_that_is_an_alias_of_nothing_is_told_with_its_target() -> None:
    records = "s1._domainkey CNAME s1.provider\nprovider TXT x"
    report = await report_of(records, "odd.example", "dkim", dkim_selectors=("s1",))
    (finding,) = report.findings
    assert (
        "s1._domainkey.odd.example is an alias of s1.provider.odd.example, which has no DKIM record" == finding.detail
    )


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ("v=TLSRPTv1;rua=mailto:a@x.example,https://x.example/r;", "+"),
        ("v=TLSRPTv1; rua=http://x.example", "!tls_rpt_invalid"),
        ("v=TLSRPTv1", "!tls_rpt_invalid"),
        ("v = TLSRPTv1; rua=mailto:a@x.example", "!tls_rpt_invalid"),
        ("v=TLSRPTv1; rua = mailto:a@x.example", "!tls_rpt_invalid"),
        ("v=TLSRPTv1 rua=mailto:a@x.example", "!tls_rpt_invalid"),
        ("rua=mailto:a@x.example", "?"),
        ("v=spf1 -all", "?"),
    ],
)
async def test_tls_rpt(record: str, expected: str) -> None:
    assert expected == await told(f'_smtp._tls TXT "{record}"', "odd.example", "tls_rpt")


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ("v=STSv1 id=1", "!mta_sts_record_invalid"),
        ("STSv1; id=1", "!mta_sts_record_invalid"),
        ("v=STSv1; id=", "!mta_sts_record_invalid"),
        ("v=STSv1; id = 1", "!mta_sts_record_invalid"),
        (" v=STSv1; id=1", "!mta_sts_record_invalid"),
        ("id=1; v=STSv1", "!mta_sts_record_invalid"),
        ("v=STSv1; id=1; x-y.z=1", "!mta_sts_policy_unreachable"),
        ("v=spf1 -all", "?"),
    ],
)
async def test_mta_sts(record: str, expected: str) -> None:
    assert expected == await told(f'_mta-sts TXT "{record}"', "odd.example", "mta_sts")


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ("_imaps._tcp SRV 0 1 993 s\ns A 127.0.0.1", "?target_not_allowed"),
        ("_imap._tcp SRV 0 1 143 s\ns A 169.254.169.254", "?target_not_allowed"),
        ("_pop3s._tcp SRV 0 1 995 s\ns AAAA fd00::1", "?target_not_allowed"),
        ("_submissions._tcp SRV 0 1 465 10.0.0.1.", "!autoconfig_invalid"),
        ("_submission._tcp SRV 0 1 0 s\ns A 45.67.0.1", "!autoconfig_invalid"),
        ("_imaps._tcp SRV 0 1 993 a\na CNAME b\nb CNAME a", "!autoconfig_server_fails"),
        ("_imaps._tcp SRV 0 1 993 mail.corp.internal.", "!autoconfig_server_fails"),
        ("_imaps._tcp SRV 0 0 0 .", "+"),
        ("autoconfig A 127.0.0.1", "?target_not_allowed"),
        ("ua-auto-config A 169.254.169.254", "?target_not_allowed"),
        ("@ MX 10 [45.67.0.1].", "?"),
    ],
)
async def test_what_is_published_for_clients(records: str, expected: str) -> None:
    assert expected == await told(records, "odd.example", "autoconfig")
