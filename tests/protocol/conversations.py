"""A whole conversation with a server of any protocol, for tests."""
from __future__ import annotations

from typing import Any

import pytest

from exporter.model import Encryption, Facts, FailureReason, Login, Mechanism, Phase, Withheld
from exporter.protocol.dialogue import (
    Enter,
    LearningStep,
    ReadExactly,
    ReadLine,
    RequireSecure,
    Send,
    ShowUnread,
    StartTls,
    TakeUnread,
)
from exporter.protocol.errands import converse
from tests.protocol.player import Cut, Played, ScriptEndedError, every_cut, learnt, play, whole
from tests.protocol.samples import EVERY, IMAP, POP3, SMTP, Agreeable, login, tagged, untagged


every_protocol = pytest.mark.parametrize("server", EVERY, ids=lambda server: server.protocol.value)


def conversed(
    server: Agreeable,
    encryption: Encryption,
    *parts: bytes,
    who: Login | Withheld | None = None,
    cut: Cut = whole,
    **others: Any,
) -> Played:
    """What comes of a conversation with a login, unless `who` is withheld."""
    endpoint = server.endpoint(encryption, **others)
    client = server.client(endpoint, "probe.example.com")
    return play(converse(client, endpoint, who or login()), tagged(*parts), cut)
