"""The shape of the configuration file: its sections and keys, their meaning, and the JSON schema that editors read.

A new key is a field here and a row in the reference. As far as this file is concerned every key may be absent, and is
`None` where it was written without a value; what must be there, what excludes what and what applies in the end is
decided in `credentials` and `endpoints`. What has to do with logins stands in `login_schema`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ConfigDict, Field
from pydantic.json_schema import GenerateJsonSchema

from exporter.config.domain_schema import DomainName, DomainSection, OneSource
from exporter.config.fields import (
    Address,
    AllowedTarget,
    Capability,
    FilePath,
    Fingerprint,
    Helo,
    Host,
    Interval,
    Labels,
    LookupTimeout,
    MailAddress,
    Mailbox,
    ModuleUrl,
    Name,
    Nameserver,
    OneAddresses,
    OneEncryption,
    OneIpFamily,
    OneMechanism,
    OneProtocol,
    OneTlsVersion,
    Port,
    ProxyUrl,
    ReplyCode,
    ReversePath,
    TargetHost,
    Timeout,
    Url,
)
from exporter.config.flow_schema import FlowKeySection, FlowSection
from exporter.config.keys import Section, key
from exporter.config.login_schema import CredentialsSection, LoginBackoffSection


class TlsSection(Section):
    """How the server's certificate is judged."""

    verify: bool | None = key(
        "Whether a bad certificate fails the probe; it is judged and exported either way.", False, True
    )
    server_name: Host | None = key(
        "The name to ask for (SNI) and to find in the certificate; the endpoint's host unless set.", "mail.example.com"
    )
    ca_file: FilePath | None = key(
        "PEM file of the authorities to trust; the system's unless set. Relative to the configuration file.", "ca.pem"
    )
    min_version: OneTlsVersion | None = key("The lowest version of TLS to accept.", "TLSv1.3", "TLSv1.2")
    client_cert_file: FilePath | None = key(
        "PEM file with the certificate chain to present if asked for one.", "client.pem"
    )
    client_key_file: FilePath | None = key(
        "PEM file with its private key, unless client_cert_file holds it.", "client.key"
    )


class ExpectSection(Section):
    """What the server must offer, and be, for a probe to succeed."""

    capabilities: list[Capability] | None = key(
        "Capabilities that must be among those of the last EHLO, CAPABILITY or CAPA, in any case.",
        ["IDLE", "QUOTA"],
        [],
    )
    fingerprints: list[Fingerprint] | None = key(
        "SHA-256 of the certificates or public keys that the server may show: hexadecimal, with colons or without, or "
        "sha256/ and base64.",
        ["5D:1E:E6:8A:6B:3D:36:8B:9E:61:C8:75:83:C9:A9:4E:33:62:C4:A2:9A:3E:7E:66:04:8C:0D:2C:17:8D:5A:F5"],
        [],
    )


class DefaultsSection(Section):
    """What holds for every endpoint that does not say otherwise."""

    protocol: OneProtocol | None = key("The protocol of endpoints that are written with host instead of url.", "imap")
    encryption: OneEncryption | None = key(
        "tls: from the start. starttls: by the upgrade command, or the probe fails. opportunistic: by the upgrade "
        "command if it is offered. none: never. Decided by the url's scheme, or by the port, unless set.",
        "opportunistic",
    )
    interval: Interval | None = key("Time from the start of one probe to the next, 1s to 24h.", "30s", "60s")
    timeout: Timeout | None = key("Time that a whole probe may take; at most the interval.", "10s", "15s")
    labels: Labels | None = key(
        "Labels for every series of the endpoint, added to those of the defaults.", {"team": "mail"}, {}
    )
    credentials: Name | None = key("The entry of credentials to log in with; no login unless set.", "monitor")
    mechanism: OneMechanism | None = key("How to log in; auto takes what the server offers.", "PLAIN", "auto")
    allow_insecure_auth: bool | None = key(
        "Send the password even if the connection is not encrypted and verified.", True, False
    )
    ip_family: OneIpFamily | None = key("Which addresses of the host to use.", "ipv6", "any")
    addresses: OneAddresses | None = key(
        "first: the host is one server, whose addresses are tried in order. all: each of its addresses is probed, and "
        "has series of its own.",
        "all",
        "first",
    )
    source_address: Address | None = key(
        "The local address to connect from; its family decides ip_family.", "192.0.2.10"
    )
    proxy: ProxyUrl | None = key(
        "A SOCKS5 or HTTP proxy (CONNECT) to connect by way of. Names are looked up here, and not by the proxy.",
        "socks5://proxy.example.com:1080",
    )
    helo: Helo | None = key("SMTP: the name to give in EHLO; this machine's unless set.", "probe.example.com")
    tls: TlsSection | None = key("How the server's certificate is judged.", {"ca_file": "ca.pem"}, {})
    expect: ExpectSection | None = key("What the server must offer.", {"capabilities": ["IDLE"]}, {})
    mailbox: Mailbox | None = key("IMAP: a mailbox to look at, without changing anything in it.", "INBOX")
    read_back: int | None = Field(
        default=None,
        ge=1,
        le=100,
        description="IMAP with mailbox, and POP3: read so many of the newest messages to see whether they can be.",
        examples=[5],
        json_schema_extra={"default": None},
    )
    mail_from: ReversePath | None = key(
        "SMTP: the sender to give when asking about rcpt_to; empty for <>.", "monitor@example.com", ""
    )
    rcpt_to: MailAddress | None = key(
        "SMTP: a recipient to ask the server about. Nothing is sent to it.", "postmaster@example.com"
    )
    rcpt_expect: list[ReplyCode] | None = key(
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

    name: Name | None = key(
        "A unique name, the label endpoint; the shortest URL unless set. With provider it begins the names of all.",
        "submission",
    )
    url: Url | None = key("Protocol, encryption, host and port in one.", "imaps://mail.example.com")
    host: TargetHost | None = key("A DNS name or an IP address.", "mail.example.com")
    port: Port | None = key("The usual one of protocol and encryption unless set.", 993)
    provider: Name | None = key(
        "A preset instead of a url, by its name or a mail domain: an endpoint for each protocol of that provider.",
        "gmail",
    )
    protocols: list[OneProtocol] | None = key("With provider: only these of its protocols.", ["imap", "smtp"])
    domain: DomainName | None = key(
        "A mail domain instead of a url: an endpoint for each server that it publishes, for as long as it does.",
        "example.com",
    )
    discover: list[OneSource] | None = key(
        "With domain: where to look. mx: MX records, port 25. srv: SRV records (RFC 6186, RFC 8314). autoconfig: the "
        "documents of draft-ietf-mailmaint-autoconfig by HTTPS; autoconfig_http: without TLS. ispdb: Mozilla's "
        "database. pacc: the document of draft-ietf-mailmaint-pacc-04. presets: what mail-exporter knows itself.",
        ["mx", "srv", "autoconfig"],
        ["mx", "srv"],
    )
    refresh: Interval | None = key("With domain: time between two looks, 1s to 24h, never before the TTL.", "10m", "1h")
    allowed_targets: list[AllowedTarget] | None = key(
        "With domain: where its servers may be beside public addresses: names, *.NAME for all below one, networks and "
        "addresses.",
        ["*.example.com", "192.0.2.0/24"],
        [],
    )
    login_hosts: list[AllowedTarget] | None = key(
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

    url: ModuleUrl | None = key(
        "Protocol, encryption and port. A host in it is probed if no target is named.", "imaps://"
    )
    port: Port | None = key("Where the target names none; the usual one of protocol and encryption unless set.", 993)
    allowed_targets: list[AllowedTarget] | None = key(
        "What may be probed: names, *.NAME for all below one, networks and addresses. The host of url unless set, and "
        "every target if it has none.",
        ["*.example.com", "192.0.2.0/24"],
    )


class DnsSection(Section):
    """How names are looked up."""

    nameservers: list[Nameserver] | None = key(
        "Addresses of DNS servers, with the port if it is not 53; the system's unless set.",
        ["192.0.2.53", "127.0.0.1:5353"],
        [],
    )
    timeout: LookupTimeout | None = key("Time that one lookup may take, within the timeout of the probe.", "2s", "5s")
    search: list[Host] | None = key(
        "Domains to append to names without a dot: [] for none. The system's unless set, or none with nameservers.",
        ["example.com"],
    )
    trust_ad: bool | None = key(
        "Whether to believe these servers that they validated an answer by DNSSEC (the AD bit). Servers on loopback "
        "are believed, and those of a resolv.conf with the option trust-ad.",
        True,
        False,
    )


class LimitsSection(Section):
    """Bounds that keep this process, and the servers it probes, out of trouble."""

    concurrent_probes: int | None = Field(
        default=None,
        ge=1,
        le=10_000,
        description="How many probes may run at once.",
        examples=[64],
        json_schema_extra={"default": 256},
    )
    connections_per_host: int | None = Field(
        default=None,
        ge=1,
        le=1_000,
        description="How many of them may talk to the same host.",
        examples=[2],
        json_schema_extra={"default": 4},
    )
    on_demand_probes: int | None = Field(
        default=None,
        ge=1,
        le=1_000,
        description="How many probes that /probe asks for may run at once.",
        examples=[32],
        json_schema_extra={"default": 16},
    )


def _of_a_file(schema: dict[str, Any]) -> None:
    """At least one subject, and keys of the author's own at the top."""
    schema["anyOf"] = [{"required": [subject]} for subject in ("endpoints", "modules", "flows")]
    schema["patternProperties"] = {"^x-": {}}


class FileSection(FlowKeySection):
    """The configuration of mail-exporter."""

    model_config = ConfigDict(title="mail-exporter configuration", json_schema_extra=_of_a_file)

    defaults: DefaultsSection | None = key("Keys for every endpoint that does not set them.", {"interval": "30s"}, {})
    credentials: dict[Name, CredentialsSection] | None = key(
        "Users to log in as, by the names that endpoints call them.",
        {"monitor": {"username": "monitor", "password_file": "/run/secrets/monitor"}},
        {},
    )
    endpoints: list[EndpointSection] | None = key("What to probe.", [{"url": "imaps://mail.example.com"}])
    modules: dict[Name, ModuleSection] | None = key(
        "How to probe targets that somebody names, by the names that they call it.",
        {"imaps": {"url": "imaps://", "allowed_targets": ["*.example.com"]}},
        {},
    )
    domains: list[DomainSection] | None = key(
        "Mail domains to judge: whether the world can deliver to them.",
        [{"name": "example.com"}],
        [],
    )
    dns: DnsSection | None = key(
        "How names are looked up; as the system does unless set.", {"nameservers": ["192.0.2.53"]}, {}
    )
    limits: LimitsSection | None = key("Bounds on what happens at once.", {"concurrent_probes": 64}, {})
    flows: list[FlowSection] | None = key(
        "Mail that is sent here and looked for there.",
        [{"name": "to-gmail", "send": {"endpoint": "out", "to": "me@example.net"}, "receive": {"endpoint": "in"}}],
        [],
    )
    login_backoff: LoginBackoffSection | None = key(
        "How long a rejected login is left alone, so that no account gets locked.", {"initial": "10m"}, {}
    )


class _Untitled(GenerateJsonSchema):
    """Leaves out titles that only repeat a key."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - the signature is pydantic's
        """Never."""
        return False


def json_schema() -> Mapping[str, Any]:
    """A JSON schema of the file, for editors and other programs.

    It is stricter than reading the file: a number may stand between quotes there, and text that looks like a number may
    stand without.
    """
    schema = FileSection.model_json_schema(schema_generator=_Untitled)
    return {"$schema": GenerateJsonSchema.schema_dialect, **schema}
