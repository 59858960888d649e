"""What is known of each endpoint and of the exporter itself: the latest result, counters, a short history.

Memory only: no clock (times are arguments), no text formats, no I/O. The store returns immutable values. So a slow
scrape or page shows one moment, with consistent series for each endpoint, while probes continue. Only the event loop's
thread uses it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final, TypeAlias

from exporter.metrics.domain_state import DomainState, DomainStates, FollowedState
from exporter.metrics.endpoint_metrics import label_names
from exporter.metrics.endpoint_state import EndpointState, advance, series_labels, unprobed
from exporter.metrics.flow_state import FlowState, FlowStates
from exporter.metrics.histogram import DELAY_BUCKETS, SCRAPE_BUCKETS, Histogram
from exporter.metrics.record import Shared
from exporter.metrics.remembering import EndpointMemory, Remembered, server_of
from exporter.model import Endpoint, LongTask, ProbeResult, Protocol, RosterChange, Series, SkipReason, TokenOutcome


@dataclass(frozen=True, slots=True)
class BuildInfo:
    """The versions of this exporter and its parts."""

    version: str
    python_version: str
    openssl_version: str


@dataclass(frozen=True, slots=True)
class TokenState:
    """How one entry of the credentials comes by its access tokens.

    Attributes:
        requests: How many became what.
        expires_at: When the token in use expires, a Unix timestamp; `None` if that is not known, or there is none.
    """

    requests: Mapping[TokenOutcome, int]
    expires_at: float | None = None


HeldBack: TypeAlias = Mapping[tuple[str, str, Series | None], float]
"""The seconds until each paused login is tried again, by username, host and endpoint; `None` stands for all of them."""

NONE_HELD_BACK: Final[HeldBack] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class ExporterState:
    """All that is known of the exporter itself at one moment.

    Attributes:
        endpoints: How many there are of each protocol.
        reload_successful: Whether the configuration could be loaded when it last was; `None` before that.
        reloaded_at: When it last was loaded successfully, a Unix timestamp; `None` if never.
        files: The files of the configuration in force, as it was started with.
        reload_problems: What was wrong with the configuration that could not be loaded, for people.
        shard: Counted from 0.
        start_delay: How much later than due probes were started.
        lag: How late the event loop ran what was due.
        scrapes: How long it took to produce `/metrics`.
        tokens: The state of the token of each entry of `credentials` that uses one.
        started_at: When the process began to look, a Unix timestamp: what it has not seen may have been before that.
        task_failures: How often each task failed and was restarted.
        web_config_successful: Whether the web configuration could be used when it last changed; `None` without one.
    """

    build: BuildInfo
    endpoints: Mapping[Protocol, int]
    skipped: Mapping[SkipReason, int]
    start_delay: Histogram
    lag: Histogram
    scrapes: Histogram
    probes_in_flight: int = 0
    reload_successful: bool | None = None
    reloaded_at: float | None = None
    reload_problems: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    shard: int = 0
    total_shards: int = 1
    tokens: Mapping[str, TokenState] = field(default_factory=lambda: MappingProxyType({}))
    started_at: float = 0.0
    task_failures: Mapping[LongTask, int] = field(default_factory=lambda: MappingProxyType(dict.fromkeys(LongTask, 0)))
    log_lines_dropped: int = 0
    web_config_successful: bool | None = None


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
        self._held_back = held_back
        self._lines_dropped = lines_dropped
        self._states: dict[Series, EndpointState] = {}
        self._shared = Shared()
        self._memory = EndpointMemory()
        # These change with every probe, and become part of the exporter's state when somebody looks at it.
        self._start_delay = Histogram.empty(DELAY_BUCKETS)
        self._in_flight = 0
        self._skipped = dict.fromkeys(SkipReason, 0)
        self._task_failures = dict.fromkeys(LongTask, 0)
        self._exporter = ExporterState(
            build=build,
            endpoints=MappingProxyType(dict.fromkeys(Protocol, 0)),
            skipped=MappingProxyType(self._skipped.copy()),
            start_delay=self._start_delay,
            lag=Histogram.empty(DELAY_BUCKETS),
            scrapes=Histogram.empty(SCRAPE_BUCKETS),
            started_at=started_at,
        )

    def recall(self, remembered: Mapping[Series, Remembered]) -> None:
        """Hands in what earlier processes knew; endpoints that are configured from now on go on from there."""
        self._memory.recall(remembered)

    def to_remember(self, now: float) -> dict[Series, Remembered]:
        """What a later process may want to know, also of endpoints that did not come back yet. `now`: Unix time."""
        known = (
            (series, Remembered(server_of(state.endpoint), state.history, state.last_success_at))
            for series, state in self._states.items()
            if state.history.since is not None
        )
        return self._memory.merged(known, now)

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
        counts = dict.fromkeys(Protocol, 0) | Counter(protocols.values())
        self._exporter = replace(self._exporter, endpoints=MappingProxyType(counts))

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
        remembered = self._memory.take(endpoint)
        if remembered is None:
            return state
        return replace(state, history=remembered.history, last_success_at=remembered.last_success_at)

    def configure_tokens(self, credentials: Sequence[str]) -> None:
        """Replaces the credentials that tokens are got for. Those that stay keep their counts."""
        known = self._exporter.tokens
        tokens = {name: known.get(name, _NO_TOKEN) for name in credentials}
        self._exporter = replace(self._exporter, tokens=MappingProxyType(tokens))

    def record(self, result: ProbeResult) -> None:
        """Takes a result in. One of an endpoint that is not configured (any more) is ignored."""
        state = self._states.get(result.series)
        if state is not None:
            self._states[result.series] = advance(state, result, self._shared)

    def token_requested(self, credentials: str, outcome: TokenOutcome) -> None:
        """Counts a request for a token."""
        state = self._exporter.tokens.get(credentials)
        if state is not None:
            requests = MappingProxyType({**state.requests, outcome: state.requests[outcome] + 1})
            self._set_token(credentials, replace(state, requests=requests))

    def token_held(self, credentials: str, expires_at: float | None) -> None:
        """Says when the token in use expires, a Unix timestamp; `None` if nobody knows, or there is none."""
        state = self._exporter.tokens.get(credentials)
        if state is not None:
            self._set_token(credentials, replace(state, expires_at=expires_at))

    def _set_token(self, credentials: str, state: TokenState) -> None:
        tokens = MappingProxyType({**self._exporter.tokens, credentials: state})
        self._exporter = replace(self._exporter, tokens=tokens)

    def skipped(self, reason: SkipReason) -> None:
        """Counts a probe that was due but not started."""
        self._skipped[reason] += 1

    def web_config_reloaded(self, successful: bool) -> None:
        """Says how taking in the web configuration went, the first time included."""
        self._exporter = replace(self._exporter, web_config_successful=successful)

    def task_failed(self, task: LongTask) -> None:
        """Counts a failure of something that runs all the time."""
        self._task_failures[task] += 1

    def observe_start_delay(self, seconds: float) -> None:
        """Notes how much later than scheduled a probe was started."""
        self._start_delay = self._start_delay.observe(seconds)

    def observe_lag(self, seconds: float) -> None:
        """Notes how late the event loop ran what was due."""
        self._exporter = replace(self._exporter, lag=self._exporter.lag.observe(seconds))

    def observe_scrape(self, seconds: float) -> None:
        """Notes how long it took to produce `/metrics`."""
        self._exporter = replace(self._exporter, scrapes=self._exporter.scrapes.observe(seconds))

    def set_in_flight(self, probes: int) -> None:
        """Says how many probes are running."""
        self._in_flight = probes

    def set_shard(self, shard: int, total_shards: int) -> None:
        """Says which of how many shards this process is; without it, it is the only one."""
        self._exporter = replace(self._exporter, shard=shard, total_shards=total_shards)

    def reloaded(
        self, *, successful: bool, at: float, problems: tuple[str, ...] = (), files: tuple[str, ...] = ()
    ) -> None:
        """Says how loading the configuration went, the first time included.

        Args:
            successful: Whether it is in force now.
            at: Unix timestamp.
            problems: What is wrong with it, for people.
            files: The files that it was read from, if it is in force.
        """
        reloaded_at = at if successful else self._exporter.reloaded_at
        self._exporter = replace(
            self._exporter,
            reload_successful=successful,
            reloaded_at=reloaded_at,
            reload_problems=problems,
            files=files if successful else self._exporter.files,
        )

    def snapshot(self) -> Snapshot:
        """This moment, for as long as the caller holds it."""
        exporter = replace(
            self._exporter,
            start_delay=self._start_delay,
            probes_in_flight=self._in_flight,
            skipped=MappingProxyType(self._skipped.copy()),
            task_failures=MappingProxyType(self._task_failures.copy()),
            log_lines_dropped=self._lines_dropped(),
        )
        held_back = self._held_back()
        states = self._states.values()
        return Snapshot(
            tuple([_held(each, held_back) for each in states] if held_back else states),
            exporter,
            self.flows.snapshot(),
            *self.domains.snapshot(),
        )

    def states(self, name: str) -> tuple[EndpointState, ...]:
        """What is known of one endpoint, as a whole or of each of its addresses; nothing if there is no such name."""
        whole = self._states.get((name, ""))
        if whole is not None:
            return (whole,)
        return tuple([state for (each, _), state in self._states.items() if each == name])


_NO_TOKEN: Final = TokenState(MappingProxyType(dict.fromkeys(TokenOutcome, 0)))


def _held(state: EndpointState, held_back: HeldBack) -> EndpointState:
    """The endpoint with the time until its login is tried again."""
    credentials, host = state.endpoint.credentials, state.endpoint.host
    if credentials is None:
        return state
    keys = [(credentials.username, host, None), (credentials.username, host, state.endpoint.series)]
    seconds = max(held_back.get(key, 0.0) for key in keys)
    return replace(state, held_back=seconds) if seconds else state
