"""A client of IMAP that was greeted, for tests."""

from __future__ import annotations

from typing import Any

from exporter.model import Encryption, Protocol
from exporter.protocol.imap import Imap
from tests.protocol.player import play
from tests.protocol.samples import endpoint

TRAILING = b"* 1 EXISTS\r\n"
FIGURES = b'* STATUS "INBOX" (MESSAGES 7 UNSEEN 3)\r\na1 OK done\r\n'
GREETING = b"* OK [CAPABILITY IMAP4rev1 SASL-IR STARTTLS AUTH=PLAIN] ready\r\n"


def client(greeting: bytes = GREETING, **others: Any) -> Imap:
    """A client that was greeted."""
    imap = Imap(endpoint(Protocol.IMAP, Encryption.STARTTLS, **others), "probe.example.com")
    assert play(imap.greet(), greeting).error is None
    return imap
