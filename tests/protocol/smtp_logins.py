"""Logins by SMTP, for tests."""
from __future__ import annotations

from base64 import b64decode, b64encode

import pytest

from exporter.model import Encryption, Facts, FailureReason, Login, Mechanism, Protocol, Secret, SecretKind
from exporter.protocol.dialogue import Replied
from exporter.protocol.smtp import Smtp
from tests.protocol.player import IN_CLEAR, Cut, Played, ScriptEndedError, every_cut, play, whole
from tests.protocol.refused_logins import SMTP
from tests.protocol.samples import (
    BEARER,
    EXPLAINED,
    EXPLANATION,
    PASSWORD,
    PLAIN,
    TOKEN,
    USERNAME,
    bearer,
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
