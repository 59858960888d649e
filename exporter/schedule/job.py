"""Scheduled work that is not the probe of an endpoint: a flow's message, or the check of a domain."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, TypeAlias

from exporter.schedule.timetable import JobKey

LOOKS: Final = "\0looks"
JUDGEMENTS: Final = "\0judgements"

LANES: Final[Mapping[str, int]] = MappingProxyType({LOOKS: 16, JUDGEMENTS: 4})
"""How many jobs of one kind run at the same time. They are limited like the connections to a host.

Looking at a domain needs a few DNS queries. Judging one needs handshakes with several servers.
"""

Connections: TypeAlias = Callable[[str], AbstractAsyncContextManager[None]]
"""Counts a connection to a host while it is open, and waits before that while the host has too many."""


def uncounted(_host: str) -> AbstractAsyncContextManager[None]:
    """For work without a schedule, such as that of commands."""
    return nullcontext()


@dataclass(frozen=True, slots=True)
class Job:
    """Recurring work.

    Attributes:
        key: A unique key. It begins with NUL, which names of endpoints never do.
        interval: Seconds between the starts of two runs.
        run: Does the work once. It must end without being cancelled. It counts its connections to other hosts.
        hosts: The hosts that it connects to, as far as they are known before; or one of the `LANES`.
        first_within: Seconds within which the first run starts.
    """

    key: JobKey
    interval: float
    run: Callable[[Connections], Awaitable[None]]
    hosts: tuple[str, ...] = ()
    first_within: float = 0.0
