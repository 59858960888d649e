"""The limit of file descriptors, and whether it suffices for the concurrent probes."""

from __future__ import annotations

import resource
from typing import Final

import structlog

from exporter.model import Limits

SPARE: Final = 128
"""Descriptors beside those of probes: some dozens of HTTP connections, the log, files that are being read."""

log = structlog.get_logger()


def raise_limit() -> int:
    """Raise the soft limit to the hard one, as far as possible. Returns the new limit.

    The soft limit is 1,024 by tradition, for programs that use select(2). This one does not.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError) as error:
            log.warning("cannot raise the limit of open files", soft=soft, hard=hard, problem=str(error))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def needed(limits: Limits) -> int:
    """Descriptors that this many concurrent probes need."""
    return limits.concurrent_probes + limits.on_demand_probes + SPARE


def warn_if_too_few(limits: Limits) -> None:
    """Warn if there are too few descriptors for all concurrent probes."""
    available = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if available != resource.RLIM_INFINITY and needed(limits) > available:
        log.warning(
            "limits.concurrent_probes does not fit into the limit of open files; probes will fail with connect_failed",
            concurrent_probes=limits.concurrent_probes,
            needed=needed(limits),
            open_files=available,
            mend="raise LimitNOFILE= or ulimit -n, or lower concurrent_probes",
        )
