"""SECURITY.md names the test that holds each promise: there is such a test."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
NAMED = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", (ROOT / "SECURITY.md").read_text(encoding="utf-8"))


def test_promises_name_their_tests() -> None:
    assert len(NAMED) > 20


def functions(file: str) -> set[str]:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_the_test_of_every_promise_exists() -> None:
    defined = {file: functions(file) for file in {file for file, _ in NAMED}}

    assert [] == [f"{file}: {name}" for file, name in NAMED if name not in defined[file]]
