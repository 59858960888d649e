"""The shape of the sections about mail flow: the key that signs messages, and the flows."""

from __future__ import annotations

from functools import partial
from typing import Annotated, TypeAlias

from pydantic import BeforeValidator, ConfigDict, WithJsonSchema

from exporter.config import text, wire
from exporter.config.durations import PATTERN
from exporter.config.fields import (
    Duration,
    FilePath,
    Host,
    InlineSecret,
    Interval,
    LabelValue,
    Mailbox,
    Name,
    OneOf,
    PlainText,
    Text,
    VariableName,
)
from exporter.config.keys import Section, key
from exporter.model import AuthMethod, AuthResult, Secret

FLOW_LABELS = frozenset(
    {
        "flow",
        "mx",
        "sender",
        "recipient",
        "send_endpoint",
        "receive_endpoint",
        "outcome",
        "leg",
        "reason",
        "method",
        "result",
        "scanner",
        "kind",
        "le",
        "quantile",
        "job",
        "instance",
    }
)
"""Labels that series of flows have of themselves, and those that Prometheus sets."""

_YEAR = 365 * 24 * 3600

InlineFlowKey: TypeAlias = Annotated[Secret, Text(InlineSecret("flow_key"))]
FlowAddress: TypeAlias = Annotated[str, Text(wire.flow_address)]
Patience: TypeAlias = Annotated[float, Text(Duration(1, 7 * 24 * 3600, "1h"), PATTERN)]
Promptness: TypeAlias = Annotated[float, Text(Duration(0.1, 7 * 24 * 3600, "2m"), PATTERN)]
Rhythm: TypeAlias = Annotated[float, Text(Duration(1, _YEAR, "26h"), PATTERN)]
FlowLabelName: TypeAlias = Annotated[str, Text(partial(text.label_name, reserved=FLOW_LABELS))]
FlowLabels: TypeAlias = Annotated[
    dict[FlowLabelName, LabelValue],
    WithJsonSchema(
        {
            "type": "object",
            "propertyNames": {"pattern": text.LABEL_NAME, "not": {"enum": sorted(FLOW_LABELS)}},
            "additionalProperties": {"type": ["string", "number", "boolean"]},
        }
    ),
]
OneAuthMethod: TypeAlias = Annotated[AuthMethod, BeforeValidator(OneOf(AuthMethod))]
OneAuthResult: TypeAlias = Annotated[AuthResult, BeforeValidator(OneOf(AuthResult))]


class FlowKeySection(Section):
    """What marks the messages of flows as ours."""

    flow_key_file: FilePath | None = key(
        "A file with the key that signs the messages of flows, at least 16 octets that nobody can guess. Relative to "
        "the configuration file.",
        "/run/secrets/flow-key",
    )
    flow_key_env: VariableName | None = key("An environment variable with it.", "FLOW_KEY")
    flow_key: InlineFlowKey | None = key("The key itself.", "correct horse battery staple")


class SendSection(Section):
    """How the messages of a flow are handed in."""

    model_config = ConfigDict(
        json_schema_extra={"required": ["to"], "oneOf": [{"required": ["endpoint"]}, {"required": ["mx"]}]}
    )

    endpoint: Name | None = key("The SMTP endpoint that takes the messages, by its name.", "submission")
    mx: Host | None = key(
        "Instead of an endpoint: each MX host of this domain takes a message, on port 25 and without a login.",
        "example.com",
    )
    sender: FlowAddress | None = key(
        "Who sends; the username of the endpoint's credentials unless set.", "monitor@example.com", alias="from"
    )
    to: FlowAddress | None = key("Who receives.", "probe@gmail.example")
    bounces: Name | None = key(
        "The endpoint that reads the sender's mailbox, for notifications that a message could not be delivered.",
        "office-imap",
    )


class ReceiveSection(Section):
    """Where the messages of a flow are looked for."""

    model_config = ConfigDict(json_schema_extra={"required": ["endpoint"]})

    endpoint: Name | None = key("The IMAP or POP3 endpoint that reads the mailbox, by its name.", "gmail")
    mailboxes: list[Mailbox] | None = key(
        r"IMAP: the mailboxes to look in, in this order; INBOX and \Junk unless set. A name that begins with a "
        r"backslash is a special use, such as \Archive.",
        ["INBOX", r"\Junk"],
    )
    authserv_id: PlainText | None = key(
        "Whose Authentication-Results count: the name that the receiving server gives itself in them.", "mx.google.com"
    )


class FlowExpectSection(Section):
    """What a message has to be like."""

    within: Promptness | None = key("It arrives in this time; give_up unless set.", "2m")
    mailbox: Mailbox | None = key("It arrives in this mailbox; the first of them unless set.", "INBOX")
    auth: dict[OneAuthMethod, OneAuthResult] | None = key(
        "What the receiving server says about it: the result of spf, dkim, dmarc and arc.",
        {"spf": "pass", "dkim": "pass", "dmarc": "pass"},
        {},
    )
    sender: PlainText | None = key(
        "Where nothing is sent: the address that the awaited message is from; * and ? stand for any text and any one "
        "character.",
        "backup@*.example.com",
        alias="from",
    )
    subject: PlainText | None = key("Where nothing is sent: its subject, likewise.", "*finished*")
    every: Rhythm | None = key("Where nothing is sent: how old the newest such message may become.", "26h")


class FlowSection(Section):
    """A message sent here and looked for there; without send, a message of somebody else's that has to come."""

    model_config = ConfigDict(json_schema_extra={"required": ["name", "receive"]})

    name: Name | None = key("A unique name, the label flow.", "office-to-gmail")
    send: SendSection | None = key(
        "How the messages are handed in; none are sent unless set.",
        {"endpoint": "submission", "to": "probe@gmail.example"},
    )
    receive: ReceiveSection | None = key("Where they are looked for.", {"endpoint": "gmail"})
    expect: FlowExpectSection | None = key("What they have to be like.", {"within": "2m"}, {})
    give_up: Patience | None = key("Time after which a message that was not found is lost.", "1h", "1h")
    interval: Interval | None = key("Time from one message, or look, to the next, 1s to 24h.", "5m", "5m")
    labels: FlowLabels | None = key("Labels for every series of the flow.", {"team": "mail"}, {})
