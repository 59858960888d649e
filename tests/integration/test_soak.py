"""A short soak: the load of `make soak` for less than a minute, whose counts have to be as true."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.soak.__main__ import soak

SECONDS = 30.0

MOST_GROWTH = 6.0
"""MiB: caches are still being filled."""


@pytest.mark.timeout(240)
def test_under_load_every_probe_is_counted_as_its_server_counts_it_and_memory_stays(tmp_path: Path) -> None:
    run = asyncio.run(soak(SECONDS, tmp_path))

    assert [] == run.faults
    assert run.growth < MOST_GROWTH
