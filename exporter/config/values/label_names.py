"""Labels that series may be given: how they are written, and which names are taken."""

from __future__ import annotations

import re
from collections.abc import Collection

from exporter.config.problems import quoted
from exporter.config.values.plain_text import plain
from exporter.model import Label

LABEL_NAME = "^[a-zA-Z_][a-zA-Z0-9_]*$"

_OF_PROMETHEUS = frozenset({"job", "instance", "quantile"})

RESERVED_LABELS = frozenset({*Label, "domain", "code"}) | _OF_PROMETHEUS
"""The labels that series of endpoints have of their own, those that a query joins by, and those of Prometheus."""

RESERVED_FLOW_LABELS = _OF_PROMETHEUS | {
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
}
"""Likewise of flows."""

RESERVED_DOMAIN_LABELS = _OF_PROMETHEUS | {
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
}
"""Likewise of domains."""


def label_name(text: str, reserved: Collection[str] = RESERVED_LABELS) -> str:
    """The name of a label that series may be given; `reserved` are those that they have of themselves."""
    if not re.fullmatch(LABEL_NAME, text):
        raise ValueError(f"{quoted(text)} is not a label name; write letters, digits and underscores, no digit first")
    if text.startswith("__"):
        raise ValueError(f"{quoted(text)}: labels that begin with __ are Prometheus' own; choose another name")
    if text in reserved:
        raise ValueError(f"the label {quoted(text)} is used by the metrics themselves; choose another name")
    return text


def label_value(text: str) -> str:
    """Its value. An empty one is as good as no label to Prometheus; it takes back a label of the defaults."""
    return text and plain(text)
