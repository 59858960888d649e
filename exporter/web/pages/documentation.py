"""Serves the package's documentation as pages: `docs/failures.md` is `/docs/failures`.

Markdown to HTML, made when somebody looks for the first time. Headings can be linked to by their words, as GitHub does
it, and by their exact text if that is a single word, such as the name of an alert.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from itertools import count, pairwise
from types import MappingProxyType
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token

from exporter.web.pages.documentation_place import documentation_directory

EXAMPLE: Final = "config.example.yaml"

CONTENTS: Final[Mapping[str, str]] = {
    "index": "Contents",
    "tutorial": "Tutorial",
    "monitoring-mail": "Monitoring mail",
    "failures": "When a probe fails",
    "alerts": "Alerts",
    "metrics": "Metrics",
    "configuration": "Configuration",
    EXAMPLE: "Example of a configuration",
    "operating": "Operating",
    "mail-flow": "Mail flow",
    "domains": "Domains",
    "dashboards": "Dashboards",
    "web-configuration": "Web configuration",
    "api": "JSON API",
    "providers": "Providers",
    "gmail": "Gmail",
    "microsoft-365": "Microsoft 365",
    "from-blackbox-exporter": "From blackbox_exporter",
    "scaling": "Scaling",
}
"""The pages in the order of their list; one that is not in the package is left out, and others come after these."""

_REGION: Final = '<div class="wide" tabindex="0" role="region" aria-label="Table {}"><table role="table">'
_ROLES: Final = MappingProxyType(
    {
        "table_open": "table",
        "thead_open": "rowgroup",
        "tbody_open": "rowgroup",
        "tr_open": "row",
        "th_open": "columnheader",
        "td_open": "cell",
    }
)
"""What the parts of a table are. Said to those who do not see it, because on a narrow screen each row is a card."""

_HEADING: Final = re.compile(r"#\s+(?P<title>.+)")
_NO_SLUG: Final = re.compile(r"[^\w\- ]")
_WORD: Final = re.compile(r"[A-Za-z][\w-]*", re.ASCII)
_PAGE: Final = re.compile(r"(?P<name>[\w-]+)\.md(?P<anchor>#.*)?|\.\./(?P<example>config\.example\.yaml)", re.ASCII)
_ELSEWHERE: Final = re.compile(r"[a-z]+:", re.ASCII)


@dataclass(frozen=True, slots=True)
class DocumentationPage:
    """A page of the documentation; the body is HTML."""

    name: str
    title: str
    body: str


class Documentation:
    """All pages of it."""

    def __init__(self, directory: Traversable | None = None) -> None:
        """Look which pages there are.

        Args:
            directory: Where they are; by default, where the package has them.
        """
        directory = directory or documentation_directory()
        self._sources = dict(_sources(directory))
        self._made: dict[str, DocumentationPage] = {}
        pictures = directory.joinpath("images")
        self._pictures = {file.name: file for file in pictures.iterdir()} if pictures.is_dir() else {}
        known = [name for name in CONTENTS if name in self._sources]
        others = sorted(self._sources.keys() - CONTENTS.keys())
        self.contents: Sequence[tuple[str, str]] = [(name, self._title(name)) for name in (*known, *others)]

    def document(self, name: str) -> DocumentationPage | None:
        """A page; `None` if there is no such page. It takes some hundredths of a second the first time."""
        if name not in self._sources:
            return None
        if name not in self._made:
            self._made[name] = DocumentationPage(name, self._title(name), self._rendered(self._sources[name]))
        return self._made[name]

    def picture(self, name: str) -> bytes | None:
        """A PNG picture of the documentation; `None` if there is no such picture."""
        file = self._pictures.get(name)
        return None if file is None else file.read_bytes()

    def _title(self, name: str) -> str:
        return CONTENTS.get(name) or next(
            (match["title"] for line in self._sources[name].splitlines() if (match := _HEADING.fullmatch(line))), name
        )

    def _rendered(self, source: str) -> str:
        parser = MarkdownIt("commonmark", {"html": True}).enable("table")
        tokens = parser.parse(source)
        _anchor_headings(tokens)
        _label_cells(tokens)
        for token in tokens:
            if token.children:
                token.children = list(self._linked(token.children))
        html = str(parser.renderer.render(tokens, parser.options, {}))
        # What is too wide for the screen is scrolled, also by keyboard. A region needs a name of its own.
        numbers = count(1)
        html = re.sub('<table role="table">', lambda _: _REGION.format(next(numbers)), html)
        # The content security policy allows no style in an element.
        html = html.replace('style="text-align:right"', 'class="number"').replace('style="text-align:left"', "")
        return html.replace("</table>", "</table></div>").replace("<pre>", '<pre tabindex="0">')

    def _linked(self, tokens: Sequence[Token]) -> Iterator[Token]:
        """The tokens with links among the pages as the interface has them, and without those to other files."""
        dropped = 0
        for token in tokens:
            if token.type == "link_open":
                way = self._way(str(token.attrs.get("href", "")))
                if way is None:
                    dropped += 1
                    continue
                token.attrs["href"] = way
            elif token.type == "link_close" and dropped:
                dropped -= 1
                continue
            yield token

    def _way(self, href: str) -> str | None:
        if href.startswith("#") or _ELSEWHERE.match(href):
            return href
        match = _PAGE.fullmatch(href)
        name = match and (match["name"] or match["example"])
        return f"{name}{match['anchor'] or ''}" if match and name in self._sources else None


def _sources(directory: Traversable) -> Iterator[tuple[str, str]]:
    if not directory.is_dir():
        return
    for file in directory.iterdir():
        if file.name.endswith(".md"):
            yield file.name.removesuffix(".md"), file.read_text(encoding="utf-8")
    # In a checkout it is not among the documentation, but above it.
    for example in (directory.joinpath(EXAMPLE), directory.joinpath("..", EXAMPLE)):
        if example.is_file():
            yield EXAMPLE, f"# {CONTENTS[EXAMPLE]}\n\n```yaml\n{example.read_text(encoding='utf-8')}```\n"
            break


def _anchor_headings(tokens: Sequence[Token]) -> None:
    taken: dict[str, int] = {}
    for opening, words in pairwise(tokens):
        if opening.type != "heading_open":
            continue
        text = "".join(child.content for child in words.children or ())
        slug = _NO_SLUG.sub("", text.lower()).replace(" ", "-")
        number = taken.get(slug, 0)
        taken[slug] = number + 1
        slug = f"{slug}-{number}" if number else slug
        opening.attrs["id"] = text if _WORD.fullmatch(text) and not number else slug
        if opening.attrs["id"] != slug and words.children is not None:
            anchor = Token("html_inline", "", 0, content=f'<span id="{slug}"></span>')
            words.children.insert(0, anchor)


def _label_cells(tokens: Sequence[Token]) -> None:
    """Give each cell the heading of its column."""
    headings: list[str] = []
    column = 0
    for opening, words in pairwise(tokens):
        if opening.type in _ROLES:
            opening.attrs["role"] = _ROLES[opening.type]
        if opening.type == "table_open":
            headings = []
        elif opening.type == "tr_open":
            column = 0
        elif opening.type == "th_open":
            headings.append("".join(child.content for child in words.children or ()))
        elif opening.type == "td_open":
            opening.attrs["data-label"] = headings[column]
            column += 1
