"""Decides which of several processes probes an endpoint. Pure: every process finds the same answer by itself.

Jump consistent hashing (Lamping and Veach, "A Fast, Minimal Memory, Consistent Hash Algorithm", 2014) of the endpoint's
name. When shard n + 1 is added, it takes about 1/(n + 1) of the endpoints of each other shard, and no endpoint moves
between those. Only the name counts, so that an endpoint keeps its shard, and its counters, when its host, its labels or
its neighbours in the file change.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:  # commands read their options with this module before they have time to load more
    from exporter.model import Endpoint

_MULTIPLIER: Final = 2862933555777941757
"""The multiplier of the linear congruential generator in the paper, modulo 2**64."""

_ORDINAL: Final = re.compile(r".*-(0|[1-9][0-9]{0,8})", re.ASCII | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Shard:
    """One of several processes that have the same configuration and share its endpoints.

    Attributes:
        number: Counted from 0.
        total: How many there are.
    """

    number: int = 0
    total: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.number < self.total:
            raise ValueError(f"there is no shard {self.number} of {self.total}: they are counted from 0")

    def holds(self, name: str) -> bool:
        """Whether the endpoint of this name is this shard's."""
        return self.number == shard_of(name, self.total)

    def share(self, endpoints: Iterable[Endpoint]) -> tuple[Endpoint, ...]:
        """Those that are this shard's, in their order."""
        if self.total == 1:
            return tuple(endpoints)
        return tuple(endpoint for endpoint in endpoints if self.holds(endpoint.name))


ALONE: Final = Shard()
"""The only process, without sharding."""


def shard_of(name: str, total: int) -> int:
    """The number of the shard that an endpoint belongs to, of so many."""
    # Another hash than the timetable's: who shares a shard must not share a start time as well.
    digest = hashlib.blake2b(name.encode(), digest_size=8, person=b"shard").digest()
    key = int.from_bytes(digest)
    shard, following = 0, 0
    while following < total:
        shard = following
        key = (key * _MULTIPLIER + 1) % 2**64
        following = int((shard + 1) * (2**31 / ((key >> 33) + 1)))
    return shard


def ordinal(pod: str) -> int | None:
    """The number at the end of a StatefulSet pod's name, e.g. 3 of `mail-exporter-3`; `None` without one."""
    found = _ORDINAL.fullmatch(pod)
    return None if found is None else int(found[1])
