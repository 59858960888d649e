"""A hint if the endpoint's encryption probably does not match the server: TLS at once, or later by STARTTLS.

The hint is added to a failure's detail. It is based on the usual ports and on the first octets.
"""

from __future__ import annotations

from typing import Final

from exporter.config.values.urls import shortest_url, usual_scheme
from exporter.model import Encryption, Endpoint, Phase

TELLING: Final = frozenset({Phase.GREETING, Phase.TLS})
"""Phases that go wrong where one side waits for a handshake and the other for a greeting."""

IN_PLAIN: Final = "but in plain:"
"""How the stream says that words came instead of a handshake."""

TLS_RECORDS: Final = (r'"\x15\x03', r'"\x16\x03')
"""How an alert or a handshake record begins where it is quoted (RFC 8446 5.1): content type and major version."""


def encryption_hint(endpoint: Endpoint, phase: Phase, detail: str) -> str:
    """What to write instead; empty without a hint.

    Args:
        endpoint: What was probed.
        phase: Where that failed.
        detail: What went wrong, with the server's words.
    """
    if phase not in TELLING:
        return ""
    at_once = endpoint.encryption is Encryption.TLS
    usual = usual_scheme(endpoint.protocol, endpoint.port)
    if usual is not None and (usual.encryption is Encryption.TLS) != at_once:
        return f"port {endpoint.port} usually wants {usual.name}://"
    if at_once and phase is Phase.TLS and IN_PLAIN in detail:
        return f"did you mean {shortest_url(endpoint.protocol, Encryption.STARTTLS, endpoint.host, endpoint.port)}?"
    if not at_once and phase is Phase.GREETING and any(record in detail for record in TLS_RECORDS):
        url = shortest_url(endpoint.protocol, Encryption.TLS, endpoint.host, endpoint.port)
        return f"these octets are TLS; did you mean {url}?"
    return ""
