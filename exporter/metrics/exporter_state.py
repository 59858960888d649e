"""The state of the exporter itself: what it was given, what it counts, and how its parts are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from exporter.metrics.histogram import DELAY_BUCKETS, SCRAPE_BUCKETS, Histogram
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
    probes_in_flight: int
    reload_successful: bool | None
    reloaded_at: float | None
    reload_problems: tuple[str, ...]
    files: tuple[str, ...]
    shard: int
    total_shards: int
    tokens: Mapping[str, TokenState]
    started_at: float
    task_failures: Mapping[LongTask, int]
    log_lines_dropped: int
    web_config_successful: bool | None


class ExporterFigures:
    """Is told what the exporter does, and counts it. A snapshot is only made when somebody looks.

    Attributes:
        endpoints: How many there are of each protocol.
    """

    def __init__(self, build: BuildInfo, started_at: float, lines_dropped: Callable[[], int]) -> None:
        self.endpoints: Mapping[Protocol, int] = MappingProxyType(dict.fromkeys(Protocol, 0))
        self._build = build
        self._started_at = started_at
        self._lines_dropped = lines_dropped
        self._skipped = dict.fromkeys(SkipReason, 0)
        self._task_failures = dict.fromkeys(LongTask, 0)
        self._tokens: dict[str, TokenState] = {}
        self._start_delay = self._lag = Histogram.empty(DELAY_BUCKETS)
        self._scrapes = Histogram.empty(SCRAPE_BUCKETS)
        self._in_flight = 0
        self._shard = (0, 1)
        self._reload_successful: bool | None = None
        self._reloaded_at: float | None = None
        self._reload_problems: tuple[str, ...] = ()
        self._files: tuple[str, ...] = ()
        self._web_config_successful: bool | None = None

    def configure_tokens(self, credentials: Sequence[str]) -> None:
        """Replaces the credentials that tokens are got for. Those that stay keep their counts."""
        self._tokens = {name: self._tokens.get(name, _NO_TOKEN) for name in credentials}

    def token_requested(self, credentials: str, outcome: TokenOutcome) -> None:
        """Counts a request for a token."""
        state = self._tokens.get(credentials)
        if state is not None:
            requests = MappingProxyType({**state.requests, outcome: state.requests[outcome] + 1})
            self._tokens[credentials] = replace(state, requests=requests)

    def token_held(self, credentials: str, expires_at: float | None) -> None:
        """Says when the token in use expires, a Unix timestamp; `None` if nobody knows, or there is none."""
        state = self._tokens.get(credentials)
        if state is not None:
            self._tokens[credentials] = replace(state, expires_at=expires_at)

    def skipped(self, reason: SkipReason) -> None:
        """Counts a probe that was due but not started."""
        self._skipped[reason] += 1

    def web_config_reloaded(self, successful: bool) -> None:
        """Says how taking in the web configuration went, the first time included."""
        self._web_config_successful = successful

    def task_failed(self, task: LongTask) -> None:
        """Counts a failure of something that runs all the time."""
        self._task_failures[task] += 1

    def observe_start_delay(self, seconds: float) -> None:
        """Notes how much later than scheduled a probe was started."""
        self._start_delay = self._start_delay.observe(seconds)

    def observe_lag(self, seconds: float) -> None:
        """Notes how late the event loop ran what was due."""
        self._lag = self._lag.observe(seconds)

    def observe_scrape(self, seconds: float) -> None:
        """Notes how long it took to produce `/metrics`."""
        self._scrapes = self._scrapes.observe(seconds)

    def set_in_flight(self, probes: int) -> None:
        """Says how many probes are running."""
        self._in_flight = probes

    def set_shard(self, shard: int, total_shards: int) -> None:
        """Says which of how many shards this process is; without it, it is the only one."""
        self._shard = shard, total_shards

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
        self._reload_successful, self._reload_problems = successful, problems
        if successful:
            self._reloaded_at, self._files = at, files

    def snapshot(self) -> ExporterState:
        """This moment, for as long as the caller holds it."""
        shard, total_shards = self._shard
        return ExporterState(
            build=self._build,
            endpoints=self.endpoints,
            skipped=MappingProxyType(self._skipped.copy()),
            start_delay=self._start_delay,
            lag=self._lag,
            scrapes=self._scrapes,
            probes_in_flight=self._in_flight,
            reload_successful=self._reload_successful,
            reloaded_at=self._reloaded_at,
            reload_problems=self._reload_problems,
            files=self._files,
            shard=shard,
            total_shards=total_shards,
            tokens=MappingProxyType(self._tokens.copy()),
            started_at=self._started_at,
            task_failures=MappingProxyType(self._task_failures.copy()),
            log_lines_dropped=self._lines_dropped(),
            web_config_successful=self._web_config_successful,
        )


_NO_TOKEN: Final = TokenState(MappingProxyType(dict.fromkeys(TokenOutcome, 0)))
