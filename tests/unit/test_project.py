"""What the project says of itself is so: the pages, the commands, the packaging, and the rules the code is kept to."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.certificates import failure_reason
from exporter.metrics.rows.domain_rows import DOMAIN_METRICS, FOLLOWED_METRICS
from exporter.metrics.rows.endpoint_metrics import ENDPOINT_METRICS
from exporter.metrics.rows.exporter_metrics import EXPORTER_METRICS
from exporter.metrics.rows.flow_rows import FLOW_METRICS
from exporter.metrics.rows.metric import Metric
from exporter.model import CertificateProblem, DomainProblem, FailureReason, Reach
from tests.servers.exporter import run_command

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
SOURCES = sorted(
    file
    for folder in ("exporter", "tests", "benchmarks", "dashboards")
    for file in (ROOT / folder).rglob("*.py")
    if "node_modules" not in file.parts
)

PACKAGE = {file: ast.parse(file.read_text()) for file in SOURCES if file.is_relative_to(ROOT / "exporter")}

FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")
METRIC = re.compile(r"\bmail_[a-z0-9_]+\b")
NOT_METRICS = {"mail_from", "mail_max_userip_connections"}  # a key of ours and one of Dovecot's


def blocks(page: Path, language: str) -> list[str]:
    return [text for named, text in FENCED.findall(page.read_text()) if named == language]


def anchor(heading: str) -> str:
    """As GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def test_every_failure_reason_has_its_section_and_no_other_does() -> None:
    page = (ROOT / "docs" / "failures.md").read_text()
    headings = re.findall(r"^## (.+)$", page, re.MULTILINE)

    assert [str(reason) for reason in FailureReason] == headings


def test_every_failure_section_says_what_it_means_and_what_to_do() -> None:
    page = (ROOT / "docs" / "failures.md").read_text()
    sections = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", page, re.DOTALL | re.MULTILINE))

    assert [] == [
        f"{reason}: {part}"
        for reason in FailureReason
        for part in ("**Means:**", "**Do:**")
        if part not in sections.get(reason, "")
    ]


def test_every_problem_of_a_certificate_is_explained_with_the_reason_that_it_leads_to() -> None:
    page = (ROOT / "docs" / "failures.md").read_text()
    (table,) = re.findall(r"^\| error \| means \| reason \|\n\|---\|---\|---\|\n((?:\|.*\n)+)", page, re.MULTILINE)
    rows = re.findall(r"^\| `(\w+)` \| .+ \| (?:\[(\w+)\]\(#\2\) )?\|$", table, re.MULTILINE)

    assert [(each.value, failure_reason([each]).value if each.fails else "") for each in CertificateProblem] == rows


def leads_somewhere(page: Path, target: str) -> bool:
    path, _, fragment = target.partition("#")
    file = page.parent / path if path else page
    headings = re.findall(r"^#+ (.+)$", file.read_text(), re.MULTILINE) if file.is_file() else []
    return file.exists() and (not fragment or fragment in map(anchor, headings))


def test_every_link_between_the_pages_leads_somewhere() -> None:
    assert [] == [
        f"{page.name}: {target}"
        for page in PAGES
        for target in LINK.findall(page.read_text())
        if "://" not in target and not leads_somewhere(page, target)
    ]


def test_the_readme_names_every_page_of_the_documentation() -> None:
    named = {(ROOT / target.partition("#")[0]).resolve() for target in LINK.findall((ROOT / "README.md").read_text())}

    assert set() == set((ROOT / "docs").glob("*.md")) - named


def test_every_metric_that_a_page_names_exists() -> None:
    metrics: tuple[Metric[Any], ...] = (
        *ENDPOINT_METRICS,
        *FLOW_METRICS,
        *DOMAIN_METRICS,
        *FOLLOWED_METRICS,
        *EXPORTER_METRICS,
    )
    known = {metric.name for metric in metrics}
    known |= {f"{name}{suffix}" for name in known for suffix in ("_bucket", "_sum", "_count")}

    assert [] == [
        f"{page.name}: {name}"
        for page in PAGES
        for name in sorted(set(METRIC.findall(page.read_text())) - NOT_METRICS - known)
    ]


def test_the_readme_shows_the_two_commands_first() -> None:
    first, *_ = blocks(ROOT / "README.md", "sh")

    assert [["make", "run"], ["make", "test"]] == [line.split()[:2] for line in first.splitlines()]


def test_the_readme_shows_a_probe() -> None:
    page = (ROOT / "README.md").read_text()
    (shown,) = re.findall(r"<!-- probe -->\n(.*?)<!-- /probe -->", page, re.DOTALL)

    for phase in ("dns", "connect", "greeting", "tls", "auth", "quit"):
        assert phase in shown


def test_the_configuration_in_the_readme_is_good(tmp_path: Path) -> None:
    configuration, scrape = blocks(ROOT / "README.md", "yaml")
    file = tmp_path / "mail-exporter.yaml"
    file.write_text(configuration)

    checked = run_command("check", file)

    assert 0 == checked.returncode, checked.stderr
    assert ["localhost:9925"] == yaml.safe_load(scrape)["scrape_configs"][0]["static_configs"][0]["targets"]


def test_continuous_integration_runs_what_everybody_can_run() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    script = ROOT / ".ci" / "run"
    commands = [step["run"] for step in workflow["jobs"]["test"]["steps"] if "run" in step]

    assert [".ci/run"] == commands
    assert script.stat().st_mode & 0o111
    assert script.read_text().endswith("export MAIL_EXPORTER_REQUIRE_SERVERS=1\nmake test\n")


def test_what_coverage_holds_in_whole_exists() -> None:
    """A pattern that fits no file would be held to nothing."""
    lists = re.findall(r"^(?:OF_FLOWS|JUDGES) := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    named = [pattern for each in lists for pattern in each.split(",") if pattern != "$(OF_FLOWS)"]

    assert len(named) == 6
    assert [] == [pattern for pattern in named if not any(file.suffix == ".py" for file in ROOT.glob(pattern))]


def test_continuous_integration_covers_every_supported_python() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    promised = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    pythons = workflow["jobs"]["test"]["strategy"]["matrix"]["python"]

    assert promised == f">={pythons[0]}"
    assert ["3.11", "3.12", "3.13", "3.14"] == pythons


def test_make_run_is_the_demo_and_make_test_ends_with_pytest() -> None:
    expected = {"run": "mail-exporter demo", "test": "python -m pytest"}
    for target, command in expected.items():
        # The tests may themselves be run by make, which speaks to the makes below it through the environment.
        planned = subprocess.run(
            ["make", "--dry-run", "--no-print-directory", target],
            cwd=ROOT,
            env={name: value for name, value in os.environ.items() if not name.startswith("MAKE")},
            check=True,
            capture_output=True,
            text=True,
        )
        assert planned.stdout.splitlines()[-1].endswith(command)


def test_the_pre_commit_hooks_are_the_lint_commands() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    recipe = re.search(r"^lint:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe is not None
    tools = Counter(re.findall(r"\$\(BIN\)/([\w-]+)", recipe[1]))

    assert tools == Counter(hook["entry"].removeprefix(".venv/bin/").split()[0] for hook in hooks)


@pytest.mark.parametrize(
    ("python", "says"),
    [
        ("no-such-python", "no Python 3.11 to 3.14 found (tried: no-such-python)"),
        ("./old", "no Python 3.11 to 3.14 found (tried: ./old)"),
        ("./without-venv", "apt-get install python3-venv"),
    ],
)
def test_make_says_what_is_missing(tmp_path: Path, python: str, says: str) -> None:
    for name in ("Makefile", "pyproject.toml", "constraints.txt", "requirements.txt", "requirements-build.txt"):
        shutil.copy(ROOT / name, tmp_path)
    # Stand-ins that answer as such Pythons do: one is too old, one came without the package for environments.
    stand_ins = {"old": "exit 1", "without-venv": 'case "$*" in *ensurepip*) exit 1;; esac'}
    for name, body in stand_ins.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(0o755)

    ended = subprocess.run(
        ["make", "run", f"PYTHON={python}"], cwd=tmp_path, check=False, capture_output=True, text=True
    )

    assert ended.returncode != 0
    assert says in ended.stderr
    assert not (tmp_path / ".venv").exists()


def test_the_wheel_holds_the_package_with_its_types_and_its_licence(tmp_path: Path) -> None:
    # From a copy without history, as a source archive is.
    source = tmp_path / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE", "config.example.yaml"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "docs", source / "docs")
    shutil.copytree(ROOT / "exporter", source / "exporter", ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("mail_exporter-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())

    packaged = {str(file.relative_to(source)) for file in (source / "exporter").rglob("*") if file.is_file()}
    assert packaged <= names
    assert "exporter/py.typed" in names
    assert "exporter/documentation/config.example.yaml" in names
    documentation = {f"exporter/documentation/{file.name}" for file in (ROOT / "docs").glob("*.md")}
    assert documentation <= names
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_every_silenced_complaint_has_its_reason() -> None:
    silenced = re.compile(r"#\s*(?:noqa|type:\s*ignore|pragma:).*")
    reasoned = re.compile(r"# (?:noqa: [A-Z0-9, ]+ - \S.*|type: ignore\[[a-z\-, ]+\]\s+# \S.*)")
    unreasoned = [
        f"{file.relative_to(ROOT)}:{number}: {match[0]}"
        for file in SOURCES
        for number, line in enumerate(file.read_text().splitlines(), start=1)
        if (match := silenced.search(line)) and not reasoned.fullmatch(match[0]) and file != Path(__file__)
    ]

    assert [] == unreasoned


def defined(statement: ast.stmt) -> str:
    """The class or type alias that a statement of a module defines; empty if it defines none."""
    match statement:
        case ast.ClassDef(name=name) | ast.AnnAssign(target=ast.Name(id=name), annotation=ast.Name(id="TypeAlias")):
            return name
        case ast.Assign(targets=[ast.Name(id=name)], value=ast.Subscript() | ast.BinOp()):
            return name
    return ""


def test_no_two_classes_share_a_name() -> None:
    """Type aliases count as well."""
    names = Counter(filter(None, (defined(statement) for module in PACKAGE.values() for statement in module.body)))

    assert [] == [name for name, count in names.items() if count > 1 and not name.isupper()]


def test_no_two_files_share_a_name() -> None:
    names = Counter(file.name for file in PACKAGE if file.name != "__init__.py")

    assert [] == [name for name, count in names.items() if count > 1]


def test_no_file_is_longer_than_350_lines_and_no_function_than_40() -> None:
    functions = [
        (file, node)
        for file, module in PACKAGE.items()
        for node in ast.walk(module)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]

    assert [] == [file.name for file in PACKAGE if len(file.read_text().splitlines()) > 350]
    assert [] == [f"{file.name}: {each.name}" for file, each in functions if lines_of(each) > 40]


def lines_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


def test_every_source_file_that_a_page_names_exists() -> None:
    sources = [f"/{file.relative_to(ROOT)}" for file in SOURCES]
    pages = [ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *(ROOT / "docs" / "decisions").glob("*.md")]
    named = {name for page in pages for name in re.findall(r"`([\w/]+\.py)`", page.read_text())}
    planned = {"config/secrets.py", "exporter/model.py"}  # decisions 1 and 7 say why there are others

    assert planned == {name for name in named if not any(file.endswith(f"/{name}") for file in sources)}


def test_every_problem_of_a_domain_has_its_section_and_no_other_does() -> None:
    page = (ROOT / "docs" / "domains.md").read_text()
    headings = re.findall(r"^### ([a-z_]+)$", page.partition("## Problems")[2], re.MULTILINE)

    assert [problem.value for problem in DomainProblem] == headings


def test_every_section_about_a_domain_says_what_it_means_and_what_to_do() -> None:
    page = (ROOT / "docs" / "domains.md").read_text()
    found = re.findall(r"^### (\w+)\n(.*?)(?=^### |\Z)", page, re.DOTALL | re.MULTILINE)
    sections = {heading: " ".join(section.split()) for heading, section in found}
    parts = ("**Means:**", "**Usually:**", "**Do:**")

    assert [] == [each for each in DomainProblem if [1, 1, 1] != [sections[each].count(part) for part in parts]]
    warned_of = [each for each in DomainProblem if "does not fail the check" in sections[each]]
    assert [each for each in DomainProblem if each.reach is Reach.WARNS] == warned_of


def test_every_problem_of_a_domain_can_be_found() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "exporter" / "domains").rglob("*.py"))

    assert [] == [each for each in DomainProblem if not re.search(rf"DomainProblem\.{each.name}\b", sources)]
