"""Work that has turns on the schedule and is not the probe of an endpoint: a flow's message, a look at a domain."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from exporter.schedule.timetable import Key

LOOKS: Final = "\0looks"
JUDGEMENTS: Final = "\0judgements"

LANES: Final[Mapping[str, int]] = MappingProxyType({LOOKS: 16, JUDGEMENTS: 4})
"""How much of one kind of work is done at once: it is bounded like the connections to a host. Looking at a domain is a
few DNS queries; judging one shakes hands with a handful of servers."""


@dataclass(frozen=True, slots=True)
class Job:
    """Work that recurs.

    Attributes:
        key: Tells it from all others, and from endpoints, whose names begin with no NUL.
        interval: Seconds between the starts of two runs.
        run: Does it once. It has to end by itself.
        hosts: Whom it talks to, as far as that is known before; or one of the `LANES`.
        first_within: Seconds within which the first run starts.
    """

    key: Key
    interval: float
    run: Callable[[], Awaitable[None]]
    hosts: tuple[str, ...] = ()
    first_within: float = 0.0
