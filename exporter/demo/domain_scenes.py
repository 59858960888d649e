"""The mail domains of the demo. One has no problems, and each of the others shows typical mistakes. Values only.

Records have the form of a zone file, with owners relative to the domain. Placeholders in braces are replaced when the
certificates and keys have been created.
"""

from __future__ import annotations

from typing import Final

from exporter.demo.domain_hosts import STS_PATH, policy
from exporter.demo.published_domains import PUBLISHED_DOMAINS, DomainScene
from exporter.model import DomainProblem as Is

INTERVAL: Final = 15.0
"""Seconds between two judgements of a domain."""

DOMAIN_SCENES: Final[tuple[DomainScene, ...]] = (
    *PUBLISHED_DOMAINS,
    DomainScene(
        "both.example",
        "two servers: one has a self-signed certificate, one has TLSA records for only one of its two keys",
        """
        @ MX 10 mx
        @ MX 20 self
        mx A 127.25.0.2
        self A 127.25.0.4
        _25._tcp.mx TLSA 3 1 1 {ecdsa_of_both}
        _25._tcp.self TLSA 3 1 1 {self_signed}
        _mta-sts TXT "v=STSv1; id=1"
        mta-sts A 127.25.1.1
        @ TXT "v=spf1 a:gone1.both.example a:gone2.both.example a:gone3.both.example mx -all"
        _dmarc TXT "v=DMARC1; p=quarantine"
        _imaps._tcp SRV 0 1 993 mail
        mail A 127.25.0.21
        """,
        frozenset(
            {
                Is.DANE_KEY_TYPE_MISMATCH,
                Is.MTA_STS_MX_CERTIFICATE,
                Is.SPF_TOO_MANY_VOID_LOOKUPS,
                Is.AUTOCONFIG_CERTIFICATE,
            }
        ),
        documents={("mta-sts.both.example", STS_PATH): policy("*.both.example")},
        senders=("127.25.0.2",),
    ),
    DomainScene(
        "dark.example",
        "nothing answers: no mail server, no policy, no document",
        """
        @ MX 10 mx
        mx A 127.25.0.7
        _mta-sts TXT "v=STSv1; id=1"
        mta-sts A 127.25.1.4
        @ TXT "v=spf1 include:nowhere.dark.example -all"
        _dmarc TXT "v=DMARC1; p=reject"
        autoconfig A 127.25.1.4
        """,
        frozenset(
            {
                Is.MX_ALL_UNREACHABLE,
                Is.MTA_STS_POLICY_UNREACHABLE,
                Is.SPF_MISSING_INCLUDE,
                Is.AUTOCONFIG_UNREACHABLE,
                Is.REVERSE_DNS_MISSING,
            }
        ),
    ),
    DomainScene(
        "unsigned.example",
        "TLSA records in a zone that is not signed do not count",
        """
        @ MX 10 mx.healthy.example.
        @ MX 20 mx
        mx A 127.25.0.1
        _25._tcp.mx TLSA 3 1 1 {good}
        _dmarc TXT "v=DMARC1; p=reject"
        """,
        frozenset({Is.DANE_INSECURE, Is.DANE_MX_INSECURE, Is.DANE_PARTIAL, Is.SPF_MISSING}),
        signed=False,
    ),
    DomainScene(
        "bogus.example",
        "the signatures of the zone are wrong, so validating resolvers give no answers",
        "@ MX 10 mx.healthy.example.",
        frozenset({Is.DNSSEC_BOGUS, Is.DNS_FAILED}),
        bogus=("@",),
    ),
    DomainScene(
        "refusing.example",
        "the preferred server refuses mail and its TLSA records cannot be looked up; the other is not signed",
        """
        @ MX 10 mx
        @ MX 20 mx.unsigned.example.
        mx A 127.25.0.6
        _25._tcp.mx TLSA 3 1 1 {good}
        _mta-sts TXT "v=STSv1; id=1"
        mta-sts A 127.25.1.3
        @ TXT "v=spf1 ip4:127.25.0.6 ip4:127.25.0.1 -all"
        _dmarc TXT "v=DMARC1; p=reject"
        """,
        frozenset(
            {
                Is.MX_REFUSES,
                Is.DNSSEC_MX_INSECURE,
                Is.DANE_LOOKUP_FAILED,
                Is.DANE_INSECURE,
                Is.MTA_STS_POLICY_CERTIFICATE,
                Is.REVERSE_DNS_MISSING,
            }
        ),
        bogus=("_25._tcp.mx",),
    ),
    DomainScene(
        "silent.example",
        "the server accepts connections and sends nothing; the policy is an error page",
        """
        @ MX 10 mx
        mx A 127.25.0.8
        _mta-sts TXT "v=STSv1; id=1"
        mta-sts A 127.25.1.1
        @ TXT "v=spf1 mx -all"
        _dmarc TXT "v=DMARC1; p=reject"
        """,
        frozenset({Is.TIMEOUT, Is.MTA_STS_POLICY_INVALID, Is.REVERSE_DNS_MISSING}),
        documents={("mta-sts.silent.example", STS_PATH): ("text/html", "<h1>It works!</h1>")},
        timeout=4.0,
    ),
    DomainScene(
        "inside.example",
        "an MX record points into a private network, which other servers cannot reach and the exporter does not try",
        """
        @ MX 10 mx
        mx A 10.0.0.25
        @ TXT "v=spf1 -all"
        _dmarc TXT "v=DMARC1; p=reject"
        """,
        frozenset({Is.TARGET_NOT_ALLOWED}),
    ),
    DomainScene(
        "empty.example",
        "the domain exists, without mail servers and without records about mail",
        '@ TXT "nothing to see"',
        frozenset({Is.MX_MISSING, Is.SPF_MISSING, Is.DMARC_MISSING}),
    ),
    DomainScene(
        "gone.example",
        "the domain does not exist",
        "",
        frozenset({Is.DOMAIN_NOT_FOUND, Is.SPF_MISSING, Is.DMARC_MISSING}),
    ),
)
