"""Pages as a browser takes them apart, for tests."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from urllib.parse import quote

from tests.unit.web import Client

VOID = {"meta", "link", "input", "br", "img", "source"}
CELLS = {"td", "th", "p", "li"}


class Page(HTMLParser):
    """A page taken apart: well-formed, and without anything that its security policy forbids."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.attributes: list[str] = []
        self.data = ""
        self.following: str | None = None
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert [] == self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        assert len(attributes) == len(attrs)
        assert tag != "style"
        assert tag != "script" or (attributes["src"] or "").endswith("static/page.js")
        assert not [name for name in attributes if name == "style" or name.startswith("on")]
        if tag not in VOID:
            self.open.append(tag)
        if attributes.get("rel") == "next" and tag == "a":
            self.following = attributes["href"]
        self.links += [found for name in ("href", "src", "action") if (found := attributes.get(name)) is not None]
        self.attributes += [found for name in ("title", "aria-label", "value") if (found := attributes.get(name))]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert tag == self.open.pop()
        self.data += " " if tag in CELLS else ""

    def handle_data(self, data: str) -> None:
        self.data += data

    @property
    def text(self) -> str:
        """What is there to be read, as one line."""
        return re.sub(r"\s+", " ", " ".join([self.data, *self.attributes]))


def path_of(name: str) -> str:
    return f"/endpoints/{quote(name, safe='')}"


async def page_at(client: Client, path: str) -> Page:
    response = await client.get(path)
    assert 200 == response.status
    assert "text/html; charset=utf-8" == response.headers["Content-Type"]
    return Page(await response.text())
