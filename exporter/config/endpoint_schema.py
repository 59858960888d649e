"""The schema of the sections about one server: endpoints, modules, defaults, credentials and TLS.

In these models every key may be absent, and a key without a value is `None`. The modules that read the sections decide
which keys are required, which exclude each other, and which value applies.
"""

from __future__ import annotations

from pydantic import ConfigDict

from exporter.config import schema_fields as kinds
from exporter.config.schema_fields import Section, key

_PASSWORDS = ("password_file", "password_env", "password")


class OAuth2Section(Section):
    """Where access tokens come from, instead of a password."""

    model_config = ConfigDict(json_schema_extra={"required": ["provider"]})

    provider: kinds.OneOAuth2Provider | None = key(
        "Who gives the tokens. microsoft and google imply token_url and scope; custom is anybody else.", "microsoft"
    )
    tenant: kinds.Tenant | None = key("microsoft: the directory, by its domain or id.", "contoso.onmicrosoft.com")
    client_id: kinds.PlainText | None = key(
        "The name of the client at the provider.", "00000000-0000-0000-0000-000000000000"
    )
    client_secret_file: kinds.FilePath | None = key(
        "A file with the secret of the client, read again for every token. Relative to the configuration file.",
        "/run/secrets/contoso",
    )
    client_secret_env: kinds.VariableName | None = key("An environment variable with it.", "CONTOSO_SECRET")
    client_secret: kinds.InlineClientSecret | None = key("The secret of the client itself.", "correct~horse.battery")
    authentication: kinds.OneOAuth2Authentication | None = key(
        "How the secret is sent: in the header of HTTP's Basic scheme (the default of custom) or among the "
        "parameters of the request (the default of the others).",
        "client_secret_post",
    )
    private_key_file: kinds.FilePath | None = key(
        "A PEM file with a private key, which signs requests instead of a client secret.", "/run/secrets/contoso.key"
    )
    certificate_file: kinds.FilePath | None = key(
        "A PEM file with the certificate that the provider knows the private key by.", "contoso.pem"
    )
    refresh_token_file: kinds.FilePath | None = key(
        "A file with a refresh token, by which a user lets the client in. It is never written to.",
        "/run/secrets/refresh-token",
    )
    refresh_token_env: kinds.VariableName | None = key("An environment variable with it.", "REFRESH_TOKEN")
    refresh_token: kinds.InlineRefreshToken | None = key("The refresh token itself.", "1//0correcthorse")
    service_account_file: kinds.FilePath | None = key(
        "The JSON key file of a Google service account, instead of a client.", "/run/secrets/service-account.json"
    )
    subject: kinds.PlainText | None = key(
        "Whom the service account acts for; the username unless set.", "monitor@example.com"
    )
    token_url: kinds.TokenUrl | None = key(
        "The token endpoint: needed for custom, and changed for the other providers.",
        "https://idp.example.com/oauth2/token",
    )
    scope: kinds.Scope | None = key(
        "What the tokens are to be good for, separated by spaces; the provider's for mail unless set.",
        "https://outlook.office365.com/.default",
    )
    ca_file: kinds.FilePath | None = key(
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

    username: kinds.PlainText | None = key("As the server knows the user.", "monitor@example.com")
    password_file: kinds.FilePath | None = key(
        "A file with the password, read again for every login. Relative to the configuration file.",
        "/run/secrets/monitor",
    )
    password_env: kinds.VariableName | None = key("An environment variable with the password.", "MONITOR_PASSWORD")
    password: kinds.InlinePassword | None = key("The password itself.", "correct horse battery staple")
    oauth2: OAuth2Section | None = key(
        "Where access tokens come from, instead of a password.",
        {
            "provider": "microsoft",
            "tenant": "contoso.onmicrosoft.com",
            "client_id": "00000000-0000-0000-0000-000000000000",
            "client_secret_file": "/run/secrets/contoso",
        },
    )


class TlsSection(Section):
    """How the server's certificate is judged."""

    verify: bool | None = key(
        "Whether a bad certificate fails the probe; it is judged and exported either way.", False, True
    )
    server_name: kinds.Host | None = key(
        "The name to ask for (SNI) and to find in the certificate; the endpoint's host unless set.", "mail.example.com"
    )
    ca_file: kinds.FilePath | None = key(
        "PEM file of the authorities to trust; the system's unless set. Relative to the configuration file.", "ca.pem"
    )
    min_version: kinds.OneTlsVersion | None = key("The lowest version of TLS to accept.", "TLSv1.3", "TLSv1.2")
    client_cert_file: kinds.FilePath | None = key(
        "PEM file with the certificate chain to present if asked for one.", "client.pem"
    )
    client_key_file: kinds.FilePath | None = key(
        "PEM file with its private key, unless client_cert_file holds it.", "client.key"
    )


class ExpectSection(Section):
    """What a probe expects of the server."""

    capabilities: list[kinds.Capability] | None = key(
        "Capabilities that must be among those of the last EHLO, CAPABILITY or CAPA, in any case.",
        ["IDLE", "QUOTA"],
        [],
    )
    fingerprints: list[kinds.Fingerprint] | None = key(
        "SHA-256 of the certificates or public keys that the server may show: hexadecimal, with colons or without, or "
        "sha256/ and base64.",
        ["5D:1E:E6:8A:6B:3D:36:8B:9E:61:C8:75:83:C9:A9:4E:33:62:C4:A2:9A:3E:7E:66:04:8C:0D:2C:17:8D:5A:F5"],
        [],
    )


class DefaultsSection(Section):
    """Keys that apply to every endpoint that does not set them."""

    protocol: kinds.OneProtocol | None = key(
        "The protocol of endpoints that are written with host instead of url.", "imap"
    )
    encryption: kinds.OneEncryption | None = key(
        "tls: from the start. starttls: by the upgrade command, or the probe fails. opportunistic: by the upgrade "
        "command if it is offered. none: never. Decided by the url's scheme, or by the port, unless set.",
        "opportunistic",
    )
    interval: kinds.Interval | None = key("Time from the start of one probe to the next, 1s to 24h.", "30s", "60s")
    timeout: kinds.Timeout | None = key("Time that a whole probe may take; at most the interval.", "10s", "15s")
    labels: kinds.Labels | None = key(
        "Labels for every series of the endpoint, added to those of the defaults.", {"team": "mail"}, {}
    )
    credentials: kinds.Name | None = key("The entry of credentials to log in with; no login unless set.", "monitor")
    mechanism: kinds.OneMechanism | None = key("How to log in; auto takes what the server offers.", "PLAIN", "auto")
    allow_insecure_auth: bool | None = key(
        "Send the password even if the connection is not encrypted and verified.", True, False
    )
    ip_family: kinds.OneIpFamily | None = key("Which addresses of the host to use.", "ipv6", "any")
    addresses: kinds.OneAddresses | None = key(
        "first: the host is one server, whose addresses are tried in order. all: each of its addresses is probed, and "
        "has series of its own.",
        "all",
        "first",
    )
    source_address: kinds.Address | None = key(
        "The local address to connect from; its family decides ip_family.", "192.0.2.10"
    )
    proxy: kinds.ProxyUrl | None = key(
        "A SOCKS5 or HTTP proxy (CONNECT) to connect by way of. Names are looked up here, and not by the proxy.",
        "socks5://proxy.example.com:1080",
    )
    helo: kinds.Helo | None = key("SMTP: the name to give in EHLO; this machine's unless set.", "probe.example.com")
    tls: TlsSection | None = key("How the server's certificate is judged.", {"ca_file": "ca.pem"}, {})
    expect: ExpectSection | None = key("What the server must offer.", {"capabilities": ["IDLE"]}, {})
    mailbox: kinds.Mailbox | None = key("IMAP: a mailbox to look at, without changing anything in it.", "INBOX")
    read_back: kinds.ReadBack | None = key(
        "IMAP with mailbox, and POP3: read so many of the newest messages to see whether they can be.", 5
    )
    mail_from: kinds.ReversePath | None = key(
        "SMTP: the sender to give when asking about rcpt_to; empty for <>.", "monitor@example.com", ""
    )
    rcpt_to: kinds.MailAddress | None = key(
        "SMTP: a recipient to ask the server about. Nothing is sent to it.", "postmaster@example.com"
    )
    rcpt_expect: list[kinds.ReplyCode] | None = key(
        "SMTP: the replies that rcpt_to must meet with, to test that a server refuses what it should.", [550, 554], []
    )


class EndpointSection(DefaultsSection):
    """What to probe: a server, by url or by protocol, host and port; or the servers of a provider."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {"required": ["url"]},
                {"required": ["host"]},
                {"required": ["provider"]},
                {"required": ["domain"]},
            ]
        }
    )

    name: kinds.Name | None = key(
        "A unique name, the label endpoint; the shortest URL unless set. With provider it begins the names of all.",
        "submission",
    )
    url: kinds.Url | None = key("Protocol, encryption, host and port in one.", "imaps://mail.example.com")
    host: kinds.TargetHost | None = key("A DNS name or an IP address.", "mail.example.com")
    port: kinds.Port | None = key("The usual one of protocol and encryption unless set.", 993)
    provider: kinds.Name | None = key(
        "A preset instead of a url, by its name or a mail domain: an endpoint for each protocol of that provider.",
        "gmail",
    )
    protocols: list[kinds.OneProtocol] | None = key("With provider: only these of its protocols.", ["imap", "smtp"])
    domain: kinds.DomainName | None = key(
        "A mail domain instead of a url: an endpoint for each server that it publishes, for as long as it does.",
        "example.com",
    )
    discover: list[kinds.OneSource] | None = key(
        "With domain: where to look. mx: MX records, port 25. srv: SRV records (RFC 6186, RFC 8314). autoconfig: the "
        "documents of draft-ietf-mailmaint-autoconfig by HTTPS; autoconfig_http: without TLS. ispdb: Mozilla's "
        "database. pacc: the document of draft-ietf-mailmaint-pacc-04. presets: what mail-exporter knows itself.",
        ["mx", "srv", "autoconfig"],
        ["mx", "srv"],
    )
    refresh: kinds.Interval | None = key(
        "With domain: time between two looks, 1s to 24h, never before the TTL.", "10m", "1h"
    )
    allowed_targets: list[kinds.AllowedTarget] | None = key(
        "With domain: where its servers may be beside public addresses: names, *.NAME for all below one, networks and "
        "addresses.",
        ["*.example.com", "192.0.2.0/24"],
        [],
    )
    login_hosts: list[kinds.AllowedTarget] | None = key(
        "With domain and credentials: servers that the login may be shown to beside those below the same registered "
        "domain: names, and *.NAME for all below one.",
        ["mail.hoster.example", "*.hoster.example"],
        [],
    )


class ModuleSection(DefaultsSection):
    """How to probe a target that somebody names by /probe?target=TARGET&module=NAME."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [{"required": ["url"]}, {"required": ["protocol"]}],
            "not": {"anyOf": [{"required": ["interval"]}, {"required": ["addresses"]}]},
            "dependentRequired": {"credentials": ["allowed_targets"]},
        }
    )

    url: kinds.ModuleUrl | None = key(
        "Protocol, encryption and port. A host in it is probed if no target is named.", "imaps://"
    )
    port: kinds.Port | None = key(
        "Where the target names none; the usual one of protocol and encryption unless set.", 993
    )
    allowed_targets: list[kinds.AllowedTarget] | None = key(
        "What may be probed: names, *.NAME for all below one, networks and addresses. The host of url unless set, and "
        "every target if it has none.",
        ["*.example.com", "192.0.2.0/24"],
    )
