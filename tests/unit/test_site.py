"""The documentation as a web site, and the project's address, which one setting holds."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from dashboards.settings import PROJECT_DOCS_URL
from deploy.address import change, project_url

ROOT = Path(__file__).parents[2]


def build(source: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "ignore", "-m", "mkdocs", "build", "--strict"]
    return subprocess.run(command, cwd=source, check=False, capture_output=True, text=True)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """What the site is built from, to be changed."""
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    for one in ROOT.iterdir():
        if one.name not in {"docs", "build"}:
            (tmp_path / one.name).symlink_to(one)
    return tmp_path


def test_the_site_is_built_strictly_with_every_page(source: Path) -> None:
    built = build(source)
    site = source / "build" / "site"
    pages = {str(file.relative_to(source / "docs").with_suffix(".html")) for file in (source / "docs").rglob("*.md")}

    assert 0 == built.returncode, built.stdout + built.stderr
    assert set() == {page for page in pages if not (site / page).is_file()}
    front = (site / "index.html").read_text()
    assert set() == {page for page in pages if f'href="{page}"' not in front} - {"index.html"}
    assert set() == set(re.findall(r'(?:src|<link[^>]*stylesheet[^>]*href)="(https?://[^"]+)"', front))


@pytest.mark.parametrize(
    "fault",
    ["[a page](missing.md)", "[a heading](failures.md#missing)", "[a file](../deploy/missing.yaml)"],
)
def test_a_broken_link_fails_the_build(source: Path, fault: str) -> None:
    with (source / "docs" / "index.md").open("a") as page:
        page.write(f"\n{fault}\n")

    assert 0 != build(source).returncode


def test_a_page_that_the_navigation_lacks_fails_the_build(source: Path) -> None:
    (source / "docs" / "forgotten.md").write_text("# Forgotten\n")

    assert 0 != build(source).returncode


def test_every_place_has_the_address_of_the_project() -> None:
    address = project_url()
    chart = yaml.safe_load((ROOT / "deploy/helm/mail-exporter/Chart.yaml").read_text())
    site = re.search(r"^repo_url: (.+)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    image = re.search(r"^ARG SOURCE=(.+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)

    assert site is not None
    assert image is not None
    assert [address] * 4 == [chart["home"], *chart["sources"], site[1], image[1]]
    assert PROJECT_DOCS_URL.startswith(f"{address}/")
    assert f"git clone {address}\n" in (ROOT / "README.md").read_text()


@pytest.mark.parametrize("address", ["", "mail-exporter", "http://example.com/mail-exporter", "https://example.com"])
def test_an_address_that_cannot_be_one_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="is not an address"):
        change(address)
