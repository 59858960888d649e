"""What `make mutate` names exists: a file that moves, or a line that changes, would leave it out without a word."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from tests.mutation.__main__ import FOLDERS, Judges
from tests.mutation.known import KNOWN
from tests.mutation.mutants import mutants

ROOT = Path(__file__).parents[2]


@cache
def changes(module: str) -> set[tuple[str, str, str, str]]:
    return {(module, each.scope, each.before, each.after) for each in mutants((ROOT / module).read_text())}


@pytest.mark.parametrize("judges", FOLDERS.values(), ids=FOLDERS)
def test_what_judges_and_its_tests_are_there(judges: Judges) -> None:
    patterns = [f"exporter/{each}" for each in judges.modules] + [f"tests/{each}" for each in judges.tests]

    assert [] == [pattern for pattern in patterns if not any(ROOT.glob(pattern))]


@pytest.mark.parametrize("change", KNOWN, ids=" ".join)
def test_a_change_that_has_a_reason_can_be_made(change: tuple[str, str, str, str]) -> None:
    assert change in changes(change[0])
