"""A client of SMTP, for tests."""
from __future__ import annotations

from typing import Any

import pytest

from exporter.model import Encryption, Facts, FailureReason, Protocol
from exporter.protocol.dialogue import MAX_REPLY_LINES, Forget, Replied
from exporter.protocol.errands.recipient import ask_about_recipient
from exporter.protocol.smtp import Reply, Smtp, command, read_reply, refusal
from tests.protocol.player import Circumstances, Cut, Played, ScriptEndedError, every_cut, play, whole
from tests.protocol.samples import endpoint, login


TRAILING = b"250 not asked for\r\n"


def client(**others: Any) -> Smtp:
    return Smtp(endpoint(Protocol.SMTP, Encryption.STARTTLS, **others), "probe.example.com")


def asked(script: bytes, cut: Cut = whole) -> tuple[Smtp, Played]:
    """A client that has asked for the capabilities."""
    smtp = client()
    return smtp, play(smtp.ask_capabilities(), script, cut)
