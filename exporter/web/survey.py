"""A look over all endpoints, for the status page and the API: how they are, which are asked for, what expires first.

Choosing and counting only; how that is shown is the subject of `pages` and `api`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from exporter.metrics.endpoint_state import EndpointState, Health
from exporter.metrics.store import Snapshot
from exporter.model import Endpoint

AT_ONCE = 500
"""Endpoints to look at before giving way: about a millisecond's work."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which endpoints are asked for.

    Attributes:
        health: Only those that are so; `None` for all.
        text: Only those with this in their name, host or address, in any case; empty for all.
    """

    health: Health | None = None
    text: str = ""

    def includes(self, state: EndpointState) -> bool:
        """Whether an endpoint is among them."""
        if self.health is not None and state.health is not self.health:
            return False
        sought, endpoint = self.text.casefold(), state.endpoint
        return not sought or any(
            sought in text.casefold() for text in (endpoint.name, endpoint.host, endpoint.only_address or "")
        )


@dataclass(frozen=True, slots=True)
class Expiry:
    """When a certificate, or the first of a chain, expires: a Unix timestamp."""

    endpoint: Endpoint
    at: float


@dataclass(frozen=True, slots=True)
class Survey:
    """What a look over all endpoints showed.

    Attributes:
        counts: How many of all endpoints are how.
        first_expiry: The first of all their certificates to expire; `None` if none was seen.
        selected: Those that were asked for: the failing ones first, then those not yet probed, then the others, and
            each in the order of the configuration.
    """

    counts: Mapping[Health, int]
    first_expiry: Expiry | None
    selected: tuple[EndpointState, ...]


async def survey(snapshot: Snapshot, selection: Selection, give_way: Callable[[], Awaitable[None]]) -> Survey:
    """Looks over all endpoints of a moment.

    Args:
        snapshot: The moment.
        selection: Which to pick out.
        give_way: Is called between two pieces of work, and may let others run.
    """
    counts = dict.fromkeys(Health, 0)
    selected: dict[Health, list[EndpointState]] = {health: [] for health in Health}
    first: tuple[float, EndpointState] | None = None
    states = snapshot.endpoints
    for start in range(0, len(states), AT_ONCE):
        await give_way()
        for state in states[start : start + AT_ONCE]:
            health = state.health
            counts[health] += 1
            if selection.includes(state):
                selected[health].append(state)
            ends = None if state.latest is None else state.latest.chain_not_after
            if ends is not None and (first is None or ends < first[0]):
                first = ends, state
    return Survey(
        counts=counts,
        first_expiry=None if first is None else Expiry(first[1].endpoint, first[0]),
        selected=tuple(state for health in Health for state in selected[health]),
    )
