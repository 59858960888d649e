"""A whole conversation with a server of any protocol, for tests."""

from __future__ import annotations

from typing import Any

import pytest

from exporter.model import Encryption, Login, Withheld
from exporter.protocol.errands import converse
from tests.protocol.player import Cut, Played, play, whole
from tests.protocol.samples import EVERY, Agreeable, login, tagged

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
