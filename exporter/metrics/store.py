"""What is known of each endpoint and of the exporter itself: the latest result, counters, a short history.

Memory only: no clock (times are arguments), no text formats, no I/O. The store returns immutable values. So a slow
scrape or page shows one moment, with consistent series for each endpoint, while probes continue. Only the event loop's
thread uses it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from exporter.metrics.domain_state import DomainState, DomainStates, FollowedState
from exporter.metrics.endpoint_state import EndpointState, advance, series_labels, unprobed
from exporter.metrics.exporter_state import BuildInfo, ExporterFigures, ExporterState
from exporter.metrics.flow_state import FlowState, FlowStates
from exporter.metrics.history.remembering import MAX_AGE, Remembered, server_of
from exporter.metrics.history.timeline import SLOT_SECONDS
from exporter.metrics.record import Shared
from exporter.metrics.rows.endpoint_metrics import label_names
from exporter.model import Endpoint, ProbeResult, RosterChange, Series

HeldBack: TypeAlias = Mapping[tuple[str, str, Series | None], float]
"""The seconds until each paused login is tried again, by username, host and endpoint; `None` stands for all of them."""

NONE_HELD_BACK: Final[HeldBack] = {}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One moment: the endpoints in the order of the configuration, and the exporter."""

    endpoints: tuple[EndpointState, ...]
    exporter: ExporterState
    flows: tuple[FlowState, ...] = ()
    domains: tuple[DomainState, ...] = ()
    followed: tuple[FollowedState, ...] = ()


class Store:
    """The one place where results end up.

    Args:
        build: For `mail_exporter_build_info`.
        held_back: Tells the rejected logins, when asked.
        started_at: When the process began to look, a Unix timestamp.
        flows: What is known of flows; nothing unless given.
        lines_dropped: Tells how many log lines were dropped, when asked.
    """

    def __init__(
        self,
        build: BuildInfo,
        held_back: Callable[[], HeldBack] = lambda: NONE_HELD_BACK,
        started_at: float = 0.0,
        flows: FlowStates | None = None,
        lines_dropped: Callable[[], int] = lambda: 0,
    ) -> None:
        self.flows = flows or FlowStates()
        self.domains = DomainStates()
        self.exporter = ExporterFigures(build, started_at, lines_dropped)
        self._held_back = held_back
        self._states: dict[Series, EndpointState] = {}
        self._shared = Shared()
        self._remembered: dict[Series, Remembered] = {}
        """Of endpoints that did not come back yet: addresses come with a host's first probe."""

    def recall(self, remembered: Mapping[Series, Remembered]) -> None:
        """Hands in what earlier processes knew; endpoints that are configured from now on go on from there."""
        self._remembered = dict(remembered)

    def to_remember(self, now: float) -> dict[Series, Remembered]:
        """What a later process may want to know, also of endpoints that did not come back yet. `now`: Unix time."""
        waiting = {
            series: each
            for series, each in self._remembered.items()
            if each.history.timeline.newest * SLOT_SECONDS > now - MAX_AGE
        }
        return waiting | {
            series: Remembered(server_of(state.endpoint), state.history, state.last_success_at)
            for series, state in self._states.items()
            if state.history.since is not None
        }

    def configure(self, endpoints: Sequence[Endpoint]) -> None:
        """Replaces the endpoints. Those that are not among them are forgotten at once.

        An endpoint that still is where it was keeps what is known of it, whatever else has changed. One whose protocol,
        host, port or encryption changed starts again under its name: its figures were another server's.

        Raises:
            ValueError: A label of an endpoint has the name of a label that its series have anyway.
        """
        states: dict[Series, EndpointState] = {}
        for endpoint in endpoints:
            known = self._states.get(endpoint.series)
            # Most of a configuration that is loaded again is what it was, and not even copied.
            if known is None or known.endpoint is not endpoint:
                known = self._configured(endpoint, known)
            states[endpoint.series] = known
        self._states = states
        self._count()

    def apply(self, change: RosterChange) -> None:
        """Some endpoints go and are forgotten at once, others come. Those of their group that stay keep what is known.

        Raises:
            ValueError: See `configure`.
        """
        come = {endpoint.series for endpoint in change.come}
        these: dict[Series, EndpointState] = {}
        for endpoint in change.all:
            known = self._states.get(endpoint.series)
            these[endpoint.series] = (
                self._configured(endpoint, known) if known is None or endpoint.series in come else known
            )
        group = these.keys() | {endpoint.series for endpoint in change.gone}
        names = {series[0] for series in self._states.keys() & group}
        states: dict[Series, EndpointState] = {}
        for series, state in self._states.items():
            if series not in group:
                states[series] = state
            elif not these.keys() <= states.keys():
                # The group stands where the first of it stood.
                states |= these
        self._states = states | these
        if names != {series[0] for series in these}:
            self._count()

    def _count(self) -> None:
        protocols = {state.endpoint.name: state.endpoint.protocol for state in self._states.values()}
        self.exporter.set_endpoints(Counter(protocols.values()))

    def _configured(self, endpoint: Endpoint, known: EndpointState | None) -> EndpointState:
        """The state of an endpoint that is new, or other than it was.

        Raises:
            ValueError: See `Store.configure`.
        """
        if clashing := label_names().intersection(endpoint.labels):
            taken = min(clashing)
            raise ValueError(f"endpoint {endpoint.name!r} cannot have a label {taken!r}: its series have one anyway")
        if known is not None and server_of(known.endpoint) == server_of(endpoint):
            last_login = known.last_login if known.endpoint.credentials == endpoint.credentials else None
            return replace(known, endpoint=endpoint, labels=series_labels(endpoint), last_login=last_login)
        return self._unprobed(endpoint)

    def _unprobed(self, endpoint: Endpoint) -> EndpointState:
        """The state of an endpoint that this process has not probed yet; an earlier one may have."""
        state = unprobed(endpoint)
        remembered = self._remembered.pop(endpoint.series, None)
        if remembered is None or remembered.server != server_of(endpoint):
            # Another server under the same name has another past.
            return state
        return replace(state, history=remembered.history, last_success_at=remembered.last_success_at)

    def record(self, result: ProbeResult) -> None:
        """Takes a result in. One of an endpoint that is not configured (any more) is ignored."""
        state = self._states.get(result.series)
        if state is not None:
            self._states[result.series] = advance(state, result, self._shared)

    def snapshot(self) -> Snapshot:
        """This moment, for as long as the caller holds it."""
        held_back = self._held_back()
        states = self._states.values()
        return Snapshot(
            tuple([_held(each, held_back) for each in states] if held_back else states),
            self.exporter.snapshot(),
            self.flows.snapshot(),
            *self.domains.snapshot(),
        )

    def states(self, name: str) -> tuple[EndpointState, ...]:
        """What is known of one endpoint, as a whole or of each of its addresses; nothing if there is no such name."""
        whole = self._states.get((name, ""))
        if whole is not None:
            return (whole,)
        return tuple([state for (each, _), state in self._states.items() if each == name])


def _held(state: EndpointState, held_back: HeldBack) -> EndpointState:
    """The endpoint with the time until its login is tried again."""
    credentials, host = state.endpoint.credentials, state.endpoint.host
    if credentials is None:
        return state
    keys = [(credentials.username, host, None), (credentials.username, host, state.endpoint.series)]
    seconds = max(held_back.get(key, 0.0) for key in keys)
    return replace(state, held_back=seconds) if seconds else state
