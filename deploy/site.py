"""Hooks of MkDocs: what differs between the pages in the repository and on the web site.

Links that leave docs/ lead to the repository. The example configuration becomes a page. The decisions are added to the
navigation.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

EXAMPLE: Final = "config.example.md"
_OUTSIDE: Final = re.compile(r"\]\((?:\.\./)+(?P<path>[^)\s#]+)(?P<anchor>#[^)\s]*)?\)")
_FOLDER: Final = re.compile(r"\]\(decisions/?\)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Add the decisions to the navigation, in their order."""
    decisions = sorted((Path(config.docs_dir) / "decisions").glob("*.md"))
    config.nav = [*(config.nav or []), {"Decisions": [f"decisions/{file.name}" for file in decisions]}]
    return config


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the example configuration as a page."""
    example = (Path(config.docs_dir).parent / "config.example.yaml").read_text(encoding="utf-8")
    content = f"# Example configuration\n\n```yaml\n{example}```\n"
    files.append(File.generated(config, EXAMPLE, content=content))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001 - MkDocs passes files
    """Lead links to files outside docs/ to the repository."""
    folder = Path(page.file.src_uri).parent
    docs = Path(config.docs_dir)

    def led(match: re.Match[str]) -> str:
        target = Path(os.path.normpath(docs / folder / match[0][2:-1].partition("#")[0]))
        if target == docs.parent / "config.example.yaml":
            return f"]({EXAMPLE})"
        if target.is_relative_to(docs):
            return match[0]
        kind = "tree" if target.is_dir() else "blob"
        if not target.exists():
            raise ValueError(f"{page.file.src_uri} links to {target}, which does not exist")
        return f"]({config.repo_url}{kind}/main/{target.relative_to(docs.parent)}{match['anchor'] or ''})"

    first = min((docs / "decisions").glob("*.md")).name
    return _FOLDER.sub(f"](decisions/{first})", _OUTSIDE.sub(led, markdown))
