"""What more than one dashboard asks, in PromQL."""

from __future__ import annotations

from dashboards.promql import Scope
from dashboards.settings import Settings


def stale(of: Scope, settings: Settings) -> str:
    """1 for each endpoint whose last result is too old to be believed, else 0."""
    return (
        f"time() - {of('mail_probe_last_run_timestamp_seconds')} "
        f"> bool {settings.stale_intervals:g} * {of('mail_endpoint_interval_seconds')} + 60"
    )


def days_left(of: Scope) -> str:
    """Days until the first certificate that a server presents ends; negative if it has."""
    return f"({of('mail_tls_chain_not_after_timestamp_seconds')} - time()) / 86400"


def failed(of: Scope, *by: str) -> str:
    """How many probes failed from one point of a graph to the next.

    Args:
        of: What to ask about.
        by: The labels to tell them apart by.
    """
    return f"sum by ({', '.join(by)}) (increase({of('mail_probe_failures_total')}[$__rate_interval]))"
