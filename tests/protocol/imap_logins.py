"""Logins by IMAP, for tests."""
from __future__ import annotations

from base64 import b64encode

import pytest

from exporter.model import Encryption, Facts, FailureReason, Login, Mechanism, Protocol
from exporter.protocol.dialogue import MAX_LINE, printable
from exporter.protocol.imap import Imap
from tests.protocol.player import Circumstances, Cut, Played, ScriptEndedError, every_cut, play, whole
from tests.protocol.refused_logins import IMAP
from tests.protocol.samples import (
    BEARER,
    EXPLAINED,
    EXPLANATION,
    PASSWORD,
    PLAIN,
    USERNAME,
    bearer,
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
