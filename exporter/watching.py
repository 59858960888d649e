"""Notices changed files: written in place, replaced, or with swapped symlinks.

A file that cannot be read any more counts as changed, unless it is about to be replaced.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import stat
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import aclosing
from pathlib import Path
from typing import Final, TypeAlias, TypeVar

import structlog

from exporter.config.files import MAX_FILE_BYTES, STANDARD_INPUT, find_files, is_pattern
from exporter.threads import in_own_thread

RETRY: Final = 1.0
"""Seconds to wait for a missing file that may be replaced."""

LOOK_EVERY: Final = 5000
"""Milliseconds after which to look at the files in any case: network file systems tell of no changes, and one may
happen in the moment between two watches."""

Look: TypeAlias = tuple[tuple[str, bytes | str], ...]
"""Each file with the fingerprint of its content, or the reason why it cannot be read."""

T = TypeVar("T")

log = structlog.get_logger()


class Watcher:
    """Watches files, from the moment it is made: a change between that and the first look is noticed too."""

    def __init__(self, patterns: Iterable[str | Path]) -> None:
        """Record the current content of the files.

        Args:
            patterns: As `find_files` takes them. The files need not exist yet.
        """
        self._patterns = [str(pattern) for pattern in patterns if str(pattern) != STANDARD_INPUT]
        self._known = self._look()
        self._trouble: str | None = None

    async def changes(self) -> AsyncIterator[None]:
        """Yields whenever the content changes or becomes unreadable, until cancelled.

        Directories are watched and not the files: editors and configuration management replace files, and a ConfigMap
        that Kubernetes mounts is a symlink through `..data`, which is swapped. Where a file is reached by a symlink,
        the directory that it leads to is watched as well, wherever it leads to by then.
        """
        while True:
            watched = await self._thread(self._directories)
            async with aclosing(self._hints(watched)) as hints:
                async for _ in hints:
                    if await self._has_changed():
                        yield
                    if await self._thread(self._directories) != watched:
                        break

    async def _hints(self, watched: frozenset[Path]) -> AsyncGenerator[None, None]:
        """Yields whenever the files should be checked."""
        from watchfiles import awatch  # noqa: PLC0415 - a daemon that watches nothing has no use for its megabyte

        try:
            async for _ in awatch(
                *watched, watch_filter=None, recursive=False, rust_timeout=LOOK_EVERY, yield_on_timeout=True
            ):
                self._trouble = None
                yield
        except (OSError, RuntimeError) as error:
            # No descriptors or watches left, or a directory that is gone: what cannot be watched is looked at.
            if str(error) != self._trouble:
                log.warning("cannot watch the configuration; checking it at intervals", every=RETRY, problem=str(error))
            self._trouble = str(error)
        await asyncio.sleep(RETRY)
        yield

    async def _has_changed(self) -> bool:
        found = await self._thread(self._look)
        if found != self._known and _is_incomplete(found):
            # Most likely it is about to be replaced, and its successor is the change.
            await asyncio.sleep(RETRY)
            found = await self._thread(self._look)
        before, self._known = self._known, found
        return found != before

    async def _thread(self, work: Callable[[], T]) -> T:
        return await in_own_thread(work, "config-watch")

    def _look(self) -> Look:
        return tuple((name, _fingerprint(Path(name))) for name in self._files())

    def _files(self) -> list[str]:
        found: set[str] = set()
        for pattern in self._patterns:
            files, problems = find_files([pattern])
            # A pattern that matches nothing now may do so later.
            found.update([pattern] if problems else files)
        return sorted(found)

    def _directories(self) -> frozenset[Path]:
        """Those that exist of the files' directories, and of those that patterns are looked for in."""
        paths = [Path(name) for name in {*self._files(), *self._patterns}]
        directories = {directory for path in paths for directory in (path.absolute().parent, path.resolve().parent)}
        return frozenset(each for each in directories if each.is_dir() and not is_pattern(str(each)))


def _is_incomplete(look: Look) -> bool:
    return any(isinstance(fingerprint, str) for _, fingerprint in look)


def _fingerprint(path: Path) -> bytes | str:
    """The hash of the content, or why it cannot be read."""
    try:
        # A named pipe that nobody writes to would never be opened otherwise.
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return "is not a regular file"
            return hashlib.sha256(file.read(MAX_FILE_BYTES + 1)).digest()
    except (OSError, ValueError) as error:
        return str(error)
