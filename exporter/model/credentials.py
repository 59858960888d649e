"""Logins: as configured, with the secret for one probe, and paused."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from exporter.model.oauth2_clients import OAuth2Client
from exporter.model.phases import FailureReason
from exporter.model.secrets import Secret, SecretSource


class SecretKind(StrEnum):
    """The kind of secret of a login."""

    PASSWORD = "password"  # noqa: S105 - the name of a kind, not a secret
    TOKEN = "token"  # noqa: S105 - the name of a kind, not a secret
    """An OAuth 2 access token (RFC 6750)."""
    CERTIFICATE = "certificate"
    """The client certificate of the TLS handshake: only the username is sent."""


class Mechanism(StrEnum):
    """How to log in: SASL mechanisms by their registered names, and POP3's own USERPASS and APOP."""

    AUTO = "auto"
    """The best mechanism that the server offers and the secret fits."""
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
        """The kind of secret that it uses; `None` for `AUTO`, which uses what is configured."""
        match self:
            case Mechanism.AUTO:
                return None
            case Mechanism.XOAUTH2 | Mechanism.OAUTHBEARER:
                return SecretKind.TOKEN
            case Mechanism.EXTERNAL:
                return SecretKind.CERTIFICATE
            case _:
                return SecretKind.PASSWORD


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
    """Credentials with the secret itself, made for one probe and discarded with it.

    Attributes:
        username: As sent to the server.
        secret: The password or the access token; empty with a client certificate.
        mechanism: The configured mechanism; `AUTO` lets the dialogue pick from what the server offers.
        kind: What the secret is.
    """

    username: str
    secret: Secret
    mechanism: Mechanism = Mechanism.AUTO
    kind: SecretKind = SecretKind.PASSWORD


@dataclass(frozen=True, slots=True)
class Withheld:
    """A login that is not tried now, although the probe runs up to it.

    Attributes:
        reason: The failure reason of the probe.
        detail: Why, for people.
    """

    reason: FailureReason
    detail: str
