"""The schema of the configuration file: its sections and keys with their descriptions, and a JSON schema for editors.

A new key is a field here, or in `endpoint_schema` if it is about one server, and a row in the reference. As in
`endpoint_schema`, a key without a value is `None`, and other modules decide which keys are required.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ConfigDict
from pydantic.json_schema import GenerateJsonSchema

from exporter.config import schema_fields as kinds
from exporter.config.endpoint_schema import CredentialsSection, DefaultsSection, EndpointSection, ModuleSection
from exporter.config.schema_fields import Section, key

SUBJECTS = ("endpoints", "modules", "flows", "domains")
"""A configuration needs at least one of these sections."""


class DnsSection(Section):
    """How names are looked up."""

    nameservers: list[kinds.NameserverAddress] | None = key(
        "Addresses of DNS servers, with the port if it is not 53; the system's unless set.",
        ["192.0.2.53", "127.0.0.1:5353"],
        [],
    )
    timeout: kinds.LookupTimeout | None = key(
        "Time that one lookup may take, within the timeout of the probe.", "2s", "5s"
    )
    search: list[kinds.Host] | None = key(
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
    """Limits that protect this process and the servers that it probes."""

    concurrent_probes: kinds.ProbesAtOnce | None = key("How many probes may run at once.", 64, 256)
    connections_per_host: kinds.ConnectionsAtOnce | None = key("How many of them may talk to the same host.", 2, 4)
    on_demand_probes: kinds.ConnectionsAtOnce | None = key(
        "How many probes that /probe asks for may run at once.", 32, 16
    )


class LoginBackoffSection(Section):
    """How long a rejected login is left alone."""

    initial: kinds.Backoff | None = key(
        "After the first rejection, 1s to 24h; each further one doubles it.", "10m", "5m"
    )
    max: kinds.Backoff | None = key("At most, 1s to 24h.", "2h", "1h")


class FlowKeySection(Section):
    """The key that marks the messages of flows as ours."""

    flow_key_file: kinds.FilePath | None = key(
        "A file with the key that signs the messages of flows, at least 16 octets that nobody can guess. Relative to "
        "the configuration file.",
        "/run/secrets/flow-key",
    )
    flow_key_env: kinds.VariableName | None = key("An environment variable with it.", "FLOW_KEY")
    flow_key: kinds.InlineFlowKey | None = key("The key itself.", "correct horse battery staple")


class SendSection(Section):
    """How the messages of a flow are handed in."""

    model_config = ConfigDict(
        json_schema_extra={"required": ["to"], "oneOf": [{"required": ["endpoint"]}, {"required": ["mx"]}]}
    )

    endpoint: kinds.Name | None = key("The SMTP endpoint that takes the messages, by its name.", "submission")
    mx: kinds.Host | None = key(
        "Instead of an endpoint: each MX host of this domain takes a message, on port 25 and without a login.",
        "example.com",
    )
    sender: kinds.FlowAddress | None = key(
        "Who sends; the username of the endpoint's credentials unless set.", "monitor@example.com", alias="from"
    )
    to: kinds.FlowAddress | None = key("Who receives.", "probe@gmail.example")
    bounces: kinds.Name | None = key(
        "The endpoint that reads the sender's mailbox, for notifications that a message could not be delivered.",
        "office-imap",
    )


class ReceiveSection(Section):
    """Where the messages of a flow are looked for."""

    model_config = ConfigDict(json_schema_extra={"required": ["endpoint"]})

    endpoint: kinds.Name | None = key("The IMAP or POP3 endpoint that reads the mailbox, by its name.", "gmail")
    mailboxes: list[kinds.Mailbox] | None = key(
        r"IMAP: the mailboxes to look in, in this order; INBOX and \Junk unless set. A name that begins with a "
        r"backslash is a special use, such as \Archive.",
        ["INBOX", r"\Junk"],
    )
    authserv_id: kinds.PlainText | None = key(
        "Whose Authentication-Results count: the name that the receiving server gives itself in them.", "mx.google.com"
    )


class FlowExpectSection(Section):
    """What is expected of a message."""

    within: kinds.Promptness | None = key("It arrives in this time; give_up unless set.", "2m")
    mailbox: kinds.Mailbox | None = key("It arrives in this mailbox; the first of them unless set.", "INBOX")
    auth: dict[kinds.OneAuthMethod, kinds.OneAuthResult] | None = key(
        "What the receiving server says about it: the result of spf, dkim, dmarc and arc.",
        {"spf": "pass", "dkim": "pass", "dmarc": "pass"},
        {},
    )
    sender: kinds.PlainText | None = key(
        "Where nothing is sent: the address that the awaited message is from; * and ? stand for any text and any one "
        "character.",
        "backup@*.example.com",
        alias="from",
    )
    subject: kinds.PlainText | None = key("Where nothing is sent: its subject, likewise.", "*finished*")
    every: kinds.Rhythm | None = key("Where nothing is sent: how old the newest such message may become.", "26h")


class FlowSection(Section):
    """A message sent here and looked for there; without send, a message of somebody else's that has to come."""

    model_config = ConfigDict(json_schema_extra={"required": ["name", "receive"]})

    name: kinds.Name | None = key("A unique name, the label flow.", "office-to-gmail")
    send: SendSection | None = key(
        "How the messages are handed in; none are sent unless set.",
        {"endpoint": "submission", "to": "probe@gmail.example"},
    )
    receive: ReceiveSection | None = key("Where they are looked for.", {"endpoint": "gmail"})
    expect: FlowExpectSection | None = key("What they have to be like.", {"within": "2m"}, {})
    give_up: kinds.Patience | None = key("Time after which a message that was not found is lost.", "1h", "1h")
    interval: kinds.Interval | None = key("Time from one message, or look, to the next, 1s to 24h.", "5m", "5m")
    labels: kinds.FlowLabels | None = key("Labels for every series of the flow.", {"team": "mail"}, {})


class DomainTlsSection(Section):
    """How certificates are judged that must be valid: those of policies, of documents and under MTA-STS."""

    ca_file: kinds.FilePath | None = key(
        "PEM file of the authorities to trust; the system's unless set. Relative to the configuration file.", "ca.pem"
    )


class DomainSection(Section):
    """A mail domain that is judged: would the world deliver to it, and take mail from it?"""

    model_config = ConfigDict(json_schema_extra={"required": ["name"]})

    name: kinds.DomainName | None = key("The domain, which is the label domain.", "example.com")
    checks: list[kinds.OneDomainCheck] | None = key(
        "What to check; all that need no key below unless set, and those whose key is set.", ["mx", "dane", "spf"]
    )
    dkim_selectors: list[kinds.Selector] | None = key("DKIM: the selectors whose keys are checked.", ["mail2026"], [])
    senders: list[kinds.Address] | None = key(
        "Addresses that send for the domain, for spf, reverse_dns and dnsbl; those of its MX hosts unless set.",
        ["192.0.2.10"],
    )
    dnsbl: list[kinds.DomainName] | None = key(
        "DNS lists to ask whether a sender is on them.", ["zen.spamhaus.org"], []
    )
    allowed_targets: list[kinds.AllowedTarget] | None = key(
        "What may be connected to besides public addresses: names, *.NAME for all below one, networks and addresses.",
        ["mail.example.com", "192.0.2.0/24"],
        [],
    )
    tls: DomainTlsSection | None = key("Which authorities to trust.", {"ca_file": "ca.pem"}, {})
    interval: kinds.Interval | None = key("Time from the start of one judgement to the next, 1s to 24h.", "15m", "1h")
    timeout: kinds.Judging | None = key("Time that one judgement may take.", "1m", "30s")
    labels: kinds.DomainLabels | None = key("Labels for every series of the domain.", {"team": "mail"}, {})


def _of_a_file(schema: dict[str, Any]) -> None:
    """The JSON schema of the top level: at least one subject, and any keys that begin with `x-`."""
    schema["anyOf"] = [{"required": [subject]} for subject in SUBJECTS]
    schema["patternProperties"] = {"^x-": {}}


class FileSection(FlowKeySection):
    """The configuration of mail-exporter."""

    model_config = ConfigDict(title="mail-exporter configuration", json_schema_extra=_of_a_file)

    defaults: DefaultsSection | None = key("Keys for every endpoint that does not set them.", {"interval": "30s"}, {})
    credentials: dict[kinds.Name, CredentialsSection] | None = key(
        "Users to log in as, by the names that endpoints call them.",
        {"monitor": {"username": "monitor", "password_file": "/run/secrets/monitor"}},
        {},
    )
    endpoints: list[EndpointSection] | None = key("What to probe.", [{"url": "imaps://mail.example.com"}])
    modules: dict[kinds.Name, ModuleSection] | None = key(
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
        return False


def json_schema() -> Mapping[str, Any]:
    """A JSON schema of the file, for editors and other programs.

    It is stricter than the reader, which also accepts numbers in quotes, and text that looks like a number without
    quotes.
    """
    schema = FileSection.model_json_schema(schema_generator=_Untitled)
    return {"$schema": GenerateJsonSchema.schema_dialect, **schema}
