"""The shape of the sections about logging in: credentials, where access tokens come from, and backing off."""

from __future__ import annotations

from pydantic import ConfigDict

from exporter.config.fields import (
    Backoff,
    FilePath,
    InlineClientSecret,
    InlinePassword,
    InlineRefreshToken,
    OneOAuth2Authentication,
    OneOAuth2Provider,
    PlainText,
    Scope,
    Tenant,
    TokenUrl,
    VariableName,
)
from exporter.config.keys import Section, key

_PASSWORDS = ("password_file", "password_env", "password")


class OAuth2Section(Section):
    """Where access tokens come from, instead of a password."""

    model_config = ConfigDict(json_schema_extra={"required": ["provider"]})

    provider: OneOAuth2Provider | None = key(
        "Who gives the tokens. microsoft and google imply token_url and scope; custom is anybody else.", "microsoft"
    )
    tenant: Tenant | None = key("microsoft: the directory, by its domain or id.", "contoso.onmicrosoft.com")
    client_id: PlainText | None = key("The name of the client at the provider.", "00000000-0000-0000-0000-000000000000")
    client_secret_file: FilePath | None = key(
        "A file with the secret of the client, read again for every token. Relative to the configuration file.",
        "/run/secrets/contoso",
    )
    client_secret_env: VariableName | None = key("An environment variable with it.", "CONTOSO_SECRET")
    client_secret: InlineClientSecret | None = key("The secret of the client itself.", "correct~horse.battery")
    authentication: OneOAuth2Authentication | None = key(
        "How the secret is sent: in the header of HTTP's Basic scheme (the default of custom) or among the "
        "parameters of the request (the default of the others).",
        "client_secret_post",
    )
    private_key_file: FilePath | None = key(
        "A PEM file with a private key, which signs requests instead of a client secret.", "/run/secrets/contoso.key"
    )
    certificate_file: FilePath | None = key(
        "A PEM file with the certificate that the provider knows the private key by.", "contoso.pem"
    )
    refresh_token_file: FilePath | None = key(
        "A file with a refresh token, by which a user lets the client in. It is never written to.",
        "/run/secrets/refresh-token",
    )
    refresh_token_env: VariableName | None = key("An environment variable with it.", "REFRESH_TOKEN")
    refresh_token: InlineRefreshToken | None = key("The refresh token itself.", "1//0correcthorse")
    service_account_file: FilePath | None = key(
        "The JSON key file of a Google service account, instead of a client.", "/run/secrets/service-account.json"
    )
    subject: PlainText | None = key(
        "Whom the service account acts for; the username unless set.", "monitor@example.com"
    )
    token_url: TokenUrl | None = key(
        "The token endpoint: needed for custom, and changed for the other providers.",
        "https://idp.example.com/oauth2/token",
    )
    scope: Scope | None = key(
        "What the tokens are to be good for, separated by spaces; the provider's for mail unless set.",
        "https://outlook.office365.com/.default",
    )
    ca_file: FilePath | None = key(
        "PEM file of the authorities to trust at the token endpoint; the system's unless set.", "ca.pem"
    )


class CredentialsSection(Section):
    """A user to log in as: by a password, by access tokens, or with neither of them by a client certificate."""

    model_config = ConfigDict(
        json_schema_extra={
            "required": ["username"],
            "allOf": [
                {"not": {"required": [one, other]}}
                for keys in [(*_PASSWORDS, "oauth2")]
                for number, one in enumerate(keys)
                for other in keys[number + 1 :]
            ],
        }
    )

    username: PlainText | None = key("As the server knows the user.", "monitor@example.com")
    password_file: FilePath | None = key(
        "A file with the password, read again for every login. Relative to the configuration file.",
        "/run/secrets/monitor",
    )
    password_env: VariableName | None = key("An environment variable with the password.", "MONITOR_PASSWORD")
    password: InlinePassword | None = key("The password itself.", "correct horse battery staple")
    oauth2: OAuth2Section | None = key(
        "Where access tokens come from, instead of a password.",
        {
            "provider": "microsoft",
            "tenant": "contoso.onmicrosoft.com",
            "client_id": "00000000-0000-0000-0000-000000000000",
            "client_secret_file": "/run/secrets/contoso",
        },
    )


class LoginBackoffSection(Section):
    """How long a rejected login is left alone."""

    initial: Backoff | None = key("After the first rejection, 1s to 24h; each further one doubles it.", "10m", "5m")
    max: Backoff | None = key("At most, 1s to 24h.", "2h", "1h")
