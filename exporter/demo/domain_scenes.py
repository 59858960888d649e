"""The mail domains of the demo: one is in order, and each of the others shows mistakes of a kind. Values only.

Records are in the form of a zone file, with owners relative to the domain. What stands in braces is filled in when the
certificates and keys are made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from types import MappingProxyType
from typing import Final

from exporter.demo.site import Behaviour, Greeting, Upgrade
from exporter.model import DomainProblem, Encryption, Protocol
from exporter.model import DomainProblem as Is

HEALTHY: Final = "healthy.example"

INTERVAL: Final = 15.0
"""Seconds between two judgements of a domain."""

TIMEOUT: Final = 20.0
"""Seconds that a judgement may take, unless a scene is about that."""

NOT_SHOWN: Final = frozenset({Is.INTERNAL_ERROR, Is.NO_ROUTE, Is.DNSSEC_UNKNOWN, Is.DANE_UNKNOWN, Is.DANE_WITHDRAWN})
"""Problems that need a bug, a machine without IPv6, a resolver that is not believed, or a past."""


class Shown(Enum):
    """Which certificates a server of a domain shows; all but the last two are signed by the demo's authority."""

    GOOD = auto()
    BOTH = auto()
    """One with an RSA and one with an ECDSA key."""
    DUE = auto()
    """Five days are left of ninety."""
    SELF_SIGNED = auto()
    NOTHING = auto()
    """Nobody listens."""


@dataclass(frozen=True, slots=True)
class Host:
    """A mail server.

    Attributes:
        address: Its own in DNS; of loopback.
        helo: What it calls itself.
    """

    address: str
    shows: Shown = Shown.GOOD
    protocol: Protocol = Protocol.SMTP
    port: int = 25
    encryption: Encryption = Encryption.STARTTLS
    behaviour: Behaviour = field(default_factory=Behaviour)
    helo: str = f"mx.{HEALTHY}"


GOOD, BOTH, DUE, SELF_SIGNED, PLAIN, REFUSING, CLOSED, SILENT, NAMELESS = (f"127.25.0.{n}" for n in range(1, 10))
USERS, USERS_SELF_SIGNED = "127.25.0.20", "127.25.0.21"
WEB, WEB_DUE, WEB_SELF_SIGNED, WEB_CLOSED = (f"127.25.1.{n}" for n in range(1, 5))

HOSTS: Final[tuple[Host, ...]] = (
    Host(GOOD),
    Host(BOTH, Shown.BOTH, helo="mx.both.example"),
    Host(DUE, Shown.DUE, helo="mx.warnings.example"),
    Host(SELF_SIGNED, Shown.SELF_SIGNED),
    Host(PLAIN, behaviour=Behaviour(upgrade=Upgrade.HIDDEN), helo="plain.example"),
    Host(REFUSING, behaviour=Behaviour(greeting=Greeting.REFUSE)),
    Host(CLOSED, Shown.NOTHING),
    Host(SILENT, behaviour=Behaviour(greeting=Greeting.SILENCE)),
    Host(NAMELESS, helo="localhost.localdomain"),
    Host(USERS, protocol=Protocol.IMAP, port=993, encryption=Encryption.TLS),
    Host(USERS, port=465, encryption=Encryption.TLS),
    Host(USERS_SELF_SIGNED, Shown.SELF_SIGNED, protocol=Protocol.IMAP, port=993, encryption=Encryption.TLS),
)

WEB_HOSTS: Final[Mapping[str, Shown]] = MappingProxyType(
    {WEB: Shown.GOOD, WEB_DUE: Shown.DUE, WEB_SELF_SIGNED: Shown.SELF_SIGNED, WEB_CLOSED: Shown.NOTHING}
)

REVERSE: Final = (
    "1.0.25.127 PTR mx.healthy.example.",
    "2.0.25.127 PTR mx.both.example.",
    "3.0.25.127 PTR relay.warnings.example.",
    "7.2.0.192 PTR www.moved.example.",
)
"""Names of addresses, below in-addr.arpa."""

LISTS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "list.example": (
            "2.0.0.127 A 127.0.0.2",
            "9.0.25.127 A 127.0.0.2",
            '9.0.25.127 TXT "sent unwanted mail, says the demo"',
        ),
        "list-of-all.example": ("*.0.0.127 A 127.0.0.2", "*.0.25.127 A 127.0.0.2"),
    }
)
"""DNS lists: one that works, and one that was shut down and lists everything."""


def policy(*hosts: str, mode: str = "enforce", max_age: str = "604800") -> tuple[str, str]:
    """An MTA-STS policy as it is served."""
    lines = ["version: STSv1", f"mode: {mode}", *(f"mx: {host}" for host in hosts), f"max_age: {max_age}", ""]
    return "text/plain", "\r\n".join(lines)


def autoconfig(host: str, port: int = 993, socket: str = "SSL") -> tuple[str, str]:
    """An autoconfig document that names an IMAP server."""
    server = f"<hostname>{host}</hostname><port>{port}</port><socketType>{socket}</socketType>"
    provider = f'<emailProvider id="x"><incomingServer type="imap">{server}</incomingServer></emailProvider>'
    return "text/xml", f'<?xml version="1.0"?><clientConfig version="1.1">{provider}</clientConfig>'


def pacc(host: str) -> tuple[str, str]:
    """A PACC document that names an IMAP server."""
    return "application/json", f'{{"protocols": {{"imap": {{"host": "{host}"}}}}}}'


def _includes(letters: str) -> str:
    """Terms of an SPF record, as many as there are letters."""
    return "".join(f"include:{letter}.spf.listed.example " for letter in letters)


STS_PATH: Final = "/.well-known/mta-sts.txt"
AUTOCONFIG_PATH: Final = "/mail/config-v1.1.xml"
PACC_PATH: Final = "/.well-known/user-agent-configuration.json"


@dataclass(frozen=True, slots=True)
class DomainScene:
    """One mail domain.

    Attributes:
        shows: For people, in a few words.
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


DOMAIN_SCENES: Final[tuple[DomainScene, ...]] = (
    DomainScene(
        HEALTHY,
        "all is in order, and a TLSA record for the next key is there already",
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
        "works today: a renewal will break DANE, certificates end, policies only test",
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
        "the servers were moved, and most records were not",
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
        "its own mail is refused: a block list, no reverse DNS, an SPF record over its limits",
        f"""
        @ MX 10 mx
        mx A 127.25.0.9
        @ TXT "v=spf1 {_includes("abcdef")}" "{_includes("ghijk")}-all"
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
        "records that may be there once are there twice",
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
        "records and documents with slips of the pen",
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
                Is.DANE_PARTIAL,
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
        "records promise encryption, and the server has none",
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
    DomainScene(
        "both.example",
        "two servers: one signs its certificate itself, one has TLSA records for one of its two keys",
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
        "the signatures of the zone are wrong: validating resolvers answer nothing",
        "@ MX 10 mx.healthy.example.",
        frozenset({Is.DNSSEC_BOGUS, Is.DNS_FAILED}),
        bogus=("@",),
    ),
    DomainScene(
        "refusing.example",
        "the best server turns mail away, its TLSA records cannot be looked up, the other is not signed",
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
        "the server takes connections and says nothing; the policy is an error page",
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
        timeout=3.0,
    ),
    DomainScene(
        "inside.example",
        "an MX record leads into a private network, where nobody outside delivers, and we do not go",
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
        "exists, and has neither mail servers nor any record about mail",
        '@ TXT "nothing to see"',
        frozenset({Is.MX_MISSING, Is.SPF_MISSING, Is.DMARC_MISSING}),
    ),
    DomainScene(
        "gone.example",
        "does not exist: mistyped, or not paid for",
        "",
        frozenset({Is.DOMAIN_NOT_FOUND, Is.SPF_MISSING, Is.DMARC_MISSING}),
    ),
)
