"""What people read is plain English: short sentences, and none of the words that make readers stop.

`prose` has the rules. A text that breaks one is rewritten; there is no list of exceptions.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from exporter.cli import main
from exporter.config.schema import json_schema
from exporter.metrics.rows.domain_rows import DOMAIN_METRICS, FOLLOWED_METRICS
from exporter.metrics.rows.endpoint_metrics import ENDPOINT_METRICS
from exporter.metrics.rows.exporter_metrics import EXPORTER_METRICS
from exporter.metrics.rows.flow_rows import FLOW_METRICS
from exporter.metrics.rows.metric import Metric
from tests.unit.prose import (
    LONGEST,
    blocks_of_docstring,
    blocks_of_markdown,
    blocks_of_python_comments,
    blocks_of_yaml_comments,
    complaints,
    misused_words,
)

ROOT = Path(__file__).parents[2]
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md")])
COMMENTED = [ROOT / "config.example.yaml", ROOT / "deploy/helm/mail-exporter/values.yaml"]
PYTHON = sorted(
    file
    for folder in ("exporter", "dashboards", "deploy")
    for file in (ROOT / folder).rglob("*.py")
    # `make pictures` installs others' packages.
    if "node_modules" not in file.parts
)
TEMPLATES = sorted((ROOT / "exporter/web/pages/templates").rglob("*.html"))
METRICS: tuple[Metric[Any], ...] = (
    *ENDPOINT_METRICS,
    *FLOW_METRICS,
    *DOMAIN_METRICS,
    *FOLLOWED_METRICS,
    *EXPORTER_METRICS,
)


def test_the_pages_are_plain() -> None:
    assert [] == [
        f"{page.name}:{line}: {why}"
        for page in PAGES
        for line, block in blocks_of_markdown(page.read_text())
        for why in complaints(block)
    ]


@pytest.mark.parametrize("file", COMMENTED, ids=lambda file: file.name)
def test_the_comments_of_examples_are_plain(file: Path) -> None:
    assert [] == [
        f"{line}: {why}" for line, block in blocks_of_yaml_comments(file.read_text()) for why in complaints(block)
    ]


def test_the_help_of_every_metric_is_plain() -> None:
    assert [] == [f"{metric.name}: {why}" for metric in METRICS for why in complaints(metric.help)]


def test_the_texts_of_every_alert_are_plain() -> None:
    groups = yaml.safe_load((ROOT / "dashboards/alerts/mail-exporter.rules.yaml").read_text())["groups"]
    alerts = [rule for group in groups for rule in group["rules"] if "alert" in rule]

    assert alerts
    assert [] == [
        f"{alert['alert']}: {why}"
        for alert in alerts
        for text in ("summary", "description")
        for why in complaints(alert["annotations"][text])
    ]


def helps(command: click.Command) -> Iterator[str]:
    yield from (" ".join(part.split()) for part in (command.help or "").split("\n\n"))
    yield from (option.help for option in command.params if isinstance(option, click.Option) and option.help)
    if isinstance(command, click.Group):
        for one in command.commands.values():
            yield from helps(one)


def test_the_help_of_every_command_is_plain() -> None:
    texts = list(helps(main))

    assert len(texts) > len(main.commands)
    assert [] == [f"{text}: {why}" for text in texts for why in complaints(text)]


def descriptions(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(schema.get("description"), str):
            yield schema["description"]
        for value in schema.values():
            yield from descriptions(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from descriptions(value)


def test_the_descriptions_in_the_schema_are_plain() -> None:
    texts = list(descriptions(json_schema()))

    assert texts
    assert [] == [f"{text}: {why}" for text in texts for why in complaints(text)]


def docstrings(module: ast.Module) -> Iterator[tuple[int, str]]:
    """Strings that stand alone: of modules, classes and functions, and below a constant, for the constant."""
    for node in ast.walk(module):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.lineno, inspect.cleandoc(node.value.value)


def strings(module: ast.Module) -> Iterator[tuple[int, str]]:
    """Messages and docstrings."""
    for node in ast.walk(module):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def findings(file: Path) -> Iterator[str]:
    text = file.read_text()
    module = ast.parse(text)
    for line, string in strings(module):
        for why in misused_words(" ".join(string.split())):
            yield f"{file.relative_to(ROOT)}:{line}: {why}"
    for first, docstring in docstrings(module):
        for line, block in blocks_of_docstring(docstring):
            for why in complaints(block):
                yield f"{file.relative_to(ROOT)}:{first + line - 1}: {why}"
    for line, block in blocks_of_python_comments(text):
        for why in complaints(block):
            yield f"{file.relative_to(ROOT)}:{line}: {why}"


def test_the_program_uses_plain_words() -> None:
    """Messages, comments and docstrings alike; no sentence of a docstring or comment is long."""
    assert [] == [finding for file in PYTHON for finding in findings(file)]


def test_the_templates_use_plain_words() -> None:
    assert [] == [
        f"{file.name}: {why}" for file in TEMPLATES for why in misused_words(" ".join(file.read_text().split()))
    ]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("Whoever asks is answered.", '"whoever" is not plain English'),
        ("It renews the token lest it expire.", '"lest" is not plain English'),
        ('"http" is no scheme.', 'write "is not a ..."'),
        ("Of a Postfix server that is asked.", 'do not begin with "Of ..."'),
        (" ".join(["word"] * (LONGEST + 1)), f"{LONGEST + 1} words in one sentence"),
    ],
)
def test_what_is_not_plain_is_found(text: str, complaint: str) -> None:
    assert complaint in " ".join(complaints(text))


@pytest.mark.parametrize(
    "text", ["There is no such mailbox.", "It is no longer tried.", "It is `lest` in code.", "The list is upto date."]
)
def test_what_is_plain_passes(text: str) -> None:
    assert [] == [why for _, block in blocks_of_markdown(text) for why in complaints(block)]
