"""The schema of what `mail-exporter probe --json` prints."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Final

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # it has no types of its own

from exporter.cli import main
from exporter.cli.probe_json import not_tried, probed, schema, statistics
from exporter.cli.statistics import Statistics
from exporter.model import FailureReason, Phase
from tests.unit.results import failure, success

VALIDATOR = Draft202012Validator(schema())
PARTS: Final = ("tls", "mailbox")
BESIDES: Final = {"type", "endpoint"}
"""What a probe has only on the command line."""


def test_the_schema_is_published_and_is_one() -> None:
    result = CliRunner().invoke(main, ["probe", "--schema"])

    assert json.loads(files("exporter.cli").joinpath("probe.schema.json").read_text()) == json.loads(result.stdout)
    Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize(
    "document",
    [
        probed(success()),
        probed(success(tls=None, mailbox=None, capabilities=None, starttls_offered=None)),
        probed(failure(FailureReason.DNS_NOT_FOUND, Phase.DNS)),
        statistics("a", Statistics.of([success(), failure(FailureReason.TIMEOUT, Phase.TLS)])),
        not_tried(None, "configuration", ["a problem"]),
    ],
)
def test_every_document_follows_the_schema(document: dict[str, object]) -> None:
    VALIDATOR.validate(json.loads(json.dumps(document)))


def test_the_schema_knows_every_phase() -> None:
    assert list(Phase) == schema()["$defs"]["phase"]["enum"]


def test_every_fact_is_in_the_schema_and_in_the_documentation_of_the_api() -> None:
    described = schema()["$defs"]["probe"]["properties"]
    documented = (Path(__file__).parents[2] / "docs/api.md").read_text(encoding="utf-8")
    document = probed(success())

    for known, shown in ((described, document), *((described[each]["properties"], document[each]) for each in PARTS)):
        assert [] == [name for name in shown if name not in known]
        assert [] == [name for name in shown if name not in BESIDES and not re.search(rf"[`.]{name}`", documented)]
