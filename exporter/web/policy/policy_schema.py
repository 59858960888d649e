"""The shape of the web configuration: its sections and keys, and what each value may be. It is exporter-toolkit's.

What the sections mean together is decided in `policy_file`.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Generic, TypeAlias, TypeVar

import bcrypt
from pydantic import Field

from exporter.config.problems import did_you_mean, quoted
from exporter.config.schema_fields import FilePath, PlainText, Section, Text, key
from exporter.web.policy.cipher_suites import CIPHER_SUITES
from exporter.web.policy.policy import ClientAuth

MAX_COST = 16
"""The cost of a bcrypt hash: five seconds on a machine of 2020. Each step doubles it, and it cannot be interrupted."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class _Choice(Generic[T]):
    """One of several names, and what it stands for."""

    meanings: Mapping[str, T]

    def __call__(self, written: str) -> T:
        if written not in self.meanings:
            raise ValueError(f"{quoted(written)} is not known here; {did_you_mean(written, tuple(self.meanings))}")
        return self.meanings[written]


def _client_auth(written: str) -> ClientAuth:
    if written in ("RequireAnyClientCert", "RequireClientCert"):
        raise ValueError(
            f"{written} lets in anyone who makes a certificate; write {ClientAuth.REQUIRE} and client_ca_file"
        )
    return _Choice({member.value: member for member in ClientAuth})(written)


_VERSIONS = {
    "TLS10": ssl.TLSVersion.TLSv1,
    "TLS11": ssl.TLSVersion.TLSv1_1,
    "TLS12": ssl.TLSVersion.TLSv1_2,
    "TLS13": ssl.TLSVersion.TLSv1_3,
}

_CURVES = {"X25519": "X25519", "CurveP256": "prime256v1", "CurveP384": "secp384r1", "CurveP521": "secp521r1"}

HEADERS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "Content-Security-Policy": (),
        "Strict-Transport-Security": (),
        "X-Content-Type-Options": ("nosniff",),
        "X-Frame-Options": ("deny", "sameorigin"),
        "X-XSS-Protection": (),
    }
)
"""The headers that exporter-toolkit lets one set, and their values where those are a closed set."""

OPEN_PATHS = ("/-/healthy", "/-/ready")
"""Paths that need no login. All others show servers, users and networks."""

_CONTROL = re.compile("[^\x20-\x7e]")

_HASH = re.compile(r"\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{53}")

_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_SPAN = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ns|us|µs|ms|s|m|h)")


def _go_duration(written: str) -> float:
    """Seconds, from a duration as Go writes it: unlike Prometheus', it may have fractions."""
    if written != "0" and not re.fullmatch(f"(?:{_SPAN.pattern})+", written):
        raise ValueError(f"{quoted(written)} is not a duration; write it like 500ms, 1s or 1m30s, or 0 for no limit")
    return sum(float(number) * _SECONDS[unit] for number, unit in _SPAN.findall(written))


def _header_value(written: str) -> str:
    if _CONTROL.search(written):
        raise ValueError("a header is one line of printable ASCII; leave other characters out")
    return written


def _user(written: str) -> str:
    if not written or ":" in written or not written.isprintable():
        raise ValueError("a user name is printable, not empty, and has no colon (RFC 7617); write another")
    return written


def _hash(written: str) -> bytes:
    """A bcrypt hash. Messages do not repeat it, because it may be the password itself."""
    match = _HASH.fullmatch(written)
    if match is None or not _is_salt(written):
        raise ValueError("is not a bcrypt hash; write what `htpasswd -nBC 10 USER` prints after the colon")
    if not 4 <= int(match[1]) <= MAX_COST:  # noqa: PLR2004 - bcrypt's own lower bound
        raise ValueError(f"has the cost {int(match[1])}; write a hash of a cost from 4 to {MAX_COST}, 10 is usual")
    return written.encode()


def _is_salt(written: str) -> bool:
    """Whether the salt of a hash is valid, checked at the lowest cost."""
    try:
        bcrypt.hashpw(b"", b"$2b$04$" + written[7:29].encode())
    except ValueError:
        return False
    return True


Auth: TypeAlias = Annotated[ClientAuth, Text(_client_auth)]
Version: TypeAlias = Annotated[ssl.TLSVersion, Text(_Choice(_VERSIONS))]
OpenPath: TypeAlias = Annotated[str, Text(_Choice({path: path for path in OPEN_PATHS}))]
CipherSuite: TypeAlias = Annotated[str, Text(_Choice(CIPHER_SUITES))]
Curve: TypeAlias = Annotated[str, Text(_Choice(_CURVES))]
HeaderName: TypeAlias = Annotated[str, Text(_Choice({name: name for name in HEADERS}))]
HeaderValue: TypeAlias = Annotated[str, Text(_header_value)]
User: TypeAlias = Annotated[str, Text(_user)]
Hash: TypeAlias = Annotated[bytes, Text(_hash)]
GoDuration: TypeAlias = Annotated[float, Text(_go_duration)]
Burst: TypeAlias = Annotated[int, Field(ge=0, le=1_000_000)]


class TlsServerSection(Section):
    """How the interface speaks TLS. Paths are relative to the file."""

    cert_file: FilePath | None = key("PEM file with the certificate and its intermediates.", "server.crt")
    key_file: FilePath | None = key("PEM file with its private key.", "server.key")
    client_auth_type: Auth | None = key(
        "Whether clients have to show a certificate.", "RequireAndVerifyClientCert", "NoClientCert"
    )
    client_ca_file: FilePath | None = key("PEM file of the authorities that vouch for clients.", "ca.crt")
    client_allowed_sans: list[PlainText] | None = key(
        "A client's certificate must be for one of these.", ["prometheus.example.com"], []
    )
    min_version: Version | None = key("The lowest version of TLS.", "TLS13", "TLS12")
    max_version: Version | None = key("The highest version of TLS.", "TLS13", "TLS13")
    cipher_suites: list[CipherSuite] | None = key(
        "For TLS 1.2 and below; OpenSSL's choice unless set.", ["TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"], []
    )
    prefer_server_cipher_suites: bool | None = key(
        "Whether the order of cipher_suites counts, or the client's.", True, True
    )
    curve_preferences: list[Curve] | None = key("For the key exchange; OpenSSL's choice unless set.", ["X25519"], [])


class HttpServerSection(Section):
    """The header fields of every answer."""

    http2: bool | None = key("Accepted without effect: the interface speaks HTTP/1.1.", True, True)
    headers: dict[HeaderName, HeaderValue] | None = key(
        "Headers of every answer, instead of those that it has anyway.", {"X-Frame-Options": "deny"}, {}
    )


class RateLimitSection(Section):
    """How often all clients together may ask."""

    interval: GoDuration | None = key("Time until one more request may be made.", "1s", "0")
    burst: Burst | None = key("Requests that may be made at once.", 20, 0)


class WebConfigSection(Section):
    """The file."""

    tls_server_config: TlsServerSection | None = key(
        "How the interface speaks TLS.", {"cert_file": "server.crt", "key_file": "server.key"}, {}
    )
    http_server_config: HttpServerSection | None = key("What is told to every client.", {"http2": False}, {})
    basic_auth_users: dict[User, Hash] | None = key(
        "Users, and the bcrypt hashes of their passwords.",
        {"alice": "$2y$10$s4wQIiLbOMNL8w2Fl.SmUOALk3Ouz5MqfP9M1FPkkULfPRaEgaonK"},
        {},
    )
    auth_excluded_paths: list[OpenPath] | None = key(
        "Paths that need no login: those for liveness and readiness.",
        ["/-/healthy", "/-/ready"],
        [],
    )
    rate_limit: RateLimitSection | None = key(
        "How often all clients together may ask.", {"interval": "1s", "burst": 20}, {}
    )
