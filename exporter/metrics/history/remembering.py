"""What is known of an endpoint from earlier processes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from exporter.metrics.history import History
from exporter.metrics.history.timeline import LENGTH, SLOT_SECONDS
from exporter.model import Endpoint

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
