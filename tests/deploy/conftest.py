"""Fixtures of the tests that render and check manifests."""

from __future__ import annotations

import pytest

from tests.deploy.kubernetes import Tools, tools


@pytest.fixture(scope="module")
def kubernetes() -> Tools:
    return tools()
