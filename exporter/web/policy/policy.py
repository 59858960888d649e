"""The web configuration as values: TLS, users and rate limit of the interface.

How a file becomes that, and how it is followed, stands in `policy_file`, and which keys it has in `policy_schema`; what
is made of the values is the subject of `server_context` and `security`.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType


class ClientAuth(StrEnum):
    """What is demanded of clients, named as in Go's `tls.ClientAuthType`."""

    NONE = "NoClientCert"
    REQUEST = "RequestClientCert"
    """Like none: a certificate is neither verified nor used."""
    VERIFY_IF_GIVEN = "VerifyClientCertIfGiven"
    REQUIRE = "RequireAndVerifyClientCert"

    @property
    def verifies(self) -> bool:
        """Whether a client's certificate is verified."""
        return self in (ClientAuth.VERIFY_IF_GIVEN, ClientAuth.REQUIRE)


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """The TLS settings of the interface.

    Attributes:
        client_ca_file: PEM file of the authorities for clients; `None` if no certificate is verified.
        client_allowed_sans: A client's certificate must have one of these names; empty for any.
        cipher_suites: For TLS 1.2 and below, by OpenSSL's names; empty for OpenSSL's choice.
        curves: For the key exchange, by OpenSSL's names, the preferred first; empty for OpenSSL's choice.
    """

    cert_file: Path
    key_file: Path
    client_auth: ClientAuth = ClientAuth.NONE
    client_ca_file: Path | None = None
    client_allowed_sans: frozenset[str] = frozenset()
    min_version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2
    max_version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
    cipher_suites: tuple[str, ...] = ()
    prefer_server_cipher_suites: bool = True
    curves: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RateLimit:
    """A token bucket.

    Attributes:
        interval: Seconds until one more request may be made.
        burst: Requests that may be made at once.
    """

    interval: float
    burst: int


@dataclass(frozen=True, slots=True)
class WebConfig:
    """The settings of the file.

    Attributes:
        tls: `None` for plain HTTP.
        headers: For every answer, over those that it has anyway.
        users: The bcrypt hash of each user's password; empty to let everybody in.
        auth_excluded_paths: Paths that need no login.
        rate_limit: `None` for no limit.
    """

    tls: TlsSettings | None = None
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    users: Mapping[str, bytes] = field(default_factory=lambda: MappingProxyType({}))
    auth_excluded_paths: frozenset[str] = frozenset()
    rate_limit: RateLimit | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that it names."""
        tls = self.tls
        named = () if tls is None else (tls.cert_file, tls.key_file, tls.client_ca_file)
        return tuple(path for path in named if path is not None)


@dataclass(frozen=True, slots=True)
class Policy:
    """TLS, users and rate limit of the interface, ready to use.

    Attributes:
        context: `None` for plain HTTP.
    """

    config: WebConfig = field(default_factory=WebConfig)
    context: ssl.SSLContext | None = None
