"""The values of the program: what is probed, what a probe finds, and why it failed.

Frozen values and closed sets only. Nothing here does I/O, reads a clock or uses a library; every other package may
import this one. `None` means unknown, never zero, and each docstring says when a value is unknown.

Import with `from exporter.model import ...` only. The files are private to this package.
"""

from __future__ import annotations

from exporter.model.certificates import CertificateFacts, CertificateProblem, StapleStatus, TlsFacts
from exporter.model.credentials import Credentials, Login, Mechanism, SecretKind, Withheld
from exporter.model.domains import (
    Delivery,
    DomainCheck,
    DomainFinding,
    DomainProblem,
    DomainReport,
    PolicyFacts,
    Reach,
    Sender,
    Source,
    SourceFacts,
    TlsaMatch,
)
from exporter.model.endpoints import (
    Addresses,
    Encryption,
    Endpoint,
    IpFamily,
    KeyType,
    Protocol,
    Proxy,
    ProxyScheme,
    RosterChange,
    Series,
    TargetRule,
    TlsPolicy,
    TlsVersion,
)
from exporter.model.facts import Facts, MailboxFacts
from exporter.model.labels import Label
from exporter.model.mail_flow import (
    BLAMED,
    MIN_FLOW_KEY,
    Arrival,
    AuthMethod,
    AuthResult,
    Awaited,
    Expected,
    Flow,
    Flows,
    Hop,
    Leg,
    MessageFault,
    Outcome,
    Receiving,
    Removal,
    Sending,
    Settled,
)
from exporter.model.oauth2_clients import OAuth2Authentication, OAuth2Client, OAuth2Grant, OAuth2Provider, TokenOutcome
from exporter.model.phases import FailureReason, LongTask, Phase, SkipReason
from exporter.model.results import PAUSING, Direction, Failure, ProbeResult, Resolution, Span, TranscriptLine
from exporter.model.secrets import Secret, SecretSource
from exporter.model.settings import DnsSettings, Limits, LoginBackoff

__all__ = [
    "BLAMED",
    "MIN_FLOW_KEY",
    "PAUSING",
    "Addresses",
    "Arrival",
    "AuthMethod",
    "AuthResult",
    "Awaited",
    "CertificateFacts",
    "CertificateProblem",
    "Credentials",
    "Delivery",
    "Direction",
    "DnsSettings",
    "DomainCheck",
    "DomainFinding",
    "DomainProblem",
    "DomainReport",
    "Encryption",
    "Endpoint",
    "Expected",
    "Facts",
    "Failure",
    "FailureReason",
    "Flow",
    "Flows",
    "Hop",
    "IpFamily",
    "KeyType",
    "Label",
    "Leg",
    "Limits",
    "Login",
    "LoginBackoff",
    "LongTask",
    "MailboxFacts",
    "Mechanism",
    "MessageFault",
    "OAuth2Authentication",
    "OAuth2Client",
    "OAuth2Grant",
    "OAuth2Provider",
    "Outcome",
    "Phase",
    "PolicyFacts",
    "ProbeResult",
    "Protocol",
    "Proxy",
    "ProxyScheme",
    "Reach",
    "Receiving",
    "Removal",
    "Resolution",
    "RosterChange",
    "Secret",
    "SecretKind",
    "SecretSource",
    "Sender",
    "Sending",
    "Series",
    "Settled",
    "SkipReason",
    "Source",
    "SourceFacts",
    "Span",
    "StapleStatus",
    "TargetRule",
    "TlsFacts",
    "TlsPolicy",
    "TlsVersion",
    "TlsaMatch",
    "TokenOutcome",
    "TranscriptLine",
    "Withheld",
]
