"""The web configuration in force, with the TLS context that it makes, and how both are read anew when files change.

exporter-toolkit reads its file for each request. Here the files are looked at once a second, in a thread, so that a
slow disk delays nothing, and what is wrong with a new one does not take the interface away: the old one stays in force.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from exporter.config.problems import ConfigurationError, Problem
from exporter.web.policy import Policy
from exporter.web.tls import TlsFileError, server_context
from exporter.web.web_config import read_web_config

CHECK_INTERVAL: Final = 1.0
"""Seconds between two looks at the files."""

log = structlog.get_logger()

Signature = tuple[tuple[int, ...] | None, ...]
"""What tells whether files have changed; `None` for one that is not there."""


class PolicyFile:
    """A web configuration that may change while the program runs.

    Attributes:
        policy: The last one that was good.
    """

    def __init__(self, path: Path) -> None:
        """Reads it, and the files that it names.

        Raises:
            ConfigurationError: Something is wrong with them; all problems in one go.
        """
        self._path = path
        self._named: tuple[Path, ...] = ()
        self._seen: Signature = ()
        self.policy = self._load()

    async def follow(self, changed: Callable[[Policy], None]) -> None:
        """Tells of every new policy that is good, for ever."""
        while True:
            await asyncio.sleep(CHECK_INTERVAL)
            if await asyncio.to_thread(self.refresh):
                changed(self.policy)

    def refresh(self) -> bool:
        """Reads the files again if they changed; whether there is a new policy. What is wrong with them is logged."""
        now = tuple(map(_stat, (self._path, *self._named)))
        if now == self._seen:
            return False
        self._seen = now
        try:
            policy = self._load()
            self._check_scheme(policy)
        except ConfigurationError as error:
            problems = error.problems
        else:
            self.policy = policy
            log.info("web configuration reloaded", file=str(self._path))
            return True
        for problem in problems:
            place = {"file": problem.file, "line": problem.line}
            log.error("web configuration not reloaded", problem=problem.message, **place)
        return False

    def _load(self) -> Policy:
        # Looked at before they are read: what changes meanwhile is then a change at the next look.
        own = _stat(self._path)
        config, journal = read_web_config(self._path)
        self._named = config.files
        self._seen = (own, *map(_stat, self._named))
        if config.tls is None:
            return Policy(config)
        try:
            return Policy(config, server_context(config.tls))
        except TlsFileError as error:
            journal.problem(("tls_server_config", error.key), str(error))
        except OSError as error:
            # It was there a moment ago: somebody is at work, and will be done at a later look.
            journal.problem(("tls_server_config",), f"one of its files cannot be read ({error.strerror}); put it back")
        raise ConfigurationError(journal.problems)

    def _check_scheme(self, policy: Policy) -> None:
        """Clients would take HTTP where there was HTTPS for an attack, and passwords would go in plain."""
        if (policy.context is None) is not (self.policy.context is None):
            message = "tls_server_config comes or goes only with a restart; what was in force stays so"
            raise ConfigurationError([Problem(str(self._path), 1, message)])


def _stat(file: Path) -> tuple[int, ...] | None:
    """Through symlinks, which is how the files of a mounted Secret are replaced."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
