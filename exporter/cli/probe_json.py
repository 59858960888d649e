"""What `mail-exporter probe --json` prints; `probe.schema.json` describes it. Values to dictionaries, no printing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.resources import files

from exporter.cli.statistics import Statistics
from exporter.model import ProbeResult
from exporter.web.api import JsonObject, probe_document


def schema() -> JsonObject:
    """The JSON schema of every document."""
    found: JsonObject = json.loads(files("exporter.cli").joinpath("probe.schema.json").read_bytes())
    return found


def probed(result: ProbeResult) -> JsonObject:
    return {"type": "probe", "endpoint": result.endpoint, **probe_document(result)}


def not_tried(target: str | None, why: str, problems: Sequence[str]) -> JsonObject:
    """A target that could not be probed.

    Args:
        target: The target; `None` if it is about all of them.
        why: `usage`, `configuration` or `bug`.
        problems: For people.
    """
    return {"type": "not_tried", "target": target, "why": why, "problems": list(problems)}


def statistics(endpoint: str, found: Statistics) -> JsonObject:
    """The statistics of several probes of one target."""
    return {
        "type": "statistics",
        "endpoint": endpoint,
        "probes": found.probes,
        "succeeded": found.succeeded,
        "failures": [
            {"reason": reason, "phase": phase, "count": count} for (reason, phase), count in found.failures.items()
        ],
        "phases": {
            phase: {
                "count": spread.count,
                "min_seconds": spread.minimum,
                "median_seconds": spread.median,
                "p95_seconds": spread.p95,
                "max_seconds": spread.maximum,
            }
            for phase, spread in found.spreads.items()
        },
    }
