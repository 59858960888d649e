"""The file that keeps histories over restarts: read at the start, written regularly and at the end.

A new file is written beside the old one and then replaces it, so that there is always a complete one.
`exporter.metrics.history.history_format` has the format. Probing continues if the file cannot be used.
"""

from __future__ import annotations

import asyncio
import errno
import os
import stat
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Final

import structlog

from exporter.metrics.history.history_format import DamagedHistoryError, domains_in, read_history, write_history
from exporter.metrics.history.remembering import Remembered
from exporter.model import LongTask, Series
from exporter.supervision import supervised
from exporter.threads import in_own_thread

SAVE_EVERY: Final = 300.0
"""Seconds between two writes: what a power cut may cost."""

MAX_SIZE: Final = 512 * 1024 * 1024
"""The largest file that is read, in octets: thirty times the need of ten thousand flapping endpoints."""

MODE: Final = 0o640
"""Only administrators may read the names of servers."""

LINES_A_WRITE: Final = 200

log = structlog.get_logger()

Histories = Mapping[Series, Remembered]


class HistoryFile:
    """One file, of one process.

    Attributes:
        domains: The remembered state of mail domains, after loading.
    """

    def __init__(self, path: Path, every: float = SAVE_EVERY) -> None:
        """Prepare to keep histories.

        Args:
            path: Need not exist yet; a symbolic link is followed.
            every: Seconds between two writes.
        """
        self._path = Path(os.path.realpath(path))
        self._name = str(path)
        self._every = every
        self._usable = True
        self._told = ""
        self._task: asyncio.Task[None] | None = None
        self._writing = asyncio.Lock()
        self._histories: Callable[[float], Histories] = lambda _: {}
        self._of_domains: Callable[[], Mapping[str, Any]] = dict
        self.domains: Mapping[str, Any] = {}

    def load(self) -> Histories:
        """The content of the file; empty if it does not exist or is damaged. A damaged file is renamed."""
        directory = self._path.parent
        if not os.access(directory, os.W_OK | os.X_OK):
            # Nothing is written for minutes, and people look at the log now.
            error = "this user may not write to its directory" if directory.is_dir() else "its directory does not exist"
            log.warning(
                "the history file cannot be written; histories end with this process", file=self._name, error=error
            )
        try:
            # O_NONBLOCK: a named pipe would never open.
            descriptor = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(descriptor, encoding="utf-8", errors="surrogateescape") as file:
                about = os.fstat(descriptor)
                if not stat.S_ISREG(about.st_mode):
                    raise OSError(errno.EINVAL, "not a regular file")  # noqa: TRY301 - as if it could not be opened
                if about.st_size > MAX_SIZE:
                    raise DamagedHistoryError(f"it is larger than {MAX_SIZE} octets")  # noqa: TRY301 - as if it were read
                first = file.readline()
                found = read_history(chain([first], file))
                self.domains = domains_in(first)
                return found
        except FileNotFoundError:
            return {}
        except DamagedHistoryError as error:
            self._set_aside(error)
        except OSError as error:
            # It may be good, so it must not be replaced.
            self._usable = False
            log.warning("the history file cannot be read; histories are not kept", file=self._name, error=str(error))
        return {}

    def start(
        self,
        histories: Callable[[float], Histories],
        failed: Callable[[LongTask], None] = lambda _: None,
        of_domains: Callable[[], Mapping[str, Any]] = dict,
    ) -> None:
        """Write regularly from now on.

        Args:
            histories: Returns what to write, given the Unix time.
            failed: Is called after an unexpected error; writing continues.
            of_domains: What is remembered of mail domains, by their names.
        """
        self._histories, self._of_domains = histories, of_domains
        if self._usable:
            self._task = asyncio.create_task(supervised(LongTask.HISTORY, self._write_now_and_then, failed))

    async def close(self) -> None:
        """Write the file a last time."""
        if self._task is None:
            return
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        self._task = None
        await self._save()

    async def _write_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(self._every)
            await asyncio.shield(self._save())

    async def _save(self) -> None:
        try:
            async with self._writing:
                # In a thread of its own: the file may lie on a file system that hangs.
                await in_own_thread(partial(self._write, self._histories(time.time()), self._of_domains()), "history")
        except OSError as error:
            if self._told != str(error):
                self._told = str(error)
                log.warning("the history file cannot be written; it stays as it was", file=self._name, error=str(error))
        else:
            if self._told:
                log.info("the history file is written again", file=self._name)
            self._told = ""

    def _write(self, histories: Histories, of_domains: Mapping[str, Any]) -> None:
        beside = self._path.with_name(f".{self._path.name}.new")
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            with os.fdopen(os.open(beside, flags, MODE), "w", encoding="utf-8") as file:
                pending: list[str] = []
                for line in write_history(histories.items(), of_domains):
                    pending.append(line)
                    if len(pending) >= LINES_A_WRITE:
                        file.write("".join(pending))
                        pending.clear()
                file.write("".join(pending))
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self._path)
        except OSError:
            beside.unlink(missing_ok=True)
            raise
        self._settle_directory()

    def _settle_directory(self) -> None:
        """Sync the directory, so that the renaming survives a power cut."""
        directory = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def _set_aside(self, damage: DamagedHistoryError) -> None:
        aside = self._path.with_name(f"{self._path.name}.damaged")
        try:
            self._path.replace(aside)
        except OSError as error:
            self._usable = False
            log.warning(
                "the history file is damaged and cannot be set aside; histories are not kept",
                file=self._name,
                damage=str(damage),
                error=str(error),
            )
        else:
            log.warning("the history file is damaged; a new one begins", set_aside=str(aside), damage=str(damage))
