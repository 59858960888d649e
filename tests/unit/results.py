"""Made-up endpoints and results of every kind, for the tests of what keeps and shows them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from types import MappingProxyType

from exporter.model import (
    CertificateFacts,
    CertificateProblem,
    Direction,
    Encryption,
    Endpoint,
    Facts,
    Failure,
    FailureReason,
    MailboxFacts,
    Mechanism,
    Phase,
    ProbeResult,
    Protocol,
    Span,
    TlsFacts,
    TranscriptLine,
)

NOON = 1_790_000_000.0
DAY = 86_400.0

PORTS: Mapping[Protocol, int] = MappingProxyType({Protocol.SMTP: 587, Protocol.IMAP: 993, Protocol.POP3: 995})
CAPABILITIES: Mapping[Protocol, tuple[str, ...]] = MappingProxyType(
    {
        Protocol.SMTP: ("PIPELINING", "SIZE 52428800", "ETRN", "AUTH PLAIN", "ENHANCEDSTATUSCODES", "8BITMIME", "DSN"),
        Protocol.IMAP: (
            "IMAP4rev1",
            "SASL-IR",
            "LOGIN-REFERRALS",
            "ID",
            "ENABLE",
            "IDLE",
            "LITERAL+",
            "QUOTA",
            "UNSELECT",
        ),
        Protocol.POP3: (
            "TOP",
            "UIDL",
            "RESP-CODES",
            "PIPELINING",
            "AUTH-RESP-CODE",
            "STLS",
            "USER",
            "SASL PLAIN LOGIN",
        ),
    }
)


def endpoint(name: str = "imaps://mail.example.com", protocol: Protocol = Protocol.IMAP, **changes: object) -> Endpoint:
    fields: dict[str, object] = {
        "name": name,
        "protocol": protocol,
        "host": "mail.example.com",
        "port": PORTS[protocol],
        "encryption": Encryption.STARTTLS if protocol is Protocol.SMTP else Encryption.TLS,
        **changes,
    }
    return Endpoint(**fields)  # type: ignore[arg-type]  # the fields of Endpoint, as the caller names them


def certificate(subject: str = "CN=mail.example.com", *, not_after: float | None = NOON + 60 * DAY) -> CertificateFacts:
    return CertificateFacts(
        subject=subject,
        issuer="CN=R11,O=Let's Encrypt,C=US",
        serial="03a1f2" * 6,
        not_before=NOON - 30 * DAY,
        not_after=not_after,
        names=("mail.example.com", "imap.example.com", "smtp.example.com"),
        fingerprint_sha256="9f86d081884c7d659a2feaa0c55ad015" * 2,
        public_key_sha256="2cf24dba5fb0a30e26e83b2ac5b9e29e" * 2,
        key="EC P-256",
        signature="sha256WithRSAEncryption",
    )


INTERMEDIATE = certificate("CN=R11,O=Let's Encrypt,C=US", not_after=NOON + 500 * DAY)


def tls(
    *problems: CertificateProblem, leaf: CertificateFacts | None = None, detail: str = "", group: str | None = "x25519"
) -> TlsFacts:
    return TlsFacts(
        version="TLSv1.3",
        cipher="TLS_AES_256_GCM_SHA384",
        group=group,
        chain=(leaf or certificate(), INTERMEDIATE),
        problems=problems,
        detail=detail,
        ocsp_stapled=False,
    )


def spans(*durations: tuple[Phase, float]) -> tuple[Span, ...]:
    start = 0.0
    made = []
    for phase, duration in durations:
        made.append(Span(phase, start, duration))
        start += duration
    return tuple(made)


ALL_PHASES = spans(
    (Phase.DNS, 0.001204),
    (Phase.CONNECT, 0.018377),
    (Phase.GREETING, 0.021951),
    (Phase.CAPABILITY, 0.018902),
    (Phase.STARTTLS, 0.019005),
    (Phase.TLS, 0.041377),
    (Phase.CAPABILITY, 0.018733),
    (Phase.AUTH, 0.088404),
    (Phase.CHECK, 0.037115),
    (Phase.QUIT, 0.017906),
)


def conversation(*lines: tuple[Direction, str]) -> tuple[TranscriptLine, ...]:
    return tuple(
        TranscriptLine(round(number * 0.012345, 6), direction, text) for number, (direction, text) in enumerate(lines)
    )


CLIENT, SERVER, NOTE = Direction.CLIENT, Direction.SERVER, Direction.NOTE

SMTP_CONVERSATION = conversation(
    (NOTE, "mail.example.com is 192.0.2.25"),
    (NOTE, "connected to 192.0.2.25 port 587"),
    (SERVER, "220 mail.example.com ESMTP Postfix (Debian)"),
    (CLIENT, "EHLO monitor.example.net"),
    *((SERVER, f"250-{line}") for line in ("mail.example.com", "PIPELINING", "SIZE 52428800", "ETRN", "STARTTLS")),
    (SERVER, "250 DSN"),
    (CLIENT, "STARTTLS"),
    (SERVER, "220 2.0.0 Ready to start TLS"),
    (NOTE, "TLSv1.3, TLS_AES_256_GCM_SHA384, x25519"),
    (CLIENT, "EHLO monitor.example.net"),
    *((SERVER, f"250-{line}") for line in ("mail.example.com", *CAPABILITIES[Protocol.SMTP])),
    (SERVER, "250 CHUNKING"),
    (CLIENT, "AUTH PLAIN <redacted>"),
    (SERVER, "235 2.7.0 Authentication successful"),
    (CLIENT, "QUIT"),
    (SERVER, "221 2.0.0 Bye"),
)


def success(name: str = "imaps://mail.example.com", **changes: object) -> ProbeResult:
    """A probe in which everything went well, of which everything is known."""
    values: dict[str, object] = {
        "endpoint": name,
        "started_at": NOON,
        "duration": 0.282974,
        "spans": ALL_PHASES,
        "failure": None,
        "address": "192.0.2.25",
        "tls": tls(),
        "starttls_offered": True,
        "capabilities": CAPABILITIES[Protocol.SMTP],
        "auth_mechanism": Mechanism.PLAIN,
        "auth_success": True,
        "reply_codes": ((Phase.GREETING, 220), (Phase.CAPABILITY, 250), (Phase.AUTH, 235), (Phase.QUIT, 221)),
        "size_limit": 52_428_800,
        "mailbox": MailboxFacts("INBOX", messages=42, unseen=3, size=123_456, quota_used=10_240, quota_limit=1_048_576),
        "transcript": SMTP_CONVERSATION,
        **changes,
    }
    return _result(values)


def failure(
    reason: FailureReason,
    phase: Phase,
    name: str = "imaps://mail.example.com",
    detail: str = "it went wrong",
    **changes: object,
) -> ProbeResult:
    """A probe that failed; by default before anything was learnt."""
    values: dict[str, object] = {
        "endpoint": name,
        "started_at": NOON,
        "duration": 0.02,
        "spans": spans((Phase.DNS, 0.001), (phase, 0.019)),
        "failure": Failure(reason, phase, detail),
        **changes,
    }
    return _result(values)


def _result(values: dict[str, object]) -> ProbeResult:
    """A result of values by the names of its own fields and of those of its facts."""
    learnt = {each.name: values.pop(each.name) for each in fields(Facts) if each.name in values}
    return ProbeResult(**values, facts=Facts(**learnt))  # type: ignore[arg-type]  # named by the caller
