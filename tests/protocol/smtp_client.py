"""A client of SMTP, for tests."""

from __future__ import annotations

from typing import Any

from exporter.model import Encryption, Protocol
from exporter.protocol.smtp import Smtp
from tests.protocol.player import Cut, Played, play, whole
from tests.protocol.samples import endpoint

TRAILING = b"250 not asked for\r\n"


def client(**others: Any) -> Smtp:
    return Smtp(endpoint(Protocol.SMTP, Encryption.STARTTLS, **others), "probe.example.com")


def asked(script: bytes, cut: Cut = whole) -> tuple[Smtp, Played]:
    """A client that has asked for the capabilities."""
    smtp = client()
    return smtp, play(smtp.ask_capabilities(), script, cut)
