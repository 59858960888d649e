"""The limit of open files, in a process of its own: it cannot be lowered and raised again at will."""

from __future__ import annotations

import subprocess
import sys

import pytest


def told(soft: int, hard: int, probes: int) -> tuple[int, str]:
    """The soft limit after it was raised, and what was logged."""
    script = f"""
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
from exporter import descriptors, logs
from exporter.model import Limits
logs.configure(logs.LogLevel.INFO, logs.LogFormat.LOGFMT)
print(descriptors.raise_limit())
descriptors.warn_if_too_few(Limits(concurrent_probes={probes}))
"""
    ended = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    return int(ended.stdout), ended.stderr


def test_the_soft_limit_is_raised_to_the_hard_one() -> None:
    assert (1024, "") == told(256, 1024, 256)


@pytest.mark.parametrize("probes", [1000, 10_000])
def test_probes_that_cannot_fit_are_warned_about(probes: int) -> None:
    limit, log = told(256, 1024, probes)

    assert 1024 == limit
    assert "limits.concurrent_probes does not fit" in log
    assert f"concurrent_probes={probes} needed={probes + 16 + 128} open_files=1024" in log
