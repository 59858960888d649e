"""Writes a discovery as the `endpoints` section of a configuration, and as JSON. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from exporter.config.values.urls import parse_url
from exporter.domains.discovery.discoverer import Discovery
from exporter.domains.discovery.offers import Discovered


def configuration(domain: str, found: Iterable[Discovered]) -> str:
    """YAML text that begins with `endpoints:`; empty if nothing was found.

    Hosts were checked when they were read, so they have no characters with a special meaning in YAML.
    """
    lines = []
    for each in found:
        offer = each.offer
        lines.append(f"  - url: {_quoted(offer.name)}    # {domain}: {', '.join(each.sources)}")
        implied = parse_url(offer.name).scheme.encryption
        if implied is not offer.encryption:
            lines.append(f"    encryption: {offer.encryption}")
        if offer.relay:
            lines.append("    tls: {verify: false}    # as other mail servers hand over mail")
    return "\n".join(["endpoints:", *lines, ""]) if lines else ""


def _quoted(url: str) -> str:
    return f'"{url}"' if "[" in url else url


def document(discovery: Discovery) -> Mapping[str, Any]:
    """Everything that was discovered, for programs."""
    return {
        "domain": discovery.domain,
        "endpoints": [
            {
                "name": each.offer.name,
                "protocol": each.offer.protocol.value,
                "host": each.offer.host,
                "port": each.offer.port,
                "encryption": each.offer.encryption.value,
                "sources": [source.value for source in each.sources],
            }
            for each in discovery.endpoints
        ],
        "sources": [
            {"source": answer.source.value, "success": answer.success, "problem": answer.problem}
            for answer in discovery.answers
        ],
        "disagreements": discovery.disagreements,
        "configuration": configuration(discovery.domain, discovery.endpoints),
    }
