"""Domains of the demo whose servers work, with records and documents that are right, doubtful or wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from exporter.demo.domain_hosts import AUTOCONFIG_PATH, HEALTHY, PACC_PATH, STS_PATH, autoconfig, includes, pacc, policy
from exporter.model import DomainProblem
from exporter.model import DomainProblem as Is

TIMEOUT: Final = 20.0
"""Seconds that a judgement may take, unless a scene is about that."""


@dataclass(frozen=True, slots=True)
class DomainScene:
    """One mail domain.

    Attributes:
        shows: What the domain shows, in a few words.
        records: Its zone; empty for a domain that does not exist.
        expected: Every problem that is found, once it was judged twice.
        documents: Media type and text by host and path. `{turn}` stands for how often it was asked for.
        bogus: Names whose signatures are wrong.
    """

    name: str
    shows: str
    records: str
    expected: frozenset[DomainProblem] = frozenset()
    documents: Mapping[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    signed: bool = True
    bogus: tuple[str, ...] = ()
    dkim_selectors: tuple[str, ...] = ()
    senders: tuple[str, ...] = ()
    dnsbl: tuple[str, ...] = ()
    timeout: float = TIMEOUT


PUBLISHED_DOMAINS: Final[tuple[DomainScene, ...]] = (
    DomainScene(
        HEALTHY,
        "everything is correct, and the TLSA record for the next key is already published",
        """
        @ MX 10 mx
        mx A 127.25.0.1
        _25._tcp.mx TLSA 3 1 1 {good}
        _25._tcp.mx TLSA 3 1 1 {next}
        _mta-sts TXT "v=STSv1; id=20260101"
        mta-sts A 127.25.1.1
        _smtp._tls TXT "v=TLSRPTv1; rua=mailto:tls@healthy.example"
        @ TXT "v=spf1 mx -all"
        _dmarc TXT "v=DMARC1; p=reject; rua=mailto:dmarc@healthy.example"
        mail2026._domainkey TXT "v=DKIM1; k=ed25519; p={ed25519}"
        _imaps._tcp SRV 0 1 993 mail
        _submissions._tcp SRV 0 1 465 mail
        mail A 127.25.0.20
        autoconfig A 127.25.1.1
        ua-auto-config A 127.25.1.1
        _ua-auto-config TXT "v=UAAC1; a=sha256; d={pacc}"
        """,
        documents={
            (f"mta-sts.{HEALTHY}", STS_PATH): policy(f"mx.{HEALTHY}"),
            (f"autoconfig.{HEALTHY}", AUTOCONFIG_PATH): autoconfig(f"mail.{HEALTHY}"),
            (f"ua-auto-config.{HEALTHY}", PACC_PATH): pacc(f"mail.{HEALTHY}"),
        },
        dkim_selectors=("mail2026",),
        dnsbl=("list.example",),
    ),
    DomainScene(
        "warnings.example",
        "works today, but a renewal will break DANE, certificates expire soon, and policies are in testing mode",
        """
        @ MX 10 mx
        mx CNAME relay
        relay A 127.25.0.3
        _25._tcp.relay TLSA 3 0 1 {due_certificate}
        _25._tcp.relay TLSA 1 1 1 {due}
        _mta-sts TXT "v=STSv1; id=1"
        mta-sts A 127.25.1.2
        @ TXT "v=spf1 mx ptr"
        _dmarc TXT "v=DMARC1; p=none"
        weak._domainkey TXT "k=rsa; p={rsa1024}"
        test._domainkey TXT "v=DKIM1; k=ed25519; t=y; p={ed25519}"
        autoconfig A 127.25.1.2
        mail A 127.25.0.20
        """,
        frozenset(
            {
                Is.MX_IS_ALIAS,
                Is.DANE_RENEWAL_UNPREPARED,
                Is.DANE_UNUSABLE,
                Is.MTA_STS_MAX_AGE_SHORT,
                Is.MTA_STS_NOT_ENFORCED,
                Is.MTA_STS_POLICY_EXPIRES,
                Is.SPF_USES_PTR,
                Is.SPF_WITHOUT_END,
                Is.DMARC_NOT_ENFORCED,
                Is.DKIM_KEY_WEAK,
                Is.DKIM_TESTING,
                Is.AUTOCONFIG_IN_PLAIN,
                Is.AUTOCONFIG_CERTIFICATE_EXPIRES,
            }
        ),
        documents={
            ("mta-sts.warnings.example", STS_PATH): policy("mx.warnings.example", mode="testing", max_age="3600"),
            ("autoconfig.warnings.example", AUTOCONFIG_PATH): autoconfig("mail.warnings.example", 143, "plain"),
        },
        dkim_selectors=("weak", "test"),
    ),
    DomainScene(
        "moved.example",
        "the servers moved, and most records still name the old ones",
        """
        @ MX 10 mx
        @ MX 20 old
        mx A 127.25.0.1
        old A 127.25.0.7
        _25._tcp.mx TLSA 3 1 1 {next}
        _25._tcp.old TLSA 3 1 1 {next}
        _mta-sts TXT "v=STSv1; id=1"
        mta-sts A 127.25.1.1
        @ TXT "v=spf1 ip4:192.0.2.99 -all"
        www A 192.0.2.99
        _dmarc TXT "v=DMARC1; p=reject; rua=mailto:reports@healthy.example"
        _imaps._tcp SRV 0 1 993 mail
        mail A 127.25.0.20
        autoconfig A 127.25.1.1
        ua-auto-config A 127.25.1.1
        _ua-auto-config TXT "v=UAAC1; a=sha256; d={pacc}"
        """,
        frozenset(
            {
                Is.MX_UNREACHABLE,
                Is.DANE_MISMATCH,
                Is.MTA_STS_MX_UNLISTED,
                Is.MTA_STS_CHANGED_WITHOUT_ID,
                Is.SPF_SENDER_NOT_ALLOWED,
                Is.REVERSE_DNS_UNCONFIRMED,
                Is.DMARC_REPORTS_NOT_ACCEPTED,
                Is.DKIM_MISSING,
                Is.AUTOCONFIG_DISAGREES,
                Is.AUTOCONFIG_SERVER_FAILS,
                Is.AUTOCONFIG_DIGEST_MISMATCH,
            }
        ),
        documents={
            ("mta-sts.moved.example", STS_PATH): policy("old.moved.example", max_age="{turn}00000"),
            ("autoconfig.moved.example", AUTOCONFIG_PATH): autoconfig("imap-old.moved.example"),
            ("ua-auto-config.moved.example", PACC_PATH): pacc("imap-old.moved.example"),
        },
        dkim_selectors=("mail2026",),
        senders=("192.0.2.7",),
    ),
    DomainScene(
        "listed.example",
        "others refuse its mail: a block list, no reverse DNS, an SPF record over its limits",
        f"""
        @ MX 10 mx
        mx A 127.25.0.9
        @ TXT "v=spf1 {includes("abcdef")}" "{includes("ghijk")}-all"
        *.spf TXT "v=spf1 ip4:192.0.2.1 -all"
        old._domainkey TXT "v=DKIM1; p="
        """,
        frozenset(
            {
                Is.DNSBL_LISTED,
                Is.DNSBL_UNUSABLE,
                Is.REVERSE_DNS_MISSING,
                Is.HELO_UNCONFIRMED,
                Is.SPF_TOO_MANY_LOOKUPS,
                Is.DKIM_REVOKED,
                Is.DMARC_MISSING,
            }
        ),
        dkim_selectors=("old",),
        dnsbl=("list.example", "list-of-all.example"),
    ),
    DomainScene(
        "twice.example",
        "records that may exist only once exist twice",
        """
        @ MX 0 .
        @ MX 10 mx
        @ MX 20 backup
        mx A 127.25.0.1
        backup A 127.25.0.1
        _25._tcp.mx TLSA 3 1 1 {good}
        _25._tcp.mx TLSA 3 1 1 {next}
        _mta-sts TXT "v=STSv1; id=1"
        _mta-sts TXT "v=STSv1; id=2"
        _smtp._tls TXT "v=TLSRPTv1; rua=mailto:a@twice.example"
        _smtp._tls TXT "v=TLSRPTv1; rua=mailto:b@twice.example"
        @ TXT "v=spf1 mx -all"
        @ TXT "v=spf1 ip4:192.0.2.1 -all"
        _dmarc TXT "v=DMARC1; p=none"
        _dmarc TXT "v=DMARC1; p=reject"
        mail._domainkey TXT "v=DKIM1; k=ed25519; p={ed25519}"
        mail._domainkey TXT "v=DKIM1; p="
        """,
        frozenset(
            {
                Is.MX_NULL_BESIDE_OTHERS,
                Is.DANE_PARTIAL,
                Is.MTA_STS_SEVERAL_RECORDS,
                Is.TLS_RPT_SEVERAL_RECORDS,
                Is.SPF_SEVERAL_RECORDS,
                Is.DMARC_SEVERAL_RECORDS,
                Is.DKIM_SEVERAL_RECORDS,
            }
        ),
        dkim_selectors=("mail",),
    ),
    DomainScene(
        "mistyped.example",
        "records and documents have typing errors",
        r"""
        @ MX 10 mx
        @ MX 20 127.25.0.1.
        @ MX 30 nowhere
        @ MX \# 1 00
        mx A 127.25.0.1
        _25._tcp.mx TLSA 3 1 1 {good}
        _25._tcp.mx TLSA 3 1 1 {next}
        _25._tcp.mx TLSA \# 2 0301
        _mta-sts TXT "v=STSv1; id=2026-01-01"
        _smtp._tls TXT "v=TLSRPTv1; rua=tls@mistyped.example"
        @ TXT "v=spf1 ipv4:192.0.2.1 -all"
        _dmarc TXT "v=DMARC1; p=rejct"
        mail._domainkey TXT "v=DKIM1; k=ed25519; p=###"
        autoconfig A 127.25.1.1
        """,
        frozenset(
            {
                Is.MX_MALFORMED,
                Is.MX_IS_ADDRESS,
                Is.MX_WITHOUT_ADDRESS,
                Is.DANE_MALFORMED,
                Is.MTA_STS_RECORD_INVALID,
                Is.TLS_RPT_INVALID,
                Is.SPF_SYNTAX,
                Is.DMARC_SYNTAX,
                Is.DKIM_SYNTAX,
                Is.AUTOCONFIG_INVALID,
            }
        ),
        documents={("autoconfig.mistyped.example", AUTOCONFIG_PATH): ("text/xml", "<clientConfig><emailProvider>")},
        dkim_selectors=("mail",),
    ),
    DomainScene(
        "plain.example",
        "records promise encryption, but the server has none",
        """
        @ A 127.25.0.5
        _25._tcp TLSA 3 1 1 {good}
        _mta-sts TXT "v=STSv1; id=1"
        mta-sts A 127.25.1.1
        @ TXT "v=spf1 +all"
        _dmarc TXT "v=DMARC1; p=reject"
        short._domainkey TXT "v=DKIM1; k=rsa; p={rsa512}"
        """,
        frozenset(
            {
                Is.MX_IMPLICIT,
                Is.DANE_WITHOUT_STARTTLS,
                Is.MTA_STS_MX_WITHOUT_STARTTLS,
                Is.SPF_ALLOWS_ALL,
                Is.DKIM_KEY_SHORT,
                Is.REVERSE_DNS_MISSING,
            }
        ),
        documents={("mta-sts.plain.example", STS_PATH): policy("plain.example")},
        dkim_selectors=("short",),
    ),
)
