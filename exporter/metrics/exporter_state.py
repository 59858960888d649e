"""The state of the exporter itself: what it was given, what it counts, and how its parts are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

from exporter.metrics.histogram import DELAY_BUCKETS, SCRAPE_BUCKETS, Histogram, counted
from exporter.model import LongTask, Protocol, SkipReason, TokenOutcome


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


_NO_TOKEN: Final = TokenState(MappingProxyType(dict.fromkeys(TokenOutcome, 0)))


@dataclass(slots=True)
class ExporterState:
    """All that is known of the exporter itself at one moment.

    `ExporterFigures` changes the one that it keeps, so that nothing is copied until somebody looks. All values are
    immutable.

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
    started_at: float
    endpoints: Mapping[Protocol, int] = field(default_factory=lambda: MappingProxyType(dict.fromkeys(Protocol, 0)))
    skipped: Mapping[SkipReason, int] = field(default_factory=lambda: MappingProxyType(dict.fromkeys(SkipReason, 0)))
    start_delay: Histogram = field(default_factory=lambda: Histogram.empty(DELAY_BUCKETS))
    lag: Histogram = field(default_factory=lambda: Histogram.empty(DELAY_BUCKETS))
    scrapes: Histogram = field(default_factory=lambda: Histogram.empty(SCRAPE_BUCKETS))
    probes_in_flight: int = 0
    reload_successful: bool | None = None
    reloaded_at: float | None = None
    reload_problems: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    shard: int = 0
    total_shards: int = 1
    tokens: Mapping[str, TokenState] = field(default_factory=lambda: MappingProxyType({}))
    task_failures: Mapping[LongTask, int] = field(default_factory=lambda: MappingProxyType(dict.fromkeys(LongTask, 0)))
    log_lines_dropped: int = 0
    web_config_successful: bool | None = None


class ExporterFigures:
    """Is told what the exporter does, and counts it. A snapshot is only made when somebody looks."""

    def __init__(self, build: BuildInfo, started_at: float, lines_dropped: Callable[[], int]) -> None:
        self._state = ExporterState(build, started_at)
        self._lines_dropped = lines_dropped

    def set_endpoints(self, endpoints: Mapping[Protocol, int]) -> None:
        """Says how many endpoints there are of each protocol."""
        self._state.endpoints = MappingProxyType({protocol: endpoints.get(protocol, 0) for protocol in Protocol})

    def configure_tokens(self, credentials: Sequence[str]) -> None:
        """Replaces the credentials that tokens are got for. Those that stay keep their counts."""
        known = self._state.tokens
        self._state.tokens = MappingProxyType({name: known.get(name, _NO_TOKEN) for name in credentials})

    def token_requested(self, credentials: str, outcome: TokenOutcome) -> None:
        """Counts a request for a token."""
        known = self._state.tokens.get(credentials)
        if known is not None:
            self._set_token(credentials, replace(known, requests=counted(known.requests, outcome)))

    def token_held(self, credentials: str, expires_at: float | None) -> None:
        """Says when the token in use expires, a Unix timestamp; `None` if nobody knows, or there is none."""
        known = self._state.tokens.get(credentials)
        if known is not None:
            self._set_token(credentials, replace(known, expires_at=expires_at))

    def skipped(self, reason: SkipReason) -> None:
        """Counts a probe that was due but not started."""
        self._state.skipped = counted(self._state.skipped, reason)

    def web_config_reloaded(self, successful: bool) -> None:
        """Says how taking in the web configuration went, the first time included."""
        self._state.web_config_successful = successful

    def task_failed(self, task: LongTask) -> None:
        """Counts a failure of something that runs all the time."""
        self._state.task_failures = counted(self._state.task_failures, task)

    def observe_start_delay(self, seconds: float) -> None:
        """Notes how much later than scheduled a probe was started."""
        self._state.start_delay = self._state.start_delay.observe(seconds)

    def observe_lag(self, seconds: float) -> None:
        """Notes how late the event loop ran what was due."""
        self._state.lag = self._state.lag.observe(seconds)

    def observe_scrape(self, seconds: float) -> None:
        """Notes how long it took to produce `/metrics`."""
        self._state.scrapes = self._state.scrapes.observe(seconds)

    def set_in_flight(self, probes: int) -> None:
        """Says how many probes are running."""
        self._state.probes_in_flight = probes

    def set_shard(self, shard: int, total_shards: int) -> None:
        """Says which of how many shards this process is; without it, it is the only one."""
        self._state.shard, self._state.total_shards = shard, total_shards

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
        self._state.reload_successful, self._state.reload_problems = successful, problems
        if successful:
            self._state.reloaded_at, self._state.files = at, files

    def snapshot(self) -> ExporterState:
        """This moment, for as long as the caller holds it."""
        return replace(self._state, log_lines_dropped=self._lines_dropped())

    def _set_token(self, credentials: str, token: TokenState) -> None:
        self._state.tokens = MappingProxyType({**self._state.tokens, credentials: token})
