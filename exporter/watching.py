"""Noticing that a file's content changed, whether it was written in place, replaced, or a symlink to it swapped."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

RETRY: Final = 1.0
"""Seconds to wait for a directory that is gone: it is being replaced, or it is not coming back."""

LOOK_EVERY: Final = 5000
"""Milliseconds after which to look at the file in any case: network file systems tell of no changes, and one may happen
in the moment between two watches."""


class Watcher:
    """Watches one file, from the moment it is made: a change between that and the first look is noticed too."""

    def __init__(self, path: Path) -> None:
        """Take note of what the file holds now.

        Args:
            path: Need not exist yet.
        """
        self._path = path
        self._known = _fingerprint(path)

    async def changes(self) -> AsyncIterator[None]:
        """Yields each time the content is another than before, until cancelled.

        Directories are watched and not the file: editors and configuration management replace files, and a ConfigMap
        that Kubernetes mounts is a symlink through `..data`, which is swapped. Where the file is reached by a symlink,
        the directory that it leads to is watched as well, wherever it leads to by then.
        """
        from watchfiles import awatch  # noqa: PLC0415 - a daemon that watches nothing has no use for its megabyte

        while True:
            watched = await asyncio.to_thread(_directories, self._path)
            try:
                async for _ in awatch(
                    *watched,
                    watch_filter=None,
                    recursive=False,
                    rust_timeout=LOOK_EVERY,
                    yield_on_timeout=True,
                ):
                    found = await asyncio.to_thread(_fingerprint, self._path)
                    # A file that is missing for the moment is about to be replaced: its successor is the change.
                    if found is not None and found != self._known:
                        self._known = found
                        yield
                    if await asyncio.to_thread(_directories, self._path) != watched:
                        break
            except FileNotFoundError:
                await asyncio.sleep(RETRY)


def _directories(path: Path) -> frozenset[Path]:
    return frozenset({path.absolute().parent, path.resolve().parent})


def _fingerprint(path: Path) -> bytes | None:
    """Of the content; `None` if it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).digest()
    except OSError:
        return None
