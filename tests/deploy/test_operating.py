"""docs/operating.md is true of what it describes: its commands, its files and its figures."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import promql_parser
import pytest
import yaml

from exporter.cli import main
from exporter.cli.healthcheck import healthcheck
from exporter.cli.run import run
from exporter.model import SkipReason
from tests.deploy.kubernetes import problems, tools
from tests.deploy.test_systemd import SERVICE
from tests.deploy.workloads import check_configuration

pytestmark = pytest.mark.timeout(600)
"""Seconds. Whichever test comes first waits, once on a machine, until helm and kubectl are fetched."""

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "operating.md").read_text()
CHART = ROOT / "deploy" / "helm" / "mail-exporter"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def test_every_file_that_is_named_exists() -> None:
    named = set(re.findall(r"\bdeploy/[\w./@-]*[\w/]", PAGE))

    assert len(named) > 5
    assert [] == [path for path in named if not (ROOT / path).exists()]


def test_every_flag_of_the_daemon_exists() -> None:
    flags = {option for command in (run, healthcheck) for parameter in command.params for option in parameter.opts}
    named = set(re.findall(r"--(?:config|web|log)\.[a-z.-]+[a-z]", PAGE))

    assert {"--config.watch", "--web.enable-lifecycle", "--web.listen-address", "--log.level"} <= named
    assert named <= flags


def test_every_command_exists() -> None:
    commands = set(re.findall(r"`mail-exporter ([a-z]+)", PAGE))

    assert {"run", "check", "healthcheck"} <= commands
    assert commands <= set(main.list_commands(main.make_context("mail-exporter", ["--help"], resilient_parsing=True)))


def test_every_reason_for_skipping_is_explained() -> None:
    assert [str(reason) for reason in SkipReason] == re.findall(r"^\| `(\w+)` \| ", PAGE, re.MULTILINE)[
        : len(SkipReason)
    ]


@pytest.mark.parametrize("expression", blocks("promql"))
def test_every_expression_is_promql(expression: str) -> None:
    assert isinstance(promql_parser.parse(expression), promql_parser.Expr)


def test_the_values_are_good_ones(tmp_path: Path) -> None:
    values, *_ = blocks("yaml")
    (tmp_path / "values.yaml").write_text(values)
    rendered = tools().helm("template", "mail-exporter", CHART, f"--values={tmp_path / 'values.yaml'}")
    assert 0 == rendered.returncode, rendered.stderr
    manifests = [one for one in yaml.safe_load_all(rendered.stdout) if one]

    assert [] == [problem for manifest in manifests for problem in problems(manifest)]
    assert yaml.safe_load(values)["config"] == check_configuration(manifests, tmp_path)


def test_the_alerts_become_a_manifest(tmp_path: Path) -> None:
    (command,) = (block for block in blocks("sh") if "PrometheusRule" in block)
    # Instead of a cluster: what would be sent to one.
    (tmp_path / "kubectl").write_text("#!/bin/sh\ncat\n")
    (tmp_path / "kubectl").chmod(0o755)
    bash = shutil.which("bash") or "/bin/bash"
    sent = subprocess.run(
        [bash, "-ec", command],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
    )

    manifest = yaml.safe_load(sent.stdout)
    assert [] == list(problems(manifest))
    rules = CHART / "files" / "alerts" / "mail-exporter.rules.yaml"
    assert yaml.safe_load(rules.read_text()) == manifest["spec"]


def test_every_drop_in_is_the_units_own_command_with_one_more_flag() -> None:
    (own,) = re.findall(r"^ExecStart=.+$", SERVICE.read_text(), re.MULTILINE)
    drop_ins = [block.splitlines() for block in blocks("ini")]

    assert {"[Service]"} == {lines[0] for lines in drop_ins}
    assert {"ExecStart="} == {lines[-2] for lines in drop_ins}
    assert ["--web.listen-address=127.0.0.1:9925"] == [lines[-1].removeprefix(f"{own} ") for lines in drop_ins]
