"""Clients for OAuth 2 access tokens (RFC 6749). The tokens themselves are elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from exporter.model.secrets import SecretSource


class OAuth2Provider(StrEnum):
    """Providers of access tokens that need special treatment."""

    MICROSOFT = "microsoft"
    GOOGLE = "google"
    CUSTOM = "custom"


class OAuth2Grant(StrEnum):
    """What an access token is given for: the values of `grant_type`."""

    CLIENT_CREDENTIALS = "client_credentials"
    """RFC 6749 4.4: for the client itself."""
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
        scope: The scopes of the tokens, separated by spaces; `None` to leave it to the server.
        client_id: `None` where a service account takes its place.
        client_secret: `None` if the client has none, or signs.
        refresh_token: `None` if tokens are given for something else.
        private_key: PEM; signs assertions instead of a client secret (RFC 7523). `None` for none.
        certificate: PEM; what the server knows that key by. `None` where it knows the key itself. Not a secret, but
            read together with its key because both are replaced together.
        service_account: Google's JSON key file; `None` for none.
        subject: The user that a service account acts for; `None` for itself.
        ca_file: PEM file of the authorities to trust at the token endpoint; `None` for the system's.
        authentication: How the client secret is sent; `None` if there is none.
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
        """The grant type of token requests."""
        if self.service_account is not None:
            return OAuth2Grant.JWT_BEARER
        return OAuth2Grant.CLIENT_CREDENTIALS if self.refresh_token is None else OAuth2Grant.REFRESH_TOKEN


class TokenOutcome(StrEnum):
    """What became of a request for a token: label `outcome` of `mail_oauth2_token_requests_total`."""

    SUCCESS = "success"
    REFUSED = "refused"
    """The server refuses with an error of RFC 6749 5.2: another try will not help."""
    UNAVAILABLE = "unavailable"
    """The server cannot answer now: HTTP 429 or 5xx."""
    UNREACHABLE = "unreachable"
    """The server cannot be reached, has an invalid certificate, or does not answer in time."""
    INVALID = "invalid"
    """The answer does not come from a token endpoint."""
