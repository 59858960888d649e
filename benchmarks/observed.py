"""What the daemon says of the last probe of each endpoint, from the few lines of `/metrics` that tell it.

To read all of it, for ten thousand endpoints, would take the tests' parser minutes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

_LINE: Final = re.compile(
    rb"^mail_probe_(?:(success)|last_(?:(phase_duration|duration)_seconds|(run_timestamp)_seconds))"
    rb'\{endpoint="([^"\\]+)"[^}]*?(?:phase="(\w+)")?\} (\S+)$',
    re.MULTILINE,
)


@dataclass(slots=True)
class Observed:
    """The last probe of one endpoint; seconds.

    Attributes:
        ended_at: Unix time.
        duration: Of all of it.
        phases: Of each phase; one that came twice is the sum.
    """

    success: bool = False
    ended_at: float = 0.0
    duration: float = 0.0
    phases: dict[str, float] = field(default_factory=dict)


def last_probes(exposition: bytes) -> Mapping[str, Observed]:
    """By the names of the endpoints, in which nothing is quoted."""
    probes: dict[str, Observed] = {}
    for success, duration, run_timestamp, endpoint, phase, value in _LINE.findall(exposition):
        probe = probes.setdefault(endpoint.decode(), Observed())
        if success:
            probe.success = float(value) == 1
        elif run_timestamp:
            probe.ended_at = float(value)
        elif duration == b"duration":
            probe.duration = float(value)
        else:
            probe.phases[phase.decode()] = float(value)
    return probes
