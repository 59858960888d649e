"""Logins by IMAP, for tests."""

from __future__ import annotations

from exporter.model import Encryption, Login, Protocol
from exporter.protocol.imap import Imap
from tests.protocol.player import Cut, Played, play, whole
from tests.protocol.samples import (
    endpoint,
    login,
)

TAKEN = b"a1 OK Logged in\r\n"
COMMAND = b"IMAP4rev1"
"""What a server offers that knows no mechanism, and so leaves the LOGIN command."""


def client(offer: bytes = b"IMAP4rev1 SASL-IR AUTH=PLAIN AUTH=LOGIN") -> Imap:
    """A client that was offered this."""
    imap = Imap(endpoint(Protocol.IMAP, Encryption.TLS), "probe.example.com")
    assert play(imap.greet(), b"* OK [CAPABILITY " + offer + b"] ready\r\n").error is None
    return imap


def logged_in(
    script: bytes,
    offer: bytes = b"IMAP4rev1 SASL-IR AUTH=PLAIN AUTH=LOGIN",
    who: Login | None = None,
    cut: Cut = whole,
) -> Played:
    return play(client(offer).log_in(who or login(), encrypted=True), script, cut)
