"""Logs results: a line for each change of an endpoint's state."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import structlog

from exporter.model import Endpoint, Failure, ProbeResult, Series

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Down:
    """An endpoint that fails.

    Attributes:
        since: When the first failed probe ended.
    """

    since: float
    failure: Failure


class StateLog:
    """Remembers which endpoints fail, and since when."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Prepare without failing endpoints.

        Args:
            clock: Monotonic seconds, so that setting the system's clock does not change the duration of an outage.
        """
        self._clock = clock
        self._down: dict[Series, _Down] = {}
        self._seen: set[Series] = set()

    def forget(self, gone: Iterable[Endpoint]) -> None:
        """Forget endpoints that are not probed any more."""
        for endpoint in gone:
            self._down.pop(endpoint.series, None)
            self._seen.discard(endpoint.series)

    def write(self, result: ProbeResult) -> None:
        series, failure, down = result.series, result.failure, self._down.get(result.series)
        whose = {"endpoint": result.endpoint}
        if result.only_address is not None:
            whose["address"] = result.only_address
        talked_to = {"address": result.facts.address} | whose
        log.debug(
            "probed",
            **talked_to,
            duration=round(result.duration, 6),
            reason=failure and failure.reason.value,
            phase=failure and failure.phase.value,
        )
        if failure is None:
            if down is not None:
                del self._down[series]
                log.info("endpoint up", **whose, down_for=f"{self._clock() - down.since:.0f}s")
            elif series not in self._seen:
                log.info("endpoint up", **whose)
        elif down is None or (down.failure.reason, down.failure.phase) != (failure.reason, failure.phase):
            since = self._clock() if down is None else down.since
            self._down[series] = _Down(since, failure)
            log.warning(
                "endpoint down",
                **talked_to,
                reason=failure.reason.value,
                phase=failure.phase.value,
                detail=failure.detail,
            )
        self._seen.add(series)
