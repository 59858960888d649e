from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from yarl import URL

from exporter.model import FailureReason
from exporter.web.pages.documentation import CONTENTS, Documentation
from tests.unit.html_pages import Page, page_at
from tests.unit.web import Client, served, store_with

ROOT = Path(__file__).parents[2]
DOCUMENTATION = Documentation()
NAMES = [name for name, _ in DOCUMENTATION.contents]


async def document(client: Client, name: str) -> tuple[str, Page]:
    text = await (await client.get(f"/docs/{name}")).text()
    return text, Page(text)


@pytest.mark.parametrize("reason", FailureReason)
async def test_every_reason_has_a_place_in_the_documentation(reason: FailureReason) -> None:
    async with served(store_with([])) as client:
        text, _ = await document(client, "failures")

    assert f'id="{reason}"' in text


async def test_every_alert_has_a_place_in_the_documentation() -> None:
    rules = (ROOT / "dashboards/alerts/mail-exporter.rules.yaml").read_text()
    names = re.findall(r"- alert: (\w+)", rules)
    async with served(store_with([])) as client:
        text, _ = await document(client, "alerts")

    assert names
    assert [] == [name for name in names if f'id="{name}"' not in text]


async def test_the_documentation_begins_with_a_list_of_its_pages() -> None:
    async with served(store_with([])) as client:
        response = await client.get("/docs")
        page = await page_at(client, "/docs/")

    assert "/docs/" == response.url.path
    assert {f"../docs/{name}" for name in NAMES} <= set(page.links)


@pytest.mark.parametrize("name", NAMES)
async def test_every_page_is_well_formed_and_every_link_of_it_leads_somewhere(name: str) -> None:
    async with served(store_with([])) as client:
        text, page = await document(client, name)
        anchors: dict[str, str] = {f"/docs/{name}": text}
        for link in dict.fromkeys(page.links):
            target = URL(f"http://exporter.test/docs/{name}").join(URL(link))
            if target.host != "exporter.test":
                # The tutorial leads to what the reader has started.
                assert "https" == target.scheme or target.host == "127.0.0.1"
                continue
            if target.path not in anchors:
                response = await client.get(target.path)
                assert 200 == response.status, link
                anchors[target.path] = await response.text() if response.content_type.startswith("text/") else ""
            assert not target.fragment or f'id="{target.fragment}"' in anchors[target.path], link


async def test_every_cell_of_a_table_has_the_heading_of_its_column() -> None:
    async with served(store_with([])) as client:
        text, _ = await document(client, "configuration")

    assert '<td role="cell" data-label="default"><code>60s</code></td>' in text
    bodies = "".join((DOCUMENTATION.document(name) or pytest.fail(name)).body for name in NAMES)
    assert bodies.count("<td") == bodies.count(' role="cell" data-label="')
    assert 'data-label=""' not in bodies


def test_the_table_of_contents_leads_to_every_page() -> None:
    table = (ROOT / "docs" / "index.md").read_text()
    pages = {page.name for page in (ROOT / "docs").glob("*.md")} - {"index.md"}

    assert pages == set(re.findall(r"\]\(([\w-]+\.md)\)", table))


def test_a_page_is_found_under_the_name_of_its_file_too() -> None:
    assert DOCUMENTATION.document("failures") is DOCUMENTATION.document("failures")
    assert DOCUMENTATION.document("nope") is None
    assert DOCUMENTATION.picture("../index.md") is None


def test_the_wheel_is_told_to_carry_the_documentation() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    included = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]

    assert "exporter/documentation" == included["docs"]
    assert "exporter/documentation/config.example.yaml" == included["config.example.yaml"]
    assert "index" in CONTENTS


def test_without_any_documentation_there_is_none(tmp_path: Path) -> None:
    assert [] == Documentation(tmp_path / "missing").contents
