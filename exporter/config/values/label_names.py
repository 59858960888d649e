"""Checks the labels that the configuration adds to series."""

from __future__ import annotations

import re
from collections.abc import Collection

from exporter.config.problems import quoted
from exporter.config.values.plain_text import plain
from exporter.model import Label

LABEL_NAME = "^[a-zA-Z_][a-zA-Z0-9_]*$"

_OF_PROMETHEUS = frozenset({"job", "instance", "quantile"})

RESERVED_LABELS = frozenset({*Label, "domain", "code"}) | _OF_PROMETHEUS
"""Labels that series of endpoints already have, labels that queries join by, and labels of Prometheus."""

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
"""Labels that series of flows already have, and labels of Prometheus."""

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
"""Labels that series of domains already have, and labels of Prometheus."""


def label_name(text: str, reserved: Collection[str] = RESERVED_LABELS) -> str:
    """Checks the name of an additional label. It must not be `reserved`."""
    if not re.fullmatch(LABEL_NAME, text):
        raise ValueError(f"{quoted(text)} is not a label name; write letters, digits and underscores, no digit first")
    if text.startswith("__"):
        raise ValueError(f"{quoted(text)}: labels that begin with __ are Prometheus' own; choose another name")
    if text in reserved:
        raise ValueError(f"the label {quoted(text)} is used by the metrics themselves; choose another name")
    return text


def label_value(text: str) -> str:
    """Checks the value of an additional label. An empty value removes a label of the defaults."""
    return text and plain(text)
