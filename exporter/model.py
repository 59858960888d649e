"""The nouns of the program: what is probed, what a probe learns, and why it failed.

Frozen values and closed sets only. Nothing here does I/O, reads a clock or knows of a library; every other floor may
import this one. `None` means unknown, never zero, and each docstring says when a value is unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import NoReturn, TypeAlias
from typing import Protocol as Interface


class Protocol(StrEnum):
    """The mail protocols that can be probed."""

    SMTP = "smtp"
    IMAP = "imap"
    POP3 = "pop3"


class Encryption(StrEnum):
    """When a connection becomes TLS."""

    TLS = "tls"
    """At once, before the greeting (RFC 8314 "implicit TLS")."""
    STARTTLS = "starttls"
    """By the protocol's upgrade command; a server that does not offer it fails the probe."""
    OPPORTUNISTIC = "opportunistic"
    """By the upgrade command where it is offered, in plain where it is not."""
    NONE = "none"
    """Never."""


class Phase(StrEnum):
    """The steps of a probe, in the order in which a client goes through them."""

    DNS = "dns"
    CONNECT = "connect"
    GREETING = "greeting"
    CAPABILITY = "capability"
    STARTTLS = "starttls"
    TLS = "tls"
    AUTH = "auth"
    CHECK = "check"
    QUIT = "quit"


class FailureReason(StrEnum):
    """Why a probe failed. A closed set: each member has a section in docs/failures.md."""

    DNS_NOT_FOUND = "dns_not_found"
    DNS_FAILED = "dns_failed"
    CONNECT_REFUSED = "connect_refused"
    CONNECT_UNREACHABLE = "connect_unreachable"
    CONNECT_FAILED = "connect_failed"
    CONNECTION_CLOSED = "connection_closed"
    CONNECTION_RESET = "connection_reset"
    TIMEOUT = "timeout"
    TLS_HANDSHAKE_FAILED = "tls_handshake_failed"
    TLS_CERTIFICATE_EXPIRED = "tls_certificate_expired"
    TLS_CERTIFICATE_NOT_YET_VALID = "tls_certificate_not_yet_valid"
    TLS_NAME_MISMATCH = "tls_name_mismatch"
    TLS_UNTRUSTED = "tls_untrusted"
    TLS_CERTIFICATE_INVALID = "tls_certificate_invalid"
    STARTTLS_NOT_OFFERED = "starttls_not_offered"
    STARTTLS_REFUSED = "starttls_refused"
    STARTTLS_INJECTION = "starttls_injection"
    SERVER_REFUSED = "server_refused"
    SERVER_BUSY = "server_busy"
    COMMAND_REFUSED = "command_refused"
    PROTOCOL_ERROR = "protocol_error"
    RESPONSE_TOO_LARGE = "response_too_large"
    AUTH_REJECTED = "auth_rejected"
    AUTH_UNAVAILABLE = "auth_unavailable"
    AUTH_MECHANISM_NOT_OFFERED = "auth_mechanism_not_offered"
    AUTH_INSECURE = "auth_insecure"
    AUTH_DISABLED = "auth_disabled"
    TOKEN_FAILED = "token_failed"  # noqa: S105 - the name of a failure, not a secret
    SECRET_UNREADABLE = "secret_unreadable"  # noqa: S105 - the name of a failure, not a secret
    CAPABILITY_MISSING = "capability_missing"
    MAILBOX_UNAVAILABLE = "mailbox_unavailable"
    RECIPIENT_REFUSED = "recipient_refused"
    RECIPIENT_ACCEPTED = "recipient_accepted"
    INTERNAL_ERROR = "internal_error"


class SkipReason(StrEnum):
    """Why a probe that was due was not started: label `reason` of `mail_exporter_probes_skipped_total`."""

    OVERLAP = "overlap"
    """Its predecessor was still running."""
    CONCURRENCY = "concurrency"
    """As many probes as may run at once were running."""
    HOST = "host"
    """As many of them as may talk to one host were talking to its host."""
    LATE = "late"
    """Its whole turn passed while this process was suspended or stalled."""


class IpFamily(StrEnum):
    """Which addresses of a name are tried."""

    ANY = "any"
    IPV4 = "ipv4"
    IPV6 = "ipv6"


class SecretKind(StrEnum):
    """What proves who logs in."""

    PASSWORD = "password"  # noqa: S105 - the name of a kind, not a secret
    TOKEN = "token"  # noqa: S105 - the name of a kind, not a secret
    """An OAuth 2 access token (RFC 6750)."""
    CERTIFICATE = "certificate"
    """The client certificate of the TLS handshake: nothing is left to say but who one is."""


class Addresses(StrEnum):
    """What a host with several addresses is to the probes."""

    FIRST = "first"
    """One server: its addresses are tried in order until one connects, as mail clients do."""
    ALL = "all"
    """As many servers as addresses: each is probed, and has series of its own."""


class Mechanism(StrEnum):
    """How to log in: SASL mechanisms by their registered names, and POP3's own USERPASS and APOP."""

    AUTO = "auto"
    """Whichever is best of those that the server offers and the secret fits."""
    PLAIN = "PLAIN"
    LOGIN = "LOGIN"
    CRAM_MD5 = "CRAM-MD5"
    SCRAM_SHA_1 = "SCRAM-SHA-1"
    SCRAM_SHA_1_PLUS = "SCRAM-SHA-1-PLUS"
    SCRAM_SHA_256 = "SCRAM-SHA-256"
    SCRAM_SHA_256_PLUS = "SCRAM-SHA-256-PLUS"
    XOAUTH2 = "XOAUTH2"
    OAUTHBEARER = "OAUTHBEARER"
    EXTERNAL = "EXTERNAL"
    USERPASS = "USERPASS"
    APOP = "APOP"

    @property
    def takes(self) -> SecretKind | None:
        """What it proves a login with; `None` for `AUTO`, which goes by what there is."""
        match self:
            case Mechanism.AUTO:
                return None
            case Mechanism.XOAUTH2 | Mechanism.OAUTHBEARER:
                return SecretKind.TOKEN
            case Mechanism.EXTERNAL:
                return SecretKind.CERTIFICATE
            case _:
                return SecretKind.PASSWORD


class TlsVersion(StrEnum):
    """Protocol versions, as OpenSSL and the configuration spell them."""

    TLS1_0 = "TLSv1"
    TLS1_1 = "TLSv1.1"
    TLS1_2 = "TLSv1.2"
    TLS1_3 = "TLSv1.3"


class Secret:
    """Bytes that no representation shows: not `repr`, `str`, `format`, a pickle or a traceback's locals.

    The only way to the bytes is `reveal`, so that a search for that word finds every place that handles them.
    """

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        self._value = value

    def reveal(self) -> bytes:
        """The bytes themselves, for the one line that sends them."""
        return self._value

    def __repr__(self) -> str:
        return "<secret>"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled")


class SecretSource(Interface):
    """Where a secret comes from; read again at every use, so that a rotated one works with the next probe."""

    def read(self) -> Secret:
        """The secret as it is now.

        Raises:
            OSError: It cannot be read, or it is empty; the message names the source and never its content.
        """


class OAuth2Provider(StrEnum):
    """Who hands out access tokens, as far as that makes a difference."""

    MICROSOFT = "microsoft"
    GOOGLE = "google"
    CUSTOM = "custom"


class OAuth2Grant(StrEnum):
    """What an access token is given for: the values of `grant_type`."""

    CLIENT_CREDENTIALS = "client_credentials"
    """RFC 6749 4.4: for being the client."""
    REFRESH_TOKEN = "refresh_token"  # noqa: S105 - the name of a grant, not a secret
    """RFC 6749 6: for a refresh token, which a user's consent has left with the client."""
    JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
    """RFC 7523 2.1: for a statement that a service account signs."""


class OAuth2Authentication(StrEnum):
    """How a client shows its secret, by the names that RFC 7591 section 2 gives the methods."""

    BASIC = "client_secret_basic"
    """In the header of HTTP's Basic scheme: what RFC 6749 2.3.1 wants every server to take."""
    POST = "client_secret_post"
    """Among the parameters of the request."""


@dataclass(frozen=True, slots=True)
class OAuth2Client:
    """What gets access tokens, and where.

    Attributes:
        token_url: The token endpoint; https, or http to this machine.
        scope: What the tokens are to be good for, separated by spaces; `None` to leave it to the server.
        client_id: `None` where a service account takes its place.
        client_secret: `None` if the client has none, or signs.
        refresh_token: `None` if tokens are given for something else.
        private_key: PEM; signs assertions instead of a client secret (RFC 7523). `None` for none.
        certificate: PEM; what the server knows that key by. `None` where it knows the key itself. It is no secret, and
            is read together with its key because both are replaced together.
        service_account: Google's JSON key file; `None` for none.
        subject: The user that a service account acts for; `None` for itself.
        ca_file: PEM file of the authorities to trust at the token endpoint; `None` for the system's.
        authentication: How the client secret is shown; `None` if there is none.
    """

    provider: OAuth2Provider
    token_url: str
    scope: str | None = None
    client_id: str | None = None
    client_secret: SecretSource | None = None
    refresh_token: SecretSource | None = None
    private_key: SecretSource | None = None
    certificate: SecretSource | None = None
    service_account: SecretSource | None = None
    subject: str | None = None
    ca_file: Path | None = None
    authentication: OAuth2Authentication | None = None

    @property
    def grant(self) -> OAuth2Grant:
        """What tokens are asked for with."""
        if self.service_account is not None:
            return OAuth2Grant.JWT_BEARER
        return OAuth2Grant.CLIENT_CREDENTIALS if self.refresh_token is None else OAuth2Grant.REFRESH_TOKEN


class TokenOutcome(StrEnum):
    """What became of a request for a token: label `outcome` of `mail_oauth2_token_requests_total`."""

    SUCCESS = "success"
    REFUSED = "refused"
    """The server says no, in the words of RFC 6749 5.2: another try will not help."""
    UNAVAILABLE = "unavailable"
    """The server cannot answer now: HTTP 429 or 5xx."""
    UNREACHABLE = "unreachable"
    """There is no server, or none whose certificate is good, or no answer in time."""
    INVALID = "invalid"
    """What came is no answer of a token endpoint."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """An entry of the `credentials` section. With neither password nor tokens, a client certificate logs in.

    Attributes:
        name: Its key in the configuration, for messages and labels.
        username: As sent to the server.
        password: Where the password comes from; `None` if it is not one that logs in.
        oauth2: Where access tokens come from; likewise.
    """

    name: str
    username: str
    password: SecretSource | None = None
    oauth2: OAuth2Client | None = None


@dataclass(frozen=True, slots=True)
class Login:
    """Credentials with the secret in hand, made for one probe and dropped with it.

    Attributes:
        username: As sent to the server.
        secret: The password or the access token; empty where a certificate vouches.
        mechanism: The configured mechanism; `AUTO` lets the dialogue pick from what the server offers.
        kind: What the secret is.
    """

    username: str
    secret: Secret
    mechanism: Mechanism = Mechanism.AUTO
    kind: SecretKind = SecretKind.PASSWORD


@dataclass(frozen=True, slots=True)
class Withheld:
    """A login that is not to be tried now, although everything before it is.

    Attributes:
        reason: What the probe then fails with.
        detail: Why, for people.
        mechanism: How it was tried when it was rejected; `None` if it was not.
    """

    reason: FailureReason
    detail: str
    mechanism: Mechanism | None = None


@dataclass(frozen=True, slots=True)
class TlsPolicy:
    """How the server's certificate is to be judged.

    Attributes:
        verify: Whether a bad judgement fails the probe. It is made and exported either way.
        server_name: The name to send in SNI and to find in the certificate; `None` for the endpoint's host.
        ca_file: PEM file of trusted authorities; `None` for the system's.
        min_version: The lowest protocol version to accept.
        client_cert_file: PEM chain to present if the server asks; `None` to present none.
        client_key_file: Its key; `None` if it stands in `client_cert_file`.
    """

    verify: bool = True
    server_name: str | None = None
    ca_file: Path | None = None
    min_version: TlsVersion = TlsVersion.TLS1_2
    client_cert_file: Path | None = None
    client_key_file: Path | None = None


Series: TypeAlias = tuple[str, str]
"""Whose a result is: an endpoint's name, and the address where it has series for each; else an empty one."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One thing to probe, with every default already applied.

    Attributes:
        name: Unique; the value of the `endpoint` label.
        host: A DNS name in A-label form, or an IP address without brackets.
        interval: Seconds between the starts of two probes.
        timeout: Seconds that a whole probe may take.
        labels: Further labels on every series of the endpoint.
        credentials: `None` to probe without logging in.
        allow_insecure_auth: Send the password also over a connection that is not encrypted and verified.
        source_address: Local IP address to connect from; `None` lets the system choose.
        helo: The name for EHLO; `None` for this machine's.
        capabilities: What the server must offer, compared without regard to case.
        mailbox: IMAP: the mailbox to examine; `None` to look at none.
        mail_from: SMTP: the reverse-path to ask about; empty for the null path `<>`.
        rcpt_to: SMTP: the recipient to ask about; `None` to ask about none.
        rcpt_expect: Reply codes that RCPT must be answered with; empty means that it must be accepted.
        fingerprints: SHA-256 of the certificates or public keys that the server may show, in lower-case hexadecimal;
            empty if it may show any.
        provider: The preset that it was made from; `None` if it was written out.
        addresses: Which of the host's addresses to probe.
        only_address: The one of them to probe, where each has series of its own; `None` to do as mail clients do.
    """

    name: str
    protocol: Protocol
    host: str
    port: int
    encryption: Encryption
    interval: float = 60.0
    timeout: float = 15.0
    labels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    credentials: Credentials | None = None
    mechanism: Mechanism = Mechanism.AUTO
    allow_insecure_auth: bool = False
    ip_family: IpFamily = IpFamily.ANY
    source_address: str | None = None
    helo: str | None = None
    tls: TlsPolicy = TlsPolicy()
    capabilities: tuple[str, ...] = ()
    mailbox: str | None = None
    mail_from: str = ""
    rcpt_to: str | None = None
    rcpt_expect: tuple[int, ...] = ()
    fingerprints: tuple[str, ...] = ()
    provider: str | None = None
    addresses: Addresses = Addresses.FIRST
    only_address: str | None = None

    @property
    def series(self) -> Series:
        """Which series its results belong to."""
        return self.name, self.only_address or ""

    @property
    def server_name(self) -> str:
        """The name that the certificate has to be for."""
        return self.tls.server_name or self.host


@dataclass(frozen=True, slots=True)
class DnsSettings:
    """How names are looked up.

    Attributes:
        nameservers: Address and port of each server to ask; empty for the system's.
        timeout: Seconds that one lookup may take, within the probe's own timeout.
        search: Domains to append to names without a dot; empty for the system's where `nameservers` is empty too.
    """

    nameservers: tuple[tuple[str, int], ...] = ()
    timeout: float = 5.0
    search: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds that keep this process, and the servers it probes, out of trouble.

    Attributes:
        concurrent_probes: How many probes may run at once.
        connections_per_host: How many of them may talk to the same configured host.
        on_demand_probes: How many probes that somebody asked for may run beside them.
    """

    concurrent_probes: int = 256
    connections_per_host: int = 4
    on_demand_probes: int = 16


@dataclass(frozen=True, slots=True)
class LoginBackoff:
    """How long a rejected login is left alone, so that a wrong password does not lock an account. Seconds.

    Attributes:
        initial: After the first rejection; doubled by each further one.
        maximum: At most.
    """

    initial: float = 300.0
    maximum: float = 3600.0


@dataclass(frozen=True, slots=True)
class Resolution:
    """What a name was found to lead to.

    Attributes:
        addresses: In the order to try them.
        unanswered: Why there may be more of them, for people; empty if these are all.
    """

    addresses: tuple[str, ...]
    unanswered: str = ""


class CertificateProblem(StrEnum):
    """What can be wrong with a chain: the values of the label `error` of `mail_tls_verification_error_info`.

    In the order in which an administrator would mend them: one that stands earlier either means a new certificate,
    which may take the later ones along, or keeps the later ones from mattering.
    """

    REVOKED = "revoked"
    """The server staples a verified OCSP response in which the authority takes the certificate back (RFC 6960)."""
    EXPIRED = "expired"
    """A certificate on the path, not only the leaf, is past its notAfter."""
    NOT_YET_VALID = "not_yet_valid"
    """A certificate on the path is ahead of its notBefore; often it is a clock that is wrong."""
    NAME_MISMATCH = "name_mismatch"
    """No subjectAltName is for the name asked for (RFC 9525); the common name is never looked at."""
    SELF_SIGNED = "self_signed"
    """The leaf vouches for itself, and is not among the trusted certificates."""
    INCOMPLETE_CHAIN = "incomplete_chain"
    """The server does not send the intermediate that issued its certificate."""
    UNKNOWN_AUTHORITY = "unknown_authority"
    """The path ends at an authority that is not trusted."""
    FINGERPRINT_MISMATCH = "fingerprint_mismatch"
    """Neither the certificate nor its key is one of those that the endpoint expects."""
    INVALID = "invalid"
    """A signature does not verify, an extension forbids it, or it cannot be read at all."""
    WRONG_PURPOSE = "wrong_purpose"
    """A certificate is used for what its key usages exclude, e.g. a client's for a server."""
    WEAK_KEY = "weak_key"
    """A key on the path has less than 112 bits of strength, e.g. RSA below 2048 bits."""
    WEAK_SIGNATURE = "weak_signature"
    """A certificate below the trust anchor is signed over a hash of less than 112 bits: SHA-1, MD5."""
    WRONG_ORDER = "wrong_order"
    """The path is there, but not in the order in which TLS 1.2 wants it sent; clients cope, mostly."""

    @property
    def fails(self) -> bool:
        """Whether a chain with this problem counts as not verified.

        `WRONG_ORDER` does not: RFC 8446 4.4.2 asks clients to accept any order, and OpenSSL does.
        """
        return self is not CertificateProblem.WRONG_ORDER


class StapleStatus(StrEnum):
    """What a stapled OCSP response is worth."""

    GOOD = "good"
    REVOKED = "revoked"
    UNKNOWN = "unknown"
    """The responder does not know the certificate."""
    INVALID = "invalid"
    """Unreadable, not for this certificate, not signed by who may, or outside its own validity."""


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """One certificate, as an administrator reads it. Times are Unix timestamps.

    Attributes:
        subject: The distinguished name in RFC 4514 form.
        issuer: Likewise.
        serial: In lower-case hexadecimal, as `openssl x509 -serial` prints it.
        names: The DNS names and IP addresses of subjectAltName.
        fingerprint_sha256: Of the DER encoding, lower-case hexadecimal.
        key: Kind and size or curve, e.g. `RSA 2048`, `EC P-256`, `Ed25519`.
        signature: The signature algorithm, e.g. `sha256WithRSAEncryption`.
        public_key_sha256: Of the DER encoding of the public key with its algorithm, lower-case hexadecimal.
    """

    subject: str
    issuer: str
    serial: str
    not_before: float
    not_after: float
    names: tuple[str, ...]
    fingerprint_sha256: str
    key: str
    signature: str
    public_key_sha256: str


@dataclass(frozen=True, slots=True)
class TlsFacts:
    """What one handshake showed.

    Attributes:
        version: e.g. `TLSv1.3`.
        cipher: OpenSSL's name of the cipher suite.
        group: The key exchange group; `None` where OpenSSL does not tell.
        chain: The certificates as presented, the leaf first; empty if none could be read.
        problems: Everything that is wrong with the chain, in the order of `CertificateProblem`.
        detail: The problems in words, for people, printable ASCII, one line; empty if there are none.
        ocsp_stapled: Whether the server sent an OCSP response.
        verified_chain: The path that was judged, from the leaf to the trust anchor, or to where it broke off.
        ocsp_status: What the stapled response is worth; `None` if there is none.
        ocsp_next_update: When newer revocation information is due, as a Unix timestamp; `None` unless a response that
            the authority signed for this certificate says so. It may lie in the past.
    """

    version: str
    cipher: str
    group: str | None
    chain: tuple[CertificateFacts, ...]
    problems: tuple[CertificateProblem, ...]
    detail: str
    ocsp_stapled: bool
    verified_chain: tuple[CertificateFacts, ...] = ()
    ocsp_status: StapleStatus | None = None
    ocsp_next_update: float | None = None

    @property
    def verified(self) -> bool:
        """Chain and name are good: nothing was found that `CertificateProblem.fails`."""
        return not any(problem.fails for problem in self.problems)


@dataclass(frozen=True, slots=True)
class MailboxFacts:
    """Figures of one mailbox; each is `None` where the server did not tell.

    Attributes:
        name: As configured; `INBOX` for POP3's maildrop.
        size: Bytes.
        quota_used: Bytes, of the quota root with the least room left.
        quota_limit: Bytes.
    """

    name: str
    messages: int | None = None
    unseen: int | None = None
    size: int | None = None
    quota_used: int | None = None
    quota_limit: int | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """One stretch of a probe. A phase may have several: EHLO is said again after STARTTLS.

    Attributes:
        start: Seconds since the probe began.
        duration: Seconds.
    """

    phase: Phase
    start: float
    duration: float


class Direction(StrEnum):
    """Who said a line of the transcript."""

    CLIENT = ">"
    SERVER = "<"
    NOTE = "-"
    """Neither: what the probe did, such as connecting."""


@dataclass(frozen=True, slots=True)
class TranscriptLine:
    """A line of the conversation, fit to be shown: secrets were never in it, and it holds printable ASCII only.

    Attributes:
        at: Seconds since the probe began.
    """

    at: float
    direction: Direction
    text: str


@dataclass(frozen=True, slots=True)
class Failure:
    """Why and where a probe failed.

    Attributes:
        phase: The phase that did not end well.
        detail: For people: what was expected and what came, without secrets, printable ASCII, one line.
    """

    reason: FailureReason
    phase: Phase
    detail: str


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """All that one probe learnt, whatever became of it.

    Attributes:
        endpoint: The endpoint's name.
        started_at: Unix timestamp.
        duration: Seconds from the first to the last step.
        spans: The phases reached, in order; the last is where a failed probe ended (or its goodbye).
        failure: `None` if the probe succeeded.
        address: The IP address talked to; `None` if no connection was made.
        tls: `None` if no handshake was completed.
        starttls_offered: `None` unless the server was asked for its capabilities in plain.
        capabilities: The last that the server announced; `None` if it never did.
        auth_mechanism: What was used to log in; `None` if it did not come to that.
        auth_success: Whether the server took the login; `None` if it did not come to that.
        reply_codes: SMTP: the last reply code of each phase.
        size_limit: SMTP: the SIZE limit in bytes; `None` if the server announced none, or none that is fixed.
        mailbox: `None` unless a mailbox was looked at.
        transcript: The conversation.
        only_address: As the endpoint's.
        resolution: Where the host's name leads to; `None` if that could not be found out.
    """

    endpoint: str
    started_at: float
    duration: float
    spans: tuple[Span, ...]
    failure: Failure | None
    address: str | None = None
    tls: TlsFacts | None = None
    starttls_offered: bool | None = None
    capabilities: tuple[str, ...] | None = None
    auth_mechanism: Mechanism | None = None
    auth_success: bool | None = None
    reply_codes: Mapping[Phase, int] = field(default_factory=lambda: MappingProxyType({}))
    size_limit: int | None = None
    mailbox: MailboxFacts | None = None
    transcript: tuple[TranscriptLine, ...] = ()
    only_address: str | None = None
    resolution: Resolution | None = None

    @property
    def series(self) -> Series:
        """Which series it belongs to."""
        return self.endpoint, self.only_address or ""

    @property
    def ended_at(self) -> float:
        """Unix timestamp of the end."""
        return self.started_at + self.duration

    @property
    def phase_durations(self) -> dict[Phase, float]:
        """Seconds spent in each phase reached, a phase's several stretches added up."""
        total: dict[Phase, float] = {}
        for span in self.spans:
            total[span.phase] = total.get(span.phase, 0.0) + span.duration
        return total
