"""What a client prefers, from its request's headers (RFC 9110 12.5).

This module parses headers and does not use aiohttp. prometheus_client has such a function too, but it takes the first
format that it knows. It ignores the weights by which Prometheus says what it prefers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from exporter.metrics.exposition import Format


@dataclass(frozen=True, slots=True)
class Preference:
    """An element of `Accept` or `Accept-Encoding`.

    Attributes:
        value: In lower case, without parameters.
        parameters: By lower-case name, without the weight.
        weight: From 0, never, to 1.
    """

    value: str
    parameters: Mapping[str, str]
    weight: float


_VERSIONS = {
    ("application/openmetrics-text", ""): Format.OPENMETRICS,
    ("application/openmetrics-text", "1.0.0"): Format.OPENMETRICS,
    ("text/plain", ""): Format.TEXT,
    ("text/plain", "0.0.4"): Format.TEXT,
    ("text/*", ""): Format.TEXT,
    ("*/*", ""): Format.TEXT,
}
"""The available formats by media range and the parameter `version`."""


def preferences(header: str) -> Iterator[Preference]:
    """The elements of a header in order, without those with an invalid weight."""
    for element in header.split(","):
        value, *rest = (part.strip() for part in element.split(";"))
        pairs = (part.partition("=") for part in rest)
        parameters = {name.strip().lower(): text.strip().strip('"') for name, _, text in pairs}
        weight = _weight(parameters.pop("q", "1"))
        if value and weight is not None:
            yield Preference(value.lower(), MappingProxyType(parameters), weight)


def preferred_format(accept: str) -> Format:
    """The format of `/metrics` that the client prefers. With equal weights, the first one counts.

    A client that accepts none of the formats, such as a browser, gets the text format. This helps scrapers with odd
    headers.
    """
    best, weight = Format.TEXT, 0.0
    for preference in preferences(accept):
        form = _VERSIONS.get((preference.value, preference.parameters.get("version", "")))
        if form is not None and preference.weight > weight:
            best, weight = form, preference.weight
    return best


def prefers_html(accept: str) -> bool:
    """Whether the client is a browser. Only browsers ask for HTML."""
    return any(preference.value == "text/html" and preference.weight > 0.0 for preference in preferences(accept))


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether the client takes gzip; what it says of gzip itself counts more than what it says of `*`."""
    weights = {preference.value: preference.weight for preference in preferences(accept_encoding)}
    return weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0))) > 0.0


def _weight(text: str) -> float | None:
    """RFC 9110 12.4.2: a number from 0 to 1; `None` for anything else."""
    try:
        weight = float(text)
    except ValueError:
        return None
    return weight if 0.0 <= weight <= 1.0 else None
