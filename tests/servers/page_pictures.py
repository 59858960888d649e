"""Draws the pictures of the pages for the documentation: `python -m tests.servers.page_pictures docs/images`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final
from urllib.parse import quote

from tests.servers.browser import Windows, chromium
from tests.servers.populations import Clock, population, served

PATHS: Final = {
    "status-page": ("/", 900),
    "endpoint-page": (f"/endpoint?name={quote('imap://mail00003.example.com', safe='')}", 1500),
}
"""By the picture's name: what is shown, and how many pixels of it from the top."""

WIDTH: Final = 1280


def draw(directory: Path) -> None:
    """Draw each of them by day and by night."""
    with chromium() as browser, served(population(31, 60), Clock()) as url:
        for name, (path, height) in PATHS.items():
            for dark in (False, True):
                with Windows(browser, url).window(path, width=WIDTH, dark=dark) as seen:
                    seen.page.set_viewport_size({"width": WIDTH, "height": height})
                    seen.page.screenshot(path=directory / f"{name}-{'dark' if dark else 'light'}.png")


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
