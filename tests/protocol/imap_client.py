"""A client of IMAP that was greeted, for tests."""
from __future__ import annotations

from typing import Any

import pytest

from exporter import __version__
from exporter.model import Encryption, Facts, FailureReason, MailboxFacts, Protocol
from exporter.protocol.dialogue import MAX_REPLY_LINES
from exporter.protocol.errands.mailbox import look_at_mailbox
from exporter.protocol.imap import Imap
from tests.protocol.player import Cut, Played, ScriptEndedError, every_cut, play, whole
from tests.protocol.samples import endpoint, login


TRAILING = b"* 1 EXISTS\r\n"
FIGURES = b'* STATUS "INBOX" (MESSAGES 7 UNSEEN 3)\r\na1 OK done\r\n'
GREETING = b"* OK [CAPABILITY IMAP4rev1 SASL-IR STARTTLS AUTH=PLAIN] ready\r\n"


def client(greeting: bytes = GREETING, **others: Any) -> Imap:
    """A client that was greeted."""
    imap = Imap(endpoint(Protocol.IMAP, Encryption.STARTTLS, **others), "probe.example.com")
    assert play(imap.greet(), greeting).error is None
    return imap
