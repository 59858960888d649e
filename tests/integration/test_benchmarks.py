"""The benchmarks work. What they find when they are quick means nothing, and nothing is asked of it here."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from benchmarks.__main__ import BENCHMARKS
from benchmarks.figures import PAGE, RESULTS, page
from tests.servers.programs import program, unavailable

pytestmark = pytest.mark.timeout(300)

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def built() -> None:
    """What the benchmarks' programs in C are built with, and who is measured beside us."""
    program("cc", package="gcc")
    program("pkg-config", package="pkg-config")
    program("prometheus-blackbox-exporter", package="prometheus-blackbox-exporter")
    if subprocess.run(["pkg-config", "--exists", "openssl"], check=False).returncode != 0:
        unavailable("OpenSSL's headers are not installed (Debian package: libssl-dev)")


def quickly(name: str, file: Path) -> Sequence[dict[str, Any]]:
    command = [sys.executable, "-m", "benchmarks", "--quick", "--json", str(file), name]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT, timeout=280)
    assert 0 == done.returncode, done.stdout + done.stderr
    results = json.loads(file.read_text())
    assert {"processor", "cores", "system", "python"} <= results["machine"].keys()
    (report,) = results["benchmarks"]
    assert name == report["name"]
    rows: list[dict[str, Any]] = report["rows"]
    return rows


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize("name", BENCHMARKS)
def test_it_measures_and_tells_what_it_found_beside_a_peer(name: str, tmp_path: Path) -> None:
    rows = quickly(name, tmp_path / "results.json")

    assert rows
    assert all(isinstance(row["ours"], float | int) and row["unit"] for row in rows)
    assert any(row["peers"] for row in rows)
    for row in rows:
        assert row["peers"].keys() == row["ratios"].keys()
        assert all(pytest.approx(row["ours"]) == ratio * row["peers"][peer] for peer, ratio in row["ratios"].items())


def test_the_figures_on_the_page_are_those_that_were_measured() -> None:
    results = json.loads(RESULTS.read_text())
    shown = PAGE.read_text()

    assert list(BENCHMARKS) == [report["name"] for report in results["benchmarks"]]
    assert page(shown, results) == shown, "run: python -m benchmarks.figures"
