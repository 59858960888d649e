"""The state of each flow: its last settled message, and its counters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final

from exporter.metrics.histogram import FLOW_BUCKETS, Histogram, counted
from exporter.metrics.label_text import label_pairs
from exporter.model import Flow, Outcome, Removal, Settled

MAX_HISTORY: Final = 50
"""How many settled messages of a flow are kept for its page."""


@dataclass(frozen=True, slots=True)
class FlowState:
    """The state of one flow, or of one of its MX hosts.

    Attributes:
        mx: The MX host; empty if there is none.
        labels: The labels of its series, as written between the braces.
        outcomes: The number of settled messages by outcome.
        durations: The delays of messages that arrived.
        latest: The message that was settled last; `None` before the first.
        last_success_at: When the last delivered message was settled, as a Unix timestamp; `None` before the first.
        in_flight: The number of messages that were sent and neither found nor given up.
        removed: The number of removed messages by kind.
        newest_at: When the newest awaited message arrived, as a Unix timestamp; `None` if there is none.
        searched: Whether the mailbox was searched for an awaited message.
        overdue: Whether the newest awaited message is too old; `None` while that is not known.
        held_up: Why the flow cannot work, for people; empty if it can.
        history: The last settled messages, the newest first.
    """

    flow: Flow
    mx: str
    labels: str
    outcomes: Mapping[Outcome, int] = field(default_factory=lambda: MappingProxyType(dict.fromkeys(Outcome, 0)))
    durations: Histogram = field(default_factory=lambda: Histogram.empty(FLOW_BUCKETS))
    latest: Settled | None = None
    last_success_at: float | None = None
    in_flight: int = 0
    removed: Mapping[Removal, int] = field(default_factory=lambda: MappingProxyType(dict.fromkeys(Removal, 0)))
    newest_at: float | None = None
    searched: bool = False
    overdue: bool | None = None
    held_up: str = ""
    history: tuple[Settled, ...] = ()

    @property
    def sends(self) -> bool:
        return self.flow.sending is not None


class FlowStates:
    """The states of all flows. The flows update them, and pages and metrics read them."""

    def __init__(self, wall_clock: Callable[[], float] = lambda: 0.0) -> None:
        self._wall_clock = wall_clock
        self._flows: dict[str, Flow] = {}
        self._states: dict[tuple[str, str], FlowState] = {}

    @property
    def are_configured(self) -> bool:
        return bool(self._flows)

    def configure(self, flows: Iterable[Flow]) -> None:
        """Use these flows from now on. Remaining flows keep their counters."""
        self._flows = {flow.name: flow for flow in flows}
        before, self._states = self._states, {}
        for flow in self._flows.values():
            kept = {key: state for key, state in before.items() if key[0] == flow.name}
            if not kept and (flow.sending is None or flow.sending.mx is None):
                kept = {(flow.name, ""): FlowState(flow, "", "")}
            for key, state in kept.items():
                self._states[key] = replace(state, flow=flow, labels=_labels(flow, state.mx))

    def settled(self, settled: Settled) -> None:
        """A message has an outcome."""
        state = self._state(settled.flow, settled.mx)
        if state is None:
            return
        delivered = settled.outcome is Outcome.DELIVERED
        self.keep(
            state,
            outcomes=counted(state.outcomes, settled.outcome),
            durations=state.durations if settled.took is None else state.durations.observe(settled.took),
            latest=settled,
            last_success_at=settled.settled_at if delivered else state.last_success_at,
            history=(settled, *state.history)[:MAX_HISTORY],
        )

    def removed(self, flow: str, mx: str, kind: Removal) -> None:
        """A message was removed from a mailbox."""
        state = self._state(flow, mx)
        if state is not None:
            self.keep(state, removed=counted(state.removed, kind))

    def in_flight(self, flow: str, mx: str, count: int) -> None:
        """This many messages are in flight now."""
        state = self._state(flow, mx)
        if state is not None:
            self.keep(state, in_flight=count)

    def newest(self, flow: str, arrived_at: float | None) -> None:
        """The newest message that a flow awaits arrived at this Unix time; `None` if there is none."""
        state = self._state(flow, "")
        if state is not None:
            self.keep(state, newest_at=arrived_at, searched=True)

    def forgotten(self, flow: str, mx: str) -> None:
        """The flow has no such MX host any more."""
        self._states.pop((flow, mx), None)

    def held_up(self, flow: str, mx: str, why: str) -> None:
        """A flow cannot work for this reason; empty if it can again."""
        state = self._state(flow, mx)
        if state is not None:
            self.keep(state, held_up=why)

    def snapshot(self) -> tuple[FlowState, ...]:
        """The states at this moment, in the order of the configuration."""
        now = self._wall_clock()
        order = {name: index for index, name in enumerate(self._flows)}
        states = sorted(self._states.values(), key=lambda state: (order[state.flow.name], state.mx))
        return tuple([_with_overdue(state, now) for state in states])

    def of(self, name: str) -> tuple[FlowState, ...]:
        """The states of one flow; empty if there is no such flow."""
        return tuple(state for state in self.snapshot() if state.flow.name == name)

    def configured(self, name: str) -> tuple[FlowState, ...]:
        """An initial state, for a flow whose MX hosts were not looked up yet; empty if there is no such flow."""
        flow = self._flows.get(name)
        return () if flow is None else (FlowState(flow, "", _labels(flow, "")),)

    def keep(self, state: FlowState, **changes: Any) -> None:
        """Something was found: keep the state with these changes."""
        self._states[state.flow.name, state.mx] = replace(state, **changes)

    def _state(self, name: str, mx: str) -> FlowState | None:
        flow = self._flows.get(name)
        if flow is None:
            return None
        return self._states.setdefault((name, mx), FlowState(flow, mx, _labels(flow, mx)))


def _with_overdue(state: FlowState, now: float) -> FlowState:
    awaited = state.flow.awaited
    if awaited is None or not state.searched:
        return state
    return replace(state, overdue=state.newest_at is None or now - state.newest_at > awaited.every)


def _labels(flow: Flow, mx: str) -> str:
    own = [("flow", flow.name), *([("mx", mx)] if mx else [])]
    return label_pairs([*own, *flow.labels.items()])
