"""The shape of the section `domains`."""

from __future__ import annotations

from functools import partial
from typing import Annotated, TypeAlias

from pydantic import BeforeValidator, ConfigDict, WithJsonSchema

from exporter.config import text
from exporter.config.durations import PATTERN
from exporter.config.fields import (
    Address,
    AllowedTarget,
    Duration,
    FilePath,
    Interval,
    LabelValue,
    OneOf,
    Text,
)
from exporter.config.hosts import is_ipv4, is_ipv6, parse_host
from exporter.config.keys import Section, key
from exporter.config.problems import quoted
from exporter.model import DomainCheck, Source

DOMAIN_LABELS = frozenset(
    {
        "domain",
        "check",
        "problem",
        "mx",
        "address",
        "sender",
        "host",
        "port",
        "key_type",
        "usage",
        "selector",
        "matching",
        "record",
        "mode",
        "id",
        "policy",
        "zone",
        "source",
        "le",
        "quantile",
        "job",
        "instance",
    }
)
"""Labels that series of domains have of themselves, and those that Prometheus sets."""


def parse_domain(written: str) -> str:
    """The name of a mail domain, in A-label form.

    Raises:
        ValueError: It is none; the message says why.
    """
    if "@" in written:
        raise ValueError(f"{quoted(written)} is a mail address; write what stands after the @")
    domain = parse_host(written)
    if is_ipv4(domain) or is_ipv6(domain) or "." not in domain:
        raise ValueError(f"{quoted(written)} is not a domain; write one like example.com")
    return domain


def parse_selector(written: str) -> str:
    """A selector of DKIM: labels of a name (RFC 6376 section 3.1)."""
    return parse_host(written)


DomainName: TypeAlias = Annotated[str, Text(parse_domain, r"^[^\s/?#@]+$")]
ListZone: TypeAlias = Annotated[str, Text(parse_domain, r"^[^\s/?#@]+$")]
Selector: TypeAlias = Annotated[str, Text(parse_selector)]
OneSource: TypeAlias = Annotated[Source, BeforeValidator(OneOf(Source))]
OneDomainCheck: TypeAlias = Annotated[DomainCheck, BeforeValidator(OneOf(DomainCheck))]
Judging: TypeAlias = Annotated[float, Text(Duration(0.1, 600, "30s"), PATTERN)]
DomainLabelName: TypeAlias = Annotated[str, Text(partial(text.label_name, reserved=DOMAIN_LABELS))]
DomainLabels: TypeAlias = Annotated[
    dict[DomainLabelName, LabelValue],
    WithJsonSchema(
        {
            "type": "object",
            "propertyNames": {"pattern": text.LABEL_NAME, "not": {"enum": sorted(DOMAIN_LABELS)}},
            "additionalProperties": {"type": ["string", "number", "boolean"]},
        }
    ),
]


class DomainTlsSection(Section):
    """How certificates are judged where they have to be good: of policies, documents and under MTA-STS."""

    ca_file: FilePath | None = key(
        "PEM file of the authorities to trust; the system's unless set. Relative to the configuration file.", "ca.pem"
    )


class DomainSection(Section):
    """A mail domain that is judged: would the world deliver to it, and take mail from it?"""

    model_config = ConfigDict(json_schema_extra={"required": ["name"]})

    name: DomainName | None = key("The domain, which is the label domain.", "example.com")
    checks: list[OneDomainCheck] | None = key(
        "What to check; all that need no key below unless set, and those whose key is set.", ["mx", "dane", "spf"]
    )
    dkim_selectors: list[Selector] | None = key("DKIM: the selectors whose keys are checked.", ["mail2026"], [])
    senders: list[Address] | None = key(
        "Addresses that send for the domain, for spf, reverse_dns and dnsbl; those of its MX hosts unless set.",
        ["192.0.2.10"],
    )
    dnsbl: list[ListZone] | None = key("DNS lists to ask whether a sender is on them.", ["zen.spamhaus.org"], [])
    allowed_targets: list[AllowedTarget] | None = key(
        "What may be connected to beside public addresses: names, *.NAME for all below one, networks and addresses.",
        ["mail.example.com", "192.0.2.0/24"],
        [],
    )
    tls: DomainTlsSection | None = key("Which authorities to trust.", {"ca_file": "ca.pem"}, {})
    interval: Interval | None = key("Time from the start of one judgement to the next, 1s to 24h.", "15m", "1h")
    timeout: Judging | None = key("Time that one judgement may take.", "1m", "30s")
    labels: DomainLabels | None = key("Labels for every series of the domain.", {"team": "mail"}, {})
