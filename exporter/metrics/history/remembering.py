"""What is known of endpoints from earlier processes, until they are there again. Pure memory: no files, no clock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from exporter.metrics.history import History
from exporter.metrics.history.timeline import LENGTH, SLOT_SECONDS
from exporter.model import Endpoint, Series

MAX_AGE: Final = LENGTH * SLOT_SECONDS
"""Seconds after which what was remembered of an endpoint that did not come back is forgotten."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """What is known of an endpoint from earlier processes.

    Attributes:
        server: What it was: another server under the same name has another past.
        history: Without probes, failures and facts, which are not written down.
        last_success_at: A Unix timestamp; `None` if there was none.
    """

    server: str
    history: History
    last_success_at: float | None


def server_of(endpoint: Endpoint) -> str:
    """The identity of an endpoint without its name."""
    return f"{endpoint.protocol} {endpoint.host} {endpoint.port} {endpoint.encryption}"


class EndpointMemory:
    """Keeps what was remembered of endpoints that did not come back yet: addresses come with a host's first probe."""

    def __init__(self) -> None:
        self._remembered: dict[Series, Remembered] = {}

    def recall(self, remembered: Mapping[Series, Remembered]) -> None:
        """Takes in what earlier processes knew."""
        self._remembered = dict(remembered)

    def take(self, endpoint: Endpoint) -> Remembered | None:
        """Gives away what is known of an endpoint; `None` if that is nothing, or is about another server."""
        remembered = self._remembered.pop(endpoint.series, None)
        return None if remembered is None or remembered.server != server_of(endpoint) else remembered

    def merged(self, known: Iterable[tuple[Series, Remembered]], now: float) -> dict[Series, Remembered]:
        """What is known now, and what is still waited for unless it ended too long before `now`, a Unix timestamp."""
        waiting = {
            series: each
            for series, each in self._remembered.items()
            if each.history.timeline.newest * SLOT_SECONDS > now - MAX_AGE
        }
        return waiting | dict(known)
