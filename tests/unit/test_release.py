"""How a release is made: from a tag that says what everything else says, by actions that nobody can swap."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

import exporter

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def jobs(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / ".github" / "workflows" / name).read_text())["jobs"]
    return found


def release_version(tag: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([ROOT / "deploy" / "release-version", tag], check=False, capture_output=True, text=True)


def test_package_chart_and_image_have_the_version_of_the_tag() -> None:
    ended = release_version(f"v{exporter.__version__}")

    assert (0, f"version={exporter.__version__}\n", "") == (ended.returncode, ended.stdout, ended.stderr)


def test_a_tag_of_another_version_is_no_release() -> None:
    ended = release_version("v99.0")

    assert 1 == ended.returncode
    assert ended.stderr.endswith(f"the package is {exporter.__version__}, and the tag v99.0 says 99.0\n")


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda file: file.name)
def test_every_action_of_others_is_named_by_its_commit(workflow: Path) -> None:
    used = re.findall(r"uses: (\S+)", workflow.read_text())

    assert [] == [each for each in used if not re.fullmatch(r"\./\S+|[\w./-]+@[0-9a-f]{40}", each)]


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda file: file.name)
def test_what_a_job_may_change_is_said_at_the_job(workflow: Path) -> None:
    assert {"contents": "read"} == yaml.safe_load(workflow.read_text())["permissions"]


def test_nothing_is_published_before_every_test_passed() -> None:
    release = jobs("release.yml")

    def before(name: str) -> set[str]:
        needs = release[name].get("needs", [])
        direct = {needs} if isinstance(needs, str) else set(needs)
        return direct.union(*map(before, direct))

    assert "./.github/workflows/ci.yml" == release["test"]["uses"]
    assert all("test" in before(name) for name in release if name != "test")


def test_a_release_does_not_wait_for_itself() -> None:
    # A workflow that another calls has the caller's name; in the caller's group, GitHub cancels both as a deadlock.
    groups = [yaml.safe_load(workflow.read_text())["concurrency"]["group"] for workflow in WORKFLOWS]

    assert [f"{workflow.stem}-${{{{ github.ref }}}}" for workflow in WORKFLOWS] == groups


def test_no_password_is_kept_for_publishing() -> None:
    release = (ROOT / ".github" / "workflows" / "release.yml").read_text()

    assert "secrets." not in release
    assert {"id-token": "write"} == jobs("release.yml")["pypi"]["permissions"]


def test_the_image_is_built_for_both_platforms_and_says_where_it_comes_from() -> None:
    (push,) = (step["with"] for step in jobs("release.yml")["image"]["steps"] if step.get("id") == "push")

    assert ("linux/amd64,linux/arm64", "mode=max", True) == (push["platforms"], push["provenance"], push["sbom"])


def test_the_published_chart_names_the_published_image(tmp_path: Path) -> None:
    (push,) = (step["with"] for step in jobs("release.yml")["image"]["steps"] if step.get("id") == "push")
    (name,) = (step["run"] for step in jobs("release.yml")["chart"]["steps"] if step.get("id") == "name-image")
    chart = Path("deploy", "helm", "mail-exporter")
    shutil.copytree(ROOT / chart, tmp_path / chart)

    subprocess.run(["bash", "-e", "-c", name], cwd=tmp_path, env={**os.environ, "GITHUB_REPOSITORY": "a/b"}, check=True)

    before, after = (yaml.safe_load((place / chart / "values.yaml").read_text()) for place in (ROOT, tmp_path))
    image = push["tags"].replace("${{ github.repository }}", "a/b").partition(":${{")[0]
    assert before | {"image": before["image"] | {"repository": image}} == after


def test_continuous_integration_names_both_debians() -> None:
    assert ["bookworm", "trixie"] == jobs("ci.yml")["test"]["strategy"]["matrix"]["debian"]
