"""A hint if the endpoint's URL probably does not match the server: another protocol, or TLS at once instead of later.

The hint is added to a failure's detail. It is based on the first octets, and without any, on the usual ports.
"""

from __future__ import annotations

import re
from typing import Final

from exporter.config.values.urls import shortest_url, usual_scheme
from exporter.model import Encryption, Endpoint, FailureReason, Phase, Protocol

NOTHING_SAID: Final = frozenset(
    {FailureReason.TIMEOUT, FailureReason.CONNECTION_CLOSED, FailureReason.CONNECTION_RESET}
)
"""What it is like where one side waits for a handshake and the other for a greeting."""

_TLS: Final = "TLS"

_BEGINNINGS: Final[tuple[tuple[re.Pattern[str], Protocol | str], ...]] = (
    # An alert or a handshake record (RFC 8446 5.1): content type and major version.
    (re.compile(r"\\x1[56]\\x03"), _TLS),
    (re.compile(r"\* (?:OK|PREAUTH|BYE)\b", re.IGNORECASE), Protocol.IMAP),
    (re.compile(r"\+OK\b|-ERR\b", re.IGNORECASE), Protocol.POP3),
    (re.compile(r"220[ -].*\bFTP|220[ -].*FTPd\b", re.IGNORECASE), "FTP"),
    (re.compile(r"(?:220|421|554)[ -]"), Protocol.SMTP),
    (re.compile(r"HTTP/|<!doctype html|<html", re.IGNORECASE), "HTTP"),
    (re.compile(r"SSH-"), "SSH"),
)
"""How what a server says first begins, as it is quoted, and what it is then."""


def target_hint(endpoint: Endpoint, phase: Phase, reason: FailureReason, detail: str) -> str:
    """What to write instead; empty without a hint.

    Args:
        endpoint: What was probed.
        phase: Where that failed.
        reason: Why.
        detail: What went wrong, with the server's words in quotes.
    """
    at_once = endpoint.encryption is Encryption.TLS
    if phase is not Phase.GREETING and not (at_once and phase is Phase.TLS):
        return ""
    said = detail.partition('"')[2]
    if said:
        return _by_words(endpoint, phase, said)
    return _by_port(endpoint, phase, reason) if reason in NOTHING_SAID else ""


def _by_words(endpoint: Endpoint, phase: Phase, said: str) -> str:
    found = next((what for beginning, what in _BEGINNINGS if beginning.match(said)), None)
    if found == _TLS:
        return f"these octets are TLS; did you mean {_url(endpoint, Encryption.TLS)}?"
    if isinstance(found, Protocol):
        # In the phase tls the words came instead of a handshake.
        encryption = Encryption.STARTTLS if phase is Phase.TLS else endpoint.encryption
        other = "" if found is endpoint.protocol else f"that is {found.upper()}; "
        expected = found is endpoint.protocol and phase is Phase.GREETING
        return "" if expected else f"{other}did you mean {_url(endpoint, encryption, found)}?"
    return "" if found is None else f"that is {found}, not {endpoint.protocol.upper()}"


def _by_port(endpoint: Endpoint, phase: Phase, reason: FailureReason) -> str:
    at_once = endpoint.encryption is Encryption.TLS
    usual = usual_scheme(endpoint.port)
    if usual is not None:
        fits = usual.protocol is endpoint.protocol and (usual.encryption is Encryption.TLS) == at_once
        return "" if fits else f"port {endpoint.port} usually wants {usual.name}://"
    if not at_once and phase is Phase.GREETING and reason is FailureReason.TIMEOUT:
        return f"if the port wants TLS from the start, write {_url(endpoint, Encryption.TLS)}"
    return ""


def _url(endpoint: Endpoint, encryption: Encryption, protocol: Protocol | None = None) -> str:
    return shortest_url(protocol or endpoint.protocol, encryption, endpoint.host, endpoint.port)
