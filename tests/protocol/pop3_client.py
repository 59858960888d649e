"""A client of POP3, for tests."""

from __future__ import annotations

from exporter.model import Encryption, Protocol
from exporter.protocol.pop3 import Pop3
from tests.protocol.player import Cut, Played, play, whole
from tests.protocol.samples import endpoint

TRAILING = b"+OK not asked for\r\n"


def client(encryption: Encryption = Encryption.STARTTLS) -> Pop3:
    return Pop3(endpoint(Protocol.POP3, encryption), "probe.example.com")


def asked(script: bytes, cut: Cut = whole, encryption: Encryption = Encryption.STARTTLS) -> tuple[Pop3, Played]:
    """A client that has asked for the capabilities."""
    pop3 = client(encryption)
    return pop3, play(pop3.ask_capabilities(), script, cut)
