"""Chromium, as people look at the pages with, and axe, which looks for what keeps some of them out."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Browser, Page, sync_playwright

from tests.servers.npm import unpacked
from tests.servers.programs import program

AXE: Final = "axe-core@4.14.1"
AXE_INTEGRITY: Final = "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ=="
"""Its SHA-512, as the registry gives it."""

FLAGS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""It runs as root in a container, and is to talk to nobody but the pages' server."""

CUT_OFF: Final = """
() => [...document.querySelectorAll("main *")].filter((element) => {
  const box = element.getBoundingClientRect(), style = getComputedStyle(element);
  if (!box.width || element instanceof SVGElement && !(element instanceof SVGSVGElement)) return false;
  if (element.closest(".unseen, caption, option, [tabindex='0'] table, pre")) return false;
  const thead = element.closest("thead");
  if (thead && getComputedStyle(thead).position === "absolute") return false;
  const hides = style.overflowX === "hidden" || style.overflowX === "clip";
  const within = !["SELECT", "INPUT"].includes(element.tagName);
  const hidden = hides && within && element.scrollWidth > element.clientWidth + 1;
  return box.right > innerWidth + 1 || box.left < -1 || hidden;
}).map((element) => `${element.tagName}.${element.getAttribute("class")}: ${element.textContent.trim().slice(0, 60)}`)
"""
"""What does not fit the screen, or the box that it is in. What can be scrolled to by itself does."""


@dataclass(slots=True)
class Seen:
    """A page, and what went wrong with it.

    Attributes:
        page: Loaded.
        complaints: What the browser wrote to its console, and what it asked of others than the server.
    """

    page: Page
    complaints: list[str] = field(default_factory=list)

    def violations(self) -> list[str]:
        """What axe finds, by its name and the first element."""
        found = self.page.evaluate(f"{_axe()}; axe.run(document, {{resultTypes: ['violations']}})")
        return [f"{each['id']}: {each['nodes'][0]['html'][:200]}" for each in found["violations"]]

    def cut_off(self) -> list[str]:
        """Elements that do not fit, by what they say; and the page, if it has to be scrolled sideways."""
        wider = self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        return [*self.page.evaluate(CUT_OFF), *([f"the page is {wider} px wider than the screen"] if wider > 0 else [])]


class Windows:
    """Windows of a browser onto one server."""

    def __init__(self, browser: Browser, url: str) -> None:
        self._browser = browser
        self._url = url

    @contextmanager
    def window(self, path: str, *, width: int = 1400, dark: bool = False, **options: Any) -> Iterator[Seen]:
        """A page in a window of its own, somewhere in central Europe."""
        context = self._browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if dark else "light",
            timezone_id="Europe/Berlin",
            locale="en-GB",
            **options,
        )
        try:
            page = context.new_page()
            seen = Seen(page)
            page.on("console", lambda message: seen.complaints.append(message.text))
            page.on("pageerror", lambda error: seen.complaints.append(str(error)))
            page.on("request", lambda asked: None if self._ours(asked.url) else seen.complaints.append(asked.url))
            page.goto(f"{self._url}{path}")
            yield seen
        finally:
            context.close()

    def _ours(self, url: str) -> bool:
        return url.startswith(f"{self._url}/")


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser, from start to end."""
    path = program("chromium", package="chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


def _axe() -> str:
    directory = unpacked("axe", AXE, AXE_INTEGRITY, _unpack)
    return (directory / "axe.min.js").read_text()


def _unpack(archive: Path, directory: Path) -> None:
    with tarfile.open(archive) as package:
        for name in ("axe.min.js", "LICENSE"):
            file = package.extractfile(f"package/{name}")
            if file is None:
                raise ValueError(f"{AXE} holds no {name}")
            directory.mkdir(exist_ok=True)
            (directory / name).write_bytes(file.read())
