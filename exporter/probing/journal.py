"""What goes to the log about results: a line for each change of an endpoint's state, none while it stays as it is."""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from exporter.model import Failure, ProbeResult

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Down:
    """An endpoint that fails.

    Attributes:
        since: Unix time of the end of the first probe that failed.
    """

    since: float
    failure: Failure


class Journal:
    """Remembers which endpoints fail, and since when."""

    def __init__(self) -> None:
        self._down: dict[str, _Down] = {}
        self._seen: set[str] = set()

    def forget_all_but(self, names: frozenset[str]) -> None:
        """Forget endpoints that are not configured any more."""
        self._down = {name: down for name, down in self._down.items() if name in names}
        self._seen &= names

    def write(self, result: ProbeResult) -> None:
        """Log what a result changes."""
        name, failure, down = result.endpoint, result.failure, self._down.get(result.endpoint)
        log.debug(
            "probed",
            endpoint=name,
            address=result.address,
            duration=round(result.duration, 6),
            reason=failure and failure.reason.value,
            phase=failure and failure.phase.value,
        )
        if failure is None:
            if down is not None:
                del self._down[name]
                log.info("endpoint up", endpoint=name, down_for=f"{result.ended_at - down.since:.0f}s")
            elif name not in self._seen:
                log.info("endpoint up", endpoint=name)
        elif down is None or (down.failure.reason, down.failure.phase) != (failure.reason, failure.phase):
            since = result.ended_at if down is None else down.since
            self._down[name] = _Down(since, failure)
            log.warning(
                "endpoint down",
                endpoint=name,
                address=result.address,
                reason=failure.reason.value,
                phase=failure.phase.value,
                detail=failure.detail,
            )
        self._seen.add(name)
