"""Logins by SMTP, for tests."""

from __future__ import annotations

from exporter.model import Encryption, Login, Protocol
from exporter.protocol.smtp import Smtp
from tests.protocol.player import Cut, Played, play, whole
from tests.protocol.samples import (
    endpoint,
    login,
)

TAKEN = b"235 2.7.0 Authentication successful\r\n"


def client(offer: bytes = b"AUTH PLAIN LOGIN") -> Smtp:
    """A client that was offered this; a bar separates lines."""
    smtp = Smtp(endpoint(Protocol.SMTP, Encryption.TLS), "probe.example.com")
    play(
        smtp.ask_capabilities(),
        b"250-mail.example.com\r\n250-" + offer.replace(b"|", b"\r\n250-") + b"\r\n250 HELP\r\n",
    )
    return smtp


def logged_in(script: bytes, offer: bytes = b"AUTH PLAIN LOGIN", who: Login | None = None, cut: Cut = whole) -> Played:
    return play(client(offer).log_in(who or login(), encrypted=True), script, cut)
