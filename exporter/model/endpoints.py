"""What is probed, with all defaults applied. Results of probes are elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Protocol as Interface
from typing import TypeAlias

from exporter.model.credentials import Credentials, Mechanism

FIRST_PROBE_WITHIN = 60.0
"""Seconds: people who start the program want to see that a configuration works, and ten thousand endpoints still start
spread over a minute."""


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
    """By the protocol's upgrade command; the probe fails if the server does not offer it."""
    OPPORTUNISTIC = "opportunistic"
    """By the upgrade command if it is offered, else without encryption."""
    NONE = "none"
    """Never."""


class IpFamily(StrEnum):
    """Which addresses of a name are tried."""

    ANY = "any"
    IPV4 = "ipv4"
    IPV6 = "ipv6"


class Addresses(StrEnum):
    """How a host with several addresses is probed."""

    FIRST = "first"
    """One server: its addresses are tried in order until one connects, as mail clients do."""
    ALL = "all"
    """Each address is a server: it is probed, and has its own series."""


class TlsVersion(StrEnum):
    """Protocol versions, as OpenSSL and the configuration spell them."""

    TLS1_0 = "TLSv1"
    TLS1_1 = "TLSv1.1"
    TLS1_2 = "TLSv1.2"
    TLS1_3 = "TLSv1.3"


class KeyType(StrEnum):
    """The kind of key that a server's certificate is for."""

    RSA = "rsa"
    ECDSA = "ecdsa"


class TargetRule(Interface):
    """Which addresses may be connected to for endpoints that a domain's records name."""

    def permitted(self, host: str, addresses: Sequence[str]) -> tuple[str, ...]:
        """The permitted ones of a host's addresses."""

    def refusal(self, host: str, address: str) -> str:
        """Why an address is not permitted."""


@dataclass(frozen=True, slots=True)
class TlsPolicy:
    """How the server's certificate is to be judged.

    Attributes:
        verify: Whether an invalid certificate fails the probe. It is judged and exported in any case.
        server_name: The name to send in SNI and to find in the certificate; `None` for the endpoint's host.
        ca_file: PEM file of trusted authorities; `None` for the system's.
        min_version: The lowest protocol version to accept.
        client_cert_file: PEM chain to present if the server asks; `None` to present none.
        client_key_file: Its key; `None` if it stands in `client_cert_file`.
        key_type: The kind of key that the server has to use, with TLS 1.2; `None` for any.
    """

    verify: bool = True
    server_name: str | None = None
    ca_file: Path | None = None
    min_version: TlsVersion = TlsVersion.TLS1_2
    client_cert_file: Path | None = None
    client_key_file: Path | None = None
    key_type: KeyType | None = None


class ProxyScheme(StrEnum):
    """How a proxy is asked for a connection, as its URL spells it."""

    SOCKS5 = "socks5"
    """RFC 1928."""
    HTTP = "http"
    """By the method CONNECT (RFC 9110 section 9.3.6)."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy for connections.

    Attributes:
        host: As of `Endpoint`.
    """

    scheme: ProxyScheme
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


Series: TypeAlias = tuple[str, str]
"""Identifies the series of a result: an endpoint's name, and the address if each has its own series, else empty."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint to probe, with all defaults applied.

    Attributes:
        name: Unique; the value of the `endpoint` label.
        host: A DNS name in A-label form without a final dot, or an IP address without brackets.
        interval: Seconds between the starts of two probes.
        timeout: Seconds that a whole probe may take.
        labels: Further labels on every series of the endpoint.
        credentials: `None` to probe without logging in.
        allow_insecure_auth: Send the password also over a connection that is not encrypted and verified.
        source_address: Local IP address to connect from; `None` lets the system choose.
        proxy: The proxy to connect through; `None` to connect directly.
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
        only_address: The address to probe, if each has its own series; `None` to do as mail clients do.
        absolute: Whether the host is looked up as it stands, below no search domain.
        read_back: How many of the newest messages to read, to see whether they can be; `None` for none.
        priority: The priority of its record, where lower ones are used first; `None` without a record.
        targets: Which addresses it may have, if a domain's records name it; `None` for any.
        remark: A note for people; empty for none.
        series: Which series its results belong to: made once, as it is asked for more often than all the rest.
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
    proxy: Proxy | None = None
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
    absolute: bool = False
    read_back: int | None = None
    priority: int | None = None
    targets: TargetRule | None = None
    remark: str = ""
    series: Series = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "series", (self.name, self.only_address or ""))

    @property
    def lookup_name(self) -> str:
        """The host as it is to be looked up."""
        return f"{self.host}." if self.absolute else self.host

    @property
    def lookup_family(self) -> IpFamily:
        """Which addresses to look up: a source address reaches only those of its own family."""
        if self.source_address is None or self.proxy is not None:
            return self.ip_family
        return IpFamily.IPV6 if ":" in self.source_address else IpFamily.IPV4

    @property
    def key(self) -> Series:
        """Its key on the schedule."""
        return self.series

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts that a probe of it connects to."""
        return (self.host,)

    @property
    def first_within(self) -> float:
        """Seconds within which it is probed for the first time, however long its interval."""
        return FIRST_PROBE_WITHIN

    @property
    def server_name(self) -> str:
        """The name that the certificate has to be for."""
        return self.tls.server_name or self.host


@dataclass(frozen=True, slots=True)
class RosterChange:
    """A change of the endpoints to visit.

    Attributes:
        gone: The removed endpoints.
        come: The added endpoints.
        all: The whole group from now on, in order, such as all addresses of a host.
    """

    gone: tuple[Endpoint, ...]
    come: tuple[Endpoint, ...]
    all: tuple[Endpoint, ...]
