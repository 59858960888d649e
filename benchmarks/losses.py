"""How far the figures of phases are from the truth where packets are lost or late, against a capture of each probe.

The wire between the two machines and its troubles are those of the tests (tests/servers/troubles.py). The probe's event
loop is held up half of the time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import pytest

from exporter.model import Encryption
from tests.servers.troubles import HELD_UP, Trouble, Trust, compared, trusted

CASE: Final = "packets lost or late"

REMARK: Final = (
    f"{CASE}: of the greeting, the reply to a hello or the first flight of a handshake. The wire takes 40 ms; captured "
    f"at the client, whose event loop is held up for {HELD_UP * 1000:g} ms at a time."
)

_WAYS: Final = (("smtp", Encryption.STARTTLS), ("imap", Encryption.TLS), ("pop3", Encryption.NONE))

_TROUBLES: Final = (
    *[(flight, index, longer, times) for flight in (0, 1) for index, longer, times in ((0, None, 1), (0, 0.05, 1))],
    (1, 1, None, 1),
    (1, 0, None, 2),
)
"""The arguments of `Trouble`: which flight, which segment of it, how late (`None` for lost), how often."""


def errors(directory: Path, rounds: int, *, quick: bool) -> Mapping[str, Sequence[float]] | None:
    """By phase: by how much too much probes say, in seconds; `None` where there are no networks of one's own."""
    found: dict[str, list[float]] = defaultdict(list)
    trust: Trust = trusted(directory)
    try:
        for _ in range(rounds):
            for way in _WAYS[:1] if quick else _WAYS:
                for trouble in _TROUBLES[:1] if quick else _TROUBLES:
                    for phase, figure in compared(trust, way, Trouble(*trouble)).phases.items():
                        found[str(phase)].append(figure.said - figure.true)
    except (pytest.skip.Exception, pytest.fail.Exception):
        return None
    return found
