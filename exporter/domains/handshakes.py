"""Handshakes with the servers of a domain: visits that end after the handshake."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from exporter.model import (
    CertificateProblem,
    Direction,
    Encryption,
    Endpoint,
    FailureReason,
    KeyType,
    Phase,
    ProbeResult,
    Protocol,
    TlsPolicy,
)
from exporter.visiting.visit import Visitor

TIMEOUT = 8.0
"""Seconds of one visit. Two visits in sequence fit into the time of a judgement."""

_HELO = re.compile(r"250[ -]([A-Za-z0-9._-]{1,253})(?: |$)")


@dataclass(frozen=True, slots=True)
class MailService:
    """A server, and how to connect to it."""

    host: str
    port: int
    protocol: Protocol
    encryption: Encryption


@dataclass(frozen=True, slots=True)
class HandshakeResult:
    """What a server did at one address, up to the TLS handshake.

    Attributes:
        reason: Why the handshake failed or did not begin; `None` if it succeeded.
        phase: The phase of that failure.
        detail: The reason in words, for people.
        chain: The certificates that were presented, in DER, with the server's own first.
        problems: The certificate's problems for senders that do not use DANE.
        not_before: Unix time when the server's own certificate begins.
        not_after: Unix time when it ends.
        helo: The name in an SMTP server's answer to EHLO; empty if unknown.
    """

    reason: FailureReason | None
    phase: Phase | None = None
    detail: str = ""
    chain: tuple[bytes, ...] = ()
    problems: tuple[CertificateProblem, ...] = ()
    not_before: float | None = None
    not_after: float | None = None
    helo: str = ""

    @property
    def reached(self) -> bool:
        """Whether a connection to the server was possible."""
        return self.phase not in (Phase.DNS, Phase.CONNECT)

    @property
    def speaks(self) -> bool:
        """Whether the server greeted us and announced its capabilities, so that the session could continue."""
        return self.reason is None or self.phase in (Phase.STARTTLS, Phase.TLS)


class Handshakes:
    """Does TLS handshakes with servers like a probe."""

    def __init__(self, visitor: Visitor) -> None:
        self._visitor = visitor

    async def shake(
        self, place: MailService, address: str, *, server_name: str, key_type: KeyType | None, ca_file: Path | None
    ) -> HandshakeResult:
        """Connect, do the handshake, and end the session. If `key_type` is set, offer only TLS 1.2 suites for it."""
        endpoint = Endpoint(
            name=f"{place.host} port {place.port}",
            protocol=place.protocol,
            host=place.host,
            port=place.port,
            encryption=place.encryption,
            timeout=TIMEOUT,
            tls=TlsPolicy(verify=False, server_name=server_name, ca_file=ca_file, key_type=key_type),
        )
        visited = await self._visitor.shake_hands(endpoint, at=address)
        result, failure, tls = visited.result, visited.result.failure, visited.result.facts.tls
        leaf = tls.chain[0] if tls is not None and tls.chain else None
        return HandshakeResult(
            reason=None if failure is None else failure.reason,
            phase=None if failure is None else failure.phase,
            detail="" if failure is None else f"{failure.reason} ({failure.phase}): {failure.detail}",
            chain=visited.chain if failure is None else (),
            problems=() if tls is None else tuple(each for each in tls.problems if each.fails),
            not_before=None if leaf is None else leaf.not_before,
            not_after=None if leaf is None else leaf.not_after,
            helo=_helo(result) if place.protocol is Protocol.SMTP else "",
        )


def _helo(result: ProbeResult) -> str:
    """The name in the first line of the answer to EHLO (RFC 5321 section 4.1.1.1)."""
    for line in result.transcript:
        match = _HELO.match(line.text) if line.direction is Direction.SERVER else None
        if match is not None:
            return match[1].lower()
    return ""
