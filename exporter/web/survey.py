"""A survey of all endpoints for the status page and the API: their states, the selected ones, and the next expiry.

It only selects, counts and sorts. `pages` and `api` show the result.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from heapq import merge
from itertools import islice
from typing import Final, TypeAlias

from exporter.metrics.endpoint_state import EndpointState, Health
from exporter.metrics.store import Snapshot
from exporter.model import Endpoint, FailureReason
from exporter.web.query import Expiring, Selection, Sort
from exporter.web.wording import HEALTH, SOON

AT_ONCE: Final = 250
"""Endpoints to look at before giving way: about a millisecond's work."""

LABELS_OFFERED: Final = 200
"""How many labels can be chosen from."""

UNGROUPED: Final = "\U0010ffff"
"""Comes after all values of a label: endpoints that do not have it are listed last."""

LAST: Final = float("inf")

GiveWay: TypeAlias = Callable[[], Awaitable[None]]
Keyed: TypeAlias = tuple[str, float, str, int, EndpointState]
"""The value of the grouping label, what to sort by, the name to sort by, the place in the configuration."""


@dataclass(frozen=True, slots=True)
class Expiry:
    """When a certificate, or the first of a chain, expires: a Unix timestamp."""

    endpoint: Endpoint
    at: float


@dataclass(slots=True)
class Group:
    """How many endpoints have a value of the grouping label."""

    endpoints: int = 0
    failing: int = 0


@dataclass(slots=True)
class Survey:
    """What a look over all endpoints showed; complete when `survey` returns it.

    Attributes:
        counts: How many of all endpoints are in each state.
        reasons: How many of all endpoints fail with each reason, the most frequent first.
        expired: How many endpoints have an expired certificate.
        expiring: How many endpoints have a certificate that expires soon.
        first_expiry: The first of all their certificates to expire that has not; `None` if none was seen.
        labels: The labels that endpoints have, with how many have them, up to `LABELS_OFFERED`.
        groups: The selected endpoints by the value of the grouping label.
        selected: The selected endpoints, in the requested order.
    """

    counts: dict[Health, int] = field(default_factory=lambda: dict.fromkeys(Health, 0))
    reasons: Mapping[FailureReason, int] = field(default_factory=dict)
    expired: int = 0
    expiring: int = 0
    first_expiry: Expiry | None = None
    labels: dict[tuple[str, str], int] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    selected: tuple[EndpointState, ...] = ()

    @property
    def endpoints(self) -> int:
        """How many there are."""
        return sum(self.counts.values())


async def survey(snapshot: Snapshot, selection: Selection, now: float, give_way: GiveWay) -> Survey:
    """Looks over all endpoints of a moment.

    Args:
        snapshot: The moment.
        selection: The filters.
        now: The time of the snapshot, a Unix timestamp.
        give_way: Is called between two pieces of work, and may let others run.
    """
    found = Survey()
    reasons: dict[FailureReason, int] = {}
    sorted_chunks: list[list[Keyed]] = []
    words = selection.text.casefold().split()
    states = snapshot.endpoints
    for start in range(0, len(states), AT_ONCE):
        await give_way()
        chunk: list[Keyed] = []
        for place, state in enumerate(states[start : start + AT_ONCE], start):
            _count(found, reasons, state, now)
            if _includes(selection, words, state, now):
                chunk.append(_keyed(selection, place, state))
                if selection.group:
                    _count_group(found, selection.group, state)
        chunk.sort()
        sorted_chunks.append(chunk)
    found.reasons = dict(sorted(reasons.items(), key=lambda item: -item[1]))
    found.selected = tuple([keyed[-1] async for keyed in _slowly(merge(*sorted_chunks), give_way)])
    return found


async def _slowly(keyed: Iterator[Keyed], give_way: GiveWay) -> AsyncIterator[Keyed]:
    while batch := list(islice(keyed, AT_ONCE)):
        await give_way()
        for each in batch:
            yield each


def _count(found: Survey, reasons: dict[FailureReason, int], state: EndpointState, now: float) -> None:
    found.counts[state.health] += 1
    for pair in state.endpoint.labels.items():
        if pair in found.labels or len(found.labels) < LABELS_OFFERED:
            found.labels[pair] = found.labels.get(pair, 0) + 1
    latest = state.latest
    if latest is None:
        return
    if latest.failure is not None:
        reasons[latest.failure.reason] = reasons.get(latest.failure.reason, 0) + 1
    ends = latest.expiry
    if ends is None:
        return
    if ends <= now:
        found.expired += 1
        return
    found.expiring += ends - now < SOON
    if found.first_expiry is None or ends < found.first_expiry.at:
        found.first_expiry = Expiry(state.endpoint, ends)


def _count_group(found: Survey, label: str, state: EndpointState) -> None:
    group = found.groups.setdefault(state.endpoint.labels.get(label, ""), Group())
    group.endpoints += 1
    group.failing += state.health is Health.FAILING


def _includes(selection: Selection, words: Iterable[str], state: EndpointState, now: float) -> bool:
    endpoint, latest = state.endpoint, state.latest
    failure = None if latest is None else latest.failure
    if (
        (selection.state is not None and state.health is not selection.state)
        or (selection.protocol is not None and endpoint.protocol is not selection.protocol)
        or (selection.reason is not None and (failure is None or failure.reason is not selection.reason))
        or (selection.certificate is not None and _expiring(state, now) is not selection.certificate)
        or any(endpoint.labels.get(name) != value for name, value in selection.labels)
    ):
        return False
    if not words:
        return True
    shown = _shown(state)
    return all(word in shown for word in words)


def _expiring(state: EndpointState, now: float) -> Expiring | None:
    ends = None if state.latest is None else state.latest.expiry
    if ends is None or ends - now >= SOON:
        return None
    return Expiring.EXPIRED if ends <= now else Expiring.SOON


def _shown(state: EndpointState) -> str:
    """All that the status page shows of an endpoint in words, and where it is."""
    endpoint, latest = state.endpoint, state.latest
    texts = [
        endpoint.name,
        endpoint.host,
        str(endpoint.port),
        endpoint.only_address or "",
        endpoint.protocol,
        endpoint.encryption,
        HEALTH[state.health],
        "flapping" if state.flaps else "",
        *(f"{name}={value}" for name, value in endpoint.labels.items()),
    ]
    if latest is not None:
        texts.append(latest.facts.address or "")
        if latest.failure is not None:
            texts += (latest.failure.reason, latest.failure.phase, latest.failure.detail)
        if latest.facts.tls is not None:
            texts += latest.facts.tls.problems
            texts += [latest.facts.tls.version, *(certificate.subject for certificate in latest.facts.tls.chain[:1])]
    return "\n".join(texts).casefold()


def _keyed(selection: Selection, place: int, state: EndpointState) -> Keyed:
    number, name = _SORTS[selection.sort](state)
    group = (state.endpoint.labels.get(selection.group) or UNGROUPED) if selection.group else ""
    return (group, number, name, place, state)


_URGENCY: Final = {health: float(number) for number, health in enumerate(Health)}

_SORTS: Final[Mapping[Sort, Callable[[EndpointState], tuple[float, str]]]] = {
    Sort.URGENCY: lambda state: (_URGENCY[state.health], ""),
    Sort.NAME: lambda state: (0.0, state.endpoint.name.casefold()),
    Sort.CHANGED: lambda state: (LAST if state.history.since is None else -state.history.since, ""),
    Sort.SLOWEST: lambda state: (LAST if state.latest is None else -state.latest.duration, ""),
    Sort.EXPIRY: lambda state: (
        LAST if state.latest is None or state.latest.expiry is None else state.latest.expiry,
        "",
    ),
}
